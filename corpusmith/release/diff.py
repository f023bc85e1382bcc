"""What changed between two releases: rows by key, counts, scores."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from corpusmith.release import manifest

_MEASURED = ["task", "subject", "form", "layer", "metric"]


@dataclass(frozen=True)
class Diff:
    """Rows by key; counts: label, origin, old, new, delta; scores: what both measured, old, new, delta.

    ``apart`` in scores says whether the two 95 % intervals are.
    """

    old: str
    new: str
    added: int
    removed: int
    changed: int
    unchanged: int
    counts: pl.DataFrame
    scores: pl.DataFrame

    def sentence(self) -> str:
        """The difference in a line."""
        rows = f"{self.added:,} rows added, {self.removed:,} removed, {self.changed:,} changed"
        return f"{self.old} → {self.new}: {rows}, {self.unchanged:,} as before"


def diff(old: Path, new: Path, label: str = "emotion") -> Diff:
    """What is new in ``new``, and what of ``old`` is gone. A row is changed when any column but its key differs.

    Raises ReleaseError when either is no release.
    """
    before, after = (manifest.read(folder) for folder in (old, new))
    rows = [pl.scan_parquet(sorted((folder / "data").glob("*.parquet"))) for folder in (old, new)]
    hashed = [table.select("key", row=pl.struct(pl.all().exclude("key")).hash()) for table in rows]
    both = hashed[0].join(hashed[1], on="key", how="full", suffix="_new")
    same = pl.col("row") == pl.col("row_new")
    counted = both.select(
        added=pl.col("row").is_null().sum(),
        removed=pl.col("row_new").is_null().sum(),
        changed=(~same).sum(),
        unchanged=same.sum(),
    ).collect(engine="streaming")
    return Diff(
        f"{before.corpus} {before.version}",
        f"{after.corpus} {after.version}",
        **counted.row(0, named=True),
        counts=_counts(rows[0], rows[1], label),
        scores=_scores(old, new),
    )


def _counts(old: pl.LazyFrame, new: pl.LazyFrame, label: str) -> pl.DataFrame:
    sides = [
        table.group_by(label, "origin").agg(pl.len().cast(pl.Int64).alias(side))
        for side, table in (("old", old), ("new", new))
    ]
    joined = (
        sides[0]
        .join(sides[1], on=[label, "origin"], how="full", coalesce=True)
        .with_columns(pl.col("old", "new").fill_null(0))
    )
    return joined.with_columns(delta=pl.col("new") - pl.col("old")).sort(label, "origin").collect()


def _scores(old: Path, new: Path) -> pl.DataFrame:
    """Scores of no single class that both releases have."""
    sides = [
        pl.read_parquet(sorted((folder / "scores").glob("*.parquet")))
        .filter(pl.col("label").is_null())
        .select(*_MEASURED, "value", "low", "high")
        for folder in (old, new)
    ]
    joined = sides[0].join(sides[1], on=_MEASURED, suffix="_new", nulls_equal=True, maintain_order="left")
    return joined.select(
        *_MEASURED,
        old="value",
        new="value_new",
        delta=pl.col("value_new") - pl.col("value"),
        apart=(pl.col("low") > pl.col("high_new")) | (pl.col("low_new") > pl.col("high")),
    )
