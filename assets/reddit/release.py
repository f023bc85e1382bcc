"""The release of the Reddit corpus: its tables, and everything that says how they came to be."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import dagster as dg
import polars as pl

from assets.reddit import comments as cleaning
from assets.reddit import makers
from assets.reddit.card import CARD, DEMO
from assets.reddit.comments import digest
from assets.reddit.rejected import made, rejected
from assets.reddit.sources import is_demo, sources
from assets.resources import Workshop
from corpusmith.release.inputs import Release, Source
from corpusmith.release.manifest import Manifest


def release_of(
    workshop: Workshop,
    comments: pl.LazyFrame,
    stages: Sequence[pl.LazyFrame],
    balanced: pl.LazyFrame,
    scores: pl.LazyFrame,
) -> Release:
    """Everything that the release says, ready to be written."""
    settings = workshop.settings.reddit
    here = [makers.judge(settings.models), makers.rewriter(settings.models), makers.generator(settings.models)]
    curation = {"model": "corpusmith/curate", "revision": cleaning.CURATION}
    return Release(
        corpus="reddit",
        version=settings.version,
        text=DEMO if is_demo(workshop) else CARD,
        rows=balanced,
        rejected=rejected(comments, stages, balanced),
        scores=scores.collect(),
        made=made(comments, stages),
        makers={cleaning.MAKER: curation, **{maker.fingerprint: maker.provenance for maker in here}},
        params=workshop.settings.model_dump(exclude={"reddit": {"source": True, "models": {"servers"}}}),
        sources=[_source(source) for source in sources(workshop).values()],
    )


def shown(manifest: Manifest, folder: Path) -> dg.MaterializeResult:
    """What the UI and the command line show of a release."""
    report = folder / "report" / "index.html"
    return dg.MaterializeResult(
        metadata={
            "version": manifest.version,
            "rows": manifest.counts["rows"],
            "release": dg.MetadataValue.path(str(folder)),
            "report": dg.MetadataValue.path(str(report)),
            "balance": dg.MetadataValue.json(manifest.counts),
        }
    )


def _source(source: str) -> Source:
    path = Path(source)
    return Source(path.name if path.is_file() else source, digest(source), path.stat().st_size if path.is_file() else 0)
