"""The content-addressed store of all that was ever made: append-only Parquet segments whose names are their state.

Nothing is ever renamed, so that a folder and an object store are one and the same. What small segments were merged into
is written first; a list of what it replaces, one small file, then takes its place at once. The replaced ones
stay for a while, for whoever is reading them.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
import uuid
import warnings
from collections import deque
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.fs as pafs

from corpusmith.errors import LedgerError, SetAside
from corpusmith.work import compaction, erasing, packed, segments
from corpusmith.work.segments import Listing
from corpusmith.work.store import File, Store, ahead, store_of

KEY = "key"
BATCH_ROWS = "batch_rows"
GROUP_BYTES = 32 << 20
FEW_KEYS = 1 << 16

FAILURE_SCHEMA = pa.schema(
    {KEY: pa.string(), "plan": pa.string(), "error": pa.string(), "message": pa.string(), "attempt": pa.int64()}
)


class Ledger:
    """All shelves under one folder or object-store prefix.

    ``root`` is a path, a URI (``s3://…``: through s3fs and pyarrow), or a path inside ``filesystem``
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
        self.store, self.root = store_of(root, filesystem)

    @property
    def said(self) -> str:
        """Where it lies, as people write it."""
        return self.store.said(self.root)

    def shelf(self, name: str, fingerprint: str, schema: pa.Schema) -> Shelf:
        """The shelf of one maker: where everything with this fingerprint lies. Nothing is written yet."""
        digest = hashlib.blake2b(fingerprint.encode(), digest_size=6).hexdigest()
        return Shelf(self.store, f"{self.root}/{name}-{digest}", fingerprint, schema, self.taken_down)

    def named(self, name: str) -> Shelf:
        """The shelf in this folder, to look through: it does not know its columns."""
        bare = Shelf(self.store, f"{self.root}/{name}", "", pa.schema([]))
        return replace(bare, fingerprint=bare.description().get("fingerprint", ""))

    def shelves(self) -> list[Shelf]:
        """Every shelf that is there, in the order of their names, to look through: it does not know its columns."""
        return [self.named(PurePosixPath(path).name) for path in self.store.folders(self.root)]


@dataclass(frozen=True)
class Seen:
    """Segments that were read, in order, and of each the rows (numbers) whose key an earlier row has."""

    files: list[File]
    again: dict[int, pl.Series]
    asked: pl.Series | None = None


@dataclass(frozen=True)
class Shelf:
    """What one maker ever made: segments of ``schema`` (which holds the key), failures, and who the maker is.

    taken_down: keys of rows that it neither gives out nor takes in. Every method raises LedgerError, which names the
    file, where the store does not answer or cannot be written; what was finished before stays intact.
    """

    store: Store
    path: str
    fingerprint: str
    schema: pa.Schema
    taken_down: frozenset[str] = frozenset()
    _seen: deque[Seen] = field(default_factory=lambda: deque(maxlen=1), compare=False, repr=False)

    @property
    def name(self) -> str:
        """The name of its folder in the ledger."""
        return PurePosixPath(self.path).name

    @property
    def said(self) -> str:
        """Where it lies, as people write it."""
        return self.store.said(self.path)

    def segments(self) -> list[str]:
        """Paths of all whole segments, in name order; a torn or foreign file is set aside with a warning."""
        with packed.Parted() as nothing:
            return [file.path for file in self._compared(nothing, None)[0].files]

    def keys(self) -> pl.Series:
        """The keys of all finished rows, as strings; one that two processes made at once stands twice."""
        paths = self.segments()
        rows = self.store.scan(paths, self.schema) if paths else pl.LazyFrame(schema={KEY: pl.String})
        return rows.select(KEY).collect().to_series()

    def lacking(self, keys: pl.Series | Iterable[pl.Series]) -> packed.Bools:
        """Which of these keys have no finished row and were not taken down, the first of equal ones only; shape (n,).

        In bounded memory, whatever there is of either (`packed`): of the keys too, where they come in parts. Segments
        that can hold none of a few keys are not opened.
        """
        asked = keys if isinstance(keys, pl.Series) else None
        with packed.Parted() as wanted:
            for some in [asked] if asked is not None else keys:
                for part in packed.chunks(some):
                    wanted.add(part)
            seen, mask = self._compared(wanted, asked)
        self._seen.append(seen)
        return mask

    def scan(self, among: pl.Series | None = None) -> pl.LazyFrame:
        """All finished rows, lazily; a key that two processes made at once appears once.

        among: only segments that may hold one of these keys. Those that `lacking` was just asked for are not looked
        for again: the rows are those that it saw.
        """
        last = self._seen.pop() if self._seen else None
        if last is None or among is None or last.asked is not among:
            with packed.Parted() as nothing:
                last, _ = self._compared(nothing, among)
        rows = self._rows(last)
        if self.taken_down:
            rows = rows.filter(~pl.col(KEY).is_in(pl.Series([*self.taken_down]).implode()))
        return rows

    def append(self, rows: pa.Table, name: str | None = None) -> None:
        """Write finished rows as one segment; after this returns they survive a crash.

        Segments are read in the order of their names; without ``name`` it has one of its own and may be merged.
        """
        if self.taken_down:
            rows = rows.filter(pc.invert(erasing.is_in(rows[KEY], erasing.values(pl.Series([*self.taken_down])))))
            if not rows.num_rows:
                return
        self.write(name or f"{segments.ANY}-{segments.unique()}", rows)

    def write(self, name: str, rows: pa.Table) -> File:
        """Write a segment of this name as it is."""
        return self._write("segments", f"{name}.parquet", rows)

    def add_failures(self, failures: pa.Table) -> File:
        """Record rows that failed (FAILURE_SCHEMA)."""
        return self._write("failures", f"{uuid.uuid4().hex}.parquet", failures)

    def failures(self) -> pl.DataFrame:
        """The last failure of each row that is still not made, with its plan row as JSON."""
        every = self.last_failures(self.listed().failures)
        return every.filter(pl.Series(self.lacking(every[KEY]), dtype=pl.Boolean)) if every.height else every

    def rows(self) -> int:
        """How many rows are finished, as the footers say: one that two processes made at once counts twice.

        Raises LedgerError for a file that is torn, and moves none.
        """
        return sum(count for _, count in ahead(self._count, self.listed().segments, self.store.at_once))

    def waiting(self) -> pl.Series:
        """The keys of rows that failed and were not made since, each once. Raises LedgerError for a torn file."""
        files = self.listed().failures
        if files:
            self.rows()  # says which segment is torn, and moves none
        keys = pl.concat([pl.Series(KEY, [], pl.String), *map(self._failed, files)])
        return keys.filter(pl.Series(self.lacking(keys), dtype=pl.Boolean))

    def bytes(self) -> int:
        """What all its files take."""
        return sum(file.bytes for file in self.store.files(self.path))

    def describe(self, provenance: dict[str, Any]) -> None:
        """Write who the maker is, once, beside what it made."""
        if not self.description():
            text = json.dumps({"fingerprint": self.fingerprint, **provenance}, indent=2, sort_keys=True, default=str)
            self.store.put(f"{self.path}/maker.json", text.encode())

    def description(self) -> dict[str, Any]:
        """What `describe` wrote; empty before."""
        return self._said("maker.json", "fingerprint")

    def record_rate(self, rows: int, seconds: float) -> None:
        """Remember how fast the last run made rows, for the next dry run's estimate."""
        self.store.put(f"{self.path}/rate.json", json.dumps({"rows": rows, "seconds": seconds}).encode())

    def rate(self) -> float | None:
        """Rows a second of the last run, or None before the first."""
        measured = self._said("rate.json", "rows", "seconds")
        return float(measured["rows"]) / max(float(measured["seconds"]), 1e-9) if measured else None

    def compact(self) -> None:
        """Merge small segments, and failures, until there are few of each size (`compaction`)."""
        self._seen.clear()
        compaction.compact(self)

    def holding(self, keys: Collection[str]) -> set[str]:
        """Which of the keys are those of finished rows."""
        asked = pl.Series(KEY, sorted(keys), pl.String)
        files = [file for file in self.listed().segments if segments.may_hold(file.name, asked)]
        found, wanted = set[str](), erasing.values(asked)
        for _, column in ahead(self._column, files, self.store.at_once):
            if column is not None:
                found |= set(column.filter(erasing.is_in(column, wanted)).to_pylist())
        return found

    def count(self, garbage: pl.Series) -> list[tuple[int, int, int]]:
        """Of each file of finished or failed rows that can be read: its rows, those among ``garbage``, its bytes."""
        listing, gone = self.listed(), erasing.values(garbage)
        return [
            (len(column), int(pc.sum(erasing.is_in(column, gone)).as_py() or 0), file.bytes)
            for file, column in ahead(self._column, [*listing.segments, *listing.failures], self.store.at_once)
            if column is not None
        ]

    def erase(self, keys: Collection[str] | pl.Series, texts: Sequence[str] = ()) -> int:
        """Take rows out of the files that hold them, and failures too; how many.

        texts: what of a failure's plan or message gives one away whose key is another. A file without them is on disk
        before the one that holds them goes: a crash in between leaves rows twice (and read once), none is lost, and the
        same call completes it. A file keeps its place in the order of the names. With any row goes what was set aside.
        """
        return erasing.erase(self, keys, texts)

    def remove(self) -> None:
        """Take the shelf away as a whole."""
        self.store.remove(self.path)

    def listed(self) -> Listing:
        """What lies there."""
        lists = compaction.lists(self)  # first: what replaces a segment is there before a list says that it does
        hidden = compaction.names_in(self, lists)
        folders: dict[str, list[File]] = {"segments": [], "failures": []}
        for file in self.store.files(self.path):
            folders.get(file.folder, []).append(file)
        every = [file for file in folders["segments"] if file.name.endswith(".parquet")]
        return Listing(
            [file for file in every if file.name not in hidden],
            [file for file in every if file.name in hidden],
            lists,
            [file for file in folders["failures"] if file.name.endswith(".parquet")],
        )

    def read(self, file: File, columns: Sequence[str] | None = None) -> pa.Table | str:
        """A segment, or why it is none. Raises FileNotFoundError: it is not there any more."""
        fragment = self.store.opened(file)
        if fragment is None:
            return "it is not a whole Parquet file"
        if self.schema.names and not fragment.physical_schema.remove_metadata().equals(self.schema.remove_metadata()):
            return f"its columns are not those of {self.fingerprint}"
        if KEY not in fragment.physical_schema.names:
            return f"it has no column {KEY}"
        return self.store.table(fragment, columns)

    def set_aside(self, file: File, why: str) -> None:
        """Move a torn or foreign file out of the way, with a warning."""
        said = self.store.said(file.path)
        warnings.warn(f"{said} is set aside, its rows will be made again: {why}", SetAside, stacklevel=4)
        self.store.set_aside(file.path, f"{self.path}/set-aside/{file.name}")

    def _compared(self, wanted: packed.Parted, asked: pl.Series | None) -> tuple[Seen, packed.Bools]:
        """What is there, read once and in order, and which of the wanted keys are not."""
        few = asked is not None and len(asked) <= FEW_KEYS  # more of them are in every segment
        ordered = asked.sort() if asked is not None and few else None
        while True:
            every = self.listed().segments
            some = every if ordered is None else [file for file in every if segments.may_hold(file.name, ordered)]
            with contextlib.suppress(FileNotFoundError), packed.Parted() as held:  # or: erased since the listing
                files, starts = [], [0]
                for file, found in ahead(self._keys, some, self.store.at_once):
                    if isinstance(found, str):
                        self.set_aside(file, found)
                        continue
                    held.add(found)
                    files.append(file)
                    starts.append(held.total)
                held.add(packed.pack(pl.Series(sorted(self.taken_down), dtype=pl.String)))
                mask, again = packed.compared(wanted, held)
                return Seen(files, _placed(again, starts), asked), mask

    def _count(self, file: File) -> int:
        with contextlib.suppress(FileNotFoundError):  # another process has erased it
            return int(self._whole(file).metadata.num_rows)
        return 0

    def _failed(self, file: File) -> pl.Series:
        with contextlib.suppress(FileNotFoundError):  # merged by another process
            return pl.Series(KEY, pl.from_arrow(self.store.table(self._whole(file), [KEY])[KEY]))
        return pl.Series(KEY, [], pl.String)

    def _whole(self, file: File) -> ds.ParquetFileFragment:
        """A file with its footer. Raises LedgerError: it is torn. FileNotFoundError: it is gone."""
        if (fragment := self.store.opened(file)) is None:
            said = f"{self.store.said(file.path)} is not a whole Parquet file; move it elsewhere"
            raise LedgerError(f"{said}: the next build makes its rows again")
        return fragment

    def _keys(self, file: File) -> packed.Numbers | str:
        found = self.read(file, [KEY])
        return found if isinstance(found, str) else packed.pack(found[KEY])

    def _column(self, file: File) -> pa.ChunkedArray | None:
        """The keys of a file of finished or failed rows; None: it cannot be read, or is gone."""
        try:
            fragment = self.store.opened(file)
            if fragment is None or KEY not in fragment.physical_schema.names:
                return None  # the next build sets it aside
            return self.store.table(fragment, [KEY])[KEY]
        except FileNotFoundError:
            return None

    def _rows(self, seen: Seen) -> pl.LazyFrame:
        """The rows of segments in their order, without those whose key an earlier one has."""
        parts: list[pl.LazyFrame] = []
        whole: list[str] = []
        for place, file in enumerate(seen.files):
            if place not in seen.again:
                whole.append(file.path)
                continue
            parts += [self.store.scan(whole, self.schema)] if whole else []
            numbered = self.store.scan([file.path], self.schema).with_row_index("_row")
            parts.append(numbered.filter(~pl.col("_row").is_in(seen.again[place].implode())).drop("_row"))
            whole = []
        parts += [self.store.scan(whole, self.schema)] if whole else []
        return pl.concat(parts) if parts else pl.LazyFrame(schema=pl.Schema(self.schema))

    def last_failures(self, files: Sequence[File]) -> pl.DataFrame:
        """The last failure of each key."""
        tables = [FAILURE_SCHEMA.empty_table()]
        for file in files:
            with contextlib.suppress(FileNotFoundError):  # merged by another process
                if (fragment := self.store.opened(file)) is not None:
                    tables.append(self.store.table(fragment, FAILURE_SCHEMA.names).cast(FAILURE_SCHEMA))
        every = pl.DataFrame(pl.from_arrow(pa.concat_tables(tables)))
        return every.sort(KEY, "attempt").unique(KEY, keep="last", maintain_order=True)

    def _said(self, name: str, *needed: str) -> dict[str, Any]:
        """A note beside the segments; empty: there is none."""
        try:
            found: dict[str, Any] = json.loads(self.store.read(f"{self.path}/{name}"))
            return {**found, **{key: found[key] for key in needed}}
        except FileNotFoundError:
            return {}
        except (ValueError, TypeError, KeyError) as error:
            raise LedgerError(
                f"{self.said}/{name} is not what the ledger wrote there ({type(error).__name__}: {error}); "
                "delete it: the next build writes it again"
            ) from None

    def _delete(self, paths: Sequence[str]) -> None:
        self._seen.clear()
        self.store.delete(paths)

    def _write(self, folder: str, name: str, rows: pa.Table) -> File:
        self._seen.clear()
        path = f"{self.path}/{folder}/{name}"
        return File(path, self.store.put_table(path, rows, _repetitive(rows.schema), GROUP_BYTES), time.time())


def _placed(numbers: packed.Numbers, starts: Sequence[int]) -> dict[int, pl.Series]:
    """Numbers that count on through files, as row numbers by the place of the file; what is behind the last goes."""
    numbers = numbers[numbers < starts[-1]].astype(np.int64)
    places = np.searchsorted(starts, numbers, side="right") - 1
    return {
        int(place): pl.Series(numbers[places == place] - starts[place], dtype=pl.UInt32) for place in np.unique(places)
    }


def _repetitive(schema: pa.Schema) -> list[str]:
    """Columns worth a dictionary: short labels repeat, keys and free text do not."""
    return [field.name for field in schema if field.name in ("emotion", "target", BATCH_ROWS)]
