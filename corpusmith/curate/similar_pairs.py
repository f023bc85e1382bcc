"""Find every pair of texts whose shingle sets are similar, among millions, without comparing all with all.

A set-similarity join with prefix filtering: put the shingles of each text in one global order, rarest first. Two sets
of Jaccard similarity t or more then share a shingle among the first ``size - ceil(t * size) + 1`` of each (Chaudhuri,
Ganti and Kaushik 2006; Bayardo, Ma and Srikant 2007, "Scaling up all pairs similarity search"). So the pairs that
share one are all there can be, and counting their common shingles settles each. Unlike MinHash with LSH nothing is
left to chance: no similar pair is missed, and none is reported that is not.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from os import cpu_count
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from corpusmith.curate.shingles import shingles
from corpusmith.curate.spilled import Keys, Labels, Numbers, Packed, Rows, ahead, in_bands, ranges, twins

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.uint32]

BATCH_ROWS = 1 << 13  # read from the source at once
SLICE_ROWS = 1 << 12  # whose shingles are put in order at once, SLICE_SHINGLES or fewer but for one long text
SLICE_SHINGLES = 1 << 17
PAIRS_AT_ONCE = 1 << 18
SHINGLES_AT_ONCE = 1 << 19
COUNTERS = 24  # bits: shingles that agree in them share a counter, which changes the work to do, not what is found
MOST = (1 << 20) - 1  # occurrences that are told apart
SLACK = 1e-9  # so that 0.8 * 15 is 12


@dataclass(frozen=True)
class Sets:
    """The shingle sets of n texts: 20 bytes a text in memory, the rest in files."""

    keys: Keys
    first: npt.NDArray[np.uint32]
    """For each text the first with the same set; shape (n,)."""
    hashes: Numbers
    """Of all shingles, one text after the other, ascending within each; of uint32."""
    starts: Rows
    """Where the shingles of each text start in ``hashes``, and, last, their number; shape (n + 1,)."""
    parities: npt.NDArray[np.uint64]
    """Sets that differ in d shingles differ in d bits at most; shape (n,)."""

    def sizes(self, rows: Rows) -> Rows:
        """How many shingles each of the ``rows`` has."""
        return self.starts[rows + 1] - self.starts[rows]


def gather(texts: pl.LazyFrame, words: int, folder: Path) -> tuple[Sets, Counts]:
    """The shingle sets of ``texts`` (columns key and text), read once, batch by batch, and kept in ``folder``.

    And how often the shingles occur that share the first COUNTERS bits: counts of shape (2 ** COUNTERS,).
    """
    keys = Keys(folder / "keys", texts.collect_schema()["key"])
    sizes, hashes = Numbers(folder / "sizes", np.uint32), Numbers(folder / "hashes", np.uint32)
    digests, parities = Numbers(folder / "digests", np.uint64), Numbers(folder / "parities", np.uint64)
    counts = np.zeros(1 << COUNTERS, np.uint32)
    batches = texts.select("key", "text").collect_batches(chunk_size=BATCH_ROWS, maintain_order=True)
    with ThreadPoolExecutor(cpu_count()) as pool:
        for key, made in ahead(pool, lambda batch: (batch["key"], shingles(batch["text"], words)), batches):
            keys.append(key)
            sizes.append(made.sizes)
            hashes.append(made.hashes)
            digests.append(made.digests)
            parities.append(made.parities)
            np.add.at(counts, (made.hashes >> np.uint32(32 - COUNTERS)).astype(np.int64), np.uint32(1))
    first = np.arange(len(digests), dtype=np.uint32)
    rows, theirs = twins(digests, folder)
    first[rows] = theirs
    starts = np.zeros(len(sizes) + 1, np.int64)
    for start in range(0, len(sizes), SHINGLES_AT_ONCE):
        part = sizes.read(start, min(start + SHINGLES_AT_ONCE, len(sizes)))
        starts[start + 1 : start + 1 + len(part)] = part.cumsum(dtype=np.int64) + starts[start]
    return Sets(keys, first, hashes, starts, parities.read()), counts


def shared(sets: Sets, counts: Counts, threshold: float, folder: Path) -> Iterator[Packed]:
    """What similar rows have in common: the shingles of their prefixes as shingle << 32 | row, ascending, in parts.

    Of equal sets the first row is compared; each pair of those with a Jaccard similarity of ``threshold`` or more
    shares a shingle. Neither ``counts`` nor ``sets.first`` is read any more once this has returned.
    """
    most = int((1 - threshold) * sets.starts[-1]) + 2 * len(sets.first)
    with ThreadPoolExecutor(cpu_count()) as pool:
        prefixes = ahead(pool, lambda part: _prefixes(sets, counts, part, threshold), _slices(sets.starts))
        return in_bands(prefixes, most, folder)


def _slices(starts: Rows) -> Iterator[slice]:
    """All rows, in consecutive parts whose shingles fit one sort."""
    start, rows = 0, len(starts) - 1
    while start < rows:
        fitting = int(np.searchsorted(starts, starts[start] + SLICE_SHINGLES, side="right")) - 1
        stop = min(max(fitting, start + 1), start + SLICE_ROWS, rows)
        yield slice(start, stop)
        start = stop


def _prefixes(sets: Sets, counts: Counts, part: slice, threshold: float) -> Packed:
    """Of the rarest shingles of each row those that others may have too, as shingle << 32 | row, sorted."""
    starts = sets.starts[part.start : part.stop + 1]
    sizes = np.diff(starts)
    hashes = sets.hashes.read(starts[0], starts[-1])
    occurring = counts[(hashes >> np.uint32(32 - COUNTERS)).astype(np.int64)]
    often = np.flatnonzero(occurring > 1)
    others = np.diff(np.searchsorted(often, starts - starts[0]))
    row = np.arange(part.start, part.stop)
    compared = sets.first[part] == row
    compared &= sizes >= np.ceil(threshold * (sizes + 1) - SLACK)  # no other set comes near to a smaller one
    lengths = sizes - np.ceil(threshold * sizes - SLACK).astype(np.int64) + 1
    lengths = np.where(compared, lengths - (sizes - others), 0)  # what occurs once comes first, and is not needed
    some = np.flatnonzero(lengths > 0)
    often = often[np.repeat(lengths > 0, others)]
    keys = np.repeat(np.arange(len(some), dtype=np.uint64) << np.uint64(52), others[some])
    keys |= np.minimum(occurring[often], MOST).astype(np.uint64) << np.uint64(32)
    keys |= hashes[often]
    keys.sort()
    keys = keys[ranges(others[some].cumsum() - others[some], lengths[some])]
    prefix = keys << np.uint64(32) | np.repeat(row[some].astype(np.uint64), lengths[some])
    prefix.sort()
    return prefix


def neighbours(shingle: npt.NDArray[np.uint32], row: Rows) -> Iterator[tuple[Rows, Rows]]:
    """The pairs of rows that follow one another under the same shingle, in parts of PAIRS_AT_ONCE."""
    places = np.flatnonzero(shingle[1:] == shingle[:-1])
    for start in range(0, len(places), PAIRS_AT_ONCE):
        part = places[start : start + PAIRS_AT_ONCE]
        yield row[part], row[part + 1]


def across(shingle: npt.NDArray[np.uint32], row: Rows, label: Labels) -> Iterator[tuple[Rows, Rows]]:
    """The pairs of rows that share a shingle but not a label, in parts of about PAIRS_AT_ONCE.

    ``shingle`` ascends, ``label`` is that of each row in ``row``. In a pair the row of the smaller label comes first.
    """
    order = np.argsort(shingle.astype(np.uint64) << np.uint64(32) | label.astype(np.uint64), kind="stable")
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
    places = cuts(sets.sizes(left) + sets.sizes(right), SHINGLES_AT_ONCE)
    with ThreadPoolExecutor(cpu_count()) as pool:
        parts = pool.map(_jaccard, [sets] * (len(places) + 1), np.split(left, places), np.split(right, places))
        return np.concatenate(list(parts))


def _jaccard(sets: Sets, left: Rows, right: Rows) -> Floats:
    keys = np.concatenate([_tagged(sets, left), _tagged(sets, right)])
    keys.sort()
    both = keys[1:][keys[1:] == keys[:-1]] >> np.uint64(32)
    common = np.bincount(both.view(np.int64), minlength=len(left))
    return common / (sets.sizes(left) + sets.sizes(right) - common)


def _tagged(sets: Sets, rows: Rows) -> Packed:
    """The shingles of all rows, each under the place of its row in ``rows``."""
    order = np.argsort(rows)
    sizes = sets.sizes(rows[order])
    tags = np.repeat(order.astype(np.uint64) << np.uint64(32), sizes)
    tags |= sets.hashes.runs(sets.starts[rows[order]], sizes)
    return tags


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
    size, other = sets.sizes(left), sets.sizes(right)
    most = (1 - threshold) / (1 + threshold) * (size + other) + SLACK  # shingles that only one of both has
    differing = np.maximum(np.bitwise_count(sets.parities[left] ^ sets.parities[right]), abs(size - other))
    possible: npt.NDArray[np.bool_] = differing <= most
    return possible


def cuts(work: Rows, at_once: int) -> Rows:
    """Where to cut an array, given the work that each element makes, so that a part makes about ``at_once``."""
    total = work.cumsum()
    return np.searchsorted(total, np.arange(at_once, total[-1] if len(total) else 0, at_once))


def _run_ends(changes: npt.NDArray[np.bool_]) -> Rows:
    """For each place of an array the place where its run of equal values ends; ``changes`` marks the borders."""
    borders = np.concatenate([np.flatnonzero(changes) + 1, [len(changes) + 1]])
    return borders[np.searchsorted(borders, np.arange(len(changes) + 1), side="right")]
