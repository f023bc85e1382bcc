"""What `produce` costs: rows a second with a maker that does nothing, a re-run over finished rows, CPU overhead.

python -m benchmarks.produce [--rows 1000000] [--runs 5]
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from benchmarks.tables import Measured, met, show
from corpusmith.work.ledger import Ledger
from corpusmith.work.plan import fingerprint, keys
from corpusmith.work.produce import produce


@dataclass
class Echo:
    """Returns its number: no work at all."""

    name: str = "echo"
    batch_rows: int = 8192
    inputs: tuple[str, ...] = ("n", "text")
    schema = pa.schema({"made": pa.int64()})

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.name, "none", "0", {})

    @property
    def provenance(self) -> dict[str, Any]:
        return {}

    def make(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        return pa.record_batch([rows["n"]], schema=self.schema)


@dataclass
class Busy(Echo):
    """Holds the CPU with matrix products, about half a millisecond for each row."""

    name: str = "busy"
    batch_rows: int = 256

    def make(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        square = np.ones((160, 160))
        for _ in range(rows.num_rows):
            for _ in range(4):
                square = np.tanh(square @ square / 160)
        return pa.record_batch([rows["n"]], schema=self.schema)


def write_plan(folder: Path, rows: int) -> Path:
    path = folder / "plan.parquet"
    numbers = pl.int_range(rows, eager=True)
    text = pl.select("comment number " + numbers.cast(pl.String) + ", a few more words").to_series()
    pl.DataFrame({"n": numbers, "text": text}).write_parquet(path)
    return path


def timed(plan: Path, ledger: Path) -> dict[str, float]:
    """One `produce` in a process of its own: seconds and peak MB."""
    command = [sys.executable, "-m", "benchmarks.produce", "--once", str(plan), str(ledger)]
    run = subprocess.run(command, capture_output=True, check=True)
    return json.loads(run.stdout)


def once(plan: Path, ledger: Path) -> None:
    began = time.perf_counter()
    produce(pl.scan_parquet(plan), Echo(), Ledger(ledger))
    seconds = time.perf_counter() - began
    print(json.dumps({"seconds": seconds, "mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))


def bare_loop(plan: Path, maker: Echo) -> float:
    """Seconds of the maker alone, over the same batches."""
    rows = pl.read_parquet(plan)
    keyed = rows.insert_column(0, keys(rows, maker.fingerprint, maker.inputs))
    batches = [part.to_arrow().to_batches()[0] for part in keyed.iter_slices(maker.batch_rows)]
    began = time.perf_counter()
    for batch in batches:
        maker.make(batch)
    return time.perf_counter() - began


def through_produce(plan: Path, folder: Path, maker: Echo) -> float:
    began = time.perf_counter()
    produce(pl.scan_parquet(plan), maker, Ledger(folder))
    return time.perf_counter() - began


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--once", nargs=2, type=Path, help=argparse.SUPPRESS)
    return parser


def measure(options: argparse.Namespace) -> Iterator[Measured]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plan = write_plan(folder, options.rows)
        first = [timed(plan, folder / f"ledger-{run}") for run in range(options.runs)]
        again = [timed(plan, folder / "ledger-0") for _ in range(options.runs)]
        (folder / "small").mkdir()
        small = write_plan(folder / "small", 4096)
        pairs = [
            (through_produce(small, folder / f"busy-{run}", Busy()), bare_loop(small, Busy()))
            for run in range(options.runs)
        ]
    rate = options.rows / statistics.median(run["seconds"] for run in first)
    seconds, megabytes = (statistics.median(run[what] for run in again) for what in ("seconds", "mb"))
    overhead = statistics.median(through / bare - 1 for through, bare in pairs)
    yield Measured(
        "produce",
        f"{options.rows:,} rows, medians of {options.runs}",
        ("what", "median", "aim", ""),
        [
            ("a maker that does nothing, rows/s", rate, "at least 100,000", met(rate >= 100_000)),
            (f"a re-run over {options.rows:,} finished rows, s", seconds, "under 3", met(seconds < 3)),
            ("its peak memory, MB", megabytes, "under 500", met(megabytes < 500)),
            ("a maker that holds the CPU, over a bare loop", f"{overhead:.1%}", "at most 3 %", met(overhead <= 0.03)),
        ],
    )


def main() -> None:
    options = parser().parse_args()
    if options.once:
        return once(*options.once)
    for table in measure(options):
        show(table)


if __name__ == "__main__":
    main()
