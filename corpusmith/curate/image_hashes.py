"""Hash images by how they look, and find those that look the same among all that were ever hashed."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

Pixels = np.ndarray[Any, np.dtype[np.uint8]]
Hashes = np.ndarray[Any, np.dtype[np.uint64]]

BITS: Final = 64


def perceptual_hashes(thumbnails: Pixels) -> Hashes:
    """The DCT perceptual hash of each thumbnail; grey (n, side, side) uint8 in, (n,) uint64 out.

    Of the two-dimensional DCT-II the 8 × 8 lowest frequencies, without those that are constant in a direction; a bit
    says whether a coefficient is above their median (Zauner 2010, "Implementation and benchmarking of
    perceptual image hash functions", section 3.2.1: pHash takes 32 × 32 pixels; more do not change low frequencies).
    JPEG, scaling and brightness leave most of the bits; mirroring, cropping and turning do not.
    """
    low = _low_frequencies(thumbnails.shape[1])
    coefficients = (low @ thumbnails.astype(np.float32) @ low.T).reshape(-1, BITS)
    bits = coefficients > np.median(coefficients, axis=1, keepdims=True)
    return np.packbits(bits, axis=1).view(">u8").astype(np.uint64).ravel()


def _low_frequencies(side: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """The rows 1 to 8 of the DCT-II matrix of ``side`` points; (8, side)."""
    return np.cos(np.pi / side * np.outer(np.arange(1, 9), np.arange(side) + 0.5)).astype(np.float32)
