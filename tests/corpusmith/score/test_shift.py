"""Effective robustness, failure points and their intervals, against plain definitions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit
from scipy.stats import linregress

from corpusmith.score import bootstrap, shift

ODDS = st.lists(st.tuples(st.floats(-4, 4), st.floats(-4, 4)), min_size=3, max_size=12)


@given(ODDS)
def test_the_line_is_that_of_least_squares(points):
    without, shifted = np.array(points).T
    found = shift.line(without, shifted)
    if np.ptp(without) < 1e-3:
        return
    expected = linregress(without, shifted)
    assert found.slope == pytest.approx(expected.slope, abs=1e-6)
    assert found.intercept == pytest.approx(expected.intercept, abs=1e-6)
    if np.ptp(shifted) > 1e-3:
        assert found.r2 == pytest.approx(expected.rvalue**2, abs=1e-6)


def test_lines_of_many_resamples_are_each_their_own():
    random = np.random.default_rng(0)
    without, shifted = random.normal(size=(2, 40, 6))
    found = shift.line(without, shifted)
    each = [shift.line(*pair) for pair in zip(without, shifted, strict=True)]
    assert found.slope == pytest.approx(np.array([one.slope for one in each]))
    assert found.r2 == pytest.approx(np.array([one.r2 for one in each]))


def test_a_family_of_two_or_of_equals_has_no_line():
    assert np.isnan(shift.line(np.array([0.0, 1.0]), np.array([0.0, 1.0])).slope)
    alike = shift.line(np.full(5, 0.3), np.arange(5.0))
    assert np.isnan(alike.slope)
    assert np.isnan(shift.effective_robustness(alike, np.array(0.1), np.array(0.4)))


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_log_odds_are_finite_and_exact_between_half_a_row_and_all_but_half(rows, accuracy):
    found = shift.logit(np.array(accuracy), rows)
    assert np.isfinite(found)
    if 0.5 / rows <= accuracy <= 1 - 0.5 / rows:
        assert expit(found) == pytest.approx(accuracy)
    assert shift.logit(np.array(0.0), rows) == pytest.approx(-shift.logit(np.array(1.0), rows))


@given(st.floats(0.2, 2), st.floats(-2, 1), st.floats(0.05, 0.95))
def test_classifiers_on_the_line_have_no_effective_robustness(slope, intercept, accuracy):
    rows = 10_000
    family = shift.logit(np.linspace(0.2, 0.9, 7), rows)
    baseline = shift.line(family, slope * family + intercept)
    without = shift.logit(np.array(accuracy), rows)
    on_it = expit(slope * without + intercept)
    assert shift.effective_robustness(baseline, without, on_it) == pytest.approx(0, abs=1e-9)
    assert shift.effective_robustness(baseline, without, on_it + 0.02) == pytest.approx(0.02)


def test_resampled_accuracies_are_those_of_the_rows_and_paired():
    correct = np.random.default_rng(0).random((3, 200)) < [[0.8], [0.5], [0.5]]
    correct[2] = correct[1]
    found = shift.resampled(correct, "rows", draws=2000)
    assert found.shape == (2000, 3)
    assert found.mean(axis=0) == pytest.approx(correct.mean(axis=1), abs=0.01)
    assert (found[:, 1] == found[:, 2]).all()
    assert found[:, 0].std() == pytest.approx(np.sqrt(0.16 / 200), rel=0.15)


def test_one_key_draws_the_same_rows_of_every_set():
    correct = np.random.default_rng(1).random((1, 30)) < 0.5
    first, other = shift.resampled(correct, "a", draws=50), shift.resampled(~correct, "a", draws=50)
    assert first + other == pytest.approx(1)
    assert not np.array_equal(first, shift.resampled(correct, "b", draws=50))


def test_resamples_in_parts_are_all_drawn(monkeypatch):
    monkeypatch.setattr(bootstrap, "CHUNK_CELLS", 60)
    found = shift.resampled(np.eye(2, 20, dtype=bool), "parts", draws=8)
    assert found.shape == (8, 2)
    assert len(np.unique(found, axis=0)) > 2


def test_an_interval_over_seeds_holds_what_seeds_and_rows_do():
    """Seeds far apart make it wide, and of one seed the rows alone are left."""
    apart = np.tile([0.2, 0.8], (4000, 1))
    found = shift.over_seeds(apart, "seeds")
    assert set(found.round(6)) == {0.2, 0.5, 0.8}
    assert found.mean() == pytest.approx(0.5, abs=0.02)
    alone = np.random.default_rng(0).random((50, 1))
    assert shift.over_seeds(alone, "seeds") == pytest.approx(alone[:, 0])


@given(st.integers(2, 8), st.data())
def test_a_masked_classifier_names_a_shared_class_and_orders_them_as_before(classes, data):
    allowed = data.draw(st.lists(st.integers(0, classes - 1), min_size=1, unique=True))
    logits = np.random.default_rng(classes).normal(size=(5, classes))
    found = shift.masked(logits, allowed)
    assert set(found.argmax(axis=1)) <= set(allowed)
    assert (found[:, allowed] == logits[:, allowed]).all()
    assert np.isinf(found).sum() == 5 * (classes - len(allowed))


def test_sets_that_share_no_class_cannot_be_masked():
    with pytest.raises(ValueError, match="share, found none"):
        shift.masked(np.zeros((2, 3)), [])


@given(st.lists(st.lists(st.booleans(), min_size=4, max_size=4), min_size=1, max_size=20))
def test_a_failure_point_is_the_first_wrong_severity(rows):
    found = shift.failure_points(np.array(rows))
    assert list(found) == [row.index(False) if False in row else 4 for row in rows]
