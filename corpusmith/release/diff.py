"""What changed between two releases: rows by key, counts, scores."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from corpusmith.errors import ReleaseError
from corpusmith.release import manifest, parquet
from corpusmith.release.columns import images_of, without_images

_MEASURED = ["task", "subject", "form", "layer", "metric"]


@dataclass(frozen=True)
class Diff:
    """Rows by key; counts: what the corpus counts by, old, new, delta; scores: what both measured, old, new, delta.

    ``apart`` in scores says whether the two 95 % intervals are. redrawn: changed rows that have another image; renamed:
    added rows whose very image, or images, the old release has, under another key; both by the SHA-256 of the images.
    """

    old: str
    new: str
    added: int
    removed: int
    changed: int
    unchanged: int
    counts: pl.DataFrame
    scores: pl.DataFrame
    redrawn: int = 0
    renamed: int = 0

    def sentence(self) -> str:
        """The difference in a line."""
        rows = f"{self.added:,} rows added, {self.removed:,} removed, {self.changed:,} changed"
        images = f"; {self.redrawn:,} of the changed rows have another image" if self.redrawn else ""
        images += f"; {self.renamed:,} of the added rows have an image of the old release" if self.renamed else ""
        return f"{self.old} → {self.new}: {rows}, {self.unchanged:,} as before{images}"


def diff(old: Path, new: Path) -> Diff:
    """What is new in ``new``, and what of ``old`` is gone. A row is changed when any column but its key differs.

    Of an image its digest is compared. Raises ReleaseError when either is no release or damaged, or they are of two
    corpora.
    """
    before, after = (manifest.read(folder) for folder in (old, new))
    if before.corpus != after.corpus:
        raise ReleaseError(
            f"{old} is of {before.corpus} and {new} of {after.corpus}: expected two releases of one corpus"
        )
    with parquet.naming_damage(old, new, tables=("data", "scores")):
        return _compared(before, after, old, new)


def _compared(before: manifest.Manifest, after: manifest.Manifest, old: Path, new: Path) -> Diff:
    scanned = [parquet.scan(folder) for folder in (old, new)]
    images = [f"{name}_sha256" for name in images_of(scanned[1]) if name in images_of(scanned[0])]
    rows = [without_images(table) for table in scanned]
    shared = set.intersection(*(set(table.collect_schema()) for table in rows))
    hashed = [table.select("key", *images, row=pl.struct(pl.all().exclude("key")).hash()) for table in rows]
    both = hashed[0].join(hashed[1], on="key", how="full", suffix="_new")
    same = pl.col("row") == pl.col("row_new")
    drawn_anew = [pl.col(name) != pl.col(f"{name}_new") for name in images]
    counted = both.select(
        added=pl.col("row").is_null().sum(),
        removed=pl.col("row_new").is_null().sum(),
        changed=(~same).sum(),
        unchanged=same.sum(),
        redrawn=pl.any_horizontal(pl.lit(False), *drawn_anew).sum(),
    ).collect(engine="streaming")
    added = hashed[1].join(hashed[0], on="key", how="anti")
    again = added.join(hashed[0], on=images, how="semi", nulls_equal=True) if images else added.head(0)
    renamed = again.select(pl.len()).collect(engine="streaming").item()
    return Diff(
        f"{before.corpus} {before.version}",
        f"{after.corpus} {after.version}",
        **counted.row(0, named=True),
        renamed=renamed,
        counts=_counts(rows[0], rows[1], [name for name in _counted_by(after) if name in shared]),
        scores=_scores(old, new),
    )


def _counted_by(said: manifest.Manifest) -> list[str]:
    """The columns that the manifest counts rows by: those of label and origin."""
    names = [name.removeprefix("by_") for name in said.counts if name.startswith("by_")]
    return [name for name in reversed(names) if name != "split"]


def _counts(old: pl.LazyFrame, new: pl.LazyFrame, by: list[str]) -> pl.DataFrame:
    sides = [
        table.group_by(by).agg(pl.len().cast(pl.Int64).alias(side)) for side, table in (("old", old), ("new", new))
    ]
    joined = sides[0].join(sides[1], on=by, how="full", coalesce=True).with_columns(pl.col("old", "new").fill_null(0))
    return joined.with_columns(delta=pl.col("new") - pl.col("old")).sort(by).collect(engine="streaming")


def _scores(old: Path, new: Path) -> pl.DataFrame:
    """Scores of no single class that both releases have."""
    sides = [
        parquet.scan(folder, "scores")
        .filter(pl.all_horizontal(pl.col("^(label|degree|other)$").is_null()))
        .select(*_MEASURED, "value", "low", "high")
        .collect()
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
