"""Compare how the columns of two versions of a table are distributed: each with a test, and how large the shift is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from corpusmith.score.leaderboard import holm

LEVEL = 0.05
"""Of the family of all columns: the chance that any at all is called shifted where none is."""
MOST_CATEGORIES = 1_000
ROWS_PER_CATEGORY = 5
"""On average, at the least: a column with fewer holds words of its own in each row, not categories."""
EXPECTED = 5.0
"""Rows that a cell of the chi-squared test must be expected to hold at the least (Cochran 1954, Biometrics 10)."""
DRAWN = ("key", "seed")
"""Columns that are as good as drawn at random."""
CHI_SQUARED: Final = "chi-squared"
KOLMOGOROV_SMIRNOV: Final = "Kolmogorov–Smirnov"

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

COLUMNS: Final = pl.Schema(
    {
        "table": pl.String(),
        "column": pl.String(),
        "test": pl.String(),
        "old": pl.Float64(),
        "new": pl.Float64(),
        "effect": pl.Float64(),
        "p": pl.Float64(),
        "shifted": pl.Boolean(),
    }
)
CATEGORIES: Final = pl.Schema(
    {
        "table": pl.String(),
        "column": pl.String(),
        "value": pl.String(),
        "old": pl.Int64(),
        "new": pl.Int64(),
        "delta": pl.Int64(),
    }
)


@dataclass(frozen=True)
class Distributions:
    """columns: COLUMNS, a row for each that can be compared; categories: CATEGORIES, the rows of each word in both.

    old, new: the medians of numbers. effect: Cramér's V of categories, the KS distance of numbers, both from 0 to 1.
    p: after Holm, over all columns of all tables; null where there are too few rows to tell. shifted: p is below LEVEL.
    """

    columns: pl.DataFrame
    categories: pl.DataFrame


def compare(old: Mapping[str, pl.LazyFrame], new: Mapping[str, pl.LazyFrame]) -> Distributions:
    """The distributions of the columns that both versions of a table have, by the name of the table.

    Words of which there are few, booleans and lists of words (each of them counted) are categories; numbers and times
    are numbers, where a null counts as less than any; of the column ``text`` it is the length in characters. Images and
    whatever is nested are left alone, and so is a column that holds one and the same value throughout.

    Both tests are for two samples that are independent. Two versions of a corpus are not: most of their rows are the
    same, which makes a difference smaller than chance would. So the tests are conservative: what is called shifted is
    more than noise; what is not may still have moved by the few rows that differ.
    """
    columns: list[dict[str, Any]] = []
    categories = [pl.DataFrame(schema=CATEGORIES)]
    for name in (name for name in old if name in new):
        for column, counted in _categories(old[name], new[name]):
            p, effect = chi_squared(counted.select("old", "new").to_numpy())
            columns.append({"table": name, "column": column, "test": CHI_SQUARED, "effect": effect, "p": p})
            named = counted.with_columns(table=pl.lit(name), column=pl.lit(column))
            categories.append(named.select(*CATEGORIES.names()[:-1], delta=pl.col("new") - pl.col("old")))
        for column, *sides in _numbers(old[name], new[name]):
            p, effect = kolmogorov_smirnov(*sides)
            medians = dict(zip(("old", "new"), map(_median, sides), strict=True))
            columns.append({"table": name, "column": column, "test": KOLMOGOROV_SMIRNOV} | medians)
            columns[-1] |= {"effect": effect, "p": p}
    return Distributions(_corrected(pl.DataFrame(columns, schema=COLUMNS)), pl.concat(categories))


def chi_squared(counts: Ints) -> tuple[float | None, float | None]:
    """The p-value of Pearson's test that both columns of ``counts`` (k, 2) are drawn alike, and Cramér's V.

    Rare rows are merged first. None: that leaves fewer than two.
    """
    from scipy.stats import chi2_contingency

    cells = _merged(counts)
    if len(cells) < 2:
        return None, None
    statistic, p, _, _ = chi2_contingency(cells, correction=False)
    return float(p), float(np.sqrt(statistic / cells.sum()))


def kolmogorov_smirnov(old: Floats, new: Floats) -> tuple[float | None, float | None]:
    """The p-value of the two-sample test, by its limit (on the safe side where values are tied), and the distance."""
    from scipy.stats import ks_2samp

    if not len(old) or not len(new):
        return None, None
    found = ks_2samp(old, new, method="asymp")
    return float(found.pvalue), float(found.statistic)


def _merged(counts: Ints) -> Ints:
    """The rows of ``counts`` (k, 2), those too rare to be tested together in the last; shape (m, 2), m ≤ k.

    A row's smaller expected count is its sum times the share of the smaller side.
    """
    ordered = counts[np.argsort(-counts.sum(axis=1), kind="stable")]
    sides = ordered.sum(axis=0)
    if not sides.all():
        return ordered[:0]
    expected = ordered.sum(axis=1) * (sides.min() / sides.sum())
    common = int((expected >= EXPECTED).sum())
    if expected[common:].sum() < EXPECTED and common < len(ordered):
        common -= 1  # the rare ones together are too rare: the rarest of the others goes with them
    if common < 0:
        return ordered[:0]
    rest = ordered[common:].sum(axis=0, keepdims=True)
    return np.concatenate([ordered[:common], rest]) if rest.any() else ordered[:common]


def _corrected(columns: pl.DataFrame) -> pl.DataFrame:
    tested = columns["p"].is_not_null()
    corrected = np.full(columns.height, np.nan)
    corrected[tested.to_numpy()] = holm(columns["p"].drop_nulls().to_numpy())
    found = columns.with_columns(p=pl.Series(corrected, dtype=pl.Float64).fill_nan(None))
    return found.with_columns(shifted=(pl.col("p") < LEVEL).fill_null(False))


def _categories(old: pl.LazyFrame, new: pl.LazyFrame) -> Iterator[tuple[str, pl.DataFrame]]:
    """The columns of few words, each with the rows of each word: value, old, new, the most frequent first."""
    views = _shared(old, new, _words)
    few = _few(old, new, views)
    for name in few:
        sides = [
            table.select(value=views[name]).group_by("value").agg(pl.len().cast(pl.Int64).alias(side))
            for side, table in (("old", old), ("new", new))
        ]
        joined = sides[0].join(sides[1], on="value", how="full", coalesce=True, nulls_equal=True)
        counted = joined.with_columns(pl.col("old", "new").fill_null(0)).collect(engine="streaming")
        words = counted.drop_nulls("value")
        rows = sum(words.select(pl.col("old", "new").sum()).row(0))
        if counted.height > 1 and words.height <= min(MOST_CATEGORIES, rows / ROWS_PER_CATEGORY):
            yield name, counted.sort(pl.col("old") + pl.col("new"), "value", descending=[True, False], nulls_last=True)


def _few(old: pl.LazyFrame, new: pl.LazyFrame, views: Mapping[str, pl.Expr]) -> list[str]:
    """The columns that may hold few words: counted nearly, so that a million texts are not held to be counted."""
    if not views:
        return []
    near = pl.concat([_unique(table, views) for table in (old, new)]).max()
    return [name for name in views if near[name].item() <= 1.2 * MOST_CATEGORIES]


def _unique(table: pl.LazyFrame, views: Mapping[str, pl.Expr]) -> pl.DataFrame:
    counted = [view.approx_n_unique().cast(pl.Int64).alias(name) for name, view in views.items()]
    return table.select(counted).collect(engine="streaming")


def _numbers(old: pl.LazyFrame, new: pl.LazyFrame) -> Iterator[tuple[str, Floats, Floats]]:
    """The columns of numbers, each with its values in both, one column in memory at a time."""
    for name, view in _shared(old, new, _values).items():
        before, after = (
            table.select(view.cast(pl.Float64).fill_nan(None).fill_null(-np.inf))
            .collect(engine="streaming")
            .to_series()
            for table in (old, new)
        )
        if pl.concat([before.unique(), after.unique()]).n_unique() > 1:
            yield name, before.to_numpy(), after.to_numpy()


def _shared(old: pl.LazyFrame, new: pl.LazyFrame, kind: Any) -> dict[str, pl.Expr]:
    """The views of a kind that can be taken of both."""
    before, after = ({name: view for name, view in kind(table.collect_schema())} for table in (old, new))
    return {name: view for name, view in before.items() if name in after}


def _words(schema: pl.Schema) -> Iterator[tuple[str, pl.Expr]]:
    for name, kind in schema.items():
        if name not in DRAWN and isinstance(kind, pl.String | pl.Boolean | pl.Enum | pl.Categorical):
            yield name, pl.col(name).cast(pl.String)
        elif isinstance(kind, pl.List) and kind.inner == pl.String:
            yield name, pl.col(name).explode().drop_nulls()


def _values(schema: pl.Schema) -> Iterator[tuple[str, pl.Expr]]:
    for name, kind in schema.items():
        if name not in DRAWN and (kind.is_numeric() or kind.is_temporal()):
            yield name, pl.col(name).to_physical()
    if schema.get("text") == pl.String:
        yield "text (characters)", pl.col("text").str.len_chars()


def _median(values: Floats) -> float | None:
    finite = values[np.isfinite(values)]
    return float(np.median(finite)) if len(finite) else None
