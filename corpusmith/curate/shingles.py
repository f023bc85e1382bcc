"""Turn many texts at once into sets of hashed word shingles, without a Python step for any one of them."""

from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

Hashes = npt.NDArray[np.uint64]

BASE = 0x9E3779B97F4A7C15  # odd, so that its powers have inverses modulo 2^64
INVERSE = pow(BASE, -1, 1 << 64)
NEXT_WORD = np.uint64(0xD6E8FEB86659FD93)
ROWS_AT_ONCE = 4096  # twelve bits of a sort key hold the row, the other fifty-two its shingle
BYTES_AT_ONCE = 1 << 17  # of text: the 64-bit arrays beside it stay in the processor's second-level cache
ROW_SHIFT = np.uint64(52)
SHINGLE_BITS = np.uint64((1 << 52) - 1)
FIRST_BYTES = np.array([(1 << 8 * count) - 1 for count in range(9)], np.uint64)  # masks


class Shingles(NamedTuple):
    """The shingle sets of n texts, one after the other."""

    sizes: npt.NDArray[np.uint32]
    """How many shingles each text has; shape (n,), at least 1."""
    hashes: npt.NDArray[np.uint32]
    """The hashes of all shingles, ascending within a text; shape (sizes.sum(),)."""
    digests: Hashes
    """A hash of each set, equal for equal sets; shape (n,)."""
    parities: Hashes
    """Per bit, whether an odd number of the shingles falls on it; shape (n,). Sets that differ in d shingles differ in
    d bits at most."""


NONE = Shingles(np.empty(0, np.uint32), np.empty(0, np.uint32), np.empty(0, np.uint64), np.empty(0, np.uint64))


def shingles(texts: pl.Series, words: int) -> Shingles:
    """The set of shingles of each text: every run of ``words`` consecutive words, as a hash.

    A word is a run of letters, digits and non-ASCII characters; case and punctuation do not count. A text of fewer
    words is one shingle, and so is a text without any word. A null counts as an empty text.
    """
    table = texts.fill_null("").str.to_lowercase() + " "
    parts = [_shingles(part, words) for part in _parts(table)]
    return Shingles(*map(np.concatenate, zip(NONE, *parts, strict=True)))


def _parts(texts: pl.Series) -> list[pl.Series]:
    """Consecutive slices of at most ROWS_AT_ONCE rows and, but for one long text, BYTES_AT_ONCE bytes."""
    ends = texts.str.len_bytes().cast(pl.Int64).cum_sum().to_numpy()
    cuts, start = [0], 0
    while start < len(texts):
        limit = (ends[start - 1] if start else 0) + BYTES_AT_ONCE
        stop = int(np.searchsorted(ends, limit, side="right"))
        start = min(max(stop, start + 1), start + ROWS_AT_ONCE)
        cuts.append(start)
    return [texts.slice(a, b - a) for a, b in pairwise(cuts)]


def _shingles(texts: pl.Series, words: int) -> Shingles:
    """What `shingles` returns, for lower-case texts that end in a space and fit one sort."""
    array = texts.to_arrow(compat_level=pl.CompatLevel.oldest())
    offsets = np.frombuffer(array.buffers()[1], np.int64, len(array) + 1, array.offset * 8)
    text = np.frombuffer(array.buffers()[2], np.uint8, offsets[-1] - offsets[0], offsets[0])
    starts, ends, first = _words(text, offsets - offsets[0])
    keys = _mixed(_windows(_mixed(_spans(text, starts, ends)), first, words))
    keys >>= np.uint64(12)
    keys |= np.repeat(np.arange(len(texts), dtype=np.uint64) << ROW_SHIFT, np.maximum(np.diff(first) - words + 1, 1))
    keys.sort()
    fresh = np.concatenate([[True], keys[1:] != keys[:-1]])
    if not fresh.all():
        keys = keys[fresh]
    starts = np.searchsorted(keys, np.arange(len(texts), dtype=np.uint64) << ROW_SHIFT)
    sizes = np.diff(starts, append=len(keys))
    keys &= SHINGLE_BITS
    digests = _mixed(np.add.reduceat(keys, starts))
    parities = np.bitwise_xor.reduceat(np.uint64(1) << (keys & np.uint64(63)), starts)
    keys >>= np.uint64(20)
    return Shingles(sizes.astype(np.uint32), keys.astype(np.uint32), digests, parities)


