"""How sure a score is: percentile bootstrap intervals (Efron & Tibshirani 1993, chapter 13)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, Final

import numpy as np

Floats = np.ndarray[Any, np.dtype[np.float64]]
Ints = np.ndarray[Any, np.dtype[np.int64]]

DRAWS: Final = 1000
LEVEL: Final = 0.95
CHUNK_CELLS: Final = 1 << 22  # row numbers that are held at once: 32 MB


def generator(key: str) -> np.random.Generator:
    """A random generator whose draws are decided by ``key``, any string that names what is drawn."""
    digest = hashlib.blake2b(key.encode(), digest_size=16).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest, "little")))


def interval(
    n: int, statistic: Callable[[Ints], Floats], key: str, *, draws: int = DRAWS, level: float = LEVEL
) -> tuple[float, float]:
    """Lower and upper bound of a statistic of ``n`` rows.

    ``statistic`` is given row numbers, shape (b, n), and returns a value for each resample, shape (b,); b is bounded,
    so that memory does not grow with ``draws``. Raises ValueError when there are no rows.
    """
    if n < 1:
        raise ValueError(f"expected at least one row to resample, found {n}")
    random = generator(key)
    at_once = max(1, CHUNK_CELLS // n)
    values = [
        statistic(random.integers(0, n, size=(min(at_once, draws - start), n))) for start in range(0, draws, at_once)
    ]
    return percentiles(np.concatenate(values), level)


def mean_interval(values: Floats, key: str, *, draws: int = DRAWS, level: float = LEVEL) -> tuple[float, float]:
    """Lower and upper bound of the mean of ``values``, shape (n,)."""
    return interval(len(values), lambda rows: values[rows].mean(axis=1), key, draws=draws, level=level)


def resampled(confusion: Ints, key: str, *, draws: int = DRAWS) -> Ints:
    """The confusion matrices of ``draws`` resamples of the rows behind ``confusion`` (k, m); shape (draws, k, m).

    Rows that fall into one cell are alike, so resampling n of them with replacement is one multinomial draw over the
    cells: the same distribution as drawing row numbers, at a cost that does not grow with n. Raises ValueError on an
    empty matrix.
    """
    n = int(confusion.sum())
    if n < 1:
        raise ValueError("expected at least one row to resample, found an empty confusion matrix")
    cells = generator(key).multinomial(n, confusion.ravel() / n, size=draws)
    return cells.reshape(draws, *confusion.shape)


def weights(strata: Ints, key: str, *, draws: int = DRAWS) -> Floats:
    """How often each item comes in each resample, shape (draws, n): of each stratum as many items as it has.

    strata: the stratum of each item, (n,). A statistic that is a sum over items becomes one matrix product for all
    resamples and all that is compared, and since all are given the same items, differences are paired (Efron &
    Tibshirani 1993, section 8.3 for several samples); where an item stands for several rows, it is a cluster.
    Raises ValueError when there are no items.
    """
    if not len(strata):
        raise ValueError("expected at least one item to resample, found none")
    random = generator(key)
    counts = np.empty((draws, len(strata)))
    for stratum in np.unique(strata):
        places = np.flatnonzero(strata == stratum)
        drawn = random.integers(0, len(places), size=(draws, len(places)))
        cells = drawn + len(places) * np.arange(draws)[:, None]
        counts[:, places] = np.bincount(cells.ravel(), minlength=draws * len(places)).reshape(draws, -1)
    return counts


def percentiles(values: Floats, level: float = LEVEL) -> tuple[float, float]:
    """The middle ``level`` of resampled values, shape (draws,); NaN ones (a share of nothing) are left out."""
    if np.isnan(values).all():
        return float("nan"), float("nan")
    low, high = np.nanquantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
