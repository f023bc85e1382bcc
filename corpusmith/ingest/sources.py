"""Open any source, file, folder or dataset, as one stream of rows."""

import functools
import logging
import os
import queue
import re
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import polars as pl

from corpusmith.errors import SourceError
from corpusmith.ingest.dumps import read_dump
from corpusmith.ingest.options import Notes, Options
from corpusmith.ingest.records import SCHEMA
from corpusmith.ingest.streams import kind
from corpusmith.ingest.tables import is_saved_dataset, read_dataset, read_delimited, read_parquet

TABLE_SUFFIXES: Final = (".csv", ".tsv")
SUFFIXES: Final = (".zst", ".bz2", ".gz", ".ndjson", ".jsonl", ".parquet", *TABLE_SUFFIXES)
"""What is read of a folder, beside files such as RC_2006-01 that have none; a file named by itself may have any."""
BATCH_BYTES: Final = 256 << 20

COMMIT: Final = re.compile(r"[0-9a-f]{40}")

HOME: Final = ".corpusmith"
"""What makes a folder a home."""
MADE: Final = ("data", "published", "pulled")
"""What a home holds beside it: releases, which are no sources."""

Reader = Callable[[Path, int, Options, Notes], Iterator[pl.DataFrame]]

log = logging.getLogger(__name__)


def read(
    source: str | Path,
    batch_rows: int = 50_000,
    *,
    skip: int = 0,
    options: Options | None = None,
    notes: Notes | None = None,
) -> Iterator[pl.DataFrame]:
    """Every line, or row, of a source in order, as frames of at most ``batch_rows`` rows with the columns of SCHEMA.

    ``source`` is a Pushshift dump (NDJSON as .zst, .bz2, .gz or plain), a table (CSV, TSV, Parquet), a folder of these
    in the order of their names, or a Hugging Face dataset id. Packing is told by a file's first bytes. The first
    ``skip`` rows are passed over, unparsed where possible. What was found out, such as which column was taken, is
    written to ``notes``. Memory is bounded by ``batch_rows``, beside the window that a .zst file declares; the next
    batch is read while the caller works on one.

    Raises SourceError when the source is not there, not at all what it claims, or without any row, and when it is
    damaged unless ``options`` say to use it; a line that cannot be read is a row with broken = True.
    """
    path = Path(source).expanduser()
    options, notes = options or Options(), {} if notes is None else notes
    check_name(str(source))
    if path.is_dir() and not is_saved_dataset(path):
        frames = _folder(path, skip, options, notes)
    elif path.is_file():
        frames = _reader(path)(path, skip, options, notes)
    elif path.is_dir() or is_hub_id(str(source)):
        frames = read_dataset(pinned(str(source)), skip, options, notes)
    else:
        raise SourceError(
            f"no file, folder or dataset {str(source)!r}: expected a dump (.zst .bz2 .gz .ndjson), a table "
            "(.csv .tsv .parquet), a folder of these, or a Hugging Face dataset id such as owner/name"
        )
    return _ahead(_batches(frames if skip else _some(frames, str(source)), batch_rows))


def check_name(source: str) -> None:
    """Raises SourceError for a name that is no Unicode text, or that this locale cannot read as such."""
    try:
        source.encode()
    except UnicodeEncodeError:
        name = source.encode("utf-8", "surrogateescape").decode("ascii", "backslashreplace")
        raise SourceError(
            f"the name {name} cannot be read as text in {sys.getfilesystemencoding()}: rename the file, "
            "or set PYTHONUTF8=1 if the locale is not UTF-8"
        ) from None


def files_in(folder: Path) -> list[Path]:
    """The dumps and tables of a folder and those below it, in the order of their names.

    Hidden files and folders are left out, and so are homes with the releases in them; that is said once.
    """
    found: list[Path] = []
    left: list[str] = []
    for place, folders, files in os.walk(folder):
        here = Path(place)
        is_home = HOME in folders
        out = {name for name in folders if _is_hidden(name) or (is_home and name in MADE)}
        if is_home and here != folder:
            folders.clear()
            left.append(place)
            continue
        left += [str(here / name) for name in sorted(out) if not name.startswith("_")]
        folders[:] = sorted(set(folders) - out)
        found += [here / name for name in files if may_be_source(Path(name)) and (here / name).is_file()]
    if left:
        _say_once(f"left out of the source {folder}: {', '.join(sorted(left))} (hidden, or a home of corpusmith)")
    return sorted(found)


@functools.cache
def _say_once(message: str) -> None:
    log.warning("%s", message.encode("utf-8", "backslashreplace").decode())


