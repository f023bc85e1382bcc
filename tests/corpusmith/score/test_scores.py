import json

import numpy as np
import polars as pl
import pytest

from corpusmith.emotions import EMOTIONS
from corpusmith.errors import MakerError
from corpusmith.score import baselines, measured, metrics, scores
from corpusmith.work.ledger import Ledger
from corpusmith.work.produce import produce

THIS = scores.Measurement("probe", "subject", "model", "abc", {"epochs": 1}, "digest", form="raw", layer=3, depth=0.5)


@pytest.fixture
def matrix():
    truth = np.repeat(np.arange(7), 10)
    return metrics.confusion(truth, np.where(np.arange(70) % 3, truth, 0), 7)


def test_every_score_has_the_one_schema(matrix):
    found = scores.table(scores.overall(THIS, matrix, 50) + scores.by_class(THIS, matrix, 50))
    assert found.schema == scores.SCORES
    assert found.select("task", "model", "form", "layer").unique().rows() == [("probe", "model", "raw", 3)]
    assert json.loads(found["settings"][0]) == {"epochs": 1}
    assert set(found["metric"]) == {"accuracy", "macro_f1", "precision", "recall", "f1", "count"}


def test_the_confusion_matrix_comes_back_out_of_the_table(matrix):
    found = scores.table(scores.by_class(THIS, matrix, 50))
    assert (scores.confusion_of(found) == matrix).all()


def test_a_word_that_is_no_emotion_is_refused():
    assert scores.numbers(pl.Series(["joy", None, "neutral"])).tolist() == [0, -1, 6]
    with pytest.raises(pl.exceptions.InvalidOperationError):
        scores.numbers(pl.Series(["boredom"]))


def test_scores_are_measured_once_and_kept(matrix, tmp_path):
    def make(plan, maker):
        return produce(plan, maker, Ledger(tmp_path))

    calls = []

    def measure():
        calls.append(1)
        return scores.table(scores.overall(THIS, matrix, 50) + scores.by_class(THIS, matrix, 50))

    first, again = (measured.measured(make, THIS, measure).collect() for _ in range(2))
    assert len(calls) == 1
    assert first.equals(again)
    assert first.equals(measure())


def test_a_measurement_that_fails_stops_the_step(tmp_path):
    with pytest.raises(MakerError, match="ZeroDivisionError"):
        measured.measured(lambda plan, maker: produce(plan, maker, Ledger(tmp_path)), THIS, lambda: 1 / 0)


def test_counted_words_beat_the_majority_where_words_tell():
    tells = dict(zip(EMOTIONS, ["great", "cry", "hate", "scared", "wow", "gross", "table"], strict=True))
    rows = pl.DataFrame(
        [
            (f"{emotion}{number}", f"this is {word} number {number}", emotion, "test" if number % 4 == 0 else "train")
            for emotion, word in tells.items()
            for number in range(20)
        ],
        schema=["key", "text", "emotion", "split"],
        orient="row",
    )
    found = baselines.score(rows, THIS, draws=50).filter(pl.col("metric") == "accuracy")
    assert dict(found.select("subject", "value").iter_rows()) == {
        baselines.MAJORITY: pytest.approx(1 / 7),
        baselines.TFIDF: 1.0,
    }
