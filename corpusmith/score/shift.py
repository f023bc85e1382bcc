"""How classifiers bear a shift: accuracy beyond what their accuracy without it predicts, and where they first fail."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from corpusmith.score import bootstrap

Floats = np.ndarray[Any, np.dtype[np.float64]]
Bools = np.ndarray[Any, np.dtype[np.bool_]]
Ints = np.ndarray[Any, np.dtype[np.int64]]

FEWEST: Final = 3  # classifiers that a line is fitted to: through two there is always one, and it says nothing


@dataclass(frozen=True)
class Line:
    """logit(accuracy under the shift) = slope × logit(accuracy without it) + intercept, over n classifiers.

    slope, intercept, r2 (the share of the variance that it explains): of each resample, shape (…,).
    """

    slope: Floats
    intercept: Floats
    r2: Floats
    n: int

    def predicted(self, logits: Floats) -> Floats:
        """The accuracy under the shift of classifiers with such logits of their accuracy without it, shape (…,)."""
        return np.asarray(1 / (1 + np.exp(-(self.slope * logits + self.intercept))))


def logit(accuracy: Floats, rows: int) -> Floats:
    """The log odds of accuracies over ``rows`` test rows; 0 and 1 stand for half a row right, or wrong.

    Only what is nearer to 0 or 1 than half a row is moved (as Berkson 1953, JASA 48, does with empty and full
    counts), so that every other accuracy on the line is the one that was measured.
    """
    held = np.clip(accuracy, 0.5 / rows, 1 - 0.5 / rows)
    return np.asarray(np.log(held) - np.log1p(-held))


def line(without: Floats, shifted: Floats) -> Line:
    """The least-squares line through a family of classifiers, all trained alike on real images.

    without, shifted: logits of their accuracy without the shift and under it, shape (…, n). The baseline of Taori et
    al. 2020 (arXiv 2007.00644, section 2), who scale by logits as well. NaN of fewer than FEWEST
    classifiers, and where all are equally good without the shift.
    """
    n = without.shape[-1]
    mean, level = without.mean(axis=-1), shifted.mean(axis=-1)
    apart, moved = without - mean[..., None], shifted - level[..., None]
    squares = (apart * apart).sum(axis=-1) if n >= FEWEST else np.zeros(without.shape[:-1])
    slope = _share((apart * moved).sum(axis=-1), squares)
    left = moved - slope[..., None] * apart
    unexplained = _share((left * left).sum(axis=-1), (moved * moved).sum(axis=-1))
    return Line(slope, level - slope * mean, 1 - unexplained, n)


def effective_robustness(baseline: Line, without: Floats, shifted: Floats) -> Floats:
    """Accuracy under a shift beyond what the baseline predicts (Taori et al. 2020, section 2); shape (…,).

    without: logits of the accuracy without the shift; shifted: the accuracy under it. Above 0: more robust than
    classifiers are that learned from real images and are as good without the shift.
    """
    return np.asarray(shifted - baseline.predicted(without))


def resampled(values: Bools | Floats, key: str, *, draws: int = bootstrap.DRAWS) -> Floats:
    """The mean of each classifier's values in each resample of the test rows: (draws, k) of values (k, rows).

    Of whether each answer is right it is the accuracy. All are given the same rows, so that differences are paired. The
    key decides which: test sets that show the same samples are resampled alike where their keys are equal. Memory does
    not grow with ``draws``.
    """
    rows = values.shape[1]
    at_once = max(1, bootstrap.CHUNK_CELLS // rows)
    columns = values.T.astype(np.float64)
    nothing = np.zeros(rows, np.int64)
    parts = [
        bootstrap.weights(nothing, f"{key}/{start}", draws=min(at_once, draws - start)) @ columns
        for start in range(0, draws, at_once)
    ]
    return np.asarray(np.concatenate(parts) / rows)


def over_seeds(each: Floats, key: str) -> Floats:
    """The mean of each resample over a resample of the seeds: (draws,) of each seed's statistic (draws, seeds).

    Training anew and testing on other images are two causes of chance, and every seed meets every test row: with rows
    resampled in ``each``, both are drawn anew, the pigeonhole bootstrap (Owen 2007, Annals of Applied Statistics 1(2)).
    It errs towards wider intervals. Of one seed only the rows' chance is known.
    """
    draws, seeds = each.shape
    counts = bootstrap.weights(np.zeros(seeds, np.int64), key, draws=draws)
    return np.asarray((counts * each).sum(axis=1) / seeds)


def masked(logits: Floats, allowed: Sequence[int]) -> Floats:
    """Logits (n, classes) with those of all other classes at -inf, so that a classifier names one that a set has.

    ImageNet-R (Hendrycks et al. 2021, arXiv 2006.16241) and ObjectNet have some of the classes only, and are measured
    so. Raises ValueError where no class is shared.
    """
    if not len(allowed):
        raise ValueError("expected a class that the test set and the classifier share, found none")
    kept = np.full_like(logits, -np.inf)
    kept[:, list(allowed)] = logits[:, list(allowed)]
    return kept


def failure_points(correct: Bools) -> Ints:
    """Where each sample first goes wrong: the place of its first wrong severity, or their number if there is none.

    correct: (…, severities), from the weakest; shape (…,). A sample's failure point is the smallest severity at which
    it is misclassified, whether or not it is right again at a stronger one (CNS-Bench, Dünkel et al. 2025, arXiv
    2507.17651, and its code).
    """
    return np.asarray(np.where(correct.all(axis=-1), correct.shape[-1], (~correct).argmax(axis=-1)), dtype=np.int64)


def _share(part: Floats, of: Floats) -> Floats:
    return np.asarray(np.divide(part, of, out=np.full(np.shape(part), np.nan), where=np.asarray(of) > 1e-12))
