"""Where the files of a ledger lie, a folder or an object store: they appear whole, are listed, read and taken away.

An object store is read through pyarrow, which asks for a footer and one column and nothing else, and written through
s3fs: pyarrow uploads in parts, and when one fails its stream is closed all the same, which leaves the parts before it
as the object (26.0.1: a torn one of 10 MB). One request puts an object whole, or not at all.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import os
import re
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, Final, TypeVar

import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from corpusmith.errors import LedgerError, UserError
from corpusmith.release.plain import shown
from corpusmith.whole import whole

Item = TypeVar("Item")
Result = TypeVar("Result")

ADDRESS: Final = re.compile(r"[a-z][a-z0-9+.-]+://")
AT_ONCE: Final = 8
"""Requests of an object store that are under way at once; a disk is asked for less."""
ATTEMPTS: Final = 5
CONNECT_SECONDS: Final = 5.0
READ_SECONDS: Final = 60.0
PUT_AT_ONCE: Final = 4 << 30
"""Bytes below which an object is put by one request; S3 takes five gibibytes."""
SECRETS: Final = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
SHORT: Final = 7
"""Characters of what is no secret, but a word such as the stores of tests take for one."""
UNFINISHED_SECONDS: Final = 86_400
"""Age from which on a temporary file is nobody's: no single file is written for as long."""


@dataclass(frozen=True)
class File:
    """A file of a store: its path, its bytes, and when it was written.

    That is in seconds since 1970, by the store's clock; 0 where it does not say.
    """

    path: str
    bytes: int
    written: float

    @property
    def name(self) -> str:
        """The last part of its path."""
        return PurePosixPath(self.path).name

    @property
    def folder(self) -> str:
        """The name of the folder that it lies in."""
        return PurePosixPath(self.path).parent.name


