"""The one verb: make what the ledger lacks of a plan."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import polars as pl
import pyarrow as pa

from corpusmith.errors import CorpusmithError, MakerError, PlanError, TooManyFailures
from corpusmith.work.ahead import begun
from corpusmith.work.in_order import in_order
from corpusmith.work.ledger import BATCH_ROWS, FAILURE_SCHEMA, KEY, Ledger, Shelf
from corpusmith.work.plan import canonical, keys

PLAN_ROWS = 32_768
OVERLAP_ABOVE = 3.0
FEWEST_FAILURES = 10
MERGED_EVERY = 256
"""Batches of a run after which small segments are merged."""


class Maker(Protocol):
    """Turns a batch of plan rows into samples; holds one model, loaded on the first ``make``.

    name: a short slug that names the maker's shelf in the ledger.
    fingerprint: model, resolved revision, settings, code version: all that decides, besides the row.
    provenance: the same for people and manifests, JSON-able.
    inputs: the plan columns that it reads; they and the fingerprint decide a sample's key, other columns ride along.
    carried (optional): columns that it is handed too and that decide nothing, such as an image beside its hash.
    schema: the columns that it makes.
    batch_rows: how many rows it takes at once.
    """

    @property
    def name(self) -> str: ...
    @property
    def fingerprint(self) -> str: ...
    @property
    def provenance(self) -> dict[str, Any]: ...
    @property
    def inputs(self) -> tuple[str, ...]: ...
    @property
    def schema(self) -> pa.Schema: ...
    @property
    def batch_rows(self) -> int: ...

    def make(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        """One row of ``schema`` for each row of key, inputs and carried, in the same order; raises on a bad row."""
        ...


Make = Callable[[pl.LazyFrame, Maker], pl.LazyFrame]
"""`produce` with a ledger: what a stage is handed, so that it need not know where samples lie."""


@dataclass(frozen=True)
class Progress:
    """Where a step stands: rows of this run, and seconds since it began."""

    step: str
    done: int
    failed: int
    total: int
    seconds: float


@dataclass(frozen=True)
class Outcome:
    """What became of one batch: the rows that were made (with key and inputs), and those that failed.

    hopeless: nothing of it went through, so that its other rows were not tried.
    """

    made: pa.Table
    failures: pa.Table
    hopeless: bool = False


Executor = Callable[[Maker, Iterable[pa.RecordBatch]], Iterator[Outcome]]


def produce(
    plan: pl.LazyFrame,
    maker: Maker,
    ledger: Ledger,
    *,
    executor: Executor | None = None,
    max_failure_rate: float = 0.05,
    on_progress: Callable[[Progress], None] | None = None,
    on_keys: Callable[[Shelf, pl.Series], None] | None = None,
) -> pl.LazyFrame:
    """Plan rows in their order with ``key`` and what the maker made of each; rows that failed are absent.

    So are those that were taken down (``ledger.taken_down``), which no maker is handed. Only keys that the ledger lacks
    are made, each once, in batches of ``maker.batch_rows``; each is on disk before the second one after it is begun.
    The plan is read in a stream, twice: it should be a cheap scan. on_keys: told of the shelf and the keys of all plan
    rows before any of them is looked for.

    Raises PlanError (columns missing or in the way), TooManyFailures (more than ``max_failure_rate`` of the tried rows,
    at least FEWEST_FAILURES), LedgerError (the store cannot be written).
    """
    _check(plan, maker)
    shelf = shelf_of(maker, ledger)
    plan_keys = keys_of(plan, maker)
    if on_keys:
        on_keys(shelf, plan_keys)
    todo = missing(plan_keys, shelf)
    if todo.any():
        _make(plan, plan_keys, todo, maker, shelf, executor or local, max_failure_rate, on_progress)
        shelf.compact()
    return in_order(plan, plan_keys, shelf.scan(plan_keys).select(KEY, *maker.schema.names))


def with_failed(made: pl.LazyFrame, plan: pl.LazyFrame, maker: Maker) -> pl.LazyFrame:
    """What ``produce`` made of a plan, and after it the rows that failed: with their key, and null in what was made.

    Rows that were taken down are among these, so that every plan row is accounted for: a release leaves them out.
    """
    asked = pl.concat([plan, keys_of(plan, maker).to_frame().lazy()], how="horizontal")
    failed = asked.join(made.select(KEY), on=KEY, how="anti", maintain_order="left")
    return pl.concat([made, failed], how="diagonal")


def shelf_of(maker: Maker, ledger: Ledger) -> Shelf:
    """Where the ledger keeps what this maker made: key, the columns it makes, rows in the batch that they rode in."""
    return ledger.shelf(maker.name, maker.fingerprint, _stored(maker))


def _stored(maker: Maker) -> pa.Schema:
    return pa.schema([pa.field(KEY, pa.string()), *maker.schema, pa.field(BATCH_ROWS, pa.int32())])


def keys_of(plan: pl.LazyFrame, maker: Maker) -> pl.Series:
    """The key of each plan row, in order; the plan is read in a stream and only the deciding columns of it."""
    read = _batches(plan.select(maker.inputs))
    parts = [keys(batch, maker.fingerprint, maker.inputs) for batch in read]
    return pl.concat(parts) if parts else pl.Series(KEY, [], dtype=pl.String)


def missing(plan_keys: pl.Series, shelf: Shelf) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Which plan rows are still to be made, the first of equal ones only and none taken down; shape (rows,), bool.

    ``shelf.scan(plan_keys)`` then gives the rows of the segments that it saw, without another listing.
    """
    return shelf.lacking(plan_keys)


