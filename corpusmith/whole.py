"""Write a file so that it is whole and on disk before it takes its name: nothing torn is ever found there."""

from __future__ import annotations

import contextlib
import errno
import os
import time
from collections.abc import Iterator
from pathlib import Path

from corpusmith.errors import LedgerError


@contextlib.contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A free name beside ``path``; what the block writes there takes the place of ``path`` when it is on disk.

    Of a table its footer is read back first: some writers do not tell of a disk that was full. A block that fails
    leaves nothing behind, and what stood at ``path`` as it was. Raises LedgerError where not all could be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{time.monotonic_ns()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        check_table(temporary, path)
        sync(temporary)
        temporary.replace(path)
        sync(path.parent)
    except Exception as error:
        if is_full(error):
            raise full(path, os.strerror(getattr(error, "errno", None) or errno.ENOSPC)) from error
        raise
    finally:
        temporary.unlink(missing_ok=True)


def write_whole(path: Path, text: str) -> None:
    """Write a small file so that a reader, or whoever comes after a crash, sees the old text or the new one."""
    with whole(path) as temporary:
        temporary.write_text(text)


def check_table(file: Path, path: Path) -> None:
    """Raises LedgerError, which names ``path``, for a Parquet file that was not written to its end."""
    if ".parquet" not in path.suffixes:
        return
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        pq.read_metadata(file)
    except (pa.ArrowException, OSError) as error:
        raise full(path, "its end is missing") from error


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on disk. Raises OSError: they could not be written."""
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def sync_all(folder: Path) -> None:
    """The same for everything in a folder. Raises LedgerError for a table that is not whole."""
    for path in sorted(folder.rglob("*")):
        check_table(path, path)
        sync(path)
    sync(folder)


def is_full(error: Exception) -> bool:
    """Whether there is no room left, or no more may be written; polars says so in words alone."""
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    return os.strerror(errno.ENOSPC) in str(error)


def full(path: Path, why: str) -> LedgerError:
    """What is said where a file could not be written to its end."""
    return LedgerError(
        f"{path} could not be written to its end ({why}): the disk is full, or no file may be as large. "
        "What is done is kept: free some space and run the same command again"
    )
