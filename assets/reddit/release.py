"""The release of the Reddit corpus: its tables, and everything that says how they came to be."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from assets.reddit import comments as cleaning
from assets.reddit import makers
from assets.reddit.card import CARD, DEMO
from assets.reddit.rejected import made, rejected
from assets.reddit.sources import digest, is_demo, sources
from assets.released import params
from assets.resources import Workshop
from corpusmith.release.inputs import Release, Source


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
        params=params(workshop.settings, "reddit"),
        sources=[_source(source, workshop) for source in sources(workshop).values()],
    )


def _source(source: str, workshop: Workshop) -> Source:
    path = Path(source)
    name, size = (path.name, path.stat().st_size) if path.is_file() else (source, 0)
    said = cleaning.read_as(source, workshop.ledger, workshop.settings.reddit, workshop.salt)
    return Source(name, digest(source), size, tuple(said))
