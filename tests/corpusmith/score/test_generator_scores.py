import json

import numpy as np
import polars as pl
import pytest
from scipy import stats

from corpusmith.emotions import VOCABULARIES
from corpusmith.score import generators
from corpusmith.score.scores import SCORES, Measurement

SKILL = {"sharp": 0.95, "middling": 0.7, "early": 0.3}


def made(per_emotion=24, seed=0, vocabulary="memo"):
    """Portraits of three generators: the first shows what is asked, and varies; the last seldom does, and does not."""
    random = np.random.default_rng(seed)
    emotions = list(VOCABULARIES[vocabulary].values())
    rows = []
    for number, (name, skill) in enumerate(SKILL.items()):
        for emotion in emotions:
            for i in range(per_emotion):
                degree = 0 if emotion == "neutral" else i % 3 + 1
                kept = random.random() < 0.9
                right = random.random() < skill
                other = emotions[(emotions.index(emotion) + 1) % len(emotions)]
                vector = np.eye(8)[emotions.index(emotion)] * 3 + random.normal(size=8) * (1 - number * 0.4)
                intensity = float(np.clip(degree / 3 + random.normal() * (1 - skill), 0, 1))
                seen = (emotion if right else other, intensity, skill, vector.tolist()) if kept else (None,) * 4
                rows.append((name, f"{emotion}-{i:03d}", emotion, degree, kept, *seen))
    return pl.DataFrame(rows, schema=generators.PORTRAITS, orient="row")


def of(name):
    return Measurement("generator", name, f"model of {name}", "abc", {"embedder": "e"}, "corpus")


def scored(portraits, vocabulary="memo", draws=200):
    return generators.generator_scores(portraits, {name: of(name) for name in SKILL}, vocabulary, draws)


def one(scores, subject, metric, label=None, degree=None):
    found = scores.filter(
        pl.col("subject").eq(subject),
        pl.col("metric").eq(metric),
        pl.col("label").eq_missing(label),
        pl.col("degree").eq_missing(degree),
        pl.col("other").is_null(),
    )
    return found.row(0, named=True)


@pytest.fixture(scope="module")
def portraits():
    return made()


@pytest.fixture(scope="module")
def scores(portraits):
    return scored(portraits)


def test_every_metric_is_there_and_explained(scores):
    assert scores.schema == SCORES
    assert set(scores["metric"]) == set(generators.METRICS)
    assert set(scores["label"].drop_nulls()) == set(VOCABULARIES["memo"])
    assert json.loads(one(scores, "sharp", "entropy")["settings"])["bandwidth"] > 0


def test_the_better_generator_stands_higher(scores):
    ranks = {name: one(scores, name, "rank")["value"] for name in SKILL}
    assert ranks == {"sharp": 1, "middling": 2, "early": 3}
    p = scores.filter(pl.col("metric") == "p_value")
    assert (p["value"] < 0.05).all()
    assert p.select("subject", "other").sort("subject", "other").rows() == [
        ("middling", "early"),
        ("sharp", "early"),
        ("sharp", "middling"),
    ]


def test_a_portrait_that_is_not_kept_is_a_miss_of_the_score_and_no_part_of_what_is_seen(portraits, scores):
    mine = portraits.filter(pl.col("generator") == "middling")
    right = int((mine["emotion_seen"] == mine["ekman"]).sum())
    assert one(scores, "middling", "score")["value"] == right / mine.height
    assert one(scores, "middling", "seen")["value"] == right / int(mine["kept"].sum())
    assert one(scores, "middling", "kept")["value"] == mine["kept"].mean()