def local(maker: Maker, batches: Iterable[pa.RecordBatch]) -> Iterator[Outcome]:
    """The default executor: batch after batch in this process."""
    for batch in begun(maker, batches):
        yield attempt(maker, batch)


def attempt(maker: Maker, batch: pa.RecordBatch) -> Outcome:
    """Make a batch; one that raises is split until the bad rows are found, so that they fail alone.

    Where nothing goes through anywhere, that is a dead server or a broken model and no bad rows: it is given up. An
    error that is ours (a model that cannot be loaded, say) is nobody's row: it is raised.
    """
    made: list[pa.Table] = []
    failed: list[dict[str, Any]] = []
    hopeless = False
    waiting = [batch]
    while waiting and not hopeless:
        part = waiting.pop()
        try:
            made.append(_made(maker, part))
        except CorpusmithError:
            raise
        except Exception as error:
            if part.num_rows > 1:
                half = part.num_rows // 2
                waiting += [part.slice(half), part.slice(0, half)]
            else:
                failed.append(_failure(maker, part, error))
                hopeless = not made and len(failed) == FEWEST_FAILURES and _fails_elsewhere(maker, batch)
    return Outcome(
        pa.concat_tables([_stored(maker).empty_table(), *made]),
        pa.Table.from_pylist(failed, schema=FAILURE_SCHEMA),
        hopeless,
    )


