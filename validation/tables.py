"""The tables of a release as the suites of every corpus take them: read, typed, counted."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from corpusmith.errors import ReleaseError
from corpusmith.release import manifest, parquet
from corpusmith.validation.schema import Column, schema
from corpusmith.validation.suite import Table

if TYPE_CHECKING:
    from great_expectations.expectations.expectation import Expectation

SHARD: Final = re.compile(r"(?P<split>[a-z]+)-\d+-of-\d+\.parquet")
ABSENT: Final = "absent"


def released(folder: Path) -> tuple[pl.LazyFrame, pl.LazyFrame | None, dict[str, Any]]:
    """The rows of a release folder, its rejected rows, and what its manifest says (nothing where there is none).

    Raises ReleaseError when the folder has no data, is a part of a release, or a file is not named or filled as its
    split says.
    """
    if (folder / manifest.NAME).exists():
        manifest.check_whole(manifest.read(folder), folder)
    rows = pl.concat([_shard(path) for path in parquet.checked(folder)], how="diagonal_relaxed")
    rejected = parquet.scan(folder, "rejected") if (folder / "rejected").is_dir() else None
    said = asdict(manifest.read(folder)) if (folder / manifest.NAME).exists() else {}
    return rows, rejected, said


def _shard(path: Path) -> pl.LazyFrame:
    """A file of rows with the split that its name says; load_dataset goes by the name as well."""
    named = SHARD.fullmatch(path.name)
    if not named:
        raise ReleaseError(f"{path}: expected a name like train-00000-of-00004.parquet, which says the split")
    rows, split = pl.scan_parquet(path, glob=False), pl.lit(named["split"])
    if "split" in rows.collect_schema():
        others = rows.select("split").filter(pl.col("split") != split).head(1).collect()
        if others.height:
            raise ReleaseError(f"{path}: holds rows of the split {others['split'][0]!r}; build the release again")
    return rows.with_columns(split=split)


def required(columns: Mapping[str, Column], but: Sequence[str] = ()) -> dict[str, list[str]]:
    """The columns that some rows may not lack, with the origins of these."""
    return {name: list(column.required) for name, column in columns.items() if column.required and name not in but}


def columns(rows: pl.LazyFrame, expected: Mapping[str, Column], slug: str) -> Table:
    """The types of all columns, found and expected, which have to be the same."""
    found = rows.collect_schema()
    wanted = schema(dict(expected))
    every = list(dict.fromkeys([*wanted, *found]))
    types = {
        "column": every,
        "found": [str(found.get(name, ABSENT)) for name in every],
        "expected": [str(wanted.get(name, ABSENT)) for name in every],
    }
    return Table(lambda: pl.DataFrame(types), {slug: _equal("found", "expected")})


def conformed(rows: pl.LazyFrame, expected: Mapping[str, Column]) -> pl.LazyFrame:
    """The table with the expected columns and types; what cannot be read as such is null."""
    found = rows.collect_schema()
    return rows.select(
        pl.col(name).cast(column.dtype, strict=False)
        if name in found and (found[name] == column.dtype or not column.dtype.is_nested())
        else pl.lit(None, column.dtype).alias(name)
        for name, column in expected.items()
    )


def counts(made: Mapping[str, int], by: str, rows: pl.LazyFrame, rejected: pl.LazyFrame, slug: str) -> Table:
    """How many rows came in of each value of a column, and how many were released or rejected: as many."""

    def counted() -> pl.DataFrame:
        both = pl.concat([table.select(pl.col(by).cast(pl.String)) for table in (rows, rejected)])
        found = dict(both.drop_nulls().group_by(by).len().collect().rows())
        every = sorted({*made, *found})
        accounted = {name: [of.get(value, 0) for value in every] for name, of in (("made", made), ("accounted", found))}
        return pl.DataFrame({by: every, **accounted})

    return Table(counted, {slug: _equal("made", "accounted")})


def _equal(first: str, second: str) -> Expectation:
    import great_expectations.expectations as gx

    return gx.ExpectColumnPairValuesToBeEqual(column_A=first, column_B=second)
