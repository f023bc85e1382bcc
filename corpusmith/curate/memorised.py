"""How much of a text stands word for word in what the house LM was trained on, without shipping that text."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl

Bits = np.ndarray[Any, np.dtype[np.uint8]]
Hashes = np.ndarray[Any, np.dtype[np.uint64]]
Ints = np.ndarray[Any, np.dtype[np.int64]]

WORDS: Final = 8  # in a run: fewer are a turn of phrase
PROBES: Final = 6  # bits of the filter for each run
SHIPPED: Final = Path(__file__).parents[1] / "models" / "house" / "language" / "runs.npy"
ROWS_AT_ONCE: Final = 65_536

_BASE = np.uint64(0x9E3779B97F4A7C15)
_MIX = np.uint64(0xD6E8FEB86659FD93)


def longest_overlap(texts: pl.Series, index: Bits | None = None) -> pl.Series:
    """Words in the longest stretch of each text that stands verbatim in the training text: Int32, 0 below 8 words.

    A text of fewer than 8 words counts when it is a whole training text. Case and punctuation do not count.
    ``index`` is what ``index_of`` made, by default the one shipped with the house LM. The filter errs to one side: it
    never misses a stretch, and takes a strange one for known in about one run of 8 words in a hundred, so a stretch of
    9 words (two runs) is wrongly reported about once in ten thousand. Null counts as empty.
    """
    known = shipped() if index is None else index
    parts = [_longest(part, known) for part in texts.fill_null("").to_frame().iter_slices(ROWS_AT_ONCE)]
    return pl.Series(texts.name, np.concatenate(parts) if parts else [], dtype=pl.Int32)


def index_of(texts: pl.Series, size: int) -> Bits:
    """A Bloom filter (Bloom 1970) of ``size`` bytes over every run of 8 words of the texts; shape (size,), uint8."""
    bits = np.zeros(size * 8, dtype=np.bool_)
    for part in texts.fill_null("").to_frame().iter_slices(ROWS_AT_ONCE):
        hashes, _, _ = _runs(part)
        for place in _places(hashes, size * 8):
            bits[place] = True
    return np.packbits(bits)


@cache
def shipped() -> Bits:
    """The filter over the house LM's training text (GoEmotions and the public-domain posts)."""
    index: Bits = np.load(SHIPPED, allow_pickle=False)
    return index


def _longest(texts: pl.DataFrame, index: Bits) -> np.ndarray[Any, np.dtype[np.int32]]:
    hashes, rows, words = _runs(texts)
    known = np.ones(len(hashes), dtype=np.bool_)
    for place in _places(hashes, len(index) * 8):
        known &= (index[place >> 3] >> (7 - (place & 7)).astype(np.uint8)) & 1 == 1
    at = np.arange(len(hashes))
    first = np.diff(rows, prepend=-1) != 0
    broken = np.where(known, np.where(first, at - 1, -1), at)  # the last place before this stretch of known runs
    stretch = at - np.maximum.accumulate(broken) if len(at) else at
    longest = np.zeros(len(texts), dtype=np.int32)
    np.maximum.at(longest, rows, np.where(known, stretch - 1 + words, 0).astype(np.int32))
    return longest


def _runs(texts: pl.DataFrame) -> tuple[Hashes, Ints, Ints]:
    """The hash of every run of 8 words, or of the whole of a shorter text, its row (ascending), and its words."""
    words, rows, counts = _words(texts)
    starts = np.cumsum(counts) - counts
    taken = np.minimum(counts, WORDS)[rows]
    left = (starts + counts)[rows] - np.arange(len(words))
    begins = np.flatnonzero(left >= taken)
    hashes = taken[begins].astype(np.uint64)  # a short text is no run of a longer one
    padded = np.concatenate([words, np.zeros(WORDS, np.uint64)])
    for step in range(WORDS):
        hashes = np.where(step < taken[begins], hashes * _BASE + padded[begins + step], hashes)
    return _mixed(hashes), rows[begins], taken[begins]


def _words(texts: pl.DataFrame) -> tuple[Hashes, Ints, Ints]:
    """The hash of every word, its row, and how many words each row has; distinct words are hashed once."""
    import xxhash

    found = texts.to_series().str.to_lowercase().str.replace_all("['\u2019]", "").str.extract_all(r"[\p{L}\p{N}]+")
    counts = found.list.len().to_numpy().astype(np.int64)
    words = found.filter(found.list.len() > 0).explode().cast(pl.Binary).to_arrow().dictionary_encode()
    spelled = [xxhash.xxh3_64_intdigest(word) for word in words.dictionary.to_pylist()]
    hashes = np.array(spelled, dtype=np.uint64)[words.indices.to_numpy()]
    return hashes, np.repeat(np.arange(len(counts)), counts), counts


def _mixed(hashes: Hashes) -> Hashes:
    mixed = (hashes ^ (hashes >> np.uint64(31))) * _MIX
    return np.asarray(mixed ^ (mixed >> np.uint64(29)))


def _places(hashes: Hashes, bits: int) -> list[Ints]:
    """The bits of the filter that stand for each hash: two halves combined (Kirsch & Mitzenmacher 2006)."""
    low, high = hashes & np.uint64(0xFFFFFFFF), hashes >> np.uint64(32)
    step = high | np.uint64(1)
    return [((low + np.uint64(probe) * step) % np.uint64(bits)).astype(np.int64) for probe in range(PROBES)]
