"""Free what nobody uses of a shelf of the ledger: counted first, then rewritten so that no moment is torn."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq

from corpusmith.work.ledger import KEY, Shelf

STALE_SECONDS = 86_400
"""Age from which on a temporary file is nobody's: no single file is written for as long."""


@dataclass(frozen=True)
class Freed:
    """What is freed of a shelf, and what is left of it: rows, and bytes on disk (of a file in part, its share)."""

    rows: int = 0
    bytes: int = 0
    left: int = 0

    def __add__(self, other: Freed) -> Freed:
        return Freed(self.rows + other.rows, self.bytes + other.bytes, self.left + other.left)


def count(shelf: Shelf, garbage: pl.Series) -> Freed:
    """What `free` would free of a shelf in a folder: rows whose key is among ``garbage``. Only keys are read."""
    found = Freed()
    for path in _files(shelf):
        keys = pl.Series(KEY, pq.read_table(path, columns=[KEY])[KEY].to_pylist(), pl.String)
        gone = int(keys.is_in(garbage.implode()).sum())
        share = path.stat().st_size * gone // max(len(keys), 1)
        found += Freed(gone, share, len(keys) - gone)
    if found.rows and not found.left:  # the whole folder goes
        every = sum(file.stat().st_size for file in Path(shelf.path).rglob("*") if file.is_file())
        return Freed(found.rows, every, 0)
    return found


def free(shelf: Shelf, garbage: pl.Series) -> None:
    """Take rows and failures out of a shelf, and the shelf away where nothing is left of it.

    Killed at any moment, no other row is lost, and the same call completes it (`Shelf.erase`).
    """
    shelf.erase(frozenset(garbage))
    if not _files(shelf):
        shutil.rmtree(shelf.path, ignore_errors=True)


def leftovers(folder: Path, now: float) -> list[Path]:
    """Temporary files that a killed process left behind under a folder, and what was set aside; ``now``: seconds."""
    found = [path for path in sorted(folder.rglob(".*.tmp")) if now - path.stat().st_mtime > STALE_SECONDS]
    aside = [path for path in sorted(folder.glob("*/set-aside/*")) if now - path.stat().st_mtime > STALE_SECONDS]
    return found + aside


def _files(shelf: Shelf) -> list[Path]:
    """The files of finished and of failed rows that can be read."""
    found = []
    for folder in ("segments", "failures"):
        for path in sorted(Path(shelf.path, folder).glob("*.parquet")):
            try:
                pq.read_schema(path).field(KEY)
            except Exception:
                continue  # the next build sets it aside
            found.append(path)
    return found
