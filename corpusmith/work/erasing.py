"""Take rows out of a shelf for good: what was taken down, and what nobody uses any more."""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from corpusmith.curate.rows import holds_any
from corpusmith.work import compaction, segments
from corpusmith.work.store import File

if TYPE_CHECKING:
    from corpusmith.work.ledger import Shelf

KEY = "key"
AT_A_TIME: Final = 16
"""Files that are there twice, with what goes and without it, before what holds it is deleted."""


def erase(shelf: Shelf, keys: Collection[str] | pl.Series, texts: Sequence[str] = ()) -> int:
    """`Shelf.erase`: how many rows that were."""
    asked = keys.sort() if isinstance(keys, pl.Series) else pl.Series(KEY, sorted(keys), pl.String)
    one = _Erasing(shelf, values(asked), texts, compaction.Replaced(shelf))
    erased, held = 0, False
    while True:
        listing = shelf.listed()
        there, old = (
            [file for file in files if segments.may_hold(file.name, asked)]
            for files in (listing.segments, listing.replaced)
        )
        found = one.out_of([*there, *listing.failures])
        # what was merged elsewhere goes as a whole
        if not found + one.out_of(old, keep=False):
            break
        erased, held = erased + found, True  # and once more: another process may have merged segments meanwhile
    if held:  # it may be in these too, and nobody needs them
        shelf.store.remove(f"{shelf.path}/set-aside")
        shelf.store.remove_unfinished(shelf.path)
    return erased


@dataclass(frozen=True)
class _Erasing:
    """keys: of the rows that go. texts: what of a failure's plan or message tells that it goes too."""

    shelf: Shelf
    keys: pa.Array
    texts: Sequence[str]
    replaced: compaction.Replaced

    def out_of(self, files: Sequence[File], keep: bool = True) -> int:
        """Take rows out of files, a few at a time; without ``keep`` every file as a whole that has any of them."""
        erased = 0
        for start in range(0, len(files), AT_A_TIME):
            counts = [(file, self._written_without(file, keep)) for file in files[start : start + AT_A_TIME]]
            gone = [file for file, count in counts if count]
            # whoever has read one to merge it finds it in the list, and stops
            if listed := [file.name for file in gone if keep and file.folder == "segments" and _is_merged(file)]:
                self.replaced.add(listed)
            self.shelf._delete([file.path for file in gone])
            erased += sum(count for _, count in counts)
        return erased

    def _written_without(self, file: File, keep: bool) -> int:
        """Write, with ``keep``, what is to be left of a file beside it; how many rows are not."""
        shelf = self.shelf
        with contextlib.suppress(FileNotFoundError):
            fragment = shelf.store.opened(file)
            if fragment is None or KEY not in fragment.physical_schema.names:
                return 0
            said = ("plan", "message") if self.texts and file.folder == "failures" else ()
            gone = self._among(shelf.store.table(fragment, [KEY, *said]))
            count = int(pc.sum(gone).as_py() or 0)
            if keep and 0 < count < len(gone):
                left = shelf.store.table(fragment).filter(pc.invert(gone))
                stem = re.sub(r"-[0-9a-f]{24}$", "", PurePosixPath(file.path).stem)
                shelf._write(file.folder, f"{stem}-{_after(file.name, left[KEY])}.parquet", left)
            return count
        return 0

    def _among(self, rows: pa.Table) -> pa.ChunkedArray:
        """Which rows have one of the keys or, beside them, hold one of the texts; shape (rows,), bool."""
        found = is_in(rows[KEY], self.keys)
        for name in rows.column_names[1:]:
            column = pl.DataFrame({name: pl.from_arrow(rows[name])})
            holds = column.select(holds_any(pl.col(name), self.texts).fill_null(False)).to_series()
            found = pc.or_(found, holds.to_arrow())
        return found


def _is_merged(file: File) -> bool:
    return segments.lead(file.name) is not None


def _after(name: str, keys: pa.ChunkedArray) -> str:
    """24 hexadecimal digits for what is left of a file: the same for whoever takes the same out of it."""
    digest = hashlib.blake2b(name.encode(), digest_size=12)
    for chunk in keys.chunks:
        digest.update("".join(chunk.to_pylist()).encode())
    return digest.hexdigest()


def values(keys: pl.Series) -> pa.Array:
    """Keys as what `is_in` looks for, made once for many columns."""
    return keys.to_arrow(compat_level=pl.CompatLevel.oldest()).cast(pa.string())


def is_in(column: pa.ChunkedArray, keys: pa.Array) -> pa.ChunkedArray:
    """Which values of a column are among the keys; shape (rows,), bool."""
    return pc.is_in(column, value_set=keys)
