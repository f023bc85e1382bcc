"""The noise-residual baseline: who made a pixel, by what high-pass filters leave of the image around it.

The filters are three of the spatial rich model (Fridrich & Kodovský 2012), those that Zhou et al. 2018 (arXiv
1805.04953, section 3.2) find enough for manipulations.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression

Bytes = np.ndarray[Any, np.dtype[np.uint8]]
Ints = np.ndarray[Any, np.dtype[np.integer[Any]]]
Floats = np.ndarray[Any, np.dtype[np.float32]]

FILTERS: Final = tuple(
    np.array(rows, np.float32)[None, :, :, None] / weight
    for rows, weight in (
        ([[1, -2, 1]], 2),
        ([[-1, 2, -1], [2, -4, 2], [-1, 2, -1]], 4),
        ([[-1, 2, -2, 2, -1], [2, -6, 8, -6, 2], [-2, 8, -12, 8, -2], [2, -6, 8, -6, 2], [-1, 2, -2, 2, -1]], 12),
    )
)
WINDOWS: Final = (1, 5, 9)
PASS_ROWS: Final = 64


@dataclass(frozen=True)
class Regression:
    """A logistic regression, and how many classes there are: it knows only those that it was shown."""

    model: LogisticRegression
    classes: int


def features(images: Bytes) -> Floats:
    """How much noise is around each pixel of images (n, h, w, 3): (n, h, w, 9), float32.

    Of each filter the absolute residual, a mean over the colours and over each of WINDOWS; its logarithm, as noise
    differs by factors.
    """
    from scipy.ndimage import correlate, uniform_filter

    pixels = images.astype(np.float32)
    residuals = [np.abs(correlate(pixels, weights, mode="mirror")).mean(axis=3) for weights in FILTERS]
    means = [uniform_filter(residual, (0, side, side)) for residual in residuals for side in WINDOWS]
    logarithms: Floats = np.log1p(np.stack(means, axis=-1))
    return logarithms


def fit(images: Bytes, labels: Ints, classes: int, seed: int, pixels: int = 20_000) -> Regression:
    """A regression on a sample of pixels of images (n, h, w, 3), with labels (n, h, w).

    The sample has as many of each class, as far as there are: features that tell so little would else name the
    commonest class everywhere. Raises ValueError where all pixels are of one class.
    """
    from sklearn.linear_model import LogisticRegression

    chosen = _sample(labels.ravel(), pixels, np.random.default_rng(seed))
    seen = np.concatenate([part.reshape(-1, part.shape[-1]) for part in map(features, _parts(images))])
    model = LogisticRegression(class_weight="balanced", max_iter=1_000)
    return Regression(model.fit(seen[chosen], labels.ravel()[chosen]), classes)


def predict(model: Regression, images: Bytes) -> Floats:
    """The probability of each class in each pixel of images (n, h, w, 3): (n, classes, h, w), float32."""
    rows, height, width = images.shape[:3]
    found = np.zeros((rows, height, width, model.classes), np.float32)
    for seen, part in zip(map(features, _parts(images)), _parts(found), strict=True):
        said = model.model.predict_proba(seen.reshape(-1, seen.shape[-1]))
        part[..., model.model.classes_] = said.reshape(*part.shape[:3], -1)
    return np.ascontiguousarray(found.transpose(0, 3, 1, 2))


def _sample(labels: Ints, pixels: int, random: np.random.Generator) -> Ints:
    """Places in ``labels`` (n,), as many of each label, or all of it where there are fewer."""
    present = np.unique(labels)
    places = (np.flatnonzero(labels == label) for label in present)
    share = pixels // len(present)
    return np.concatenate([random.choice(of, min(share, len(of)), replace=False) for of in places])


def _parts(rows: Any) -> list[Any]:
    return [rows[start : start + PASS_ROWS] for start in range(0, len(rows), PASS_ROWS)]
