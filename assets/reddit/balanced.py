"""The corpus itself: as many rows of each emotion, split so that nothing leaks."""

from __future__ import annotations

import polars as pl

from corpusmith.assets.reddit.settings import Balanced
from corpusmith.curate.balance import assign_splits, balanced, groups
from corpusmith.curate.valence import valence
from corpusmith.errors import BalanceError
from corpusmith.validation.schema import DIMENSIONS, RELEASE

ADVICE = """\
  - raise reddit.rewritten.rounds or lower reddit.rewritten.min_content_kept, so that more rewrites are kept;
  - raise reddit.synthesized.rounds, so that what was rejected is asked for again more often.
The rows are asked for by reddit.balanced.rows_per_emotion, the source is reddit.source."""


def balance(
    labelled: pl.LazyFrame, rewritten: pl.LazyFrame, synthesized: pl.LazyFrame, settings: Balanced
) -> pl.LazyFrame:
    """The release's rows, in the order of their keys. Raises BalanceError when an emotion cannot be filled."""
    kept = [samples.filter(pl.col("verdict") == "kept") for samples in (labelled, rewritten, synthesized)]
    candidates = pl.concat(
        [table.select("key", "emotion", "origin", "source_key", "thread", "cluster") for table in kept]
    )
    try:
        chosen = balanced(candidates.collect(), settings.rows_per_emotion, settings.tolerance)
    except BalanceError as error:
        raise BalanceError(f"{error}\n{ADVICE}") from None
    placed = chosen.with_columns(group=groups(chosen))
    fractions = {
        "train": 1 - settings.validation - settings.test,
        "validation": settings.validation,
        "test": settings.test,
    }
    splits = placed.select("key", "group", split=assign_splits(placed, fractions))
    columns = [name for name in RELEASE if name not in splits.columns and name not in DIMENSIONS]
    rows = pl.concat([table.select("key", *columns) for table in kept])
    released = splits.lazy().join(rows, on="key", how="left", maintain_order="left")
    return released.with_columns(
        valence=pl.col("text").map_batches(valence, return_dtype=pl.Float32, is_elementwise=True),
        arousal=pl.lit(None, pl.Float32),
        dominance=pl.lit(None, pl.Float32),
    ).select(list(RELEASE))
