"""Find every pair of 64-bit hashes that differ in a few bits, among millions, without comparing all with all.

Multi-index hashing (Norouzi, Punjani and Fleet 2012, "Fast search in Hamming space with multi-index hashing"): cut the
hashes into m bands. Two that differ in d bits at most differ in d // m bits at most in one of the bands, so it suffices
to look up, band by band, the few values that near a hash's own. With bands of about log2 n bits a value has but a few
hashes, and what they cost grows more slowly than the square of n. Where many share a value all the same (pictures on
one background do), the same is done once more among these, over the bits that are left. Nothing is left to chance: no
pair is missed, and each is found once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import combinations
from os import cpu_count
from typing import Any, Final, NamedTuple

import numpy as np

from corpusmith.curate.similar_pairs import cuts
from corpusmith.curate.spilled import ahead, ranges

Hashes = np.ndarray[Any, np.dtype[np.uint64]]
Rows = np.ndarray[Any, np.dtype[np.int64]]
Distances = np.ndarray[Any, np.dtype[np.uint8]]

BITS: Final = 64
AT_ONCE: Final = 1 << 16  # comparisons: what fits in a core's cache
CROWD: Final = 1 << 20  # comparisons of two values' hashes from which on these are searched by themselves
WIDEST: Final = 22  # bits of a band
MOST_BANDS: Final = 8
SAMPLE: Final = 128  # hashes of either side

OUTER, COMPARED, LOOKED_UP, TABLED, PROBED = 1.5, 4.0, 20.0, 100.0, 2e5
"""Nanoseconds, about: to compare in a block of all with all, or one by one; to look a row up; to find a value's place;
to begin a pass."""


class Near(NamedTuple):
    """Pairs that are near: places in the left and in the right hashes, and in how many bits they differ; each (n,)."""

    left: Rows
    right: Rows
    distance: Distances


class Band(NamedTuple):
    """Some bits of many hashes, sorted."""

    start: int
    """Bits before the band."""
    bits: int
    hashes: Hashes
    """Rotated until the band is on top, ascending; (n,)."""
    rows: Rows
    """Where each stood; (n,)."""


def near_among(hashes: Hashes, distance: int) -> Iterator[Near]:
    """All pairs of ``hashes`` (n,) that differ in ``distance`` bits at most, in parts; the left is the earlier one."""
    yield from _pairs(hashes, hashes, BITS, distance, same=True)


def near_between(left: Hashes, bands: Sequence[Band], distance: int) -> Iterator[Near]:
    """All pairs of one in ``left`` (n,) and one in ``bands`` (see `banded`) that differ in ``distance`` or less."""
    yield from _search(left, bands, BITS, distance, same=False)


def banded(hashes: Hashes, bits: int = 16) -> list[Band]:
    """The hashes sorted by each of their bands of ``bits`` bits: made once, searched often."""
    return [_band(hashes, start, width, BITS) for start, width in _cut(BITS, BITS // bits)]


def _pairs(left: Hashes, right: Hashes, width: int, distance: int, same: bool) -> Iterator[Near]:
    """The pairs of hashes of ``width`` bits, which are the upper ones of each number; the others are 0."""
    parts = _cheapest(left, right, width, distance, same)
    if parts:
        bands = [_band(right, start, bits, width) for start, bits in _cut(width, parts)]
        yield from _search(left, bands, width, distance, same)
    else:
        yield from _all_with_all(left, right, distance, same)


def _cheapest(left: Hashes, right: Hashes, width: int, distance: int, same: bool) -> int:
    """Into how many bands to cut, so that it takes the least time; 0: compare all with all.

    How many pairs a band leaves to compare is seen in a sample: where all are near one another, it is nearly all.
    """
    pairs = len(left) * len(right)
    sample = _sample(left)[:, None] ^ _sample(right)
    if same:  # no hash is a pair with itself; equal ones of other rows are, and no band tells them apart
        sample = sample[~np.eye(len(sample), dtype=np.bool_)]
    nanoseconds = {0: OUTER * pairs}
    for parts in range(1, MOST_BANDS + 1):
        if -(-width // parts) <= WIDEST and parts <= width:
            nanoseconds[parts] = 0.0
            for (start, bits), radius in zip(_cut(width, parts), _radii(distance, parts), strict=True):
                passes = len(_masks(bits, radius))
                near = np.bitwise_count(sample << np.uint64(start) >> np.uint64(64 - bits)) <= radius
                share = max(passes / 2**bits, near.mean() if near.size else 0.0)
                nanoseconds[parts] += TABLED * 2**bits + passes * (PROBED + LOOKED_UP * len(left))
                nanoseconds[parts] += COMPARED * share * pairs if passes else 0
    return min(nanoseconds, key=nanoseconds.__getitem__)


def _sample(hashes: Hashes) -> Hashes:
    return hashes[:: max(1, len(hashes) // SAMPLE)][:SAMPLE]


def _cut(width: int, parts: int) -> list[tuple[int, int]]:
    """Start and bits of each of ``parts`` bands, the longer ones first."""
    bits = [width // parts + (part < width % parts) for part in range(parts)]
    return [(sum(bits[:part]), bits[part]) for part in range(parts)]


def _radii(distance: int, parts: int) -> list[int]:
    """For each band in how many bits a near hash may differ there at most; in one of them it does, if near at all."""
    return [distance // parts - (part > distance % parts) for part in range(parts)]


@cache
def _masks(bits: int, radius: int) -> tuple[int, ...]:
    """All numbers of ``bits`` bits with ``radius`` ones at most."""
    return tuple(sum(1 << bit for bit in ones) for few in range(radius + 1) for ones in combinations(range(bits), few))


def _band(hashes: Hashes, start: int, bits: int, width: int) -> Band:
    rotated = _rotated(hashes, start, width)
    rows = rotated.argsort(kind="stable")
    return Band(start, bits, rotated[rows], rows)


def _rotated(hashes: Hashes, start: int, width: int) -> Hashes:
    """The hashes, with their first ``start`` bits behind the others."""
    if not start:
        return hashes
    return hashes << np.uint64(start) | hashes >> np.uint64(64 - start) << np.uint64(64 - width)


@cache
def _cores() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(cpu_count(), "hamming")


class _Runs(NamedTuple):
    """Where each value of a band begins and ends among the sorted hashes; each (m,)."""

    values: Rows
    starts: Rows
    ends: Rows


def _runs(band: Band) -> _Runs:
    values = (band.hashes >> np.uint64(64 - band.bits)).astype(np.int64)
    starts = np.flatnonzero(np.diff(values, prepend=-1))
    return _Runs(values[starts], starts, np.append(starts[1:], len(values)))


def _search(left: Hashes, bands: Sequence[Band], width: int, distance: int, same: bool) -> Iterator[Near]:
    radii = _radii(distance, len(bands))
    for number, (band, radius) in enumerate(zip(bands, radii, strict=True)):
        if radius < 0 or not len(left) or not len(band.hashes):
            continue
        mine = band if same else _band(left, band.start, band.bits, width)
        before = [(other.start, other.bits, most) for other, most in zip(bands[:number], radii[:number], strict=True)]
        for here, there in _places(mine, band, radius, width, distance, same):
            differing = mine.hashes[here] ^ band.hashes[there]
            first = _rotated(differing, width - band.start if band.start else 0, width)
            new = np.ones(len(here), np.bool_)
            for start, bits, most in before:
                new &= np.bitwise_count(first << np.uint64(start) >> np.uint64(64 - bits)) > most
            ends = mine.rows[here[new]], band.rows[there[new]]
            if same:
                ends = np.minimum(*ends), np.maximum(*ends)
            yield Near(*ends, np.bitwise_count(differing[new]))


def _places(mine: Band, other: Band, radius: int, width: int, distance: int, same: bool) -> Iterator[tuple[Rows, Rows]]:
    """The places in two sorted bands of all near hashes whose values in the band differ in ``radius`` bits at most."""
    runs = _runs(mine)
    edges = np.searchsorted(other.hashes, np.arange(1 << other.bits, dtype=np.uint64) << np.uint64(64 - other.bits))
    edges = np.append(edges, len(other.hashes))
    crowds: list[tuple[int, ...]] = []

    def tasks() -> Iterator[tuple[Rows, Rows, Rows, Rows, bool]]:
        for mask in _masks(mine.bits, radius):
            wanted = runs.values ^ mask
            looked_up = np.flatnonzero(runs.values <= wanted) if same else np.arange(len(wanted))
            block = np.stack([runs.starts, runs.ends, edges[wanted], edges[wanted + 1]])[:, looked_up]
            work = (block[1] - block[0]) * (block[3] - block[2])
            crowded = (work >= CROWD) & (mine.bits < width)
            crowds.extend((*crowd, mask) for crowd in block[:, crowded].T.tolist())
            block, work = block[:, ~crowded & (work > 0)], work[~crowded & (work > 0)]
            for part in np.split(block, cuts(work, AT_ONCE), axis=1):
                if part.size:
                    yield (*part, same and not mask)

    yield from ahead(_cores(), lambda task: _compared(mine.hashes, other.hashes, distance, *task), tasks())
    for start, end, first, last, mask in crowds:
        ours, theirs = (hashes << np.uint64(mine.bits) for hashes in (mine.hashes[start:end], other.hashes[first:last]))
        left_over = distance - mask.bit_count()
        for found in _pairs(ours, theirs, width - mine.bits, left_over, same and not mask):
            yield found.left + start, found.right + first


def _compared(
    mine: Hashes, other: Hashes, distance: int, starts: Rows, ends: Rows, firsts: Rows, lasts: Rows, within: bool
) -> tuple[Rows, Rows]:
    """The places of the near ones, each hash of a run against all of another; within a run, those after it."""
    rows = ranges(starts, ends - starts)
    firsts = rows + 1 if within else np.repeat(firsts, ends - starts)
    counts = np.repeat(lasts, ends - starts) - firsts
    partners = ranges(firsts, counts)
    near = np.flatnonzero(np.bitwise_count(np.repeat(mine[rows], counts) ^ other[partners]) <= distance)
    return rows[np.searchsorted(counts.cumsum(), near, side="right")], partners[near]


def _all_with_all(left: Hashes, right: Hashes, distance: int, same: bool) -> Iterator[Near]:
    step = max(1, AT_ONCE // max(1, len(right)))
    for start in range(0, len(left), step):
        skipped = start if same else 0
        differing = np.bitwise_count(left[start : start + step, None] ^ right[None, skipped:])
        here, there = np.nonzero(differing <= distance)
        kept = here < there if same else np.ones(len(here), np.bool_)
        here, there = here[kept], there[kept]
        yield Near(here + start, there + skipped, differing[here, there])
