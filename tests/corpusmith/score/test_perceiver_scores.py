import json

import numpy as np
import polars as pl
import pytest
from scipy import stats
from sklearn.metrics import accuracy_score, f1_score, recall_score

from corpusmith.emotions import POLARITY, VOCABULARIES
from corpusmith.score import perceivers
from corpusmith.score.scores import SCORES, Measurement

EMOTIONS = list(VOCABULARIES["memo"].values())
RIGHT = {"keen": 0.9, "dull": 0.5}


def answered(prompts=10, portraits=3, unreadable=0.1, seed=0):
    """What two perceivers say of a few portraits of each prompt; some answers cannot be read, some are disgust."""
    random = np.random.default_rng(seed)
    rows = []
    for name, skill in RIGHT.items():
        for number, emotion in enumerate(EMOTIONS):
            for i in range(prompts * portraits):
                prompt = f"{emotion}-{i % prompts:03d}"
                degree = 0 if emotion == "neutral" else i % prompts % 3 + 1
                wrong = [*EMOTIONS, "disgust"][(number + 1 + i % 6) % 7]
                said = emotion if random.random() < skill else wrong
                intensity = float(np.clip(degree / 3 + random.normal() * (1 - skill), 0, 1))
                lost = random.random() < unreadable
                answer = (None, None) if lost else (said, intensity)
                rows.append((name, f"{prompt}/{i}", prompt, emotion, emotion, degree / 3, False, *answer))
    return pl.DataFrame(rows, schema=perceivers.ANSWERS, orient="row")


def scored(answers, vocabulary="memo", draws=200):
    of = {name: Measurement("perceiver", name, f"model {name}", "abc", {"a": 1}, "corpus") for name in RIGHT}
    return perceivers.perceiver_scores(answers, of, vocabulary, draws)


def one(scores, subject, metric, label=None):
    found = scores.filter(
        pl.col("subject").eq(subject),
        pl.col("metric").eq(metric),
        pl.col("label").eq_missing(label),
        pl.col("other").is_null(),
    )
    return found.row(0, named=True)


@pytest.fixture(scope="module")
def answers():
    return answered()


@pytest.fixture(scope="module")
def scores(answers):
    return scored(answers)


def test_every_metric_is_there_and_explained(scores):
    assert scores.schema == SCORES
    assert set(scores["metric"]) == {*perceivers.METRICS, "precision", "recall", "f1", "count"}
    assert set(scores["label"].drop_nulls()) == set(VOCABULARIES["memo"])


def test_categories_and_polarities_are_scored_as_sklearn_does(answers, scores):
    mine = answers.filter(pl.col("perceiver") == "dull")
    read = mine.drop_nulls("emotion")
    truth, said = mine["truth"], mine["emotion"].fill_null("?")
    assert one(scores, "dull", "coverage")["value"] == pytest.approx(read.height / mine.height)
    assert one(scores, "dull", "accuracy")["value"] == pytest.approx(accuracy_score(read["truth"], read["emotion"]))
    expected = f1_score(truth, said, labels=EMOTIONS, average="macro")
    assert one(scores, "dull", "macro_f1")["value"] == pytest.approx(expected)
    assert one(scores, "dull", "recall", "worry")["value"] == pytest.approx(
        recall_score(truth, said, labels=["fear"], average=None)[0]
    )
    fold = {**POLARITY, "?": "?"}
    coarse, coarse_said = truth.replace_strict(fold), said.replace_strict(fold)
    there = (said != "?").to_numpy()
    assert one(scores, "dull", "polarity_accuracy")["value"] == pytest.approx(
        accuracy_score(coarse.filter(there), coarse_said.filter(there))
    )
    assert one(scores, "dull", "polarity_macro_f1")["value"] == pytest.approx(
        f1_score(coarse, coarse_said, labels=sorted(set(coarse)), average="macro")
    )


