"""Free what nobody uses of a shelf of the ledger: counted first, then rewritten so that no moment is torn."""

from __future__ import annotations

import contextlib
import json
import os
import re
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from corpusmith.work.compaction import GRACE_SECONDS
from corpusmith.work.ledger import Shelf
from corpusmith.work.store import unfinished

STALE_SECONDS = 86_400
"""Age from which on nobody looks at what was set aside."""

_OURS = re.compile(r"corpusmith-(keys-)?[a-z0-9_]{8}")  # keys-: of earlier versions


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
    shelf.erase(garbage)
    if not shelf.count(garbage):
        shelf.remove()


def leftovers(folder: Path, now: float) -> list[Path]:
    """What nobody needs under a folder: temporary files that a killed process left behind, what was set aside, and
    segments that were merged into others, each before the list that names it. ``now``: seconds.
    """
    aside = [path for path in sorted(folder.glob("*/set-aside/*")) if now - path.stat().st_mtime > STALE_SECONDS]
    lists = [path for path in sorted(folder.glob("*/replaced/*.json")) if now - path.stat().st_mtime > GRACE_SECONDS]
    replaced = [path.parents[1] / "segments" / name for path in lists for name in json.loads(path.read_text())]
    return unfinished(folder, now) + aside + [path for path in replaced if path.exists()] + lists


def temporary(now: float) -> list[Path]:
    """Folders of this user in the folder of temporary files that killed processes of ours left behind.

    Theirs are named as `tempfile` does, closed to others, and hold plain files without a suffix: no home looks so.
    """
    folders = [path for path in sorted(Path(tempfile.gettempdir()).glob("corpusmith-*")) if _OURS.fullmatch(path.name)]
    return [path for path in folders if _is_left(path, now)]


def _is_left(folder: Path, now: float) -> bool:
    with contextlib.suppress(OSError):  # its process has just ended
        said, files = folder.lstat(), list(folder.iterdir())
        if not stat.S_ISDIR(said.st_mode) or stat.S_IMODE(said.st_mode) != 0o700 or said.st_uid != os.getuid():
            return False
        every = [said, *(path.lstat() for path in files)]
        is_plain = all(stat.S_ISREG(one.st_mode) for one in every[1:]) and not any("." in path.name for path in files)
        return is_plain and now - max(one.st_mtime for one in every) > GRACE_SECONDS
    return False
