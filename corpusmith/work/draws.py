"""Draw numbers by seed, many at once: the same on every machine, whatever the order or the batch."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Seeds = npt.NDArray[np.uint64]

STEP = np.uint64(0x9E3779B97F4A7C15)


def mix(seeds: Seeds) -> Seeds:
    """Each seed scrambled into 64 random bits: one step of SplitMix64 (Steele, Lea and Flood 2014)."""
    seeds = seeds + STEP
    seeds = (seeds ^ (seeds >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    seeds = (seeds ^ (seeds >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return seeds ^ (seeds >> np.uint64(31))


def below(seeds: Seeds, limits: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """A whole number from 0 to below each limit (at most 2^32), drawn by each seed; shape of ``seeds``, int64."""
    limited = (mix(seeds) >> np.uint64(32)) * np.asarray(limits, dtype=np.uint64)
    return (limited >> np.uint64(32)).astype(np.int64)


def uniform(seeds: Seeds) -> npt.NDArray[np.float64]:
    """A number above 0 and below 1, drawn by each seed; shape of ``seeds``, float64."""
    return ((mix(seeds) >> np.uint64(12)).astype(np.float64) + 0.5) / 2.0**52
