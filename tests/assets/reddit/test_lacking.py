"""Asking in rounds: enough, not too much, and never for the same row twice."""

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from corpusmith.assets.reddit.lacking import Quota, counts, fill, lacking, to_ask, wanted
from corpusmith.assets.reddit.settings import Balanced
from corpusmith.emotions import EMOTIONS

SAMPLE = {"target": pl.String, "number": pl.Int64, "verdict": pl.String}


def writer_that_keeps(share: float):
    """Answers a quota with numbered rows, of which the given share is fit."""

    def ask(quota: Quota, made: list[pl.DataFrame]) -> pl.DataFrame:
        rows = [
            (emotion, number, "kept" if number % 100 < share * 100 else "rejected")
            for emotion, (start, asked) in quota.items()
            for number in range(start, start + asked)
        ]
        return pl.DataFrame(rows, schema=SAMPLE, orient="row")

    return ask


@given(st.dictionaries(st.sampled_from(EMOTIONS), st.integers(0, 60)), st.floats(0.3, 1))
def test_a_row_is_asked_for_once(lack, share):
    made = fill(lack, 4, writer_that_keeps(share))
    assert made.select("target", "number").is_unique().all()


@given(st.dictionaries(st.sampled_from(EMOTIONS), st.integers(1, 60), min_size=1))
def test_what_is_lacking_is_filled_when_everything_comes_out_fit(lack):
    kept = fill(lack, 4, writer_that_keeps(1.0)).group_by("target").len()
    assert all(count >= lack[emotion] for emotion, count in kept.rows())


def test_a_writer_that_never_succeeds_is_asked_for_a_bounded_number():
    made = fill({"fear": 30}, 4, writer_that_keeps(0.0))
    assert made.height <= 30 + 3 * 300


def test_nothing_lacking_asks_for_nothing():
    assert fill({}, 4, writer_that_keeps(1.0)).is_empty()


def test_only_kept_rows_count_and_absent_emotions_count_as_none():
    table = pl.LazyFrame({"emotion": ["joy", "joy", "fear"], "verdict": ["kept", "rejected", "kept"]})
    assert counts(table, table) == dict.fromkeys(EMOTIONS, 0) | {"joy": 2, "fear": 2}


def test_an_emotion_that_has_enough_lacks_nothing():
    have = dict.fromkeys(EMOTIONS, 5) | {"joy": 9, "fear": 1}
    assert lacking(have, 5) == {"fear": 4}


def test_without_a_set_number_half_of_the_emotions_are_filled_up():
    natural = dict(zip(EMOTIONS, [9, 8, 7, 6, 5, 4, 3], strict=True))
    assert wanted(natural, Balanced(rows_per_emotion=None, tolerance=0.02, validation=0.1, test=0.1)) == 6


def test_the_share_that_came_out_fit_says_how_many_to_ask_for():
    assert to_ask(10, kept=5, asked=10) == 20
