"""A handful of rows through every step before the full run, as a table and a page; nothing is released."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from assets.reddit import comments, makers
from assets.reddit.labelled import label
from assets.reddit.rewritten import rewrite
from assets.reddit.sources import sources
from assets.reddit.synthesized import synthesize
from assets.resources import Workshop
from assets.samples import Preview, page
from corpusmith.curate.verdicts import REASONS

LINES = 2_000
SHOWN = ("origin", "emotion", "confidence", "target", "text", "source_text", "writer", "judge", "verdict", "reasons")


def preview(workshop: Workshop, rows: int) -> Preview:
    """The first lines of the first source through every stage: ``rows`` kept and rejected samples of each origin.

    What is made is in the ledger, so the full run does not make it again.
    """
    source = next(iter(sources(workshop).values()))
    few = workshop.settings.reddit.balanced.model_copy(update={"rows_per_emotion": rows})
    settings = workshop.settings.reddit.model_copy(update={"balanced": few})
    judge, make = makers.judge(settings.models), workshop.make

    read = comments.first(source, LINES, settings, workshop.salt)
    fit = comments.deduplicate(read.lazy(), settings.comments.jaccard).collect()
    enough = pl.concat([fit.filter(pl.col("verdict") == "kept").head(rows * 20), _rejected(fit).head(rows)])
    labelled = label(enough.lazy(), judge, make, settings.labelled.min_confidence).collect().lazy()
    rewritten = rewrite(labelled, makers.rewriter(settings.models), judge, make, settings)
    synthesized = synthesize(labelled, rewritten, makers.generator(settings.models), judge, make, settings)

    never_judged = _rejected(fit).head(rows).with_columns(origin=pl.lit("natural")).lazy()
    shown = [_some(never_judged, rows), *(_some(table, rows) for table in (labelled, rewritten, synthesized))]
    samples = pl.concat(shown, how="diagonal_relaxed").select(SHOWN)
    return Preview(samples, _page(samples, workshop.home / ".corpusmith" / "preview" / "index.html"))


def _rejected(table: pl.DataFrame) -> pl.DataFrame:
    return table.filter(pl.col("verdict") == "rejected")


def _some(table: pl.LazyFrame, rows: int) -> pl.DataFrame:
    columns = [name for name in SHOWN if name in table.collect_schema()]
    parts = [table.filter(pl.col("verdict") == verdict).sort("key").head(rows) for verdict in ("kept", "rejected")]
    return pl.concat(parts).select(columns).collect()


def _page(samples: pl.DataFrame, path: Path) -> Path:
    groups = [(str(origin), rows.to_dicts()) for (origin,), rows in samples.group_by("origin", maintain_order=True)]
    return page("reddit", path, groups=groups, rows=samples.height, reasons=REASONS)
