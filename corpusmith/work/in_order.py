"""Put what was made of a plan beside the plan's rows, in their order, in memory that grows with neither."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np
import polars as pl
import pyarrow as pa
from polars.io.plugins import register_io_source

from corpusmith.errors import LedgerError, PlanError
from corpusmith.whole import full, is_full
from corpusmith.work.ledger import KEY
from corpusmith.work.packed import Numbers, pack

ROWS: Final = 1 << 15
"""Of the plan, for which what was made is in memory at once."""
HEAVY_ROWS: Final = 1 << 7
"""The same where a row holds bytes, such as an image."""
READ_ROWS: Final = 1 << 12
"""Of what was made, read at once; several together are divided when they hold READ_BYTES."""
READ_BYTES: Final = 8 << 20
PARTS: Final = 128
"""Files that wait in a temporary folder at most: a plan of more than PARTS * ROWS rows has larger parts."""
OWN_BYTES: Final = pl.CompatLevel.oldest()
"""Of Arrow's types: newer ones would write all bytes of a batch with each part of it."""

Ints = np.ndarray[Any, np.dtype[np.int64]]


def in_order(plan: pl.LazyFrame, plan_keys: pl.Series, finished: pl.LazyFrame) -> pl.LazyFrame:
    """The rows of ``plan``, in their order, with their key and the columns of ``finished``; rows not in it are absent.

    plan_keys: the key of each plan row. finished: what was made (``key`` and other columns, each key once), in any
    order. Both tables are read in a stream, as often as the frame is, and only the columns that are asked for. What was
    made waits in a temporary folder, in parts of the plan's order, unless there is one part: memory holds the plan's
    keys, some 30 bytes each, and a part. Raises, when it is read, PlanError (the plan has not as many rows as keys) and
    LedgerError (the temporary folder's disk is full).
    """
    own, columns, keys = plan.collect_schema(), finished.collect_schema(), pack(plan_keys)
    made = [name for name in columns.names() if name != KEY]
    schema: dict[str, Any] = {**own, KEY: pl.String, **{name: columns[name] for name in made}}

    def read(
        with_columns: list[str] | None, predicate: pl.Expr | None, n_rows: int | None, batch_size: int | None
    ) -> Iterator[pl.DataFrame]:
        names = list(schema) if with_columns is None else with_columns
        beside = [name for name in made if name in names]
        rows = HEAVY_ROWS if any(_holds_bytes(schema[name]) for name in names) else ROWS
        with TemporaryDirectory(prefix="corpusmith-") as folder:
            parts = _Parts(keys, finished.select(KEY, *beside), rows, Path(folder))
            left = n_rows
            for start, batch in _plan_rows(plan.select(name for name in own if name in names), len(keys), rows):
                found = _found(batch, start, parts).select(names)
                if left is not None:
                    found = found.head(left)
                    left -= found.height
                yield found if predicate is None else found.filter(predicate)
                if left == 0:
                    return

    return register_io_source(read, schema=schema, explain_name="what was made, in the plan's order")


def _spelled(keys: Numbers) -> pl.Series:
    """The keys that `packed.pack` made numbers of."""
    data = pa.py_buffer(keys.astype(">u8"))
    array = pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), len(keys), [None, data])
    return pl.Series(KEY, array.cast(pa.binary())).bin.encode("hex")


def _plan_rows(plan: pl.LazyFrame, count: int, rows: int) -> Iterator[tuple[int, pl.DataFrame]]:
    """The plan in batches of at most ``rows`` rows, each with the place of its first row; of no columns, just heights.

    Raises PlanError: there are not ``count`` rows.
    """
    if not plan.collect_schema():
        for start in range(0, count, rows):
            yield start, pl.DataFrame(height=min(rows, count - start))
        return
    start = 0
    for batch in plan.collect_batches(chunk_size=rows, maintain_order=True):
        if start + batch.height > count:
            break
        for piece in batch.iter_slices(rows):
            yield start, piece
            start += piece.height
    else:
        if start == count:
            return
    raise PlanError(
        f"the plan had {count:,} rows, and another number when it was read again: it must be a stable table"
    )


def _found(batch: pl.DataFrame, start: int, parts: _Parts) -> pl.DataFrame:
    """Those rows of a batch of the plan, which starts at row ``start``, that were made, with what was made."""
    pieces = []
    while batch.height:
        piece = batch.head(parts.end_of(start) - start)
        made, place = parts.at(start, piece.height)
        is_made = place >= 0
        keys = _spelled(parts.keys[start : start + piece.height])
        whole = piece.with_columns(keys) if piece.width else keys.to_frame()
        pieces.append(whole.filter(is_made).hstack(made[place[is_made]].drop(KEY)))
        batch, start = batch.slice(piece.height), start + piece.height
    return pl.concat(pieces)