def test_intensity_is_scored_as_scipy_does_neutral_left_out(answers, scores):
    mine = answers.filter(pl.col("perceiver") == "keen", pl.col("truth") != "neutral")
    said = mine.drop_nulls("intensity")
    x, y = said["truth_intensity"].to_numpy(), said["intensity"].to_numpy()
    assert one(scores, "keen", "srcc")["value"] == pytest.approx(stats.spearmanr(x, y).statistic)
    assert one(scores, "keen", "plcc")["value"] == pytest.approx(stats.pearsonr(x, y).statistic, abs=1e-6)
    assert one(scores, "keen", "mae")["value"] == pytest.approx(np.abs(x - y).mean(), abs=1e-6)
    assert one(scores, "keen", "intensity_coverage")["value"] == pytest.approx(said.height / mine.height)


def test_an_answer_that_the_vocabulary_has_no_word_for_is_wrong_and_keeps_its_name(answers, scores):
    counts = scores.filter(pl.col("metric") == "count", pl.col("subject") == "dull")
    disgust = counts.filter(pl.col("predicted") == "disgust")["value"].sum()
    assert disgust == answers.filter(pl.col("perceiver") == "dull", pl.col("emotion") == "disgust").height > 0
    assert counts["value"].sum() == answers.filter(pl.col("perceiver") == "dull").height
    assert set(counts["predicted"]) == {*VOCABULARIES["memo"], "disgust", ""}
    named = scored(answers, "ekman").filter(pl.col("metric") == "count")
    assert set(named["label"]) == set(EMOTIONS)


def test_the_keener_perceiver_stands_first_and_an_unreadable_answer_is_wrong(answers, scores):
    mine = answers.filter(pl.col("perceiver") == "keen")
    found = one(scores, "keen", "score")
    assert found["value"] == pytest.approx((mine["emotion"] == mine["truth"]).fill_null(False).mean())
    assert [one(scores, name, "rank")["value"] for name in RIGHT] == [1, 2]


def test_intervals_hold_their_estimates(scores):
    bounded = scores.drop_nulls(["value", "low", "high"])
    assert bounded.filter((pl.col("low") > pl.col("value")) | (pl.col("high") < pl.col("value"))).is_empty()


def test_portraits_of_one_prompt_are_not_taken_for_independent():
    """Twelve portraits of a prompt that are read alike tell as much as one: the interval does not narrow."""
    once = answered(portraits=1, unreadable=0)
    copies = pl.concat([once.with_columns(key=pl.format("{}/{}", "key", pl.lit(i))) for i in range(12)])
    few, many = (scored(each, draws=400) for each in (once, copies))
    for metric in ("score", "accuracy", "macro_f1", "srcc", "plcc", "mae"):
        first, second = (one(found, "dull", metric) for found in (few, many))
        assert second["high"] - second["low"] == pytest.approx(first["high"] - first["low"], rel=0.02)


def test_people_say_the_truth_where_they_looked_and_the_prompt_elsewhere():
    portraits = pl.LazyFrame(
        {
            "key": ["a", "b"],
            "ekman": ["joy", "fear"],
            "degree": [1, 2],
            "emotion_seen": [None, "surprise"],
            "intensity": [None, 0.9],
        },
        schema_overrides={"degree": pl.Int8, "intensity": pl.Float32},
    )
    found = perceivers.truth(portraits).collect()
    assert found.select("truth", "human").rows() == [("joy", False), ("surprise", True)]
    assert found["truth_intensity"].to_list() == pytest.approx([1 / 3, 0.9])


def test_a_score_says_whose_truth_it_is_held_against(answers):
    mixed = answers.with_columns(human=pl.col("key").str.ends_with("/1"))
    told = json.loads(one(scored(mixed, draws=20), "dull", "accuracy")["settings"])
    assert told == {"a": 1, "truth": {"asked": 174, "human": 6}}


def test_the_order_of_rows_decides_nothing(answers):
    shuffled = answers.sample(fraction=1, shuffle=True, seed=3)
    assert scored(answers, draws=50).equals(scored(shuffled, draws=50))


def test_a_perceiver_that_says_nothing_has_no_accuracy_and_stops_nobody(answers):
    mute = pl.col("perceiver") == "dull"
    hidden = [pl.when(~mute).then(name).alias(name) for name in ("emotion", "intensity")]
    found = scored(answers.with_columns(*hidden), draws=50)
    assert [one(found, "dull", metric)["value"] for metric in ("score", "coverage", "macro_f1")] == [0, 0, 0]
    assert [one(found, "dull", metric)["value"] for metric in ("accuracy", "srcc", "plcc", "mae")] == [None] * 4
