"""Written texts are told from people's as well as they can be, and what they repeat is counted to the word."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpusmith.curate.memorised import index_of
from corpusmith.score import naturalness
from corpusmith.score.scores import Measurement

OF = Measurement("naturalness", "naturalness", "naturalness", "", naturalness.SETTINGS, "a corpus")
SURENESS = st.lists(st.integers(-3, 3).map(float), min_size=1, max_size=30).map(np.array)
FILLER = ("the bus was late and it rained", "we had soup again and I slept well", "my phone died on the way to work")


def corpus(natural: list[str], written: list[str], emotion: str = "joy") -> pl.DataFrame:
    rows = [(text, "natural") for text in natural] + [(text, "synthetic") for text in written]
    frame = pl.DataFrame(rows, schema=["text", "origin"], orient="row").with_row_index("place")
    key = pl.col("place").cast(pl.String).str.zfill(6)
    return frame.select(
        key=key,
        text="text",
        origin="origin",
        emotion=pl.lit(emotion),
        source_text=pl.lit(None, pl.String),
        writer=pl.lit(None, pl.String),
    )


def value(scores: pl.DataFrame, metric: str, subject: str = "synthetic", label: str | None = None) -> float | None:
    where = pl.col("label").is_null() if label is None else pl.col("label") == label
    return scores.filter(where, metric=metric, subject=subject)["value"].item()


@given(SURENESS, SURENESS)
def test_the_area_is_the_one_that_scikit_learn_finds(written, natural):
    from sklearn.metrics import roc_auc_score

    truth = [True] * len(written) + [False] * len(natural)
    expected = roc_auc_score(truth, np.concatenate([written, natural]))
    assert naturalness.auc(written, natural)[0] == pytest.approx(expected)


@given(SURENESS, SURENESS, st.randoms(use_true_random=False))
def test_a_row_that_is_drawn_twice_counts_twice(written, natural, random):
    times = [np.array([random.randrange(3) for _ in part]) + (part == part.max()) for part in (written, natural)]
    weighted = naturalness.auc(written, natural, (times[0][None, :].astype(float), times[1][None, :].astype(float)))
    repeated = naturalness.auc(np.repeat(written, times[0]), np.repeat(natural, times[1]))
    assert weighted == pytest.approx(repeated)


def test_a_phrase_of_the_writers_own_gives_every_row_away():
    texts = [f"{FILLER[number % 3]}, {number} times" for number in range(60)]
    scores = naturalness.score(corpus(texts, [f"honestly so glad, {text}" for text in texts]), OF, 50)
    assert value(scores, "detectability") == 1.0
    assert value(scores, "detectability", label="joy") == 1.0
    assert value(scores, "repeated_4grams") > value(scores, "repeated_4grams", "natural")


def test_what_is_drawn_as_people_s_is_cannot_be_told_from_it():
    words = ["bus", "rain", "soup", "phone", "work", "sleep", "dog", "tree", "late", "cold", "sun", "door"]
    random = np.random.default_rng(0)
    texts = [" ".join(random.choice(words, 8)) for _ in range(400)]
    scores = naturalness.score(corpus(texts[:200], texts[200:]), OF, 200)
    row = scores.filter(pl.col("label").is_null(), metric="detectability").row(0, named=True)
    assert row["low"] < 0.5 < row["high"]


def test_of_too_few_rows_nothing_is_said():
    scores = naturalness.score(corpus(["one two three four"] * 19, ["five six seven eight"] * 30), OF, 20)
    assert value(scores, "detectability") is None


def test_runs_of_four_words_are_counted_once_for_each_row_that_has_them():
    words = pl.Series([["a", "b", "c", "d"], ["a", "b", "c", "d", "e"], ["x", "a", "b", "c", "d"], ["a", "b"]])
    assert naturalness.repeated(words) == pytest.approx(3 / 5)  # abcd three times, bcde and xabc once each
    twice_in_one = pl.Series([["a"] * 9, ["b"] * 4])
    assert naturalness.repeated(twice_in_one) == 0.0


def test_rewrites_are_held_against_their_sources():
    rows = described(["The bus never came!", "No bus."], source_text="the bus came")
    assert naturalness.describe(rows)["content_kept"] == pytest.approx(0.75)


def test_a_model_is_not_asked_how_much_its_own_writing_surprises_it():
    texts = ["I love this so much", "we had soup again"]
    own, another = (naturalness.describe(described(texts, writer=who)) for who in ("house/language@1", "a@1"))
    assert np.isnan(own["perplexity"])
    assert another["perplexity"] > 1


def test_what_stands_in_the_training_text_is_counted(monkeypatch):
    known = index_of(pl.Series(["one two three four five six seven eight nine ten"]), 1000)
    monkeypatch.setattr("corpusmith.curate.memorised.shipped", lambda: known)
    rows = described(["and one two three four five six seven eight nine", "one two three"])
    assert naturalness.describe(rows)["verbatim"] == 0.5


def described(texts: list[str], source_text: str | None = None, writer: str | None = None) -> pl.DataFrame:
    both = {"source_text": pl.lit(source_text, pl.String), "writer": pl.lit(writer, pl.String)}
    return pl.DataFrame({"text": texts}).with_columns(**both)