@dataclass
class _Parts:
    """What was made, by parts of the plan's order: one is in memory, where there are more all wait in ``folder``."""

    keys: Numbers
    finished: pl.LazyFrame
    least_rows: int
    folder: Path
    _number: int = field(default=-1, init=False)

    def __post_init__(self) -> None:
        self.rows = max(self.least_rows, -(-len(self.keys) // PARTS))
        self._schema = self.finished.collect_schema()
        self._held: list[pl.DataFrame] = [pl.DataFrame(schema=self._schema)]
        if len(self.keys):
            try:
                self._divide()
            except OSError as error:
                if not is_full(error):
                    raise
                why = os.strerror(error.errno or errno.ENOSPC)
                more = "or set TMPDIR to a folder with more room: rows wait there for their place"
                raise LedgerError(f"{full(self.folder, why)}, {more}") from error

    def end_of(self, row: int) -> int:
        """Where the part ends that holds a row of the plan."""
        return (row // self.rows + 1) * self.rows

    def at(self, start: int, rows: int) -> tuple[pl.DataFrame, Ints]:
        """What was made of a part, and for each of some of its plan rows the place in it, or -1; shape (rows,)."""
        number = start // self.rows
        if number != self._number:
            self._made, self._number = self._part(number), number
            keys = _spelled(self.keys[number * self.rows : self.end_of(start)]).to_frame()
            places = self._made.select(KEY).with_row_index("place")
            joined = keys.join(places, on=KEY, how="left", maintain_order="left")
            self._place = joined["place"].cast(pl.Int64).fill_null(-1).to_numpy()
        first = start - number * self.rows
        return self._made, self._place[first : first + rows]

    def _part(self, number: int) -> pl.DataFrame:
        path = self.folder / str(number)
        if not path.exists():
            return pl.concat(self._held)
        with pa.memory_map(str(path)) as file, pa.ipc.open_stream(file) as stream:  # freed memory would stay Arrow's
            made = pl.DataFrame(pl.from_arrow(stream.read_all()))
        path.unlink()
        return made

    def _divide(self) -> None:
        """Put each finished row where the plan asks for it: into memory, or into the file of each part that does."""
        firsts, part = _sorted(self.keys, self.rows)
        count = -(-len(self.keys) // self.rows)
        files: dict[int, pa.ipc.RecordBatchStreamWriter] = {}
        try:
            for batch in _large(self.finished.collect_batches(chunk_size=READ_ROWS, maintain_order=True)):
                row, wanted = _wanted(pack(batch[KEY]), firsts, part)
                if count == 1:
                    self._held.append(batch[row])
                    continue
                table = batch[row].to_arrow(compat_level=OWN_BYTES)
                borders = np.searchsorted(wanted, np.arange(count + 1))
                for number in np.flatnonzero(borders[1:] > borders[:-1]).tolist():
                    if number not in files:
                        files[number] = pa.ipc.new_stream(str(self.folder / str(number)), table.schema)
                    files[number].write_table(table.slice(borders[number], borders[number + 1] - borders[number]))
        finally:
            for file in files.values():
                file.close()


def _large(batches: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """The same rows in batches of READ_BYTES: allocators keep some of the memory of each that went before."""
    held: list[pl.DataFrame] = []
    size = 0
    for batch in batches:
        held.append(batch)
        size += int(batch.estimated_size())
        if size >= READ_BYTES:
            yield pl.concat(held)
            held, size = [], 0
    if held:
        yield pl.concat(held)


def _sorted(keys: Numbers, rows: int) -> tuple[Numbers, Ints]:
    """The first halves of the plan's keys, ascending, and the part of the plan's order that each is in."""
    order = np.argsort(keys[:, 0], kind="stable")
    firsts = keys[order, 0]
    order //= rows
    return firsts, order.astype(np.uint8)


def _wanted(keys: Numbers, firsts: Numbers, part: Ints) -> tuple[Ints, Ints]:
    """Which rows of a batch go into which part, each pair once: by the part, then as they stand in the batch.

    Keys of one first half go the same ways: those that nobody asked for are told by the second half later.
    """
    order = np.argsort(keys[:, 0])  # one after the other they are found several times as fast
    sought = keys[order, 0]
    first, last = np.searchsorted(firsts, sought), np.searchsorted(firsts, sought, side="right")
    times = last - first
    row = np.repeat(order, times)
    place = np.repeat(first - times.cumsum() + times, times) + np.arange(times.sum())
    pairs = np.unique(part[place].astype(np.int64) << 40 | row)
    return pairs & ((1 << 40) - 1), pairs >> 40


def _holds_bytes(kind: Any) -> bool:
    if isinstance(kind, pl.Struct):
        return any(_holds_bytes(each.dtype) for each in kind.fields)
    if isinstance(kind, pl.List | pl.Array):
        return _holds_bytes(kind.inner)
    return bool(kind == pl.Binary)
