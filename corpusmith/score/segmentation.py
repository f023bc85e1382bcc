"""How well label maps agree with the true ones: IoU, F1 and Boundary IoU (Cheng et al. 2021, arXiv 2103.16562).

All is counted once for each image, so that a set is scored by summing its images and resampled by weighing them.
A share of nothing, as the IoU of a class that no map has, is null, and means leave it out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import polars as pl

from corpusmith.score import bootstrap

Floats = np.ndarray[Any, np.dtype[np.float64]]
Ints = np.ndarray[Any, np.dtype[np.int64]]
Labels = np.ndarray[Any, np.dtype[np.uint8]]
Marks = np.ndarray[Any, np.dtype[np.bool_]]

BAND: Final = 0.02  # of an image's diagonal, as the paper has it
CHUNK_CELLS: Final = 1 << 18  # pixels, or cells of their tables, that are held at once: what a core's cache holds


@dataclass(frozen=True)
class Counts:
    """What a score needs of each image.

    confusion: pixels of each true (row) and predicted (column) class, int64 (images, classes, classes).
    boundary: pixels that both maps have in the band of a class, and that either has, int64 (images, classes, 2).
    """

    confusion: Ints
    boundary: Ints


def counts(truth: Sequence[Labels] | Labels, predicted: Sequence[Labels] | Labels, classes: int) -> Counts:
    """Counts of pairs of label maps, each uint8 (h, w), in a stack or a list; those of a list may differ in size.

    Raises ValueError where the maps of an image differ in shape or hold a label that is not below ``classes``, and
    where there is not a prediction for each image.
    """
    if len(truth) != len(predicted):
        raise ValueError(f"expected a predicted map for each of {len(truth)} images, found {len(predicted)}")
    alike = defaultdict(list)
    for image, (true, found) in enumerate(zip(truth, predicted, strict=True)):
        if true.shape != found.shape:
            raise ValueError(f"image {image}: the true map is {true.shape}, the predicted one {found.shape}")
        alike[true.shape].append(image)
    confusion = np.empty((len(truth), classes, classes), dtype=np.int64)
    boundary = np.empty((len(truth), classes, 2), dtype=np.int64)
    for (height, width), images in alike.items():
        at_once = max(1, CHUNK_CELLS // max(1, height * width, 4 * classes**2))
        for start in range(0, len(images), at_once):
            some = images[start : start + at_once]
            maps = np.stack([[side[image] for image in some] for side in (truth, predicted)])
            unknown = np.flatnonzero(maps.max(axis=(0, 2, 3), initial=0) >= classes)
            if len(unknown):
                raise ValueError(f"image {some[unknown[0]]}: a label that is not below {classes}")
            confusion[some], boundary[some] = _counted(maps, classes)
    return Counts(confusion, boundary)


def joined(parts: Sequence[Counts]) -> Counts:
    """The images of all parts, which have the same classes, in their order. Raises ValueError where there is none."""
    return Counts(np.concatenate([part.confusion for part in parts]), np.concatenate([part.boundary for part in parts]))


def metrics(counts: Counts) -> pl.DataFrame:
    """Scores of all images together: metric (String), label (Int64, null: of all classes), value (Float64).

    Of all: pixel_accuracy, and miou, boundary_miou and macro_f1, means over the classes that occur in either map.
    Of each class: iou, boundary_iou and f1.
    """
    return _table(_scores(_sums(counts).sum(axis=0)))


def intervals(counts: Counts, draws: int, seed: str) -> pl.DataFrame:
    """The same with low and high (Float64), the 95 % percentile interval over resampled images, and n (Int64), images.

    A mean over classes is one over those that occur in a resample. Raises ValueError when there are no images.
    """
    sums = _sums(counts)
    weights = bootstrap.weights(np.zeros(len(sums), dtype=np.int64), seed, draws=draws)
    bounds = [bootstrap.percentiles(values) for values in _scores(np.tensordot(weights, sums, axes=1)).values()]
    low, high = np.array(bounds).T
    return metrics(counts).with_columns(
        low=pl.Series(low).fill_nan(None), high=pl.Series(high).fill_nan(None), n=pl.lit(len(sums), pl.Int64)
    )


def radius(height: int, width: int) -> int:
    """How far the band of a boundary reaches, in pixels."""
    return max(1, round(BAND * float(np.hypot(height, width))))


def bands(maps: Labels) -> Marks:
    """Which pixels lie in the band of their own class, bool, shape (n, h, w) as ``maps``.

    The band of a mask is what d erosions by a 3 × 3 square take away, with nothing around the image. A pixel is left
    exactly if the window of 2d + 1 pixels a side around it is all of its class, whichever that is: one pass for all.
    """
    reach = radius(*maps.shape[1:])
    marks = np.ones(maps.shape, dtype=np.bool_)
    if min(maps.shape[1:]) > 2 * reach:
        rows = _all(maps[:, :, 1:] == maps[:, :, :-1], 2 * reach, axis=2)
        middle = maps[:, :, reach:-reach]
        # a window is of one class if each two rows of it that touch are, and are of the same
        windows = _all(rows[:, 1:] & rows[:, :-1] & (middle[:, 1:] == middle[:, :-1]), 2 * reach, axis=1)
        marks[:, reach:-reach, reach:-reach] = ~windows
    return marks


def _all(marks: Marks, length: int, axis: int) -> Marks:
    """Whether all of ``length`` marks in a row hold, from each one on; what is known is doubled at every step."""
    ahead: tuple[slice, ...] = (slice(None),) * axis
    known = 1
    while known < length:
        step = min(known, length - known)
        marks = marks[*ahead, step:] & marks[*ahead, :-step]
        known += step
    return marks


def _counted(maps: Labels, classes: int) -> tuple[Ints, Ints]:
    """Confusion (n, classes, classes) and boundary (n, classes, 2) of maps (2, n, h, w), the true ones first."""
    images = maps.shape[1]
    marks = bands(maps.reshape(2 * images, *maps.shape[2:])).reshape(maps.shape)
    shape = images, classes, classes, 2, 2
    # the narrowest cells that hold their number: to widen them costs as much as to count them
    cells = np.zeros(maps.shape[1:], dtype=np.min_scalar_type(int(np.prod(shape))))
    cells += np.arange(images, dtype=cells.dtype)[:, None, None]
    for size, layer in zip(shape[1:], (*maps, *marks), strict=True):
        cells *= cells.dtype.type(size)
        cells += layer
    table = np.bincount(cells.ravel(), minlength=int(np.prod(shape))).reshape(shape).astype(np.int64)
    both = np.diagonal(table[..., 1, 1], axis1=1, axis2=2)
    either = table[..., 1, :].sum(axis=(2, 3)) + table[..., 1].sum(axis=(1, 3)) - both
    return table.sum(axis=(3, 4)), np.stack([both, either], axis=-1)


def _sums(counts: Counts) -> Ints:
    """Of each image and class hits, true and predicted pixels, and both boundary counts: (images, 5, classes)."""
    hits = np.diagonal(counts.confusion, axis1=1, axis2=2)
    shared, either = np.moveaxis(counts.boundary, 2, 0)
    return np.stack([hits, counts.confusion.sum(axis=2), counts.confusion.sum(axis=1), shared, either], axis=1)


def _scores(sums: Ints | Floats) -> dict[tuple[str, int | None], Floats]:
    """Each metric, under its name and label, of sums (…, 5, classes): shape (…,)."""
    hits, true, found, shared, either = np.moveaxis(sums, -2, 0)
    by_class = {
        "iou": _share(hits, true + found - hits),
        "boundary_iou": _share(shared, either),
        "f1": _share(2 * hits, true + found),
    }
    means = dict(zip(("miou", "boundary_miou", "macro_f1"), map(_mean, by_class.values()), strict=True))
    overall = {"pixel_accuracy": _share(hits.sum(axis=-1), true.sum(axis=-1)), **means}
    return {
        **{(name, None): values for name, values in overall.items()},
        **{(name, label): values[..., label] for name, values in by_class.items() for label in range(sums.shape[-1])},
    }


def _table(scores: dict[tuple[str, int | None], Floats]) -> pl.DataFrame:
    rows = [(metric, label, float(value)) for (metric, label), value in scores.items()]
    schema = {"metric": pl.String, "label": pl.Int64, "value": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row").with_columns(pl.col("value").fill_nan(None))


def _mean(values: Floats) -> Floats:
    """The mean over the last axis of what is not NaN."""
    return _share(np.nansum(values, axis=-1), (~np.isnan(values)).sum(axis=-1))


def _share(part: Any, whole: Any) -> Floats:
    return np.asarray(np.divide(part, whole, out=np.full(np.shape(whole), np.nan), where=np.asarray(whole) > 0))
