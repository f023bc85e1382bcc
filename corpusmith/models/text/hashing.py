"""Turn Arrow strings into words and hashed n-grams, a whole batch at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

Ints = np.ndarray[Any, np.dtype[np.int64]]
Hashes = np.ndarray[Any, np.dtype[np.uint64]]
Bytes = np.ndarray[Any, np.dtype[np.uint8]]

LONGEST_TEXT = 1000  # code points that are read of a text: the mood of a longer one is settled by then
LONGEST_WORD = 24  # bytes of a word that its n-grams are taken from

_BASE = np.uint64(0x9E3779B97F4A7C15)
_BASE_INVERSE = np.uint64(pow(0x9E3779B97F4A7C15, -1, 2**64))
_MIX = np.uint64(0xD6E8FEB86659FD93)
_MASK = r"\[(?:URL|EMAIL|PHONE|IP|CARD)\]"  # no person and no feeling in it, and the training text has none

_LOWER = np.arange(256, dtype=np.uint8)
_LOWER[ord("A") : ord("Z") + 1] += 32
_IN_WORD = np.zeros(256, dtype=bool)
_IN_WORD[[*range(ord("0"), ord("9") + 1), *range(ord("a"), ord("z") + 1), ord("'"), *range(128, 256)]] = True
_BLANK = np.zeros(256, dtype=bool)
_BLANK[: ord(" ") + 1] = True
_UPPER = np.zeros(256, dtype=bool)
_UPPER[ord("A") : ord("Z") + 1] = True
_EMOJI = 0xF0  # first byte of a character beyond the basic plane: each is a word of its own


@dataclass(frozen=True)
class Words:
    """The words of a batch of texts, each distinct one spelled once.

    hashes: the distinct words' 64-bit hashes, (distinct,), in order of appearance.
    grams, gram_starts: hashes of the distinct words' byte n-grams, end to end, and where each word's begin.
    ids: the distinct word at each place of the batch, (words,).
    shouted: whether the word there is in capitals, (words,), bool.
    rows: the text that each place belongs to, (words,), ascending.
    texts: how many texts there are; one without a word has no place.
    """

    hashes: Hashes
    grams: Hashes
    gram_starts: Ints
    ids: Ints
    shouted: np.ndarray[Any, np.dtype[np.bool_]]
    rows: Ints
    texts: int


def words(texts: pa.Array, gram_sizes: tuple[int, ...] = ()) -> Words:
    """The words of each text in lower case; runs of a letter or mark longer than two count as two ("sooo!!!": soo, !!).

    A word is a run of letters, digits and apostrophes, one emoji, or a run of one mark. Masks of personal data are left
    out, except people, who are all "[NAME]". Raises ValueError on a null.
    """
    if texts.null_count:
        raise ValueError(f"{texts.null_count} of {len(texts)} texts are null; expected strings")
    raw, text_of = _bytes(plain(texts))
    kept = np.ones(len(raw), dtype=bool)
    kept[2:] = ~((raw[2:] == raw[1:-1]) & (raw[2:] == raw[:-2]) & (text_of[2:] == text_of[:-2]))
    raw, text_of = raw[kept], text_of[kept]
    lower = _LOWER[raw]
    starts, ends = _spans(lower, text_of)
    spelled = _span_hashes(lower, starts, ends)
    encoded = pa.array(spelled).dictionary_encode()
    ids = encoded.indices.to_numpy().astype(np.int64)
    first = np.empty(len(encoded.dictionary), dtype=np.int64)
    first[ids[::-1]] = np.arange(len(ids))[::-1]
    grams, gram_starts = _grams(lower, starts[first], ends[first], gram_sizes)
    capitals = np.concatenate([[0], np.cumsum(_UPPER[raw])])
    shouted = (capitals[ends] - capitals[starts] == ends - starts) & (ends - starts > 1)
    return Words(encoded.dictionary.to_numpy(), grams, gram_starts, ids, shouted, text_of[starts], len(texts))


def buckets(hashes: Hashes, count: int) -> Ints:
    """A bucket from 0 to count - 1 for each hash."""
    mixed = (hashes ^ (hashes >> np.uint64(32))) * _MIX
    return ((mixed >> np.uint64(32)) * np.uint64(count) >> np.uint64(32)).astype(np.int64)


def pairs(words: Words) -> tuple[Hashes, Ints]:
    """The hashes of each two words that follow each other in a text, and the text that each pair belongs to."""
    same = words.rows[1:] == words.rows[:-1]
    spelled = words.hashes[words.ids]
    return (spelled[:-1] * _BASE + spelled[1:])[same], words.rows[1:][same]


def plain(texts: pa.Array) -> pa.Array:
    """What is read of each text: LONGEST_TEXT code points, plain apostrophes, "[NAME]" for people, no other masks."""
    cut = pc.utf8_slice_codeunits(texts, 0, LONGEST_TEXT)
    quotes = pc.replace_substring_regex(cut, "[\u2018\u2019]", "'")
    people = pc.replace_substring(quotes, "[USER]", "[NAME]")
    return pc.replace_substring_regex(people, _MASK, " ")


def _bytes(texts: pa.Array) -> tuple[Bytes, Ints]:
    """All texts end to end as bytes, and the text that each byte belongs to."""
    texts = texts.cast(pa.large_string())
    _, offsets_buffer, data = texts.buffers()
    offsets = np.frombuffer(offsets_buffer, dtype=np.int64)[texts.offset : texts.offset + len(texts) + 1]
    flat = np.frombuffer(data or b"", dtype=np.uint8)[offsets[0] : offsets[-1]] if len(texts) else np.empty(0, np.uint8)
    return flat, np.repeat(np.arange(len(texts)), np.diff(offsets))


def _spans(lower: Bytes, text_of: Ints) -> tuple[Ints, Ints]:
    """Where each word begins and ends."""
    if not len(lower):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    inside, blank = _IN_WORD[lower], _BLANK[lower]
    goes_on = (text_of[1:] == text_of[:-1]) & (lower[1:] != _EMOJI)
    goes_on &= (inside[1:] & inside[:-1]) | (~inside[1:] & (lower[1:] == lower[:-1]))
    borders = np.flatnonzero(np.concatenate([[True], ~goes_on, [True]]))
    starts, ends = borders[:-1], borders[1:]
    full = ~blank[starts]
    return starts[full], ends[full]


def _span_hashes(data: Bytes, starts: Ints, ends: Ints) -> Hashes:
    """Polynomial hashes of data[start:end], from running sums (Karp & Rabin 1987) modulo 2**64."""
    power = np.full(len(data) + 1, _BASE)
    power[0] = 1
    power = np.multiply.accumulate(power)
    inverse = np.full(len(data) + 1, _BASE_INVERSE)
    inverse[0] = 1
    inverse = np.multiply.accumulate(inverse)
    sums = np.zeros(len(data) + 1, dtype=np.uint64)
    np.cumsum((data.astype(np.uint64) + np.uint64(1)) * power[:-1], out=sums[1:])
    spelled = (sums[ends] - sums[starts]) * inverse[starts]
    spelled ^= spelled >> np.uint64(29)
    return np.asarray(spelled * _MIX)


def _grams(lower: Bytes, starts: Ints, ends: Ints, sizes: tuple[int, ...]) -> tuple[Hashes, Ints]:
    """The n-gram hashes of the spans, borders included ("<so", "so>"), span by span, and where each span's begin."""
    if not sizes:
        return np.empty(0, np.uint64), np.zeros(len(starts), np.int64)
    lengths = np.minimum(ends - starts, LONGEST_WORD) + 2
    ends_at = np.cumsum(lengths)
    begins_at = ends_at - lengths
    source = np.repeat(starts - 1 - begins_at, lengths) + np.arange(lengths.sum())
    bordered = lower[np.clip(source, 0, len(lower) - 1)]
    bordered[begins_at], bordered[ends_at - 1] = 2, 3
    span = np.repeat(np.arange(len(starts)), lengths)
    at = np.arange(len(bordered))
    spans, begins, finishes = [], [], []
    for size in sizes:
        fits = at + size <= np.repeat(ends_at, lengths)
        spans.append(span[fits])
        begins.append(at[fits])
        finishes.append(at[fits] + size)
    owner = np.concatenate(spans)
    order = np.argsort(owner, kind="stable")
    hashes = _span_hashes(bordered, np.concatenate(begins), np.concatenate(finishes))[order]
    return hashes, np.searchsorted(owner[order], np.arange(len(starts)))
