"""Designs are balanced, distinct and cover pairs, whatever the factors."""

import math

import polars as pl
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from corpusmith.errors import PlanError
from corpusmith.work.covering import coverage, design

FACTORS = {name: tuple(range(k)) for name, k in zip("abcdefghijkl", (2, 3, 4, 5, 6, 2, 3, 4, 5, 2, 2, 4), strict=True)}


@st.composite
def tables(draw):
    """Some factors and a number of rows that they allow."""
    sizes = draw(st.lists(st.integers(1, 6), min_size=1, max_size=7))
    factors = {f"f{place}": tuple(range(size)) for place, size in enumerate(sizes)}
    return factors, draw(st.integers(1, min(60, math.prod(sizes))))


def spread(column: pl.Series, levels: tuple) -> int:
    counts = [(column == level).sum() for level in levels]
    return max(counts) - min(counts)


@given(tables(), st.integers(0, 2**32))
@examples(max_examples=60)
def test_every_design_is_balanced_and_its_rows_are_distinct(table, seed):
    factors, n = table
    made = design(factors, n, seed)
    assert made.height == made.n_unique() == n
    assert all(spread(made[name], levels) <= 1 for name, levels in factors.items())


def test_as_many_rows_as_there_are_make_the_full_factorial():
    made = design({"a": (0, 1), "b": (0, 1), "c": (0, 1)}, 8, 0)
    assert made.n_unique() == 8


def test_a_seed_decides_the_design():
    assert design(FACTORS, 40, 3).equals(design(FACTORS, 40, 3))
    assert not design(FACTORS, 40, 3).equals(design(FACTORS, 40, 4))


@pytest.mark.parametrize("n", [60, 100, 400])
def test_every_pair_of_levels_comes_and_about_equally_often(n):
    met = coverage(design(FACTORS, n, 0), FACTORS)
    assert met["missing"].sum() == 0
    assert (met["most"] - met["least"]).mean() < 1.5


def test_a_design_is_far_more_even_than_luck():
    drawn = pl.DataFrame({name: _drawn(levels, 100, name) for name, levels in FACTORS.items()})
    by_luck, by_design = coverage(drawn, FACTORS), coverage(design(FACTORS, 100, 0), FACTORS)
    assert (by_luck["most"] - by_luck["least"]).mean() > 4 * (by_design["most"] - by_design["least"]).mean()


def _drawn(levels: tuple, n: int, name: str) -> pl.Series:
    return pl.Series(list(levels)).sample(n, with_replacement=True, seed=ord(name))


@pytest.mark.parametrize("n", [1, 2, 3, 7, 20, 50])
def test_levels_that_must_not_meet_do_not(n):
    never = [{"e": 0, "d": 0}, {"e": 0, "i": 4}]
    for seed in range(10):
        made = design(FACTORS, n, seed, never=never)
        assert made.filter((pl.col("e") == 0) & ((pl.col("d") == 0) | (pl.col("i") == 4))).is_empty()
        assert all(spread(made[name], levels) <= 1 for name, levels in FACTORS.items())


@given(st.integers(1, 60), st.integers(0, 1000))
@examples(max_examples=20)
def test_an_absent_factor_is_balanced_where_it_is_present(n, seed):
    made = design(FACTORS, n, seed, absent={"i": {"d": 2}})
    assert (made["i"].is_null() == (made["d"] == 2)).all()
    assert spread(made["i"].drop_nulls(), FACTORS["i"]) <= 1


def test_coverage_counts_what_never_meets():
    table = pl.DataFrame({"a": [0, 0, 1], "b": [0, 1, 1]})
    assert coverage(table, {"a": (0, 1), "b": (0, 1)}).rows() == [("a", "b", 4, 1, 0, 1)]


@pytest.mark.parametrize(
    ("factors", "n", "options", "says"),
    [
        ({"a": (0, 1), "b": (0, 1)}, 5, {}, "only 4"),
        ({"a": ()}, 1, {}, "at least"),
        ({"a": (0, 1), "b": (0, 1)}, 2, {"never": [{"a": 7, "b": 0}]}, "one of its levels"),
        ({"a": (0, 1), "b": (0, 1)}, 2, {"never": [{"a": 0, "b": level} for level in (0, 1)]}, "allow more"),
    ],
)
def test_what_cannot_be_designed_is_said(factors, n, options, says):
    with pytest.raises(PlanError, match=says):
        design(factors, n, 0, **options)
