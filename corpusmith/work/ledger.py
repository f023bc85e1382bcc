"""The content-addressed store of all that was ever made: append-only Parquet segments whose names are their state."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import uuid
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from corpusmith.errors import LedgerError, SetAside
from corpusmith.whole import whole

KEY = "key"
BATCH_ROWS = "batch_rows"
COMPACT_ABOVE = 64
COMPACT_BYTES = 256 << 20
FRESH = "any"

FAILURE_SCHEMA = pa.schema(
    {KEY: pa.string(), "plan": pa.string(), "error": pa.string(), "message": pa.string(), "attempt": pa.int64()}
)


class Ledger:
    """All shelves under one folder or object-store prefix.

    ``root`` is a path, a URI that pyarrow knows (``s3://…``), or a path inside ``filesystem``
    (any pyarrow filesystem; wrap an fsspec one in ``PyFileSystem(FSSpecHandler(fs))``).
    """

    def __init__(self, root: str | os.PathLike[str], filesystem: pafs.FileSystem | None = None) -> None:
        if filesystem is not None:
            self.filesystem, self.root = filesystem, str(root)
        elif re.match(r"[a-z][a-z0-9+.-]+://", str(root)):
            self.filesystem, self.root = pafs.FileSystem.from_uri(str(root))
        else:
            self.filesystem, self.root = pafs.LocalFileSystem(), os.path.abspath(root)

    def shelf(self, name: str, fingerprint: str, schema: pa.Schema) -> Shelf:
        """The shelf of one maker: where everything with this fingerprint lies. Nothing is written yet."""
        digest = hashlib.blake2b(fingerprint.encode(), digest_size=6).hexdigest()
        return Shelf(self.filesystem, f"{self.root}/{name}-{digest}", fingerprint, schema)


@dataclass(frozen=True)
class Shelf:
    """What one maker ever made: segments of ``schema`` (which holds the key), failures, and who the maker is."""

    filesystem: pafs.FileSystem
    path: str
    fingerprint: str
    schema: pa.Schema

    def segments(self) -> list[str]:
        """Paths of all whole segments, in name order; a torn or foreign file is set aside with a warning."""
        while True:
            with contextlib.suppress(FileNotFoundError):  # compacted away by another process since the listing
                return [path for path in self._files("segments") if self._is_whole(path)]

    def keys(self) -> pl.Series:
        """The keys of all finished rows, as strings; one that two processes made at once stands twice."""
        return self._rows(self.segments()).select(KEY).collect().to_series()

    def scan(self) -> pl.LazyFrame:
        """All finished rows, lazily; a key that two processes made at once appears once."""
        rows = self._rows(self.segments())
        hashes = rows.select(KEY).collect().to_series().hash()  # a collision costs a needless unique(), nothing else
        return rows if hashes.n_unique() == len(hashes) else rows.unique(KEY, keep="first", maintain_order=True)

    def append(self, rows: pa.Table, name: str | None = None) -> None:
        """Write finished rows as one segment; after this returns they survive a crash.

        Segments are read in the order of their names; without ``name`` that is a digest of the keys.
        Raises LedgerError when the store cannot take them; what was finished before stays intact.
        """
        self._write("segments", f"{name or f'{FRESH}-{_digest(rows[KEY])}'}.parquet", rows)

    def add_failures(self, failures: pa.Table) -> None:
        """Record rows that failed (FAILURE_SCHEMA)."""
        self._write("failures", f"{uuid.uuid4().hex}.parquet", failures)

    def failures(self) -> pl.DataFrame:
        """The last failure of each row that is still not made, with its plan row as JSON."""
        paths = self._files("failures")
        if not paths:
            return pl.DataFrame(schema=pl.Schema(FAILURE_SCHEMA))
        tables = [pq.read_table(path, filesystem=self.filesystem, schema=FAILURE_SCHEMA) for path in paths]
        every = pl.DataFrame(pl.from_arrow(pa.concat_tables(tables)))
        return (
            every.sort(KEY, "attempt")
            .unique(KEY, keep="last", maintain_order=True)
            .filter(~pl.col(KEY).is_in(self.keys().implode()))
        )

    def describe(self, provenance: dict[str, Any]) -> None:
        """Write who the maker is, once, beside what it made."""
        name = f"{self.path}/maker.json"
        if self.filesystem.get_file_info(name).type == pafs.FileType.NotFound:
            text = json.dumps({"fingerprint": self.fingerprint, **provenance}, indent=2, sort_keys=True, default=str)
            self._put(name, text.encode())

    def description(self) -> dict[str, Any]:
        """What `describe` wrote; empty before."""
        try:
            with self.filesystem.open_input_stream(f"{self.path}/maker.json") as stream:
                return dict(json.loads(stream.read()))
        except FileNotFoundError:
            return {}

    def record_rate(self, rows: int, seconds: float) -> None:
        """Remember how fast the last run made rows, for the next dry run's estimate."""
        self._put(f"{self.path}/rate.json", json.dumps({"rows": rows, "seconds": seconds}).encode())

    def rate(self) -> float | None:
        """Rows a second of the last run, or None before the first."""
        try:
            with self.filesystem.open_input_stream(f"{self.path}/rate.json") as stream:
                measured = json.loads(stream.read())
        except FileNotFoundError:
            return None
        return float(measured["rows"]) / max(float(measured["seconds"]), 1e-9)

    def compact(self) -> None:
        """Merge fresh segments into one for each leading digit of the key, sorted by key.

        At most COMPACT_BYTES are merged in one pass, so memory does not grow with the shelf. Merged segments are on
        disk before the fresh ones go, so a crash in between leaves rows twice (and read once), never lost.
        """
        fresh = [path for path in self.segments() if PurePosixPath(path).name.startswith(FRESH)]
        while len(fresh) > COMPACT_ABOVE:
            taken = self._up_to(fresh, COMPACT_BYTES)
            tables = [pq.read_table(path, filesystem=self.filesystem, schema=self.schema) for path in taken]
            rows = pa.concat_tables(tables).sort_by(KEY)
            leads = pl.Series(pl.from_arrow(rows[KEY].combine_chunks())).str.head(1)
            for lead, start, length in (
                leads.rle()
                .struct.unnest()
                .select("value", pl.col("len").cum_sum() - pl.col("len"), length="len")
                .rows()
            ):
                part = rows.slice(start, length)
                self._write("segments", f"{lead}-{_digest(part[KEY])}.parquet", part)
            for path in taken:
                self._delete(path)
            fresh = fresh[len(taken) :]

    def _up_to(self, paths: Sequence[str], limit: int) -> list[str]:
        sizes = [info.size for info in self.filesystem.get_file_info(list(paths))]
        ends = pl.Series(sizes).cum_sum()
        return list(paths[: max(1, int((ends <= limit).sum()))])

    def _rows(self, paths: Sequence[str]) -> pl.LazyFrame:
        if not paths:
            return pl.LazyFrame(schema=pl.Schema(self.schema))
        if isinstance(self.filesystem, pafs.LocalFileSystem):
            return pl.scan_parquet(list(paths), glob=False)
        return pl.scan_pyarrow_dataset(ds.dataset(list(paths), filesystem=self.filesystem, format="parquet"))

    def _files(self, folder: str) -> list[str]:
        selector = pafs.FileSelector(f"{self.path}/{folder}", allow_not_found=True)
        try:
            found = self.filesystem.get_file_info(selector)
        except PermissionError as error:
            raise LedgerError(
                f"cannot read {selector.base_dir}: {error}; make it readable or choose another --home"
            ) from error
        return sorted(
            info.path for info in found if info.type == pafs.FileType.File and not info.base_name.endswith(".tmp")
        )

    def _is_whole(self, path: str) -> bool:
        try:
            schema = pq.read_schema(path, filesystem=self.filesystem)
        except FileNotFoundError:
            raise
        except (pa.ArrowInvalid, OSError) as error:
            return self._set_aside(path, f"it is not a whole Parquet file ({error})")
        if not schema.remove_metadata().equals(self.schema.remove_metadata()):
            return self._set_aside(path, f"its columns are not those of {self.fingerprint}")
        return True

    def _set_aside(self, path: str, why: str) -> bool:
        target = f"{self.path}/set-aside/{PurePosixPath(path).name}"
        warnings.warn(f"{path} is set aside, its rows will be made again: {why}", SetAside, stacklevel=4)
        with contextlib.suppress(OSError):  # a ledger that cannot be written is still read without the bad file
            self.filesystem.create_dir(f"{self.path}/set-aside")
            self.filesystem.move(path, target)
        return False

    def _delete(self, path: str) -> None:
        with contextlib.suppress(FileNotFoundError):  # another process compacted the same segments
            self.filesystem.delete_file(path)

    def _write(self, folder: str, name: str, rows: pa.Table) -> None:
        sink = pa.BufferOutputStream()
        pq.write_table(rows, sink, compression="zstd", compression_level=1, use_dictionary=_repetitive(rows.schema))
        self._put(f"{self.path}/{folder}/{name}", sink.getvalue())

    def _put(self, path: str, data: bytes | pa.Buffer) -> None:
        """Store ``data`` under ``path``, whole or not at all."""
        folder = path.rpartition("/")[0]
        try:
            self.filesystem.create_dir(folder)
            if isinstance(self.filesystem, pafs.LocalFileSystem):
                with whole(Path(path)) as temporary:
                    temporary.write_bytes(data)
            else:  # an object appears only when its upload is complete
                with self.filesystem.open_output_stream(path) as stream:
                    stream.write(data)
        except OSError as error:
            raise LedgerError(
                f"cannot write {path}: {error.strerror or error}. What was finished before is intact: "
                "free space or make the folder writable (or choose another with --home), then run the same command."
            ) from error


def _digest(keys: pa.ChunkedArray) -> str:
    digest = hashlib.blake2b(digest_size=12)
    for chunk in keys.chunks:
        digest.update("".join(chunk.to_pylist()).encode())
    return digest.hexdigest()


def _repetitive(schema: pa.Schema) -> list[str]:
    """Columns worth a dictionary: short labels repeat, keys and free text do not."""
    return [field.name for field in schema if field.name in ("emotion", "target", BATCH_ROWS)]
