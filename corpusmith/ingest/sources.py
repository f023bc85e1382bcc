"""Open any source, file, folder or dataset, as one stream of rows."""

import queue
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import polars as pl

from corpusmith.errors import SourceError
from corpusmith.ingest.dumps import read_dump
from corpusmith.ingest.records import SCHEMA
from corpusmith.ingest.streams import kind
from corpusmith.ingest.tables import is_saved_dataset, read_dataset, read_delimited, read_parquet

TABLE_SUFFIXES: Final = (".csv", ".tsv")
SUFFIXES: Final = (".zst", ".bz2", ".gz", ".ndjson", ".jsonl", ".parquet", *TABLE_SUFFIXES)
"""What is read of a folder, beside files such as RC_2006-01 that have none; a file named by itself may have any."""
BATCH_BYTES: Final = 256 << 20

Reader = Callable[[Path, int, str | None], Iterator[pl.DataFrame]]


def read(
    source: str | Path, batch_rows: int = 50_000, *, skip: int = 0, text_column: str | None = None
) -> Iterator[pl.DataFrame]:
    """Every line, or row, of a source in order, as frames of at most ``batch_rows`` rows with the columns of SCHEMA.

    ``source`` is a Pushshift dump (NDJSON as .zst, .bz2, .gz or plain), a table (CSV, TSV, Parquet), a folder of these
    in the order of their names, or a Hugging Face dataset id. Packing is told by a file's first bytes. ``text_column``
    names the text of a table, which is else found by name. The first ``skip`` rows are passed over, unparsed where
    possible. Memory is bounded by ``batch_rows``, beside the window that a .zst file declares; the next batch is read
    while the caller works on one.

    Raises SourceError when the source is not there or not at all what it claims; a line that cannot be read is a row
    with broken = True.
    """
    path = Path(source).expanduser()
    if path.is_dir() and not is_saved_dataset(path):
        frames = _folder(path, skip, text_column)
    elif path.is_file():
        frames = _reader(path)(path, skip, text_column)
    elif path.is_dir() or is_hub_id(str(source)):
        frames = read_dataset(str(source), skip, text_column)
    else:
        raise SourceError(
            f"no file, folder or dataset {str(source)!r}: expected a dump (.zst .bz2 .gz .ndjson), a table "
            "(.csv .tsv .parquet), a folder of these, or a Hugging Face dataset id such as owner/name"
        )
    return _ahead(_batches(frames, batch_rows))


def _reader(path: Path) -> Reader:
    packing = kind(path)
    if packing == "parquet":
        return read_parquet
    if packing == "arrow":
        raise SourceError(f"{path} is an Arrow file: give the folder of the saved dataset that it is part of")
    return read_delimited if any(suffix in path.suffixes for suffix in TABLE_SUFFIXES) else read_dump


def _folder(folder: Path, skip: int, text_column: str | None) -> Iterator[pl.DataFrame]:
    files = [path for path in sorted(folder.rglob("*")) if may_be_source(path.relative_to(folder)) and path.is_file()]
    if not files:
        raise SourceError(f"the folder {folder} holds no dump and no table")
    for path in files:
        for frame in _reader(path)(path, 0, text_column):
            passed = min(skip, frame.height)
            skip -= passed
            name = str(path.relative_to(folder))
            yield frame[passed:].with_columns(source=pl.lit(name))


def may_be_source(path: Path) -> bool:
    hidden = any(part.startswith((".", "_")) for part in path.parts)
    bare_dump = not path.suffix and path.name.startswith(("RC_", "RS_"))
    return not hidden and (bare_dump or path.suffix.lower() in SUFFIXES)


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
