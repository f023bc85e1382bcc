import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpusmith.emotions import EMOTIONS
from corpusmith.errors import BalanceError
from corpusmith.score import resample


def rows_of(counts: list[int]) -> pl.DataFrame:
    emotions = [emotion for emotion, count in zip(EMOTIONS, counts, strict=False) for _ in range(count)]
    keys = [f"{number:04d}" for number in range(len(emotions))]
    return pl.DataFrame({"key": keys, "emotion": emotions}, schema={"key": pl.String, "emotion": pl.String})


counts = st.lists(st.integers(1, 20), min_size=1, max_size=7)


@settings(deadline=None)
@given(counts)
def test_over_sampling_repeats_every_row_of_a_rare_emotion_about_equally(counts):
    drawn = resample.over_sample(rows_of(counts))
    assert set(drawn["emotion"].value_counts()["count"]) == {max(counts)}
    assert set(drawn["key"]) == set(rows_of(counts)["key"])
    times = (
        drawn.group_by("emotion", "key").len().group_by("emotion").agg(gap=pl.col("len").max() - pl.col("len").min())
    )
    assert times["gap"].max() <= 1


@settings(deadline=None)
@given(counts, st.integers(1, 10))
def test_under_sampling_takes_as_many_of_each_as_the_rarest_has(counts, at_most):
    drawn = resample.under_sample(rows_of(counts), at_most)
    assert set(drawn["emotion"].value_counts()["count"]) == {min(*counts, at_most)}
    assert drawn["key"].is_unique().all()


@settings(deadline=None)
@given(counts, st.integers(0, 5))
def test_draws_do_not_depend_on_the_order_of_rows(counts, seed):
    rows = rows_of(counts)
    shuffled = rows.sample(fraction=1, shuffle=True, seed=seed)
    for draw in (resample.over_sample, resample.under_sample):
        assert draw(rows).sort("key").equals(draw(shuffled).sort("key"))


def test_a_digest_changes_with_the_content_and_not_with_the_order():
    rows = rows_of([2, 3]).with_columns(text=pl.lit("some words"), split=pl.lit("train"))
    assert resample.digest(rows) == resample.digest(rows.reverse())
    assert resample.digest(rows) != resample.digest(rows.with_columns(split=pl.lit("test")))


def test_no_rows_to_test_on_says_what_would_help():
    rows = rows_of([3]).with_columns(split=pl.lit("train"))
    with pytest.raises(BalanceError, match=r"split test.*more rows of each emotion"):
        resample.splits(rows)
