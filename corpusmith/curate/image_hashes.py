"""Hash images by how they look, and find those that look the same."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

import numpy as np
import polars as pl

from corpusmith.curate.duplicates import first_of_equal, merged
from corpusmith.curate.hamming import Near, near_among
from corpusmith.errors import SettingsError

Floats = np.ndarray[Any, np.dtype[np.float32]]
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


def duplicates(
    images: pl.DataFrame, distance: int, embeddings: Floats | None = None, min_similarity: float = 0.95
) -> pl.DataFrame:
    """The images that show the same: columns key, cluster, duplicate_of, reason, in the order of ``images``.

    ``images`` has the columns key, image_sha256 and phash (null where there is nothing to hash), in the order in which
    the first is kept. The same bytes are an exact_duplicate. A near_duplicate's hash differs in ``distance`` bits or
    less, and, where ``embeddings`` (n, d) of the images are given, these have a cosine of ``min_similarity`` or more: a
    hash of low frequencies proposes (drawn faces on one background hash alike), an embedding decides. A cluster is all
    that such pairs connect; its name is the key of its first image, whose duplicate_of and reason are null. Images
    with no duplicate are not in the result.
    """
    if not 0 <= distance <= BITS // 4:
        raise SettingsError(f"distance of near-duplicates: expected 0 to {BITS // 4} of {BITS} bits, got {distance}")
    sha256 = images["image_sha256"].rank("dense").to_numpy()
    exact = first_of_equal(sha256)
    rows = np.flatnonzero((exact == np.arange(len(exact))) & images["phash"].is_not_null().to_numpy())
    pairs = near_among(images["phash"].gather(rows).to_numpy(), distance)
    if embeddings is not None:
        pairs = confirm(pairs, embeddings[rows], min_similarity)
    label = exact
    for near in pairs:
        label = merged(label, rows[near.left], rows[near.right])
    members = np.flatnonzero(np.bincount(label, minlength=len(label))[label] > 1)
    copies = pl.col("key") != pl.col("cluster")
    reason = (
        pl.when(pl.Series(exact[members] != members))
        .then(pl.lit("exact_duplicate"))
        .otherwise(pl.lit("near_duplicate"))
    )
    return pl.DataFrame(
        {"key": images["key"].gather(members), "cluster": images["key"].gather(label[members])}
    ).with_columns(duplicate_of=pl.when(copies).then("cluster"), reason=pl.when(copies).then(reason))


def confirm(pairs: Iterable[Near], embeddings: Floats, min_similarity: float) -> Iterator[Near]:
    """Those of the pairs of rows whose embeddings, (n, d), have a cosine of ``min_similarity`` or more."""
    for near in pairs:
        left, right = embeddings[near.left], embeddings[near.right]
        lengths = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
        similar = np.einsum("nd,nd->n", left, right) >= min_similarity * lengths
        yield Near(*(column[similar] for column in near))
