"""Merge what many small runs appended to a shelf, so that it stays a few segments of each size.

Merged segments are on disk before one small file, the list of those that they replace, takes these out of sight. These
stay GRACE_SECONDS more, for whoever opened a table of them before.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Final

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from corpusmith.work import segments
from corpusmith.work.store import File, ahead

if TYPE_CHECKING:
    from corpusmith.work.ledger import Shelf

GRACE_SECONDS: Final = 6 * 3600
LISTED: Final = 1000
"""Names in one list of replaced segments."""
FEW_FAILURES: Final = 64
SMALL: Final = 1 << 20
"""Bytes up to which several segments are read at once."""


def compact(shelf: Shelf) -> None:
    """Merge small segments, and failures, until there are few of each size (`segments.to_merge`).

    Memory does not grow with the shelf. A crash leaves rows twice (and read once), never lost. Two processes may
    compact at once: who finds that another was quicker stops.
    """
    listing = shelf.listed()
    sweep(shelf, listing)
    _merge_failures(shelf, listing.failures)
    known = {file.path for file in listing.lists}
    files, going, path = listing.segments, list[str](), _list(shelf)
    while found := segments.to_merge(files):
        taken, made = _merge(shelf, *found)
        files = [file for file in files if file not in taken] + made
        if not made:
            continue
        names = {file.name for file in taken}
        if any(names & set(theirs) for theirs in _lists(shelf, known | {path})):
            return shelf.store.delete([file.path for file in made])
        going += sorted(names)
        shelf.store.put(path, json.dumps(going).encode())
        if len(going) >= LISTED:
            known, going, path = known | {path}, [], _list(shelf)


def sweep(shelf: Shelf, listing: segments.Listing | None = None, grace: float = GRACE_SECONDS) -> None:
    """Take away segments that were replaced more than ``grace`` seconds ago."""
    for file in (listing or shelf.listed()).lists:
        if time.time() - file.written > grace:
            with contextlib.suppress(FileNotFoundError):  # another process does the same
                names = json.loads(shelf.store.read(file.path))
                shelf.store.delete([f"{shelf.path}/segments/{name}" for name in names])
                shelf.store.delete([file.path])


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
    rows = rows.filter(_firsts(rows["key"]))
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
    """Keep the last failure of each row in one file, where there are many."""
    if len(files) > FEW_FAILURES:
        shelf.add_failures(shelf.last_failures(files).to_arrow(compat_level=pl.CompatLevel.oldest()))
        shelf.store.delete([file.path for file in files])


def _list(shelf: Shelf) -> str:
    return f"{shelf.path}/replaced/{segments.unique()}.json"


def _lists(shelf: Shelf, known: Collection[str]) -> Iterator[list[str]]:
    """The names in lists that others wrote meanwhile."""
    for file in shelf.store.files(f"{shelf.path}/replaced"):
        if file.path not in known:
            with contextlib.suppress(FileNotFoundError):
                yield json.loads(shelf.store.read(file.path))