@dataclass(frozen=True)
class Store:
    """filesystem: what is read. writes: the fsspec file system that objects are put with; None: pyarrow writes them.

    Every method raises LedgerError, which names the file, for a store that does not answer or may not be used.
    """

    filesystem: pafs.FileSystem
    writes: Any = None

    @property
    def is_folder(self) -> bool:
        """Whether files lie in a folder of this machine."""
        return isinstance(self.filesystem, pafs.LocalFileSystem)

    @property
    def at_once(self) -> int:
        """How many files are read at once."""
        return 2 if self.is_folder else AT_ONCE

    def said(self, path: str) -> str:
        """The path as people write it."""
        return f"s3://{path}" if isinstance(self.filesystem, pafs.S3FileSystem) else path

    def files(self, folder: str) -> list[File]:
        """Every file below a folder, in the order of their paths, none that is being written; one request for 1,000."""
        selector = pafs.FileSelector(folder, allow_not_found=True, recursive=True)
        with self._told(folder, "read"):
            found = self.filesystem.get_file_info(selector)
        there = (one for one in found if one.type == pafs.FileType.File)
        files = [File(one.path, one.size, (one.mtime_ns or 0) / 1e9) for one in there]
        return sorted((one for one in files if not one.name.endswith(".tmp")), key=lambda one: one.path)

    def folders(self, folder: str) -> list[str]:
        """The paths of the folders in a folder, in order."""
        with self._told(folder, "read"):
            found = self.filesystem.get_file_info(pafs.FileSelector(folder, allow_not_found=True))
        return sorted(one.path for one in found if one.type == pafs.FileType.Directory)

    def read(self, path: str) -> bytes:
        """All bytes of a small file. Raises FileNotFoundError: it is not there."""
        with self._told(path, "read"), self.filesystem.open_input_stream(path) as stream:
            data: bytes = stream.read()
        return data

    def opened(self, file: File) -> ds.ParquetFileFragment | None:
        """A Parquet file with its footer; None: it is none. Raises FileNotFoundError: it is not there any more."""
        with self._told(file.path, "read"):
            fragment = self._fragment(file)
            try:
                fragment.physical_schema  # noqa: B018  # the footer is read here
            except FileNotFoundError:
                raise
            except (pa.ArrowInvalid, OSError):
                data = self.read(file.path)  # a store that is down, or stumbled, is no torn file
                try:
                    pq.read_schema(pa.BufferReader(data))
                except (pa.ArrowInvalid, OSError):
                    return None
                fragment = self._fragment(replace(file, bytes=len(data)))
                fragment.physical_schema  # noqa: B018
            return fragment

    def table(self, fragment: ds.ParquetFileFragment, columns: Sequence[str] | None = None) -> pa.Table:
        """Columns of a Parquet file, all without any. Raises FileNotFoundError: it is not there any more."""
        with self._told(fragment.path, "read"):
            return fragment.to_table(columns=list(columns) if columns else None)

    def scan(self, paths: Sequence[str], schema: pa.Schema) -> pl.LazyFrame:
        """The rows of Parquet files of these columns, in their order, lazily; none: the first file tells them."""
        known = pl.Schema(schema) if schema.names else None
        if self.is_folder:
            return pl.scan_parquet(list(paths), glob=False, schema=known)
        if isinstance(self.filesystem, pafs.S3FileSystem) and self.writes is not None:  # it is the environment's
            address = [f"s3://{path}" for path in paths]
            return pl.scan_parquet(address, glob=False, schema=known, storage_options={"max_retries": ATTEMPTS})
        return pl.scan_pyarrow_dataset(ds.dataset(list(paths), filesystem=self.filesystem, format="parquet"))

    def put(self, path: str, data: bytes | pa.Buffer) -> None:
        """Store ``data`` under ``path``: there whole, on disk, when this returns, or not at all."""
        with self._told(path, "written"):
            if self.is_folder:
                with whole(Path(path)) as temporary:
                    temporary.write_bytes(data)
            elif self.writes is not None:
                self.writes.pipe_file(path, bytes(data), chunksize=PUT_AT_ONCE)
            else:
                with self.filesystem.open_output_stream(path) as stream:
                    stream.write(data)

    def put_table(self, path: str, rows: pa.Table, dictionary: Sequence[str], group_bytes: int) -> int:
        """Store a table as Parquet, in row groups of about so many bytes in memory; the bytes that it takes."""
        sink = pa.BufferOutputStream()
        fit = max(1, int(rows.num_rows * group_bytes / max(rows.nbytes, 1)))
        options = {"compression": "zstd", "compression_level": 1, "use_dictionary": list(dictionary)}
        pq.write_table(rows, sink, row_group_size=min(fit, 1 << 20), **options)
        data = sink.getvalue()
        self.put(path, data)
        return int(data.size)

    def delete(self, paths: Sequence[str]) -> None:
        """Take files away; those that are gone already are."""
        for _ in ahead(self._delete, paths, self.at_once):
            pass

    def set_aside(self, path: str, target: str) -> None:
        """Move a file, where that can be done: a ledger that cannot be written is still read without it."""
        with contextlib.suppress(Exception):
            if self.is_folder:
                self.filesystem.create_dir(str(PurePosixPath(target).parent))
                self.filesystem.move(path, target)
            else:  # nothing is renamed on an object store
                self.put(target, self.read(path))
                self.delete([path])

    def remove(self, folder: str) -> None:
        """Take a folder away with all that is in it."""
        if self.is_folder:
            with contextlib.suppress(OSError):
                self.filesystem.delete_dir(folder)
        else:
            self.delete([file.path for file in self.files(folder)])

    def remove_unfinished(self, folder: str) -> None:
        """Take away what killed processes were writing in a folder; an object is there whole or not at all."""
        for path in unfinished(Path(folder), time.time()) if self.is_folder else ():
            path.unlink(missing_ok=True)

    def _delete(self, path: str) -> None:
        # each by itself: s3fs says nothing of those that a store refuses to delete together
        with contextlib.suppress(FileNotFoundError), self._told(path, "deleted"):
            if self.writes is not None:
                self.writes.rm_file(path)
            else:
                self.filesystem.delete_file(path)

    def _fragment(self, file: File) -> ds.ParquetFileFragment:
        """A Parquet file, not yet opened: its footer is one request, a column of a row group another."""
        options = ds.ParquetFragmentScanOptions(pre_buffer=True)
        known = None if self.is_folder else file.bytes
        form = ds.ParquetFileFormat(default_fragment_scan_options=options)
        return form.make_fragment(file.path, self.filesystem, file_size=known)

    @contextlib.contextmanager
    def _told(self, path: str, what: str) -> Iterator[None]:
        try:
            yield
        except (FileNotFoundError, LedgerError):
            raise
        except Exception as error:
            if not isinstance(error, OSError) and self.is_folder:
                raise
            if is_missing(error) and what == "read":
                raise FileNotFoundError(path) from error
            raise LedgerError(self._explained(path, what, error)) from error

    def _explained(self, path: str, what: str, error: Exception) -> str:
        why = str(getattr(error, "strerror", None) or error).strip() or type(error).__name__
        why = why[:300] if self.is_folder else masked(why)[:300]
        help_ = (
            "free space or make the folder writable (or choose another with --home)"
            if self.is_folder
            else "see that the store answers, and that the keys of the environment may use it"
        )
        return (
            f"{shown(self.said(path))} cannot be {what}: {shown(why)}. What was finished before is intact: "
            f"{help_}, then run the same command."
        )


