"""What the names and sizes of a shelf's segments say: whose keys one may hold, and which are to be merged.

``any-<id>``: rows of any key. ``3f-<id>``: rows whose keys begin with 3f. All other names are somebody's own, and stay.
"""

from __future__ import annotations

import re
import uuid
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl
import pyarrow as pa

from corpusmith.work.store import File

ANY: Final = "any"
AT_MOST: Final = 16
"""Segments of a size that keys with the same first digits may have: one more, and they are merged."""
STEP: Final = 16
"""How much larger the segments of the next size are."""
SMALLEST: Final = 64 << 10
LARGE_BYTES: Final = 128 << 20
LARGE_ROWS: Final = 1 << 21
"""What a merged segment has at most; larger ones are parted by the next digit of their keys."""

_NAME: Final = re.compile(r"(any|[0-9a-f]{1,31})-[0-9a-f]{24}\.parquet")


@dataclass(frozen=True)
class Listing:
    """What a shelf has at a moment: segments in name order, those that were replaced, the lists of these, failures."""

    segments: list[File]
    replaced: list[File]
    lists: list[File]
    failures: list[File]


def unique() -> str:
    """24 hexadecimal digits that nobody draws again: no name comes back after what had it was merged away."""
    return uuid.uuid4().hex[:24]


def lead(name: str) -> str | None:
    """The first digits of all keys of a segment, empty for any; None: its name does not say."""
    found = _NAME.fullmatch(name)
    return found and ("" if found[1] == ANY else found[1])


def may_hold(name: str, keys: pl.Series) -> bool:
    """Whether a segment may hold one of these keys, which are in order."""
    first = lead(name)
    if not first:
        return True
    place = keys.search_sorted(first)
    return place < len(keys) and str(keys[int(place)]).startswith(first)


def to_merge(files: Sequence[File]) -> tuple[str, list[File]] | None:
    """The first digits and the segments, the smallest first, that are to be merged next; None: there are few enough.

    Of a size and first digits there are AT_MOST, so that a row is written again once for each size and each digit that
    it passes. Segments of LARGE_BYTES / 2 and more are left alone, however many there are.
    """
    alike: dict[tuple[str, int], list[File]] = defaultdict(list)
    for file in files:
        first = lead(file.name)
        if first is not None and file.bytes < LARGE_BYTES // 2:
            alike[first, _size(file.bytes)].append(file)
    many = [(first, found) for (first, _), found in sorted(alike.items()) if len(found) > AT_MOST]
    if not many:
        return None
    first, found = many[0]
    return first, sorted(found, key=lambda file: file.bytes)


def parts(rows: pa.Table, first: str, key: str) -> list[tuple[str, pa.Table]]:
    """Rows in the order of their keys, as one segment, or as one for each next digit where they are too many."""
    if rows.nbytes <= LARGE_BYTES and rows.num_rows <= LARGE_ROWS:
        return [(first or ANY, rows)]
    digits = pl.Series(pl.from_arrow(rows[key].combine_chunks())).str.head(len(first) + 1)
    runs = digits.rle().struct.unnest()
    ends = runs["len"].cum_sum().to_list()
    found = zip(runs["value"], runs["len"], ends, strict=True)
    return [(value, rows.slice(end - length, length)) for value, length, end in found]


def _size(size: int) -> int:
    """The number of a size: the first is up to SMALLEST, each further STEP times the one before."""
    number = 0
    while size > SMALLEST * STEP**number:
        number += 1
    return number
