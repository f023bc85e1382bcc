"""How varied images are, from their embeddings: how far apart, how many kinds, in how many directions they differ."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from corpusmith.score import bootstrap

Floats = np.ndarray[Any, np.dtype[np.float64]]

MOST_ROWS: Final = 500  # of which the entropy is computed, and the bandwidth: both grow with the square
TIME: Final = 1  # steps of the diffusion
NEIGHBOURS: Final = 10  # nearest ones that a point's dimension is estimated from; Levina & Bickel try 10 to 20


def unit(vectors: Floats) -> Floats:
    """The vectors (n, d) at length one."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-12), dtype=np.float64)


def spread(vectors: Floats, weights: Floats) -> Floats:
    """Mean cosine distance between two different images of a set, 0 (all alike) to 2, in each resample; shape (b,).

    vectors: unit vectors (n, d). weights: how often each is in a resample, (b, n); ones for the set as it is. Copies
    of one image are no pair, so that resampling does not make a set look more alike than it is. NaN below two images.
    """
    total = weights.sum(axis=1)
    copies = (weights * weights).sum(axis=1)
    pairs = total * total - copies
    summed = weights @ vectors
    alike = (summed * summed).sum(axis=1) - copies  # of unit vectors, an image and itself have a product of one
    varied = pairs > 0
    return np.where(varied, 1 - np.divide(alike, pairs, out=np.zeros(len(pairs)), where=varied), np.nan)


def spectral_entropy(vectors: Floats, bandwidth: float, time: int = TIME) -> float:
    """Diffusion spectral entropy in bits, 0 (all alike) to log2 n (nothing alike); NaN below two vectors, (n, d).

    Shannon's entropy of the eigenvalues, to the power ``time`` and normed to sum one, of the diffusion matrix of a
    Gaussian kernel of standard deviation ``bandwidth``, density-normalised with exponent 1/2 as in its authors' code
    (Liao et al. 2023, arXiv 2312.04823, sections 3.1 and 3.2). Sets compare at one bandwidth and like sizes only.
    """
    if len(vectors) < 2:
        return float("nan")
    kernel = np.exp(-_squared_distances(vectors) / (2 * bandwidth**2))
    density = np.sqrt(kernel.sum(axis=1))
    eigenvalues = np.abs(np.linalg.eigvalsh(kernel / np.outer(density, density))) ** time
    shares = eigenvalues / eigenvalues.sum()
    shares = shares[shares > 0]
    return float(-(shares * np.log2(shares)).sum())


def intrinsic_dimension(vectors: Floats, neighbours: int = NEIGHBOURS) -> float:
    """In how many directions the vectors (n, d) vary around one another; NaN below ``neighbours`` + 1 different ones.

    The maximum likelihood of how fast the ``neighbours`` nearest of a point come (Levina & Bickel 2004, NIPS 17,
    equation 8), with inverses averaged over the points, which takes the bias of few neighbours away (MacKay &
    Ghahramani 2005, "Comments on maximum likelihood estimation of intrinsic dimension"). Vectors that are equal are
    one point: a copy at distance 0 says nothing of how many directions there are. Grows with the square of n, so draw
    from many; sets compare at like sizes, for where points are few high dimensions come out too low.
    """
    points = np.unique(vectors, axis=0)
    if len(points) <= neighbours:
        return float("nan")
    squares = _squared_distances(points)
    np.fill_diagonal(squares, np.inf)
    nearest = np.sort(np.partition(squares, neighbours - 1, axis=1)[:, :neighbours], axis=1)
    logarithms = np.log(np.maximum(nearest, np.finfo(np.float64).tiny)) / 2
    inverses = (logarithms[:, -1:] - logarithms[:, :-1]).mean(axis=1)
    return float(1 / inverses.mean()) if inverses.mean() > 0 else float("nan")


def bandwidth(vectors: Floats) -> float:
    """The median distance between two of the vectors (n, d): a scale that their own units cancel in.

    Gretton et al. 2012 (JMLR 13, section 8) choose a Gaussian kernel's so. 1 where all are alike or there is but one.
    """
    above = np.triu_indices(len(vectors), k=1)
    distances = np.sqrt(_squared_distances(vectors)[above])
    return float(np.median(distances)) or 1.0 if len(distances) else 1.0


def drawn(vectors: Floats, key: str, most: int = MOST_ROWS) -> Floats:
    """``most`` of the vectors (n, d), drawn at random by ``key`` in their order; all where there are no more."""
    if len(vectors) <= most:
        return vectors
    return vectors[np.sort(bootstrap.generator(key).choice(len(vectors), most, replace=False))]


def _squared_distances(vectors: Floats) -> Floats:
    lengths = (vectors * vectors).sum(axis=1)
    return np.asarray(np.maximum(lengths[:, None] + lengths[None, :] - 2 * vectors @ vectors.T, 0), dtype=np.float64)
