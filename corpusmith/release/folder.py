"""A folder that is whole or not there: written beside its place, and renamed into it when it is complete."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from corpusmith.errors import UserError


@contextlib.contextmanager
def replacing(into: Path) -> Iterator[Path]:
    """An empty folder beside ``into`` that takes its place when the block ends well; else nothing has changed.

    What stood there goes only when the new one is complete. A crash between the two renames leaves the old folder
    beside, and the next call puts it back first. Files are never written in place, so an old folder of read-only or
    linked files (a DVC cache) is replaced and its cache left alone.
    """
    into = into.resolve()
    into.parent.mkdir(parents=True, exist_ok=True)
    restore(into)
    new = Path(tempfile.mkdtemp(prefix=f".{into.name}.new-{os.getpid()}-", dir=into.parent))
    try:
        yield new
        new.chmod(0o755)
        old = _old(into)
        if into.exists():
            into.rename(old)
        new.rename(into)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def check_folder(place: Path) -> None:
    """Raises UserError where a file stands in the place of a folder that is to be written, or of one above it."""
    for folder in (place, *place.parents):
        if folder.exists():
            if not folder.is_dir():
                raise UserError(f"{folder} is a file; expected a folder, or a name that is free: choose another")
            return


def restore(into: Path) -> None:
    """Put back, or clear away, what a killed `replacing` left beside ``into``."""
    into = into.resolve()
    old = _old(into)
    if old.exists() and not into.exists():
        old.rename(into)
    shutil.rmtree(old, ignore_errors=True)
    for left in into.parent.glob(f".{into.name}.new-*"):
        if not _is_running(left.name.removeprefix(f".{into.name}.new-").partition("-")[0]):
            shutil.rmtree(left, ignore_errors=True)


def _is_running(process: str) -> bool:
    """Whether another process of that number runs: its unfinished folder is its own business."""
    if not process.isdigit() or int(process) == os.getpid():
        return False
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def write_atomically(path: Path, text: str) -> None:
    """Write a small file so that a reader sees the old text or the new one."""
    temporary = path.with_name(f".{path.name}.tmp-{os.getpid()}")
    temporary.write_text(text)
    temporary.replace(path)


def _old(into: Path) -> Path:
    return into.with_name(f".{into.name}.old")
