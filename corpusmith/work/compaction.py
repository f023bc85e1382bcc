"""Merge what many small runs appended to a shelf, so that it stays a few segments of each size.

Merged segments are on disk before one small file, the list of those that they replace, takes these out of sight. These
stay GRACE_SECONDS more, for whoever opened a table of them before.
"""

from __future__ import annotations

import contextlib
import json
import re
import time
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Final

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from corpusmith.work import segments
from corpusmith.work.store import File, ahead

if TYPE_CHECKING:
    from corpusmith.work.ledger import Shelf

GRACE_SECONDS: Final = 48 * 3600
"""How long a table that was opened may be read: 15 TB at 1 Gbit/s take 33 hours."""
LISTED: Final = 1000
"""Names in one list of replaced segments."""
FEW_FAILURES: Final = 64
SMALL: Final = 1 << 20
"""Bytes up to which several segments are read at once."""

_SINCE: Final = re.compile(r"(\d{12})-[0-9a-f]{24}\.json")


def compact(shelf: Shelf) -> None:
    """Merge small segments, and failures, until there are few of each size (`segments.to_merge`).

    Memory does not grow with the shelf. A crash leaves rows twice (and read once), never lost. Two processes may
    compact or erase at once: who finds that another was quicker stops.
    """
    listing = shelf.listed()
    sweep(shelf, listing)
    _merge_failures(shelf, listing.failures)
    known, mine = {file.path for file in listing.lists}, Replaced(shelf)
    files = listing.segments
    while found := segments.to_merge(files):
        taken, made = _merge(shelf, *found)
        files = [file for file in files if file not in taken] + made
        if not made:
            continue
        names = {file.name for file in taken}
        if names & names_in(shelf, _lists(shelf, known | mine.paths)):
            return shelf.store.delete([file.path for file in made])
        mine.add(names)


class Replaced:
    """What one process takes out of sight: lists of segments, the last of them written anew with each call."""

    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf
        self.paths = set[str]()
        self._path, self._names = "", list[str]()

    def add(self, names: Iterable[str]) -> None:
        """Take segments out of sight; what replaces them is there."""
        if not self._path or len(self._names) >= LISTED:
            name = f"{int(time.time()):012d}-{segments.unique()}.json"  # not every store says when a file was written
            self._path, self._names = f"{self.shelf.path}/replaced/{name}", []
            self.paths.add(self._path)
        self._names += sorted(names)
        self.shelf.store.put(self._path, json.dumps(self._names).encode())


def lists(shelf: Shelf) -> list[File]:
    """The lists of segments that were replaced."""
    return shelf.store.files(f"{shelf.path}/replaced")


def names_in(shelf: Shelf, files: Iterable[File]) -> set[str]:
    """The names of segments in lists."""
    return {name for _, names in ahead(lambda file: _names(shelf, file), files, shelf.store.at_once) for name in names}


def swept(shelf: Shelf, listing: segments.Listing, grace: float = GRACE_SECONDS) -> list[tuple[File, list[str]]]:
    """The lists of what was replaced more than ``grace`` seconds ago, and the names of the segments in each."""
    old = [file for file in listing.lists if (since := _since(file)) and time.time() - since > grace]
    return list(ahead(lambda file: _names(shelf, file), old, shelf.store.at_once))


def sweep(shelf: Shelf, listing: segments.Listing | None = None, grace: float = GRACE_SECONDS) -> None:
    """Take away segments that were replaced more than ``grace`` seconds ago."""
    for file, names in swept(shelf, listing or shelf.listed(), grace):
        shelf.store.delete([f"{shelf.path}/segments/{name}" for name in names])
        shelf.store.delete([file.path])


def _lists(shelf: Shelf, known: Collection[str]) -> list[File]:
    """The lists that others wrote meanwhile."""
    return [file for file in lists(shelf) if file.path not in known]


def _since(file: File) -> float:
    """Since when at the latest what a list names was replaced, in seconds since 1970; 0: nobody knows."""
    found = _SINCE.fullmatch(file.name)
    return max(file.written, float(found[1]) if found else 0.0)


def _names(shelf: Shelf, file: File) -> list[str]:
    with contextlib.suppress(FileNotFoundError):  # another process has just cleaned up
        return list(json.loads(shelf.store.read(file.path)))
    return []


def _merge(shelf: Shelf, first: str, files: Sequence[File]) -> tuple[list[File], list[File]]:
    """Merge the first of these segments, which share their keys' first digits, while they fit in one: two at the least.

    What was taken or cannot be used, and what was made of it.
    """
    taken: list[File] = []
    tables: list[pa.Table] = []
    for file, found in ahead(lambda file: _read(shelf, file), files, shelf.store.at_once if _are_small(files) else 1):
        if isinstance(found, pa.Table):
            if len(tables) > 1 and _is_large([*tables, found]):
                break
            tables.append(found)
        elif found:
            shelf.set_aside(file, found)
        taken.append(file)
    if len(tables) < 2:
        return taken, []
    rows = pa.concat_tables(tables).sort_by("key")
    is_first = _firsts(rows["key"])
    if not pc.all(is_first).as_py():  # else they would be copied for nothing
        rows = rows.filter(is_first)
    return taken, [
        shelf.write(f"{lead}-{segments.unique()}", part) for lead, part in segments.parts(rows, first, "key")
    ]


def _read(shelf: Shelf, file: File) -> pa.Table | str:
    """A segment, or why it is none; empty: another process has erased it."""
    with contextlib.suppress(FileNotFoundError):
        return shelf.read(file)
    return ""


def _are_small(files: Sequence[File]) -> bool:
    return max(file.bytes for file in files) <= SMALL


def _firsts(keys: pa.ChunkedArray) -> pa.Array:
    """Which rows, in the order of their keys, are the first with theirs; shape (rows,), bool."""
    column = keys.combine_chunks()
    if isinstance(column, pa.ChunkedArray):
        column = pa.concat_arrays(column.chunks)
    later = pc.not_equal(column.slice(1), column.slice(0, max(len(column) - 1, 0)))
    return pa.concat_arrays([pa.array([True] * min(len(column), 1), pa.bool_()), later])


def _is_large(tables: Sequence[pa.Table]) -> bool:
    rows = sum(table.num_rows for table in tables)
    size = sum(int(table.nbytes) for table in tables)
    return rows > segments.LARGE_ROWS or size > segments.LARGE_BYTES


def _merge_failures(shelf: Shelf, files: Sequence[File]) -> None:
    """Keep the last failure of each row in one file, where there are many small ones."""
    few = [file for file in files if file.bytes <= SMALL]
    if len(few) <= FEW_FAILURES:
        return
    made = shelf.add_failures(shelf.last_failures(few).to_arrow(compat_level=pl.CompatLevel.oldest()))
    merged = {file.path for file in few}
    if merged <= {file.path for file in shelf.store.files(f"{shelf.path}/failures")}:
        shelf.store.delete(sorted(merged))
    else:  # another process merged them, or took rows out of them that are in what was made
        shelf.store.delete([made.path])
