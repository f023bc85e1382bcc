import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, precision_recall_fscore_support

from corpusmith.score import metrics

pairs = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=60)


@settings(deadline=None)
@given(pairs)
def test_scores_are_those_of_scikit_learn(rows):
    truth, predicted = np.array(rows).T
    matrix = metrics.confusion(truth, predicted, 7)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        precision, recall, f1, _ = precision_recall_fscore_support(
            truth, predicted, labels=range(7), zero_division=np.nan
        )
        macro = precision_recall_fscore_support(truth, predicted, average="macro", zero_division=0)[2]
    assert metrics.accuracy(matrix) == pytest.approx(accuracy_score(truth, predicted))
    assert metrics.precision(matrix) == pytest.approx(precision, nan_ok=True)
    assert metrics.recall(matrix) == pytest.approx(recall, nan_ok=True)
    assert metrics.macro_f1(matrix) == pytest.approx(macro)
    assert np.nan_to_num(metrics.f1(matrix)) == pytest.approx(np.nan_to_num(f1))


@settings(deadline=None)
@given(st.lists(pairs, min_size=1, max_size=4))
def test_a_stack_of_matrices_is_scored_like_each_alone(stack):
    matrices = np.stack([metrics.confusion(*np.array(rows).T, 7) for rows in stack])
    for measure in (
        metrics.accuracy,
        metrics.coverage,
        metrics.macro_f1,
        metrics.f1,
        metrics.precision,
        metrics.recall,
    ):
        assert measure(matrices) == pytest.approx(np.stack([measure(matrix) for matrix in matrices]), nan_ok=True)


def test_an_unreadable_answer_costs_coverage_and_recall_but_not_accuracy():
    matrix = metrics.confusion(np.array([0, 0, 1, 1]), np.array([0, -1, 1, -1]), 2)
    assert matrix.tolist() == [[1, 0, 1], [0, 1, 1]]
    assert metrics.accuracy(matrix) == 1.0
    assert metrics.coverage(matrix) == 0.5
    assert metrics.recall(matrix).tolist() == [0.5, 0.5]


def test_a_share_of_nothing_is_nan():
    assert np.isnan(metrics.accuracy(np.zeros((7, 8), dtype=np.int64)))


def test_a_class_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="classes from 0 to 6"):
        metrics.confusion(np.array([7]), np.array([0]), 7)


def test_calibration_error_is_the_gap_between_confidence_and_accuracy():
    confidence = np.array([0.9] * 10 + [0.6] * 10)
    correct = np.array([True] * 9 + [False] + [True] * 2 + [False] * 8)
    assert metrics.calibration_error(confidence, correct) == pytest.approx(0.2)
    assert metrics.calibration_error(np.ones(4), np.ones(4, dtype=bool)) == 0.0