def _some(frames: Iterator[pl.DataFrame], source: str) -> Iterator[pl.DataFrame]:
    """The same frames. Raises SourceError when there is no row in them."""
    rows = 0
    for frame in frames:
        rows += frame.height
        yield frame
    if not rows:
        raise SourceError(f"{source} has no rows: expected a dump or a table with at least one")


def _reader(path: Path) -> Reader:
    packing = kind(path)
    if packing == "parquet":
        return read_parquet
    if packing == "arrow":
        raise SourceError(f"{path} is an Arrow file: give the folder of the saved dataset that it is part of")
    return read_delimited if any(suffix in path.suffixes for suffix in TABLE_SUFFIXES) else read_dump


def _folder(folder: Path, skip: int, options: Options, notes: Notes) -> Iterator[pl.DataFrame]:
    files = files_in(folder)
    if not files:
        raise SourceError(f"the folder {folder} holds no dump and no table")
    for path in files:
        check_name(str(path))
        name = str(path.relative_to(folder))
        found: Notes = {}
        for frame in _reader(path)(path, 0, options, found):
            passed = min(skip, frame.height)
            skip -= passed
            yield frame[passed:].with_columns(source=pl.lit(name))
        notes |= {f"{name}: {what}": said for what, said in found.items()}


def may_be_source(path: Path) -> bool:
    """Whether a file of a folder is read, by its name."""
    bare_dump = not path.suffix and path.name.startswith(("RC_", "RS_"))
    return not _is_hidden(path.name) and (bare_dump or path.suffix.lower() in SUFFIXES)


def _is_hidden(name: str) -> bool:
    return name.startswith((".", "_"))


def pinned(source: str) -> str:
    """A Hub dataset with the commit that it stands for, ``owner/name@commit``; any other source as it is.

    Asked once in a process, so that what decides a key is what is read. Raises SourceError: the Hub does not say.
    """
    if Path(source).expanduser().exists() or not is_hub_id(source):
        return source
    name, _, revision = source.partition("@")
    return source if COMMIT.fullmatch(revision) else f"{name}@{_commit_once(source)}"


def commit_now(source: str) -> str:
    """The commit that a Hub dataset, ``owner/name`` or ``owner/name@revision``, stands for at this moment.

    Raises SourceError: the Hub is out of reach, or knows no such dataset.
    """
    from huggingface_hub import HfApi

    name, _, revision = source.partition("@")
    try:
        return str(HfApi().dataset_info(name, revision=revision or None).sha)
    except Exception as error:  # of the Hub, of HTTP, of the network
        first_line = f"{type(error).__name__}: {error}".partition("\n")[0]
        raise SourceError(
            f"the Hub does not say which commit of {source!r} is current ({first_line}). "
            f"Go online, or name the commit: {name}@<40 digits>; if it is meant for a path, nothing lies there"
        ) from error


_commit_once = functools.cache(commit_now)


def is_hub_id(source: str) -> bool:
    owner, slash, name = source.partition("/")
    return bool(slash and owner and name) and "/" not in name and Path(name).suffix not in (*SUFFIXES, ".json")


def _batches(frames: Iterator[pl.DataFrame], rows: int) -> Iterator[pl.DataFrame]:
    """The same rows in frames of ``rows`` rows, or fewer where these pass BATCH_BYTES, and a rest."""
    held: list[pl.DataFrame] = []
    count = size = 0
    for frame in frames:
        held.append(frame)
        count += frame.height
        size += int(frame.estimated_size())
        if count >= rows or size >= BATCH_BYTES:
            joined = pl.concat(held)
            whole = count - count % rows if count >= rows else count
            for start in range(0, whole, rows):
                yield joined[start : start + rows]
            held = [joined[whole:]]
            count, size = held[0].height, 0
    if count:
        yield pl.concat(held).rechunk()


def _ahead(batches: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """The same batches, each made in a thread while the caller works on the one before."""
    ready: queue.Queue[pl.DataFrame | BaseException | None] = queue.Queue(maxsize=1)
    stopped = threading.Event()

    def put(item: pl.DataFrame | BaseException | None) -> bool:
        while not stopped.is_set():
            try:
                ready.put(item, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def work() -> None:
        try:
            for batch in batches:
                if not put(batch):
                    return
            put(None)
        except BaseException as error:  # is raised where the caller is
            put(error)

    thread = threading.Thread(target=work, name="corpusmith-read", daemon=True)
    thread.start()
    try:
        while (item := ready.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stopped.set()
        thread.join()


__all__ = ["SCHEMA", "read"]
