"""The content-addressed store of all that was ever made: append-only Parquet segments whose names are their state."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import uuid
import warnings
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
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
    (any pyarrow filesystem; wrap an fsspec one in ``PyFileSystem(FSSpecHandler(fs))``). ``taken_down``: keys of rows
    that it neither gives out nor takes in.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        filesystem: pafs.FileSystem | None = None,
        taken_down: frozenset[str] = frozenset(),
    ) -> None:
        self.taken_down = taken_down
        if filesystem is not None:
            self.filesystem, self.root = filesystem, str(root)
        elif re.match(r"[a-z][a-z0-9+.-]+://", str(root)):
            self.filesystem, self.root = pafs.FileSystem.from_uri(str(root))
        else:
            self.filesystem, self.root = pafs.LocalFileSystem(), os.path.abspath(root)

    def shelf(self, name: str, fingerprint: str, schema: pa.Schema) -> Shelf:
        """The shelf of one maker: where everything with this fingerprint lies. Nothing is written yet."""
        digest = hashlib.blake2b(fingerprint.encode(), digest_size=6).hexdigest()
        return Shelf(self.filesystem, f"{self.root}/{name}-{digest}", fingerprint, schema, self.taken_down)

    def shelves(self) -> list[Shelf]:
        """Every shelf that is there, in the order of their names, to look through: it does not know its columns."""
        found = self.filesystem.get_file_info(pafs.FileSelector(self.root, allow_not_found=True))
        paths = sorted(info.path for info in found if info.type == pafs.FileType.Directory)
        bare = [Shelf(self.filesystem, path, "", pa.schema([])) for path in paths]
        return [replace(shelf, fingerprint=shelf.description().get("fingerprint", "")) for shelf in bare]


@dataclass(frozen=True)
class Shelf:
    """What one maker ever made: segments of ``schema`` (which holds the key), failures, and who the maker is.

    taken_down: keys of rows that it neither gives out nor takes in.
    """

    filesystem: pafs.FileSystem
    path: str
    fingerprint: str
    schema: pa.Schema
    taken_down: frozenset[str] = frozenset()

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
        if self.taken_down:
            rows = rows.filter(~pl.col(KEY).is_in(pl.Series([*self.taken_down]).implode()))
        hashes = rows.select(KEY).collect().to_series().hash()  # a collision costs a needless unique(), nothing else
        return rows if hashes.n_unique() == len(hashes) else rows.unique(KEY, keep="first", maintain_order=True)

    def append(self, rows: pa.Table, name: str | None = None) -> None:
        """Write finished rows as one segment; after this returns they survive a crash.

        Segments are read in the order of their names; without ``name`` that is a digest of the keys.
        Raises LedgerError when the store cannot take them; what was finished before stays intact.
        """
        if self.taken_down:
            rows = rows.filter(pc.invert(_is_in(rows[KEY], self.taken_down)))
            if not rows.num_rows:
                return
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

    def holding(self, keys: Collection[str]) -> set[str]:
        """Which of the keys are those of finished rows."""
        found: set[str] = set()
        for path in self._readable("segments"):
            column = pq.read_table(path, columns=[KEY], filesystem=self.filesystem)[KEY]
            found |= set(column.filter(_is_in(column, keys)).to_pylist())
        return found

    def erase(self, keys: Collection[str], texts: Sequence[str] = ()) -> int:
        """Take rows out of the files that hold them, and failures too; how many.

        texts: what of a failure's plan or message gives one away whose key is another. A file without them is on disk
        before the one that holds them goes: a crash in between leaves rows twice (and read once), none is lost, and the
        same call completes it. A file keeps its place in the order of the names.
        """
        erased = 0
        while found := sum(self._erase(path, keys, texts) for path in self._readable("segments", "failures")):
            erased += found  # and once more: another process may have merged segments meanwhile
        return erased

    def _erase(self, path: str, keys: Collection[str], texts: Sequence[str]) -> int:
        file = PurePosixPath(path)
        try:
            gone = self._among(path, keys, texts)
            count = int(pc.sum(gone).as_py() or 0)
            left = pq.read_table(path, filesystem=self.filesystem).filter(pc.invert(gone)) if count else None
        except FileNotFoundError:
            return 0
        if left is None:
            return 0
        if left.num_rows:
            stem = re.sub(r"-[0-9a-f]{24}$", "", file.stem)
            self._write(file.parent.name, f"{stem}-{_digest(left[KEY])}.parquet", left)
        self._delete(path)
        return count

    def _among(self, path: str, keys: Collection[str], texts: Sequence[str] = ()) -> pa.ChunkedArray:
        """Which rows of a file have one of the keys or, of failures, hold one of the texts; shape (rows,), bool."""
        said = ("plan", "message") if texts and PurePosixPath(path).parent.name == "failures" else ()
        rows = pq.read_table(path, columns=[KEY, *said], filesystem=self.filesystem)
        found = _is_in(rows[KEY], keys)
        for name in said:
            holds = pl.Series(pl.from_arrow(rows[name])).str.contains_any([*texts]).fill_null(False)
            found = pc.or_(found, holds.to_arrow())
        return found

    def _readable(self, *folders: str) -> Iterator[str]:
        """The whole Parquet files, whatever their columns: those of a shelf that is only looked through."""
        for path in (path for folder in folders for path in self._files(folder)):
            with contextlib.suppress(pa.ArrowInvalid, OSError):
                if KEY in pq.read_schema(path, filesystem=self.filesystem).names:
                    yield path

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


def _is_in(column: pa.ChunkedArray, keys: Collection[str]) -> pa.ChunkedArray:
    return pc.is_in(column, value_set=pa.array(keys, pa.string()))


def _digest(keys: pa.ChunkedArray) -> str:
    digest = hashlib.blake2b(digest_size=12)
    for chunk in keys.chunks:
        digest.update("".join(chunk.to_pylist()).encode())
    return digest.hexdigest()


def _repetitive(schema: pa.Schema) -> list[str]:
    """Columns worth a dictionary: short labels repeat, keys and free text do not."""
    return [field.name for field in schema if field.name in ("emotion", "target", BATCH_ROWS)]