def _windows(word: Hashes, first: npt.NDArray[np.int64], words: int) -> Hashes:
    """A number for each run of ``words`` words of a text, or for all words of a text that has fewer.

    ``word`` has the hashes of all words, ``first`` where those of each text start (and, last, their number).
    """
    counts = np.diff(first)
    short = np.flatnonzero(counts < words)
    whole = np.ones(len(word), np.bool_)
    for step in range(1, words):
        whole[np.maximum(first[1:] - step, 0)] = False  # too near to the end of its text
    whole[first[short]] = True
    word = np.concatenate([word, np.zeros(words, np.uint64)])
    runs = word[: len(whole)].copy()
    rest = word[first[short]]
    for step in range(1, words):
        runs *= NEXT_WORD
        runs += word[step : step + len(whole)]
        rest *= NEXT_WORD
        rest += np.where(step < counts[short], word[first[short] + step], 0)
    runs[first[short]] = rest
    complete: Hashes = runs[whole]
    return complete


def _words(
    text: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Where each word starts and ends, and the first word of each text (and, last, the number of words)."""
    inside = np.zeros(len(text) + 1, np.bool_)  # shifted by one: a word may start at the first byte
    inside[1:] = (text - ord("a") < 26) | (text - ord("0") < 10) | (text >= 0x80)
    edges = np.flatnonzero(inside[1:] != inside[:-1])
    starts, ends = edges[::2], edges[1::2]
    first = np.searchsorted(starts, offsets)
    wordless = np.flatnonzero(first[1:] == first[:-1])
    if len(wordless):  # the whole text stands for its words
        starts = np.insert(starts, first[wordless], offsets[wordless])
        ends = np.insert(ends, first[wordless], offsets[wordless + 1])
        first = np.searchsorted(starts, offsets)
    return starts, ends, first


def _spans(text: npt.NDArray[np.uint8], starts: npt.NDArray[np.int64], ends: npt.NDArray[np.int64]) -> Hashes:
    """A number for each span of bytes that does not end in NUL: its bytes if they are eight or fewer, else a hash."""
    padded = np.concatenate([text, np.zeros(8, np.uint8)])
    eight = np.ndarray(len(text) + 1, "<u8", padded, strides=(1,))  # the eight bytes from each place on
    lengths = ends - starts
    hashes = eight[starts]
    hashes &= FIRST_BYTES[np.minimum(lengths, 8)]
    long = np.flatnonzero(lengths > 8)
    hashes[long] = _mixed(hashes[long] + lengths[long].astype(np.uint64)) + eight[ends[long] - 8]
    longer = long[lengths[long] > 16]
    if len(longer):
        hashes[longer] = _sums(text, starts[longer], lengths[longer])
    return hashes


def _sums(text: npt.NDArray[np.uint8], starts: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64]) -> Hashes:
    """The polynomial sum of byte times BASE^place modulo 2^64 of each span, from prefix sums."""
    ends = lengths.cumsum()
    text = text[np.repeat(starts - ends + lengths, lengths) + np.arange(ends[-1])]
    powers, inverses = _powers(1 << len(text).bit_length())
    prefix = np.zeros(len(text) + 1, np.uint64)
    np.cumsum(text * powers[: len(text)], out=prefix[1:])
    hashes: Hashes = prefix[ends]
    hashes -= prefix[ends - lengths]
    hashes *= inverses[ends - lengths]
    return hashes


@lru_cache(maxsize=4)
def _powers(length: int) -> tuple[Hashes, Hashes]:
    """BASE^0, BASE^1, … and their inverses modulo 2^64; each of shape (length,)."""

    def powers(base: int) -> Hashes:
        factors = np.full(length, base, np.uint64)
        factors[0] = 1
        return np.cumprod(factors)

    return powers(BASE), powers(INVERSE)


def _mixed(values: Hashes) -> Hashes:
    """Each value with its bits well mixed, in place (fmix64 of MurmurHash3)."""
    for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        values ^= values >> np.uint64(33)
        values *= np.uint64(factor)
    values ^= values >> np.uint64(33)
    return values
