"""What the Ray executor costs beside the local one, how it grows with actors, and Ray Data's map_batches beside both.

python -m benchmarks.ray_executor [--seconds 6] [--runs 3]
"""

from __future__ import annotations

import argparse
import hashlib
import logging
import statistics
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pyarrow as pa

from benchmarks.produce import Echo
from benchmarks.tables import Measured, met, show
from corpusmith.settings import Ray
from corpusmith.work.ledger import Ledger
from corpusmith.work.produce import Executor, Maker, Outcome, attempt, local, produce
from corpusmith.work.ray_actors import connect, end_actors
from corpusmith.work.ray_executor import RayExecutor

LONG = 600.0
"""Seconds of work that the aim is about; a start is counted against so much."""
ROUNDS = 2_000
"""Of hashing, for a row of the maker that holds the CPU."""
PAUSE = 0.25
"""Seconds that a batch of the sleeping maker takes."""


@dataclass
class Busy(Echo):
    """Holds one core, and no more, for about a millisecond a row."""

    name: str = "busy"
    batch_rows: int = 256

    def make(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        hashlib.pbkdf2_hmac("sha256", b"held", b"busy", ROUNDS * rows.num_rows)
        return pa.record_batch([rows["n"]], schema=self.schema)


@dataclass
class Sleeping(Echo):
    """Waits, as for a server or a card, and holds no CPU."""

    name: str = "sleeping"
    batch_rows: int = 1

    def make(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        time.sleep(PAUSE)
        return pa.record_batch([rows["n"]], schema=self.schema)


@dataclass(frozen=True)
class Run:
    """start: seconds until each actor has returned two batches on average. whole: to the end. rate: rows/s between."""

    start: float
    whole: float
    rate: float


def ray_of(concurrency: int) -> RayExecutor:
    entry = {"concurrency": concurrency, "num_cpus": min(1.0, 2 / concurrency)}
    return RayExecutor(Ray.model_validate({"address": None, "makers": {"default": entry}}))


class Attempt:
    """What Ray Data calls in its actors: a block is one of our batches, and comes back as it was made."""

    def __init__(self, maker: Maker) -> None:
        self.maker = maker

    def __call__(self, block: pa.Table) -> pa.Table:
        return attempt(self.maker, block.combine_chunks().to_batches()[0]).made


def ray_data_of(concurrency: int) -> Executor:
    """The same maker on Ray Data's actors; the whole plan is put into its store first, a block for each batch."""

    def run(maker: Maker, batches: Iterable[pa.RecordBatch]) -> Iterator[Outcome]:
        ray = connect(None)
        ray.data.DataContext.get_current().enable_progress_bars = False
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        blocks = ray.data.from_arrow([pa.Table.from_batches([batch]) for batch in batches])
        pool = ray.data.ActorPoolStrategy(size=concurrency)
        options = {"num_cpus": min(1.0, 2 / concurrency), "batch_format": "pyarrow", "batch_size": None}
        made = blocks.map_batches(Attempt, fn_constructor_args=[maker], compute=pool, **options)
        nothing = pa.table({})
        for block in made.iter_batches(batch_size=None, batch_format="pyarrow"):
            yield Outcome(block, nothing)

    return run


def measured(executor: Executor, maker: Echo, rows: int, actors: int) -> Run:
    """A `produce` into a new ledger, timed from when each actor has given twice back on average."""
    plan = pl.LazyFrame({"n": range(rows), "text": ["a few words"] * rows})
    came: list[tuple[float, int]] = []
    end_actors()  # each run starts its own, and Ray Data's find room
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        progress = lambda now: came.append((time.perf_counter() - began, now.done))  # noqa: E731
        produce(plan, maker, Ledger(Path(folder)), executor=executor, on_progress=progress)
    (start, before), (end, done) = came[2 * actors - 1], came[-1]
    return Run(start, end, (done - before) / (end - start))


def median(runs: list[Run]) -> Run:
    return Run(*(statistics.median(getattr(run, name) for run in runs) for name in ("start", "whole", "rate")))


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=6, help="of work in each run of the maker that holds the CPU")
    parser.add_argument("--batches", type=int, default=30, help="of the sleeping maker for each actor")
    parser.add_argument("--runs", type=int, default=3)
    return parser


def measure(options: argparse.Namespace) -> Iterator[Measured]:
    connect(None)  # the start of the cluster is not any executor's
    yield busy(options)
    yield sleeping(options)


def busy(options: argparse.Namespace) -> Measured:
    maker = Busy()
    rate = measured(local, maker, 8 * maker.batch_rows, 1).rate
    rows = max(8, round(options.seconds * rate / maker.batch_rows)) * maker.batch_rows
    racing = {
        "local": (local, 1),
        "ray, 1 actor": (ray_of(1), 1),
        "ray, 2 actors": (ray_of(2), 2),
        "Ray Data's map_batches, 1 actor": (ray_data_of(1), 1),
        "Ray Data's map_batches, 2 actors": (ray_data_of(2), 2),
    }
    runs: dict[str, list[Run]] = {name: [] for name in racing}
    for _ in range(options.runs):
        for name, (executor, actors) in racing.items():  # in turn, so that a busy machine is everybody's
            runs[name].append(measured(executor, maker, rows, actors))
    found = {name: median(several) for name, several in runs.items()}
    home = found["local"]
    return Measured(
        "ray_executor",
        f"a maker that holds one core, batches of {maker.batch_rows} rows, {rows:,} rows through `produce` into a new "
        f"ledger, medians of {options.runs}, in turn on the same two cores",
        ("executor", "actors make after, s", "whole, s", "against local", f"over {LONG:.0f} s of local work", ""),
        [
            (name, run.start, run.whole, f"{run.whole / home.whole - 1:+.1%}", *_long(name, run, home))
            for name, run in found.items()
        ],
    )


def _long(name: str, run: Run, home: Run) -> tuple[str, str]:
    """How much slower ten minutes would be; Ray Data holds back what it made, so that it has no rate to go by."""
    if not name.startswith("ray, "):
        return "", ""
    slower = (run.start + LONG * home.rate / run.rate) / (home.start + LONG) - 1
    return f"{slower:+.1%}", met(slower <= 0.15)


def sleeping(options: argparse.Namespace) -> Measured:
    rates: dict[tuple[str, int], float] = {}
    for name, executor in {"ray": ray_of, "Ray Data's map_batches": ray_data_of}.items():
        for actors in (1, 2, 4):
            rows = options.batches * actors
            rates[name, actors] = measured(executor(actors), Sleeping(), rows, actors).rate
    linear = {key: rate / (key[1] / PAUSE) for key, rate in rates.items()}
    return Measured(
        "ray_actors",
        f"a maker that sleeps {PAUSE} s a batch, {options.batches} batches an actor, one run each",
        ("executor", "actors", "batches/s", "of linear", "aim: 90 %"),
        [
            (name, actors, rate, f"{linear[name, actors]:.1%}", met(linear[name, actors] >= 0.9))
            for (name, actors), rate in rates.items()
        ],
    )


def main() -> None:
    for table in measure(parser().parse_args()):
        show(table)


if __name__ == "__main__":
    main()
