"""Whether images show their class: what several tests agree on, and how near an image is to its class's real ones.

CNS-Bench (Dünkel et al. 2025, arXiv 2507.17651) keeps an image that passes two of its four tests of similarity, each of
them with a threshold that few of the images that are right fall below.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import polars as pl

Floats = np.ndarray[Any, np.dtype[np.floating[Any]]]
Doubles = np.ndarray[Any, np.dtype[np.float64]]

LEAST: Final = 1e-9  # length of a sum below which directions cancel out and leave none
FEWEST: Final = 20  # right images that a threshold is taken from: of fewer, a twentieth is less than one


def thresholds(labelled: pl.DataFrame, tests: Sequence[str], removed: float) -> dict[str, float]:
    """Of each test the value below which the share ``removed`` of the right images lies, or as little less as there is.

    labelled: a row for each image that shows its class, real ones say, and a float column for each test; nulls and NaN
    are left out. A test that fewer than FEWEST images have a value of is not in the result: it is not applied.
    """
    known = {test: labelled[test].cast(pl.Float64).fill_nan(None).drop_nulls().to_numpy() for test in tests}
    enough = {test: some for test, some in known.items() if len(some) >= FEWEST}
    return {test: float(np.quantile(some, removed, method="lower")) for test, some in enough.items()}


def agreed(measured: pl.DataFrame, thresholds: Mapping[str, float], agree: int) -> pl.DataFrame:
    """What the tests say together of each image: tests_applied, tests_passed, both Int64, and out_of_class, in order.

    measured: a float column for each test of ``thresholds``; an image counts for those that it has a value of. It is
    out of its class where fewer than ``agree`` tests pass; null where fewer can be applied: too few to say so.
    """
    values = {test: pl.col(test).fill_nan(None) for test in thresholds}
    applied = [value.is_not_null().cast(pl.Int64) for value in values.values()]
    passed = [(values[test] >= least).fill_null(False).cast(pl.Int64) for test, least in thresholds.items()]
    none = pl.Series("none", np.zeros(measured.height, np.int64))
    counted = measured.select(
        tests_applied=pl.sum_horizontal(none, *applied), tests_passed=pl.sum_horizontal(none, *passed)
    )
    too_few = pl.col("tests_passed") < agree
    return counted.with_columns(out_of_class=pl.when(pl.col("tests_applied") >= agree).then(too_few))


@dataclass(frozen=True)
class Prototypes:
    """The direction of each class: sums (k, d) of the unit vectors of its ``images`` (k,), and its place by label.

    A sum points where the mean does, and one image can be taken out of it.
    """

    places: dict[str, int]
    images: np.ndarray[Any, np.dtype[np.int64]]
    sums: Doubles


def prototypes(embeddings: Floats, labels: pl.Series) -> Prototypes:
    """The directions of classes by images of them: embeddings (n, d); one of length 0, or with a NaN, is none."""
    directions = _directions(embeddings)
    there = directions.any(axis=1) & labels.is_not_null().to_numpy()
    kinds, places = np.unique(labels.to_numpy()[there].astype(str), return_inverse=True)
    sums = np.zeros((len(kinds), embeddings.shape[1]))
    np.add.at(sums, places, directions[there])
    images = np.bincount(places, minlength=len(kinds)).astype(np.int64)
    return Prototypes({str(kind): place for place, kind in enumerate(kinds)}, images, sums)


def prototype_similarity(
    embeddings: Floats, labels: pl.Series, real: Floats, real_labels: pl.Series, *, leave_one_out: bool
) -> pl.Series:
    """The cosine of each image (n, d) to the mean direction of the real images (m, d) of its class: Float64.

    leave_one_out: the images are those real ones, and each is compared with the others of its class. Null where no real
    image is left, as where a class has one, and where an embedding is none.
    """
    of = prototypes(real, real_labels)
    directions = _directions(embeddings)
    place = np.array([of.places.get(label, len(of.images)) for label in labels], np.int64)  # the last: an unknown class
    images, sums = np.append(of.images, 0)[place], np.vstack([of.sums, np.zeros(real.shape[1])])[place]
    if leave_one_out:
        images, sums = images - 1, sums - directions
    lengths = np.linalg.norm(sums, axis=1)
    known = (images > 0) & (lengths > LEAST) & directions.any(axis=1)
    cosines = (directions * sums).sum(axis=1) / np.where(known, lengths, 1)
    return pl.Series("similarity", np.where(known, cosines.clip(-1, 1), np.nan)).fill_nan(None)


def _directions(embeddings: Floats) -> Doubles:
    """Unit vectors, and zeros where there is none."""
    lengths = np.linalg.norm(np.asarray(embeddings, np.float64), axis=1, keepdims=True)
    there = np.isfinite(lengths) & (lengths > 0)
    return np.where(there, embeddings / np.where(there, lengths, 1), 0.0)