def test_shares_have_wilsons_interval(portraits, scores):
    mine = portraits.filter(pl.col("generator") == "early", pl.col("ekman") == "joy", "kept")
    hits = int((mine["emotion_seen"] == "joy").sum())
    expected = stats.binomtest(hits, mine.height).proportion_ci(method="wilson")
    found = one(scores, "early", "seen", label="happy")
    assert (found["low"], found["high"], found["n"]) == (
        pytest.approx(expected.low),
        pytest.approx(expected.high),
        mine.height,
    )
    low, high = generators.wilson(np.array([0.0, 20.0, 0.0]), np.array([20.0, 20.0, 0.0]))
    assert low[0] == 0
    assert low[1] < high[1] == 1
    assert np.isnan([low[2], high[2]]).all()


def test_asked_and_seen_intensity_are_correlated_without_neutral(portraits, scores):
    mine = portraits.filter(pl.col("generator") == "middling", pl.col("ekman") != "neutral", "kept")
    expected = stats.spearmanr(mine["degree"], mine["intensity"]).statistic
    found = one(scores, "middling", "srcc")
    assert found["value"] == pytest.approx(expected)
    assert found["low"] < expected < found["high"]
    assert scores.filter(pl.col("metric") == "srcc", pl.col("label") == "neutral").is_empty()


def test_the_intensity_curve_rises_with_what_was_asked(portraits, scores):
    curve = [one(scores, "sharp", "intensity", degree=degree) for degree in range(4)]
    values = [point["value"] for point in curve]
    assert values == sorted(values)
    assert all(point["low"] <= point["value"] <= point["high"] for point in curve)
    mine = portraits.filter(pl.col("generator") == "sharp", pl.col("degree") == 2)
    assert values[2] == pytest.approx(mine["intensity"].mean(), abs=1e-6)


def test_the_more_varied_generator_has_more_spread_and_entropy(scores):
    for metric in ("spread", "entropy"):
        assert one(scores, "sharp", metric)["value"] > one(scores, "early", metric)["value"]
    found = one(scores, "sharp", "spread", label="happy")
    assert found["low"] < found["value"] < found["high"]


def test_positive_emotions_are_held_against_negative_ones():
    sunny = made().with_columns(kept=True).with_columns(emotion_seen=pl.lit("joy"))
    found = scored(sunny)
    gaps = found.filter(pl.col("metric") == "positive_minus_negative")
    assert gaps["subject"].to_list() == [*sorted(SKILL), generators.ALL]
    assert gaps.select("value", "low", "high").unique().rows() == [(1.0, 1.0, 1.0)]


@pytest.mark.parametrize("vocabulary", ["memo", "ekman"])
def test_the_order_of_rows_decides_nothing(vocabulary):
    portraits = made(6, vocabulary=vocabulary)
    found = scored(portraits, vocabulary, 50)
    assert found.equals(scored(portraits.sample(fraction=1, shuffle=True, seed=1), vocabulary, 50))


def test_generators_alike_share_the_first_rank():
    alike = [made(12).filter(pl.col("generator") == "middling").with_columns(generator=pl.lit(name)) for name in SKILL]
    found = scored(pl.concat(alike))
    assert found.filter(pl.col("metric") == "rank")["value"].to_list() == [1, 1, 1]
    assert found.filter(pl.col("metric") == "p_value")["value"].to_list() == [1, 1, 1]


def test_a_generator_of_which_nothing_was_kept_scores_nothing_and_stops_nobody():
    nothing = pl.col("generator") == "early"
    hidden = [
        pl.when(~nothing).then(name).alias(name) for name in ("emotion_seen", "intensity", "quality", "embedding")
    ]
    found = scored(made(6).with_columns(*hidden, kept=pl.col("kept") & ~nothing), draws=50)
    assert one(found, "early", "score")["value"] == 0
    for metric in ("seen", "intensity", "srcc", "quality", "spread", "entropy"):
        assert one(found, "early", metric)["value"] is None


def test_two_portraits_of_one_prompt_by_one_generator_are_refused(portraits):
    with pytest.raises(ValueError, match="one portrait of each prompt"):
        scored(pl.concat([portraits, portraits.head(1)]))
