"""Find texts that say the same: exact duplicates, near-duplicates, and copies of a reference."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt
import polars as pl

from corpusmith.curate.similar_pairs import BATCH_ROWS, Floats, Sets, across, gather, neighbours, shared, similar
from corpusmith.curate.spilled import Keys, Labels, Numbers, Packed, Rows, repeated, twins
from corpusmith.errors import SettingsError

THRESHOLD = 0.8
WORDS = 3
ROWS_AT_ONCE = 1 << 18


def exact_duplicates(texts: pl.LazyFrame) -> pl.DataFrame:
    """The rows whose text an earlier row has already: columns key, duplicate_of (the key of the first such row).

    ``texts`` has the columns key and text, in the order in which the first is kept, and is read once, in batches; keys
    and hashes wait in a temporary folder. Texts are told apart by a 64-bit hash: memory grows neither with them nor
    with the rows, but with the duplicates; among ten million the odds of any mistake are 1 in 370,000.
    """
    with TemporaryDirectory(prefix="corpusmith-") as name:
        folder = Path(name)
        keys = Keys(folder / "keys", texts.collect_schema()["key"])
        hashes = Numbers(folder / "hashes", np.uint64)
        hashed = texts.select("key", text=pl.col("text").hash())
        for batch in hashed.collect_batches(chunk_size=BATCH_ROWS, maintain_order=True):
            keys.append(batch["key"])
            hashes.append(batch["text"].to_numpy())
        rows, first = twins(hashes, folder)
        copies = np.flatnonzero(rows != first)
        return pl.DataFrame({"key": keys.at(rows[copies]), "duplicate_of": _keys(keys, first[copies])})


def near_duplicates(texts: pl.LazyFrame, threshold: float = THRESHOLD, words: int = WORDS) -> pl.DataFrame:
    """The clusters of texts that are nearly the same: columns key, cluster, duplicate_of, in the order of ``texts``.

    Two texts are near-duplicates when the sets of their shingles of ``words`` words (see `shingles`) have a Jaccard
    similarity of ``threshold`` or more; a cluster is all that such pairs connect, and its name is the key of its first
    row. That row is kept: its duplicate_of is null, the others' is the first. Texts with no near-duplicate are not in
    the result. All pairs are found, whatever the order of the rows.

    ``texts`` has the columns key and text and is read once, in batches; keys and shingles wait in a temporary folder.
    Memory: 20 bytes a row, the result, and some 300 MB whatever the number of rows. Disk: the keys, and 4 bytes for
    each shingle.
    """
    _check(threshold, words)
    with TemporaryDirectory(prefix="corpusmith-") as name:
        folder = Path(name)
        keys, label = _clusters(texts, threshold, words, folder)
        members = _members(label)
        first = np.searchsorted(members, label[members])
        key = keys.at(members)
    return pl.DataFrame({"key": key, "cluster": key.gather(first)}).with_columns(
        duplicate_of=pl.when(pl.col("key") != pl.col("cluster")).then("cluster")
    )


def similar_to(
    texts: pl.LazyFrame, reference: pl.LazyFrame, threshold: float = THRESHOLD, words: int = WORDS
) -> pl.DataFrame:
    """The texts that are near-duplicates of one in ``reference``: columns key, reference (its key) and jaccard.

    Both have the columns key and text. Of several similar references the most similar is named, the first of equals;
    texts with none are not in the result. Memory: 36 bytes a row of both, else as `near_duplicates`.
    """
    _check(threshold, words)
    both = pl.concat([reference.select("key", "text"), texts.select("key", "text")])
    border = reference.select(pl.len()).collect().item()
    with TemporaryDirectory(prefix="corpusmith-") as name:
        folder = Path(name)
        sets, counts = gather(both, words, folder)
        label = sets.first
        bands = shared(sets, counts, threshold, folder)
        del counts
        nearest, similarity = _nearest(sets, label, border, threshold, bands)
        searched = np.where(label < border, np.arange(len(label)), label)  # which row was, for each
        rows = np.flatnonzero(nearest[searched] >= 0)
        searched = searched[rows]
        key, references = sets.keys.at(rows), _keys(sets.keys, nearest[searched])
    return pl.DataFrame({"key": key, "reference": references, "jaccard": similarity[searched]})


def _check(threshold: float, words: int) -> None:
    if not 0 < threshold <= 1:
        raise SettingsError(f"threshold of near-duplicates: expected more than 0 and at most 1, got {threshold}")
    if words < 1:
        raise SettingsError(f"words of a shingle: expected 1 or more, got {words}")


def _clusters(texts: pl.LazyFrame, threshold: float, words: int, folder: Path) -> tuple[Keys, Labels]:
    """The keys of all rows, and for each the first row of its cluster; shape (n,)."""
    sets, counts = gather(texts, words, folder)
    bands = shared(sets, counts, threshold, folder)
    del counts
    root = sets.first
    for shingle, row in map(repeated, bands):
        for left, right in neighbours(shingle, row):
            apart = _roots(root, left) != _roots(root, right)
            _merge(root, *similar(sets, left[apart], right[apart], threshold)[:2])
        for left, right in across(shingle, row, _roots(root, row)):
            _merge(root, *similar(sets, left, right, threshold)[:2])
    for start in range(0, len(root), ROWS_AT_ONCE):
        _roots(root, np.arange(start, min(start + ROWS_AT_ONCE, len(root))))
    return sets.keys, root


def _nearest(sets: Sets, label: Labels, border: int, threshold: float, bands: Iterator[Packed]) -> tuple[Rows, Floats]:
    """For each row from ``border`` on the row before it that is most like it, or -1, and how much; shapes (n,)."""
    rows = border + np.flatnonzero(label[border:] < border)
    nearest, similarity = np.full(len(label), -1), np.zeros(len(label))
    nearest[rows], similarity[rows] = label[rows], 1
    for shingle, row in map(repeated, bands):
        for left, right in across(shingle, row, (row >= border).astype(np.int64)):
            references, rows, found = similar(sets, left, right, threshold)
            order = np.lexsort((references, -found, rows))
            order = order[np.unique(rows[order], return_index=True)[1]]
            references, rows, found = references[order], rows[order], found[order]
            better = found > similarity[rows]
            better |= (found == similarity[rows]) & (references < nearest[rows])
            nearest[rows[better]], similarity[rows[better]] = references[better], found[better]
    return nearest, similarity


def _keys(keys: Keys, rows: Rows) -> pl.Series:
    """The keys of rows in any order."""
    ascending, places = np.unique(rows, return_inverse=True)
    return keys.at(ascending).gather(places)


def _members(label: Labels) -> Rows:
    """The rows that share their label with another, ascending."""
    copies = np.flatnonzero(label != np.arange(len(label), dtype=label.dtype))
    is_member = np.zeros(len(label), np.bool_)
    is_member[copies] = True
    is_member[label[copies]] = True
    return np.flatnonzero(is_member)


def first_of_equal(digests: npt.NDArray[np.unsignedinteger]) -> Rows:
    """For each row the first row with the same digest; shape (n,)."""
    _, first, members = np.unique(digests, return_index=True, return_inverse=True)
    earliest: Rows = first[members]
    return earliest


def _roots(root: Labels, rows: Labels) -> Labels:
    """The label of each row, which ``root`` (n,) leads to step by step; from now on in one."""
    found = root[rows]
    while not np.array_equal(further := root[found], found):
        found = further
    root[rows] = found
    return found


def _merge(root: Labels, left: Rows, right: Rows) -> None:
    """Let ``root`` lead both rows of each pair to one label, the smallest."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if not len(left):
        return
    ends = np.stack([_roots(root, left), _roots(root, right)])
    labels, node = np.unique(ends, return_inverse=True)
    node = node.reshape(ends.shape)
    links = coo_array((np.ones(len(left), np.bool_), (node[0], node[1])), shape=(len(labels), len(labels)))
    _, component = connected_components(links, directed=False)
    smallest = np.unique(component, return_index=True)[1]  # labels ascend: the first of a component is its smallest
    root[labels] = labels[smallest[component]]


def merged(label: Rows, left: Rows, right: Rows) -> Rows:
    """The labels after each pair of rows was put under one label, the smallest; shape (n,)."""
    root = label.copy()
    _merge(root, left, right)
    return _roots(root, label).astype(np.int64)
