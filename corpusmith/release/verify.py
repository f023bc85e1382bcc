"""Prove a release: its files are unchanged, its keys follow from its plans, its rows can be made again."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from corpusmith.errors import ReleaseError
from corpusmith.release import manifest
from corpusmith.work.plan import KEY_HEX

TOLERANCE = 1e-3
"""By how much a probability may differ when it is made anew: float32 sums in another order, on another machine."""

_SLICE = 1 << 16
_NAMED = 5


@dataclass(frozen=True)
class Checked:
    """How many files are as they were released, and how many keys are right."""

    files: int
    keys: int


@dataclass(frozen=True)
class Regenerated:
    """Rows that were made anew: their number, how many came out bit for bit, how many within the tolerance.

    different: the others; columns key, origin, fingerprint, why.
    """

    rows: int
    identical: int
    within: int
    tolerance: float
    different: list[dict[str, str]]

    def summary(self) -> dict[str, Any]:
        """The same as plain data."""
        return {
            "regenerated": self.rows,
            "bit_for_bit": self.identical,
            "within_tolerance": self.within,
            "tolerance": self.tolerance,
            "different": self.different,
        }

    def sentence(self) -> str:
        """The result for people; rows that differ are named."""
        good = self.identical + self.within
        said = f"{good} of {self.rows} rows made again: {self.identical} bit for bit"
        if self.within:
            said += f", {self.within} with the same text and each probability within {self.tolerance:g}"
        named = [f"  {row['key']} ({row['origin']}): {row['why']}" for row in self.different]
        return "\n".join([said, *named])


def check_files(release: Path) -> Checked:
    """Check every file's digest, and that each key is the hash of its row's fingerprint and plan.

    Raises one ReleaseError that names every file that is not as recorded, or the first keys that are wrong.
    """
    said = manifest.check(release)
    tables = [release / name for name in said.files if name.startswith(("data/", "rejected/")) and ".parquet" in name]
    wrong: list[str] = []
    checked = 0
    for path in tables:
        rows = pl.scan_parquet(path).select("key", "fingerprint", "plan")
        for batch in rows.collect_batches(chunk_size=_SLICE):
            off = batch["key"] != recomputed_keys(batch)
            wrong += [f"{key} in {path.name}" for key in batch.filter(off.fill_null(True))["key"].to_list()]
            checked += batch.height
    if wrong:
        more = f" and {len(wrong) - _NAMED} more" if len(wrong) > _NAMED else ""
        raise ReleaseError(
            f"{release}: {len(wrong)} keys do not follow from plan and fingerprint: {', '.join(wrong[:_NAMED])}{more}"
        )
    return Checked(len(said.files), checked)


def recomputed_keys(rows: pl.DataFrame) -> pl.Series:
    """The key that fingerprint and plan (canonical JSON, as published) give each row; corpusmith.work.plan."""
    made = rows.select("fingerprint", "plan").rows()
    digests = [
        hashlib.blake2b(f"{fingerprint}\0{plan}".encode(), digest_size=KEY_HEX // 2).hexdigest()
        for fingerprint, plan in made
    ]
    return pl.Series("key", digests, dtype=pl.String)


def regenerate(release: Path, n: int, remake: Callable[[pl.DataFrame], pl.DataFrame]) -> Regenerated:
    """Make ``n`` rows anew and compare: text and label exactly, probabilities bit for bit or within TOLERANCE.

    The rows are the first by key of each maker in turn: the same ones each time, and every maker has its share.
    ``remake`` gets release rows of one fingerprint and returns them anew by ``key``, with any of their columns.
    """
    manifest.read(release)
    rows = sample(pl.scan_parquet(sorted((release / "data").glob("*.parquet"))), n)
    identical = within = 0
    different: list[dict[str, str]] = []
    for (fingerprint,), part in rows.group_by("fingerprint", maintain_order=True):
        compared = _compare(part, remake(part))
        identical += compared.filter(pl.col("exact") & pl.col("why").is_null()).height
        within += compared.filter(~pl.col("exact") & pl.col("why").is_null()).height
        for key, origin, why in compared.drop_nulls("why").select("key", "origin", "why").rows():
            different.append({"key": key, "origin": origin, "fingerprint": str(fingerprint), "why": why})
    return Regenerated(rows.height, identical, within, TOLERANCE, different)


def sample(rows: pl.LazyFrame, n: int) -> pl.DataFrame:
    """``n`` rows, as many of each maker as there are; keys are hashes, so the first ones are a draw at random."""
    place = rows.select("key", turn=pl.col("key").rank("ordinal").over("fingerprint")).sort("turn", "key").head(n)
    return rows.join(place.drop("turn"), on="key", how="semi").sort("fingerprint", "key").collect()


def _compare(old: pl.DataFrame, new: pl.DataFrame) -> pl.DataFrame:
    """Columns key, origin, exact (every probability bit for bit), why (what differs; null when nothing does)."""
    shared = [name for name in new.columns if name in old.columns and name != "key"]
    numbers = [name for name in shared if old.schema[name].is_float()]
    made = new.select("key", pl.lit(True).alias("made"), *(pl.col(name).alias(f"new {name}") for name in shared))
    joined = old.join(made, on="key", how="left", maintain_order="left")
    reasons = [pl.when(pl.col("made").is_null()).then(pl.lit("was not made"))]
    for name in shared:
        was, now = pl.col(name), pl.col(f"new {name}")
        off = ((was - now).abs() > TOLERANCE).fill_null(True) if name in numbers else was.ne_missing(now)
        reasons.append(pl.when(off).then(pl.format("{} was {}, is now {}", pl.lit(name), _shown(was), _shown(now))))
    exact = pl.all_horizontal(pl.lit(True), *(pl.col(name).eq_missing(pl.col(f"new {name}")) for name in numbers))
    return joined.select("key", "origin", exact=exact, why=pl.coalesce(reasons))


def _shown(value: pl.Expr) -> pl.Expr:
    return value.cast(pl.String).fill_null("null").str.head(200)
