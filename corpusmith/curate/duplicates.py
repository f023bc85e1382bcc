"""Find texts that say the same: exact duplicates, near-duplicates, and copies of a reference."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt
import polars as pl

from corpusmith.curate.similar_pairs import Rows, Sets, across, gather, neighbours, shared, similar
from corpusmith.errors import SettingsError

THRESHOLD = 0.8
WORDS = 3


def exact_duplicates(texts: pl.LazyFrame) -> pl.DataFrame:
    """The rows whose text an earlier row has already: columns key, duplicate_of (the key of the first such row).

    ``texts`` has the columns key and text, in the order in which the first is kept. Texts are told apart by a 64-bit
    hash: memory does not grow with their length, and among a million the odds of any mistake are 1 in 30 million.
    """
    hashed = texts.select("key", text=pl.col("text").hash()).collect(engine="streaming")
    first = first_of_equal(hashed["text"].to_numpy())
    copies = np.flatnonzero(first != np.arange(len(first)))
    return pl.DataFrame({"key": hashed["key"].gather(copies), "duplicate_of": hashed["key"].gather(first[copies])})


def near_duplicates(texts: pl.LazyFrame, threshold: float = THRESHOLD, words: int = WORDS) -> pl.DataFrame:
    """The clusters of texts that are nearly the same: columns key, cluster, duplicate_of, in the order of ``texts``.

    Two texts are near-duplicates when the sets of their shingles of ``words`` words (see `shingles`) have a Jaccard
    similarity of ``threshold`` or more; a cluster is all that such pairs connect, and its name is the key of its first
    row. That row is kept: its duplicate_of is null, the others' is the first. Texts with no near-duplicate are not in
    the result. All pairs are found, whatever the order of the rows.

    ``texts`` has the columns key and text and is read once, in batches; shingles wait in a temporary folder.
    """
    _check(threshold, words)
    with TemporaryDirectory(prefix="corpusmith-") as folder:
        sets = gather(texts, words, Path(folder))
        label = _clusters(sets, threshold, Path(folder))
    members = np.flatnonzero(np.bincount(label, minlength=len(label))[label] > 1)
    first = sets.keys.gather(label[members])
    return pl.DataFrame({"key": sets.keys.gather(members), "cluster": first}).with_columns(
        duplicate_of=pl.when(pl.col("key") != pl.col("cluster")).then("cluster")
    )


def similar_to(
    texts: pl.LazyFrame, reference: pl.LazyFrame, threshold: float = THRESHOLD, words: int = WORDS
) -> pl.DataFrame:
    """The texts that are near-duplicates of one in ``reference``: columns key, reference (its key) and jaccard.

    Both have the columns key and text. Of several similar references the most similar is named, the first of equals;
    texts with none are not in the result.
    """
    _check(threshold, words)
    both = pl.concat([reference.select("key", "text"), texts.select("key", "text")])
    border = reference.select(pl.len()).collect().item()
    with TemporaryDirectory(prefix="corpusmith-") as folder:
        sets = gather(both, words, Path(folder))
        first = first_of_equal(sets.digests)
        copies = np.flatnonzero(first[border:] < border) + border
        found = [(first[copies], copies, np.ones(len(copies)))]
        for shingle, row in shared(sets, _distinct(first), threshold, Path(folder)):
            for left, right in across(shingle, row, (row >= border).astype(np.int64)):
                found.append(similar(sets, left, right, threshold))
    references, copies, similarity = (np.concatenate(arrays) for arrays in zip(*found, strict=True))
    order = np.lexsort((references, -similarity, copies))
    best = order[np.unique(copies[order], return_index=True)[1]]
    place = np.full(len(first), -1)
    place[copies[best]] = best
    every = np.where(first < border, np.arange(len(first)), first)  # the row that was searched for each row
    rows = np.flatnonzero(place[every] >= 0)
    best = place[every[rows]]
    return pl.DataFrame(
        {
            "key": sets.keys.gather(rows),
            "reference": sets.keys.gather(references[best]),
            "jaccard": similarity[best],
        }
    )


def _check(threshold: float, words: int) -> None:
    if not 0 < threshold <= 1:
        raise SettingsError(f"threshold of near-duplicates: expected more than 0 and at most 1, got {threshold}")
    if words < 1:
        raise SettingsError(f"words of a shingle: expected 1 or more, got {words}")


def _clusters(sets: Sets, threshold: float, folder: Path) -> Rows:
    """For each row the first row of its cluster; shape (n,)."""
    label = first_of_equal(sets.digests)
    for shingle, row in shared(sets, _distinct(label), threshold, folder):
        left, right = neighbours(shingle, row)
        apart = label[left] != label[right]
        left, right, _ = similar(sets, left[apart], right[apart], threshold)
        label = merged(label, left, right)
        for left, right in across(shingle, row, label[row]):
            left, right, _ = similar(sets, left, right, threshold)
            label = merged(label, left, right)
    return label


def first_of_equal(digests: npt.NDArray[np.unsignedinteger]) -> Rows:
    """For each row the first row with the same digest; shape (n,)."""
    _, first, members = np.unique(digests, return_index=True, return_inverse=True)
    earliest: Rows = first[members]
    return earliest


def _distinct(first: Rows) -> Rows:
    """The rows that are the first of their kind, ascending."""
    return np.flatnonzero(first == np.arange(len(first)))


def merged(label: Rows, left: Rows, right: Rows) -> Rows:
    """The labels after each pair of rows was put under one label, the smallest; shape (n,)."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if not len(left):
        return label
    ends = np.stack([label[left], label[right]])
    labels, node = np.unique(ends, return_inverse=True)
    node = node.reshape(ends.shape)
    links = coo_array((np.ones(len(left), np.bool_), (node[0], node[1])), shape=(len(labels), len(labels)))
    _, component = connected_components(links, directed=False)
    smallest = np.unique(component, return_index=True)[1]  # labels ascend: the first of a component is its smallest
    new = np.arange(len(label))
    new[labels] = labels[smallest[component]]
    return new[label]
