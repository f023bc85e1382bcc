"""Correlation of two measures under many resamples at once: weights say how often each cluster of rows comes in one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

Floats = np.ndarray[Any, np.dtype[np.float64]]
Ints = np.ndarray[Any, np.dtype[np.int64]]
Measure = Callable[[Floats, Floats, Ints, Floats], Floats]

CHUNK_CELLS: Final = 1 << 20  # weights of rows that are held at once: 8 MB
CONSTANT: Final = 1e-12  # a variance below this share of the values' own is rounding


def pearson(x: Floats, y: Floats, clusters: Ints, weights: Floats) -> Floats:
    """Pearson's r of x and y in each resample, shape (b,); NaN where one of them is constant.

    x, y: a value for each row, (n,). clusters: the cluster of each row, (n,). weights: how often each cluster comes in
    each resample, (b, clusters).
    """
    u, v = (_standardised(values) for values in (x, y))
    products = (np.ones(len(u)), u, v, u * u, v * v, u * v)
    sums = np.stack([np.bincount(clusters, each, minlength=weights.shape[1]) for each in products])
    n, su, sv, suu, svv, suv = sums @ weights.T
    n = np.maximum(n, 1)
    return _ratio(suv / n - su * sv / n**2, suu / n - (su / n) ** 2, svv / n - (sv / n) ** 2)


def spearman(x: Floats, y: Floats, clusters: Ints, weights: Floats) -> Floats:
    """Spearman's rank correlation, as ``pearson`` takes and returns it: Pearson's r of the ranks within a resample.

    Equal values share their mean rank. Memory is bounded, whatever the number of rows and resamples.
    """
    at_once = max(1, CHUNK_CELLS // max(1, len(x)))
    parts = [
        _rank_correlation(x, y, weights[start : start + at_once][:, clusters])
        for start in range(0, len(weights), at_once)
    ]
    return np.concatenate(parts)


def ranks(values: Floats, weights: Floats) -> Floats:
    """The rank of each value (n,) in each resample, from 1, equal ones their mean; shape (b, n) as ``weights``.

    A row that is twice in a resample takes two ranks.
    """
    distinct, places = np.unique(values, return_inverse=True)
    order = np.argsort(places, kind="stable")
    starts = np.searchsorted(places[order], np.arange(len(distinct)))
    copies = np.add.reduceat(weights[:, order], starts, axis=1)
    middle: Floats = np.cumsum(copies, axis=1) - (copies - 1) / 2
    return middle[:, places]


def whole(measure: Measure, x: Floats, y: Floats) -> float:
    """The coefficient of all rows as they are; NaN where there is none."""
    return float(measure(x, y, np.arange(len(x)), np.ones((1, len(x))))[0])


def _rank_correlation(x: Floats, y: Floats, weights: Floats) -> Floats:
    if not len(x):
        return np.full(len(weights), np.nan)
    middle = (weights.sum(axis=1, keepdims=True) + 1) / 2
    u, v = ranks(x, weights) - middle, ranks(y, weights) - middle
    weighted = weights * u
    covariance, variance = np.einsum("bn,bn->b", weighted, v), np.einsum("bn,bn->b", weighted, u)
    np.multiply(weights, v, out=weighted)
    return _ratio(covariance, variance, np.einsum("bn,bn->b", weighted, v))


def _standardised(values: Floats) -> Floats:
    centred: Floats = values - values.mean() if len(values) else values
    scale = np.sqrt((centred * centred).mean()) if len(values) else 0.0
    return centred / scale if scale > CONSTANT * np.abs(values).max(initial=0.0) else np.zeros(len(values))


def _ratio(covariance: Floats, first: Floats, second: Floats) -> Floats:
    varied = (first > CONSTANT) & (second > CONSTANT)
    product = np.sqrt(np.where(varied, first * second, 1.0))
    return np.clip(np.where(varied, covariance / product, np.nan), -1.0, 1.0)
