"""Find every pair of texts whose shingle sets are similar, among millions, without comparing all with all.

A set-similarity join with prefix filtering: put the shingles of each text in one global order, rarest first. Two sets
of Jaccard similarity t or more then share a shingle among the first ``size - ceil(t * size) + 1`` of each (Chaudhuri,
Ganti and Kaushik 2006; Bayardo, Ma and Srikant 2007, "Scaling up all pairs similarity search"). So the pairs that
share one are all there can be, and counting their common shingles settles each. Unlike MinHash with LSH nothing is
left to chance: no similar pair is missed, and none is reported that is not.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from os import cpu_count
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl

from corpusmith.curate.shingles import NONE, shingles

Rows = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Item = TypeVar("Item")
Made = TypeVar("Made")

BATCH_ROWS = 1 << 13  # read from the source at once
SLICE_ROWS = 1 << 12  # whose shingles are put in order at once
BANDS = 16  # parts that the shared shingles are joined in, one after the other
PAIRS_AT_ONCE = 1 << 18
SHINGLES_AT_ONCE = 1 << 18
COUNTERS = 24  # bits: shingles that agree in them share a counter, which changes the work to do, not what is found
MOST = (1 << 20) - 1  # occurrences that are told apart
SLACK = 1e-9  # so that 0.8 * 15 is 12


@dataclass(frozen=True)
class Sets:
    """The shingle sets of n texts, in a file."""

    keys: pl.Series
    sizes: Rows
    """How many shingles each text has; shape (n,)."""
    digests: npt.NDArray[np.uint64]
    """Equal for equal sets; shape (n,)."""
    parities: npt.NDArray[np.uint64]
    """Sets that differ in d shingles differ in d bits at most; shape (n,)."""
    starts: Rows
    """Where the shingles of each text start in ``hashes``; shape (n,)."""
    hashes: npt.NDArray[np.uint32]
    """Of all shingles, one text after the other, ascending within each; mapped from the file."""
    counts: npt.NDArray[np.uint32]
    """How often the shingles occur that share the first COUNTERS bits; shape (2 ** COUNTERS,)."""


def gather(texts: pl.LazyFrame, words: int, folder: Path) -> Sets:
    """The shingle sets of ``texts`` (columns key and text), read batch by batch and kept in a file in ``folder``."""
    path = folder / "shingles"
    counts = np.zeros(1 << COUNTERS, np.uint32)
    keys, made = [pl.Series("key", [], pl.String)], [NONE]
    batches = texts.select("key", "text").collect_batches(chunk_size=BATCH_ROWS, maintain_order=True)
    with path.open("wb") as file, ThreadPoolExecutor(cpu_count()) as pool:
        for key, part in ahead(pool, lambda batch: (batch["key"], shingles(batch["text"], words)), batches):
            part.hashes.tofile(file)
            np.add.at(counts, (part.hashes >> np.uint32(32 - COUNTERS)).astype(np.int64), np.uint32(1))
            keys.append(key)
            made.append(part._replace(hashes=part.hashes[:0]))
    sizes, _, digests, parities = map(np.concatenate, zip(*made, strict=True))
    starts = sizes.cumsum(dtype=np.int64) - sizes
    hashes = np.memmap(path, np.uint32, "r") if len(sizes) else np.empty(0, np.uint32)
    return Sets(pl.concat(keys), sizes.astype(np.int64), digests, parities, starts, hashes, counts)


def ahead(pool: ThreadPoolExecutor, make: Callable[[Item], Made], items: Iterable[Item]) -> Iterator[Made]:
    """What ``make`` makes of each item, in order, with a few being made in threads ahead of what is asked for."""
    waiting: deque[Future[Made]] = deque()
    for item in items:
        waiting.append(pool.submit(make, item))
        if len(waiting) > 2 * (cpu_count() or 1):
            yield waiting.popleft().result()
    yield from (future.result() for future in waiting)


def shared(sets: Sets, rows: Rows, threshold: float, folder: Path) -> Iterator[tuple[npt.NDArray[np.uint32], Rows]]:
    """What similar rows have in common: per band, the shingles (m,) of the prefixes and the row (m,) of each, sorted.

    ``rows`` are compared, ascending; each pair of them with a Jaccard similarity of ``threshold`` or more shares a
    shingle. What only one row has is mostly left out already.
    """
    sizes = sets.sizes[rows]
    rows = rows[sizes >= np.ceil(threshold * (sizes + 1) - SLACK)]  # no other set comes near to a smaller one
    paths = [folder / f"band-{band}" for band in range(BANDS)]
    files = [path.open("wb") for path in paths]
    edges = np.arange(1, BANDS, dtype=np.uint64) << np.uint64(60)
    with ThreadPoolExecutor(cpu_count()) as pool:
        slices = [rows[start : start + SLICE_ROWS] for start in range(0, len(rows), SLICE_ROWS)]
        for prefix in ahead(pool, lambda part: _prefixes(sets, part, threshold), slices):
            for file, part in zip(files, np.split(prefix, np.searchsorted(prefix, edges)), strict=True):
                part.tofile(file)
    for file, path in zip(files, paths, strict=True):
        file.close()
        band = np.fromfile(path, np.uint64)
        path.unlink()
        if not len(band):
            continue
        band.sort()
        shingle = (band >> np.uint64(32)).astype(np.uint32)
        again = shingle[1:] == shingle[:-1]
        kept = np.concatenate([again, [False]]) | np.concatenate([[False], again])
        yield shingle[kept], (band[kept] & np.uint64(0xFFFFFFFF)).astype(np.int64)


def _prefixes(sets: Sets, rows: Rows, threshold: float) -> npt.NDArray[np.uint64]:
    """The rarest shingles of each row, as shingle << 32 | row, sorted."""
    sizes = sets.sizes[rows]
    hashes = sets.hashes[ranges(sets.starts[rows], sizes)]
    counts = np.minimum(sets.counts[hashes >> np.uint32(32 - COUNTERS)], MOST)
    keys = np.repeat(np.arange(len(rows), dtype=np.uint64) << np.uint64(52), sizes)
    keys |= counts.astype(np.uint64) << np.uint64(32)
    keys |= hashes
    keys.sort()
    lengths = sizes - np.ceil(threshold * sizes - SLACK).astype(np.int64) + 1
    keys = keys[ranges(sizes.cumsum() - sizes, lengths)]
    row = np.repeat(rows.astype(np.uint64), lengths)
    often = (keys >> np.uint64(32)) & np.uint64(MOST) > 1
    prefix = keys[often] << np.uint64(32) | row[often]
    prefix.sort()
    return prefix


def neighbours(shingle: npt.NDArray[np.uint32], row: Rows) -> tuple[Rows, Rows]:
    """The pairs of rows that follow one another under the same shingle."""
    same = shingle[1:] == shingle[:-1]
    return row[:-1][same], row[1:][same]


def across(shingle: npt.NDArray[np.uint32], row: Rows, label: Rows) -> Iterator[tuple[Rows, Rows]]:
    """The pairs of rows that share a shingle but not a label, in parts of about PAIRS_AT_ONCE.

    ``label`` is that of each row in ``row``. In a pair the row of the smaller label comes first.
    """
    order = np.lexsort((label, shingle))
    shingle, row, label = shingle[order], row[order], label[order]
    group_ends = _run_ends(shingle[1:] != shingle[:-1])
    label_ends = _run_ends((shingle[1:] != shingle[:-1]) | (label[1:] != label[:-1]))
    partners = group_ends - label_ends
    for part in np.split(np.arange(len(row)), cuts(partners, PAIRS_AT_ONCE)):
        left = np.repeat(row[part], partners[part])
        right = row[ranges(label_ends[part], partners[part])]
        if len(left):
            yield left, right


def jaccard(sets: Sets, left: Rows, right: Rows) -> Floats:
    """The Jaccard similarity of each pair of rows, exact but for 32-bit hash collisions; shape (pairs,)."""
    places = cuts(sets.sizes[left] + sets.sizes[right], SHINGLES_AT_ONCE)
    with ThreadPoolExecutor(cpu_count()) as pool:
        parts = pool.map(_jaccard, [sets] * (len(places) + 1), np.split(left, places), np.split(right, places))
        return np.concatenate(list(parts))


def _jaccard(sets: Sets, left: Rows, right: Rows) -> Floats:
    pair = np.arange(len(left), dtype=np.uint64) << np.uint64(32)
    keys = np.concatenate([_tagged(sets, left, pair), _tagged(sets, right, pair)])
    keys.sort()
    both = keys[1:][keys[1:] == keys[:-1]] >> np.uint64(32)
    common = np.bincount(both.view(np.int64), minlength=len(left))
    return common / (sets.sizes[left] + sets.sizes[right] - common)


def _tagged(sets: Sets, rows: Rows, tags: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """The shingles of all rows, each under the tag of its row."""
    return np.repeat(tags, sets.sizes[rows]) | sets.hashes[ranges(sets.starts[rows], sets.sizes[rows])]


def similar(sets: Sets, left: Rows, right: Rows, threshold: float) -> tuple[Rows, Rows, Floats]:
    """Those of the pairs that are as similar as ``threshold`` or more, each once, with their similarity."""
    near = _may_be_similar(sets, left, right, threshold)
    pairs = np.unique(left[near] << 32 | right[near])
    left, right = pairs >> 32, pairs & 0xFFFFFFFF
    similarity = jaccard(sets, left, right)
    enough = similarity >= threshold - SLACK
    return left[enough], right[enough], similarity[enough]


def _may_be_similar(sets: Sets, left: Rows, right: Rows, threshold: float) -> npt.NDArray[np.bool_]:
    """Which pairs can be, by the sizes of their sets and the bits in which these differ (Sandes et al. 2020)."""
    size, other = sets.sizes[left], sets.sizes[right]
    most = (1 - threshold) / (1 + threshold) * (size + other) + SLACK  # shingles that only one of both has
    differing = np.maximum(np.bitwise_count(sets.parities[left] ^ sets.parities[right]), abs(size - other))
    possible: npt.NDArray[np.bool_] = differing <= most
    return possible


def cuts(work: Rows, at_once: int) -> Rows:
    """Where to cut an array, given the work that each element makes, so that a part makes about ``at_once``."""
    total = work.cumsum()
    return np.searchsorted(total, np.arange(at_once, total[-1] if len(total) else 0, at_once))


def ranges(starts: Rows, lengths: Rows) -> Rows:
    """The numbers starts[0], starts[0] + 1, … for lengths[0] numbers, then those from starts[1], and so on."""
    ends = lengths.cumsum()
    return np.repeat(starts - ends + lengths, lengths) + np.arange(ends[-1] if len(ends) else 0)


def _run_ends(changes: npt.NDArray[np.bool_]) -> Rows:
    """For each place of an array the place where its run of equal values ends; ``changes`` marks the borders."""
    borders = np.concatenate([np.flatnonzero(changes) + 1, [len(changes) + 1]])
    return borders[np.searchsorted(borders, np.arange(len(changes) + 1), side="right")]
