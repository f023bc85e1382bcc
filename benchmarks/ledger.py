"""What a large ledger costs: to find what a plan lacks, to list, to compact; and what an object store is asked.

python -m benchmarks.ledger [--keys 10000000] [--objects 2000]

The keys are random and nothing is stored beside them: it is the keys that are measured, on real Parquet segments.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.tables import Measured, show
from corpusmith.work import compaction
from corpusmith.work.ledger import Ledger, Shelf

SCHEMA = pa.schema({"key": pa.string()})
SEGMENT = 1_000_000
SMALL = 1_000
NEW = 1_000


def shelf_of(root: str) -> Shelf:
    return Ledger(root).shelf("keys", "keys:none@0", SCHEMA)


def keys(seed: int, count: int) -> pa.Table:
    """Random keys, as a segment has them."""
    drawn = np.random.default_rng(seed).integers(0, 256, (count, 16), dtype=np.uint8)
    digits = np.frombuffer(drawn.tobytes().hex().encode(), dtype=np.uint8)
    offsets = np.arange(0, 32 * count + 1, 32, dtype=np.int32)
    return pa.table({"key": pa.StringArray.from_buffers(count, pa.py_buffer(offsets), pa.py_buffer(digits))})


def build(root: str, count: int) -> None:
    """A ledger as it is after long runs: a segment for each million of keys."""
    shelf = shelf_of(root)
    for number in range(-(-count // SEGMENT)):
        shelf.append(keys(number, min(SEGMENT, count - number * SEGMENT)))


def plan(count: int) -> Iterator[pl.Series]:
    """The keys of a plan, a million at a time: all that were made, and NEW more."""
    for number in range(-(-count // SEGMENT)):
        yield pl.Series(pl.from_arrow(keys(number, min(SEGMENT, count - number * SEGMENT))["key"]))
    yield pl.Series(pl.from_arrow(keys(10**6, NEW)["key"]))


def missing(root: str, count: int) -> int:
    """How many rows of the plan are lacking."""
    return int(shelf_of(root).lacking(plan(count)).sum())


def small_plan(root: str, count: int) -> int:
    """The same of a plan of a million rows, of which NEW are new."""
    return missing(root, min(count, SEGMENT))


def listing(root: str, count: int) -> int:
    """How many segments there are."""
    return len(shelf_of(root).listed().segments)


def compact(root: str, count: int) -> int:
    """How many segments are left when all are few of each size."""
    shelf = shelf_of(root)
    shelf.compact()
    return len(shelf.listed().segments)


def held(root: str, count: int) -> int:
    """How many rows there are to read, when each key is to appear once."""
    return int(shelf_of(root).scan().select(pl.len()).collect().item())


STEPS: dict[str, Callable[[str, int], int]] = {
    "the plan's keys alone, drawn": lambda root, count: sum(map(len, plan(count))),
    "what a plan of all keys and 1,000 more lacks": missing,
    "what a plan of 1,000,000 keys and 1,000 more lacks": small_plan,
    "every row once, to be scanned": held,
    "listed": listing,
    "compacted": compact,
}


def timed(step: str, root: str, count: int) -> dict[str, float]:
    """One step in a process of its own: what it found, seconds and peak MB."""
    command = [sys.executable, "-m", "benchmarks.ledger", "--once", step, root, str(count)]
    return dict(json.loads(subprocess.run(command, capture_output=True, check=True).stdout))


def once(step: str, root: str, count: int) -> None:
    began = time.perf_counter()
    found = STEPS[step](root, count)
    peak = int(re.search(r"VmHWM:\s*(\d+)", Path("/proc/self/status").read_text())[1]) / 1024  # since its start
    seconds, busy = time.perf_counter() - began, time.process_time()
    print(json.dumps({"found": found, "seconds": seconds, "processor": busy, "mb": peak}))


def small_runs(root: str, count: int) -> dict[str, float]:
    """Many small segments, compacted as runs do."""
    shelf = shelf_of(root)
    for number in range(count // SMALL):
        shelf.append(keys(number, SMALL))
    return timed("compacted", root, count)


def asked(objects: int) -> list[tuple[str, int, float | None, int, int]]:
    """What a real object store is asked, before and after the small segments in it are compacted."""
    import os

    from tests.flaky_store import flaky
    from tests.object_store import object_store

    rows: list[tuple[str, int, float | None, int, int]] = []
    with object_store() as store, flaky(store) as proxy:
        os.environ.update(proxy.store.environment())
        shelf = shelf_of(f"s3://{store.bucket}/ledger")
        direct = store.filesystem()
        for number in range(objects):
            shelf_path = f"{shelf.path}/segments/any-{number:024x}.parquet"
            sink = pa.BufferOutputStream()
            pq.write_table(keys(number, 100), sink)
            direct.pipe_file(shelf_path, sink.getvalue().to_pybytes())
        for step in ("listed", "what a plan of 1,000 rows lacks", "compacted", "what it lacks then"):
            proxy.asked.clear()
            began = time.perf_counter()
            if step == "listed":
                shelf.listed()
            elif step == "compacted":
                shelf.compact()
            else:
                shelf.lacking(pl.Series(pl.from_arrow(keys(0, 1000)["key"])))
            seconds = time.perf_counter() - began
            listings, requests = proxy.count("GET", "list-type"), len(proxy.asked)
            rows.append((step, len(shelf.listed().segments), seconds, listings, requests))
        compaction.sweep(shelf, grace=-60)
    return rows


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keys", type=int, default=10_000_000)
    parser.add_argument("--objects", type=int, default=2_000)
    parser.add_argument("--once", nargs=3, help=argparse.SUPPRESS)
    return parser


def measure(options: argparse.Namespace) -> Iterator[Measured]:
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        build(f"{folder}/ledger", options.keys)
        rows.append(("built (not a part of anything)", options.keys, time.perf_counter() - began, None, None))
        for step in STEPS:
            done = timed(step, f"{folder}/ledger", options.keys)
            rows.append((step, int(done["found"]), done["seconds"], done["processor"], done["mb"]))
        done = small_runs(f"{folder}/small", 1_000_000)
        rows.append(
            (
                "1,000 segments of 1,000 keys, compacted",
                int(done["found"]),
                done["seconds"],
                done["processor"],
                done["mb"],
            )
        )
    yield Measured(
        "ledger",
        f"{options.keys:,} keys in segments of a million, one run, each step in a process of its own",
        ("what", "found", "seconds", "of processor time", "peak MB"),
        rows,
    )
    yield Measured(
        "ledger_requests",
        f"{options.objects:,} objects of 100 keys on an S3-compatible server of this machine, one run",
        ("what", "segments then", "seconds", "listings", "requests"),
        asked(options.objects),
    )


def main() -> None:
    options = parser().parse_args()
    if options.once:
        step, root, count = options.once
        return once(step, root, int(count))
    for table in measure(options):
        show(table)


if __name__ == "__main__":
    main()
