"""The real image that each generated one is nearest to, for the question whether it is a copy of it."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

Floats = np.ndarray[Any, np.dtype[np.floating[Any]]]
Ints = np.ndarray[Any, np.dtype[np.int64]]

BLOCK: Final = 4096  # vectors on either side that are compared at once: 64 MB of cosines


def nearest(vectors: Floats, sources: Floats, block: int = BLOCK) -> tuple[Ints, np.ndarray[Any, np.dtype[np.float32]]]:
    """Of each vector (n, d) the place of the source (m, d) at the greatest cosine, and that cosine; (n,) and (n,).

    Of several as near the first. Every pair is compared, in blocks, so that memory beyond the vectors themselves does
    not grow with n or m. A vector of length 0, or with a NaN, is near to none, and none is near to it: -1 and NaN, as
    without any sources.
    """
    place, best = np.full(len(vectors), -1, np.int64), np.full(len(vectors), np.nan, np.float32)
    for first in range(0, len(sources), block):
        against = _unit(sources[first : first + block])
        for start in range(0, len(vectors), block):
            rows = slice(start, start + block)
            cosines = _unit(vectors[rows]) @ against.T
            here = np.where(np.isnan(cosines), -np.inf, cosines).argmax(axis=1)
            found = np.take_along_axis(cosines, here[:, None], axis=1)[:, 0]
            nearer = found > np.nan_to_num(best[rows], nan=-np.inf)
            place[rows] = np.where(nearer, first + here, place[rows])
            best[rows] = np.where(nearer, found, best[rows])
    return place, best


def _unit(vectors: Floats) -> np.ndarray[Any, np.dtype[np.float32]]:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(lengths > 0, lengths, np.nan), dtype=np.float32)
