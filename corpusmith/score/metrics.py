"""Measures of classification, each a function of confusion matrices, so that a thousand resamples cost one call.

A confusion matrix has a row for each true class and a column for each predicted one, shape (…, k, m); columns beyond
the first k count answers that name no class. NaN stands for a share of nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Floats = np.ndarray[Any, np.dtype[np.float64]]
Ints = np.ndarray[Any, np.dtype[np.int64]]


def confusion(truth: Ints, predicted: Ints, classes: int) -> Ints:
    """Counts of (true, predicted) pairs, shape (classes, classes + 1); the last column counts ``predicted == -1``.

    truth, predicted: class numbers, shape (n,). Raises ValueError on any other number.
    """
    if truth.shape != predicted.shape:
        raise ValueError(f"expected a prediction for each row, found {predicted.shape} for {truth.shape}")
    if not (np.isin(truth, np.arange(classes)).all() and np.isin(predicted, np.arange(-1, classes)).all()):
        raise ValueError(f"expected classes from 0 to {classes - 1} (-1: no answer), found others")
    columns = np.where(predicted < 0, classes, predicted)
    cells = np.bincount(truth * (classes + 1) + columns, minlength=classes * (classes + 1))
    return cells.reshape(classes, classes + 1).astype(np.int64)


def accuracy(matrix: Ints) -> Floats:
    """The share of answers that are right, shape (…,); rows without an answer do not count."""
    answered = _answered(matrix)
    return _share(np.trace(answered, axis1=-2, axis2=-1), answered.sum(axis=(-2, -1)))


def coverage(matrix: Ints) -> Floats:
    """The share of rows that have an answer, shape (…,)."""
    return _share(_answered(matrix).sum(axis=(-2, -1)), matrix.sum(axis=(-2, -1)))


def precision(matrix: Ints) -> Floats:
    """Of the rows predicted as a class, the share that is of it, shape (…, k)."""
    answered = _answered(matrix)
    return _share(np.diagonal(answered, axis1=-2, axis2=-1), answered.sum(axis=-2))


def recall(matrix: Ints) -> Floats:
    """Of the rows of a class, the share predicted as it, shape (…, k); a row without an answer is missed."""
    return _share(np.diagonal(_answered(matrix), axis1=-2, axis2=-1), matrix.sum(axis=-1))


def f1(matrix: Ints) -> Floats:
    """The harmonic mean of precision and recall of each class, shape (…, k); NaN for a class that never occurs."""
    answered = _answered(matrix)
    hits = np.diagonal(answered, axis1=-2, axis2=-1)
    return _share(2 * hits, answered.sum(axis=-2) + matrix.sum(axis=-1))


def macro_f1(matrix: Ints) -> Floats:
    """The mean F1 of the classes that occur, as truth or as prediction, shape (…,)."""
    scores = f1(matrix)
    return _share(np.nansum(scores, axis=-1), (~np.isnan(scores)).sum(axis=-1))


def calibration_error(confidence: Floats, correct: np.ndarray[Any, np.dtype[np.bool_]], bins: int = 15) -> float:
    """Expected calibration error over equally wide bins (Guo et al. 2017, arXiv 1706.04599, section 2).

    confidence: the probability of each row's prediction; correct: whether it was right; both shape (n,).
    """
    places = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    gaps = np.bincount(places, weights=correct - confidence, minlength=bins)
    return float(np.abs(gaps).sum() / len(confidence))


def _answered(matrix: Ints) -> Ints:
    return matrix[..., : matrix.shape[-2]]


def _share(part: Any, whole: Any) -> Floats:
    return np.asarray(np.divide(part, whole, out=np.full(np.shape(whole), np.nan), where=np.asarray(whole) > 0))
