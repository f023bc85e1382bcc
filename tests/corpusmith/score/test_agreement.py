"""Krippendorff's alpha is the published one, and behaves as agreement should."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from corpusmith.score.agreement import MEASURES, agreement, alpha

NAN = float("nan")
FOUR_OBSERVERS = np.array(
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, NAN, NAN, NAN],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, NAN, 3],
        [NAN, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, NAN],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, NAN],
    ]
).T
"""Krippendorff 2011, Computing Krippendorff's alpha-reliability, section C."""

TABLES = arrays(np.float64, (8, 4), elements=st.sampled_from([0.0, 1.0, 2.0, 5.0, NAN]))


@pytest.mark.parametrize(("level", "published"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)])
def test_alpha_of_the_published_example(level, published):
    assert alpha(FOUR_OBSERVERS, level) == pytest.approx(published, abs=0.0005)


def by_definition(values: np.ndarray, level: str) -> float:
    """All pairs one by one, as the paper's definition has it."""
    units = [unit[~np.isnan(unit)] for unit in values]
    units = [unit for unit in units if len(unit) > 1]
    every = np.concatenate(units) if units else np.array([])

    def differences(unit: np.ndarray) -> float:
        gaps = unit[:, None] - unit[None]
        return float((gaps != 0).sum() if level == "nominal" else (gaps**2).sum())

    expected = differences(every) / (len(every) * (len(every) - 1)) if len(every) else 0
    if not expected:
        return NAN
    return 1 - sum(differences(unit) / (len(unit) - 1) for unit in units) / len(every) / expected


@given(TABLES, st.sampled_from(["nominal", "interval"]))
@examples(max_examples=100)
def test_alpha_is_what_its_definition_says(values, level):
    assert alpha(values, level) == pytest.approx(by_definition(values, level), nan_ok=True)


@given(TABLES, st.permutations(range(4)), st.sampled_from(["nominal", "ordinal", "interval"]))
@examples(max_examples=50)
def test_the_order_of_annotators_does_not_matter(values, order, level):
    assert alpha(values[:, order], level) == pytest.approx(alpha(values, level), nan_ok=True)


@given(TABLES)
@examples(max_examples=50)
def test_ordinal_alpha_sees_only_the_order(values):
    assert alpha(np.exp(values), "ordinal") == pytest.approx(alpha(values, "ordinal"), nan_ok=True)


def test_random_annotators_agree_as_by_chance():
    values = np.random.default_rng(0).integers(0, 4, (4000, 3)).astype(float)
    assert alpha(values, "nominal") == pytest.approx(0, abs=0.03)


def test_annotators_of_portraits_are_compared_measure_by_measure():
    table = pl.DataFrame(
        {
            "key": ["a", "a", "b", "b", "c", "c", "d"],
            "annotator": ["one", "two"] * 3 + ["one"],
            "emotion": ["joy", "joy", "anger", "fear", "neutral", None, "joy"],
            "intensity": [0.2, 0.2, 0.9, 0.9, 0.0, 0.0, 1.0],
            "quality": [0.5, None, 0.5, None, 0.5, None, 0.5],
        }
    )
    found = {row["measure"]: row for row in agreement(table).to_dicts()}
    assert list(found) == list(MEASURES)
    assert found["polarity"] == {"measure": "polarity", "annotators": 2, "samples": 2, "values": 4, "alpha": 1.0}
    assert found["emotion"]["alpha"] == pytest.approx(1 - (2 / 4) / (10 / 12))
    assert found["intensity"]["alpha"] == 1.0
    assert found["intensity"]["samples"] == 3
    assert found["quality"] == {"measure": "quality", "annotators": 1, "samples": 0, "values": 0, "alpha": None}
