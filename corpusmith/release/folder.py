"""A folder that is whole or not there: written beside its place, and renamed into it when it is complete."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from corpusmith.errors import UserError
from corpusmith.whole import sync, sync_all


@contextlib.contextmanager
def replacing(into: Path) -> Iterator[Path]:
    """An empty folder beside ``into`` that takes its place when the block ends well; else nothing has changed.

    What stood there goes only when the new one is complete. A crash between the two renames leaves the old folder
    beside, and the next call puts it back first. Files are never written in place, so an old folder of read-only or
    linked files (a DVC cache) is replaced and its cache left alone.
    """
    into = into.resolve()
    into.parent.mkdir(parents=True, exist_ok=True)
    with held(into):
        restore(into)
    new = Path(tempfile.mkdtemp(prefix=f".{into.name}.new-{os.getpid()}-", dir=into.parent))
    try:
        yield new
        new.chmod(0o755)
        sync_all(new)
        with held(into):
            old = _old(into)
            if into.exists():
                into.rename(old)
            new.rename(into)
            sync(into.parent)
            shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(new, ignore_errors=True)


@contextlib.contextmanager
def held(folder: Path) -> Iterator[None]:
    """Nobody replaces a folder while the block reads it, nor two at once; where nobody may write it needs no lock."""
    from filelock import FileLock

    if not os.access(folder.parent, os.W_OK):
        yield
        return
    with FileLock(folder.with_name(f".{folder.name}.lock")):
        yield


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


def _old(into: Path) -> Path:
    return into.with_name(f".{into.name}.old")
