"""Take rows out of a shelf for good: what was taken down, and what nobody uses any more."""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Collection, Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from corpusmith.work import segments
from corpusmith.work.store import File

if TYPE_CHECKING:
    from corpusmith.work.ledger import Shelf

KEY = "key"


def erase(shelf: Shelf, keys: Collection[str], texts: Sequence[str] = ()) -> int:
    """`Shelf.erase`: how many rows that were."""
    erased, asked = 0, pl.Series(KEY, sorted(keys), pl.String)
    while True:
        listing = shelf.listed()
        there, old = (
            [file for file in files if segments.may_hold(file.name, asked)]
            for files in (listing.segments, listing.replaced)
        )
        found = sum(_erase(shelf, file, keys, texts) for file in [*there, *listing.failures])
        # what was merged elsewhere goes as a whole
        if not found + sum(_erase(shelf, file, keys, texts, keep=False) for file in old):
            return erased
        erased += found  # and once more: another process may have merged segments meanwhile


def _erase(shelf: Shelf, file: File, keys: Collection[str], texts: Sequence[str], keep: bool = True) -> int:
    """Take rows out of a file; without ``keep`` the whole file, if it has any of them."""
    with contextlib.suppress(FileNotFoundError):
        fragment = shelf.store.opened(file)
        if fragment is None or KEY not in fragment.physical_schema.names:
            return 0
        said = ("plan", "message") if texts and file.folder == "failures" else ()
        gone = _among(shelf.store.table(fragment, [KEY, *said]), keys, texts if said else ())
        count = int(pc.sum(gone).as_py() or 0)
        if not count:
            return 0
        if keep and count < len(gone):
            left = shelf.store.table(fragment).filter(pc.invert(gone))
            stem = re.sub(r"-[0-9a-f]{24}$", "", PurePosixPath(file.path).stem)
            shelf._write(file.folder, f"{stem}-{_after(file.name, left[KEY])}.parquet", left)
        shelf._delete(file.path)
        return count
    return 0


def _after(name: str, keys: pa.ChunkedArray) -> str:
    """24 hexadecimal digits for what is left of a file: the same for whoever takes the same out of it."""
    digest = hashlib.blake2b(name.encode(), digest_size=12)
    for chunk in keys.chunks:
        digest.update("".join(chunk.to_pylist()).encode())
    return digest.hexdigest()


def is_in(column: pa.ChunkedArray, keys: Collection[str]) -> pa.ChunkedArray:
    """Which values of a column are among the keys; shape (rows,), bool."""
    return pc.is_in(column, value_set=pa.array(keys, pa.string()))


def _among(rows: pa.Table, keys: Collection[str], texts: Sequence[str]) -> pa.ChunkedArray:
    """Which rows have one of the keys or, where texts are given, hold one of them; shape (rows,), bool."""
    found = is_in(rows[KEY], keys)
    for name in rows.column_names[1:]:
        holds = pl.Series(pl.from_arrow(rows[name])).str.contains_any([*texts]).fill_null(False)
        found = pc.or_(found, holds.to_arrow())
    return found
