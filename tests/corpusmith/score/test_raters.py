"""A panel of people is screened as BT.500 says, and what is left of it has a mean, an interval and a majority."""

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from corpusmith.emotions import EMOTIONS
from corpusmith.score.raters import OPINIONS, RATINGS, as_annotations, opinions, rejected, screened

IMAGES = 1000
CONSISTENT = 10  # raters


def panel(values: np.ndarray, emotions: list[str] | None = None) -> pl.DataFrame:
    """Ratings (raters, images) as a table; NaN: not said."""
    raters, images = values.shape
    said = values.ravel()
    return (
        pl.DataFrame(
            {
                "rater": np.repeat([f"rater-{i:02d}" for i in range(raters)], images),
                "key": np.tile([f"image-{i:03d}" for i in range(images)], raters),
                "emotion": emotions or ["joy"] * raters * images,
                "degree": said,
                "quality": said,
            }
        )
        .with_columns(pl.col("degree", "quality").fill_nan(None))
        .cast(RATINGS)
    )


def consistent(seed: int, raters: int = CONSISTENT) -> np.ndarray:
    draws = np.random.default_rng(seed)
    truth = draws.uniform(0.2, 0.8, IMAGES)
    return np.clip(truth + draws.normal(0, 0.1, (raters, IMAGES)), 0, 1)


@given(st.integers(0, 999))  # of these seeds no panel is near a threshold
@examples(max_examples=5)
def test_consistent_raters_are_kept(seed):
    assert rejected(panel(consistent(seed))) == []


@given(st.integers(0, 999))  # of these seeds no panel is near a threshold
@examples(max_examples=5)
def test_a_random_rater_among_consistent_ones_is_screened_out(seed):
    values = consistent(seed)
    values[3] = np.random.default_rng([seed, 1]).uniform(0, 1, IMAGES)
    assert rejected(panel(values)) == ["rater-03"]


def test_a_strict_rater_is_kept_for_he_is_far_on_one_side_only():
    values = consistent(0)
    values[3] = np.clip(values[3] - 0.4, 0, 1)
    found = screened(panel(values), "degree").row(3, named=True)
    assert found["below"] / found["ratings"] > 0.05
    assert not found["rejected"]


def by_the_letter(values: np.ndarray) -> list[tuple[int, int, bool]]:
    """BT.500-15, A1-2.3.1, one rating at a time: P, Q and whether the rater is rejected."""
    found = []
    for i in range(len(values)):
        p = q = 0
        for scores in values.T:
            u, s = scores.mean(), scores.std(ddof=1)
            if scores.max() == scores.min():
                continue
            kurtosis = ((scores - u) ** 4).mean() / ((scores - u) ** 2).mean() ** 2
            far = 2 if 2 <= kurtosis <= 4 else math.sqrt(20)
            p += scores[i] - u >= far * s
            q += scores[i] - u <= -far * s
        both = p + q
        found.append((p, q, bool(both / values.shape[1] > 0.05 and abs(p - q) / both < 0.3)))
    return found


@given(st.integers(0, 2**32), st.integers(6, 30))
@examples(max_examples=10)
def test_screening_is_what_the_recommendation_says(seed, raters):
    draws = np.random.default_rng(seed)
    values = np.clip(draws.normal(0.5, 0.05, (raters, 40)), 0, 1)
    values[0] = draws.uniform(0, 1, 40)
    assert screened(panel(values), "quality").select("above", "below", "rejected").rows() == by_the_letter(values)


def test_what_a_rejected_rater_said_is_not_used():
    values = consistent(1)
    values[0] = np.random.default_rng(2).uniform(0, 1, IMAGES)
    without = opinions(panel(values).filter(pl.col("rater") != "rater-00"))
    assert opinions(panel(values)).equals(without)
    assert without["raters"].unique().to_list() == [CONSISTENT - 1]


def test_a_mean_opinion_score_has_its_interval():
    found = opinions(panel(np.array([[0.2], [0.4], [0.6]]))).row(0, named=True)
    half = 1.96 * 0.2 / math.sqrt(3)
    assert found["degree"] == pytest.approx(0.4)
    assert (found["degree_low"], found["degree_high"]) == pytest.approx((0.4 - half, 0.4 + half))


def test_a_single_rating_has_no_interval_and_what_was_not_said_is_null():
    ratings = pl.DataFrame([("a", "image", None, None, 0.5)], schema=RATINGS, orient="row")
    found = opinions(ratings).row(0, named=True)
    assert (found["quality"], found["quality_low"], found["degree"], found["emotion"]) == (0.5, None, None, None)
    assert found["p_joy"] is None


@pytest.mark.parametrize(
    ("votes", "emotion", "most"),
    [(["joy", "joy", "fear"], "joy", 2), (["joy", "fear"], None, 1), ([None, "anger"], "anger", 1), ([None], None, 0)],
)
def test_the_emotion_is_the_majoritys(votes, emotion, most):
    found = opinions(panel(np.full((len(votes), 1), 0.5), votes)).row(0, named=True)
    assert (found["emotion"], found["votes"]) == (emotion, most)
    shares = [found[f"p_{name}"] for name in EMOTIONS]
    assert shares == [None] * 7 if not most else sum(shares) == pytest.approx(1)


def test_opinions_are_rows_of_the_annotations_table():
    row = as_annotations(opinions(panel(np.array([[0.25], [0.75]])))).row(0, named=True)
    said = {"annotator": "people", "emotion": "joy", "intensity": 0.5, "quality": 0.5, "human": True, "p_joy": 1.0}
    assert said.items() <= row.items()


def test_nobody_s_ratings_are_no_opinions():
    assert opinions(pl.DataFrame(schema=RATINGS)).equals(pl.DataFrame(schema=OPINIONS))