def store_of(root: str | os.PathLike[str], filesystem: pafs.FileSystem | None = None) -> tuple[Store, str]:
    """The store that an address names, and the path of the root in it. Raises UserError: s3fs is missing, no bucket."""
    if filesystem is not None:
        handler = getattr(filesystem, "handler", None)
        return Store(filesystem, getattr(handler, "fs", None)), str(root)
    if str(root).startswith("s3://"):
        return _s3(str(root))
    if ADDRESS.match(str(root)):
        found, path = pafs.FileSystem.from_uri(str(root))
        return Store(found), path
    return Store(pafs.LocalFileSystem()), os.path.abspath(root)


def _s3(address: str) -> tuple[Store, str]:
    """Keys, region and endpoint are those of the AWS tools: AWS_ACCESS_KEY_ID, AWS_REGION, AWS_ENDPOINT_URL…"""
    path = address.removeprefix("s3://").rstrip("/")
    if not path or path.startswith("/"):
        raise UserError(f"{shown(address)} names no bucket: expected s3://bucket/prefix")
    if importlib.util.find_spec("s3fs") is None:
        raise UserError(f"{shown(address)}: s3fs is not installed: pip install 'corpusmith[s3]'")
    environment = os.environ
    endpoint = environment.get("AWS_ENDPOINT_URL_S3") or environment.get("AWS_ENDPOINT_URL")
    return clients(endpoint or None, environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION")), path


@functools.cache
def clients(endpoint: str | None, region: str | None) -> Store:
    """The two clients of an endpoint, made once in a process."""
    import s3fs

    reads = pafs.S3FileSystem(
        endpoint_override=endpoint,
        region=region,
        connect_timeout=CONNECT_SECONDS,
        retry_strategy=pafs.AwsStandardS3RetryStrategy(max_attempts=ATTEMPTS),
    )
    waits = {"connect_timeout": CONNECT_SECONDS, "read_timeout": READ_SECONDS, "max_pool_connections": AT_ONCE}
    tries = {"retries": {"mode": "standard", "total_max_attempts": 2}}  # s3fs asks five times more
    return Store(
        reads, s3fs.S3FileSystem(use_listings_cache=False, skip_instance_cache=True, config_kwargs=waits | tries)
    )


def unfinished(folder: Path, now: float) -> list[Path]:
    """Temporary files under a folder that killed processes left behind. ``now``: seconds since 1970."""
    return [path for path in sorted(folder.rglob(".*.tmp")) if now - _written(path, now) > UNFINISHED_SECONDS]


def _written(path: Path, now: float) -> float:
    with contextlib.suppress(FileNotFoundError):  # it has just taken its name
        return path.stat().st_mtime
    return now


def is_missing(error: Exception) -> bool:
    """Whether a store says that there is no such object; pyarrow says so in words alone."""
    return isinstance(error, FileNotFoundError) or "RESOURCE_NOT_FOUND" in str(error) or "NO_SUCH_KEY" in str(error)


def masked(text: str) -> str:
    """Text without the keys of the environment, and without the signatures in addresses."""
    from corpusmith.release.manifest import redacted

    for name in SECRETS:
        if len(held := os.environ.get(name, "")) > SHORT:
            text = text.replace(held, "***")
    return str(redacted(text))


def ahead(call: Callable[[Item], Result], items: Iterable[Item], at_once: int) -> Iterator[tuple[Item, Result]]:
    """What is called of each item, in order; some are under way while one is looked at, and no more than that."""
    with ThreadPoolExecutor(at_once, thread_name_prefix="ledger") as pool:
        waiting: deque[tuple[Item, Future[Result]]] = deque()
        for item in items:
            waiting.append((item, pool.submit(call, item)))
            if len(waiting) > at_once:
                first, future = waiting.popleft()
                yield first, future.result()
        while waiting:
            first, future = waiting.popleft()
            yield first, future.result()