def _fails_elsewhere(maker: Maker, batch: pa.RecordBatch) -> bool:
    """Whether single rows from all over the batch fail as well."""
    for row in range(batch.num_rows - 1, 0, -max(1, batch.num_rows // 8)):
        with contextlib.suppress(Exception):
            maker.make(batch.slice(row, 1))
            return False
    return True


def _made(maker: Maker, part: pa.RecordBatch) -> pa.Table:
    made = maker.make(part)
    if made.num_rows != part.num_rows or not made.schema.equals(maker.schema):
        raise MakerError(
            f"{maker.name} was given {part.num_rows} rows and returned {made.num_rows} of {made.schema.names}; "
            f"expected one row for each, of {maker.schema.names} with the types that it declares"
        )
    shape = pa.array(np.full(part.num_rows, part.num_rows, dtype=np.int32))
    columns = {KEY: part[KEY], **dict(zip(made.schema.names, made.columns, strict=True)), BATCH_ROWS: shape}
    return pa.table(columns)


def _failure(maker: Maker, row: pa.RecordBatch, error: Exception) -> dict[str, Any]:
    frame = pl.DataFrame(pl.from_arrow(row))
    return {
        KEY: frame[KEY][0],
        "plan": frame.select(canonical(maker.inputs)).to_series()[0],
        "error": type(error).__name__,
        "message": str(error)[:2000],
        "attempt": time.time_ns(),
    }


@dataclass
class _Writer:
    """Stores one batch while the next is made, where that pays; never more than one is waiting.

    A batch is written behind the next one's back only while making takes OVERLAP_ABOVE times as long as writing, so
    that a crash costs the batch in the making and, at the very most, the one before it.
    """

    shelf: Shelf
    pool: ThreadPoolExecutor
    seconds: float = 0.0
    stored: int = 0
    waiting: Future[None] | None = field(default=None)

    def store(self, outcome: Outcome, made_in: float) -> None:
        self.wait()
        self.waiting = self.pool.submit(self._store, outcome)
        if made_in < OVERLAP_ABOVE * self.seconds or not self.seconds:
            self.wait()

    def wait(self) -> None:
        if self.waiting is not None:
            self.waiting.result()
            self.waiting = None

    def _store(self, outcome: Outcome) -> None:
        began = time.perf_counter()
        if outcome.failures.num_rows:
            self.shelf.add_failures(outcome.failures)
        if outcome.made.num_rows:
            self.shelf.append(outcome.made)
        self.stored += 1
        if self.stored % MERGED_EVERY == 0:  # a long run that is killed leaves no more segments than this unmerged
            self.shelf.compact()
        self.seconds = time.perf_counter() - began


def _make(
    plan: pl.LazyFrame,
    plan_keys: pl.Series,
    todo: np.ndarray[Any, np.dtype[np.bool_]],
    maker: Maker,
    shelf: Shelf,
    executor: Executor,
    max_failure_rate: float,
    on_progress: Callable[[Progress], None] | None,
) -> None:
    shelf.describe(maker.provenance)
    began = before = time.perf_counter()
    done = failed = 0
    total = int(todo.sum())
    with ThreadPoolExecutor(1, thread_name_prefix="ledger") as pool:
        writer = _Writer(shelf, pool)
        for outcome in executor(maker, _missing_batches(plan, plan_keys, todo, maker)):
            writer.store(outcome, time.perf_counter() - before)
            done += outcome.made.num_rows
            failed += outcome.failures.num_rows
            before = time.perf_counter()
            if on_progress:
                on_progress(Progress(maker.name, done, failed, total, before - began))
            too_many = failed >= FEWEST_FAILURES and failed > max_failure_rate * (done + failed)
            if outcome.hopeless or too_many:
                writer.wait()
                last = outcome.failures.to_pylist()[-1] if outcome.failures.num_rows else {"error": "", "message": ""}
                bound = f"The bound is {max_failure_rate:.0%} (setting work.max_failure_rate)."
                why = "Nothing of the last batch went through." if outcome.hopeless else bound
                raise TooManyFailures(
                    f"{maker.name}: {failed} of {done + failed} rows failed, so the step stopped. The last one said "
                    f"{last['error']}: {last['message']}. {why}"
                )
        writer.wait()
    shelf.record_rate(done, time.perf_counter() - began)


def _missing_batches(
    plan: pl.LazyFrame, plan_keys: pl.Series, todo: np.ndarray[Any, np.dtype[np.bool_]], maker: Maker
) -> Iterator[pa.RecordBatch]:
    """The missing rows (key, inputs and carried), in plan order, in batches of the maker's size."""
    waiting: list[pl.DataFrame] = []
    held = start = 0
    # what is carried may be heavy: no more of it is held than a batch needs
    for read in _batches(plan.select(_read(maker)), maker.batch_rows if _carried(maker) else PLAN_ROWS):
        part = slice(start, start + read.height)
        start += read.height
        chosen = read.insert_column(0, plan_keys[part]).filter(todo[part])
        while chosen.height:
            taken = chosen.head(maker.batch_rows - held)
            chosen = chosen.slice(taken.height)
            waiting.append(taken)
            held += taken.height
            if held == maker.batch_rows:
                yield _record_batch(waiting)
                waiting, held = [], 0
    if held:
        yield _record_batch(waiting)


def _batches(plan: pl.LazyFrame, rows: int = PLAN_ROWS) -> Iterator[pl.DataFrame]:
    return plan.collect_batches(chunk_size=rows, maintain_order=True)


def _carried(maker: Maker) -> tuple[str, ...]:
    return tuple(getattr(maker, "carried", ()))


def _read(maker: Maker) -> tuple[str, ...]:
    return (*maker.inputs, *_carried(maker))


def _record_batch(frames: list[pl.DataFrame]) -> pa.RecordBatch:
    table = pl.concat(frames).to_arrow(compat_level=pl.CompatLevel.oldest())
    narrow = [field.with_type(pa.string()) if field.type == pa.large_string() else field for field in table.schema]
    return table.cast(pa.schema(narrow)).combine_chunks().to_batches()[0]


def _check(plan: pl.LazyFrame, maker: Maker) -> None:
    columns = plan.collect_schema().names()
    absent = [name for name in _read(maker) if name not in columns]
    clash = [name for name in (KEY, *maker.schema.names) if name in columns]
    if absent:
        raise PlanError(f"{maker.name} reads the columns {absent}, which the plan lacks; it has {columns}")
    if clash:
        raise PlanError(f"the plan has columns that {maker.name} makes: {clash}; rename or drop them first")
