"""Free what nobody uses of a shelf of the ledger: counted first, then rewritten so that no moment is torn."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from corpusmith.work.ledger import Shelf

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
    """What `free` would free of a shelf: rows whose key is among ``garbage``. Only keys are read."""
    found = Freed()
    for rows, gone, size in shelf.count(garbage):
        found += Freed(gone, size * gone // max(rows, 1), rows - gone)
    if found.rows and not found.left:  # the whole folder goes
        return Freed(found.rows, shelf.bytes(), 0)
    return found


def free(shelf: Shelf, garbage: pl.Series) -> None:
    """Take rows and failures out of a shelf, and the shelf away where nothing is left of it.

    Killed at any moment, no other row is lost, and the same call completes it (`Shelf.erase`).
    """
    shelf.erase(frozenset(garbage))
    if not shelf.count(garbage):
        shelf.remove()


def leftovers(folder: Path, now: float) -> list[Path]:
    """What nobody needs under a folder: temporary files that a killed process left behind, what was set aside, and
    segments that were merged into others, each before the list that names it. ``now``: seconds.
    """
    found = [path for path in sorted(folder.rglob(".*.tmp")) if now - path.stat().st_mtime > STALE_SECONDS]
    aside = [path for path in sorted(folder.glob("*/set-aside/*")) if now - path.stat().st_mtime > STALE_SECONDS]
    lists = [path for path in sorted(folder.glob("*/replaced/*.json")) if now - path.stat().st_mtime > STALE_SECONDS]
    replaced = [path.parents[1] / "segments" / name for path in lists for name in json.loads(path.read_text())]
    return found + aside + [path for path in replaced if path.exists()] + lists
