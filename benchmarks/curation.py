"""Dump to labelled comments, the whole chain as a build runs it: rows a second and peak memory at growing sizes.

    python -m benchmarks.curation [--rows 100000 1000000 10000000] [--runs 3]

Decode, normalise, language, personal data, exact and near-duplicates, classify; every step stored as a build stores it.
The dump is the project's own (assets/reddit/demo.py), in the Pushshift format.
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
from pathlib import Path

import polars as pl

from benchmarks.tables import Measured, show
from corpusmith.assets.reddit import comments
from corpusmith.assets.reddit.demo import write_demo_dump
from corpusmith.assets.reddit.labelled import label
from corpusmith.assets.reddit.makers import judge
from corpusmith.assets.registry import load
from corpusmith.assets.resources import Workshop
from corpusmith.dagster_project.tables import ROW_GROUP

SALT = "benchmark"
ONCE_ABOVE = 1_000_000  # more comments are run once: ten million take a quarter of an hour


def chain(dump: Path, home: Path) -> dict[str, float]:
    """Seconds of each step and peak MB of this process."""
    workshop = Workshop(home, load())
    settings = workshop.settings.reddit
    seconds: dict[str, float] = {}

    def timed(name: str, table: pl.LazyFrame) -> pl.LazyFrame:
        path = home / f"{name}.parquet"
        table.sink_parquet(path, compression="zstd", compression_level=1, row_group_size=ROW_GROUP)
        seconds[name] = time.perf_counter() - began
        return pl.scan_parquet(path)

    began = time.perf_counter()
    lines = timed("ingest", comments.ingest(str(dump), workshop))
    began = time.perf_counter()
    fit = timed("duplicates", comments.deduplicate(lines, settings.comments.jaccard))
    began = time.perf_counter()
    seen = timed("classify", label(fit, judge(settings.models), workshop.make, settings.labelled.min_confidence))
    kept = seen.filter(pl.col("verdict") == "kept").select(pl.len()).collect().item()
    return {**seconds, "kept": kept, "mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def in_its_own_process(dump: Path, rows: int) -> dict[str, float]:
    """One run of the chain in a fresh process and an empty home."""
    with tempfile.TemporaryDirectory() as home:
        command = [sys.executable, "-m", "benchmarks.curation", "--once", str(dump), home]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        if run.returncode:
            sys.exit(run.stderr)
        found = json.loads(run.stdout.splitlines()[-1])
    found["rows_per_second"] = rows / sum(found[step] for step in ("ingest", "duplicates", "classify"))
    return found


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000, 10_000_000])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--once", nargs=2, type=Path, help=argparse.SUPPRESS)
    return parser


def measure(options: argparse.Namespace) -> Iterator[Measured]:
    """A row for each size, medians over the runs."""
    columns = ("ingest", "duplicates", "classify", "rows_per_second", "mb")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for count in options.rows:
            dump = Path(folder) / f"RC_{count}.zst"
            write_demo_dump(dump, count, seed=1)
            runs = options.runs if count <= ONCE_ABOVE else 1
            found = [in_its_own_process(dump, count) for _ in range(runs)]
            rows.append((f"{count:,}", *(statistics.median(run[name] for run in found) for name in columns)))
    yield Measured(
        "curation",
        f"Medians of {options.runs}, more than {ONCE_ABOVE:,} comments once",
        ("comments", "ingest s", "duplicates s", "classify s", "comments/s", "peak MB"),
        rows,
    )


def main() -> None:
    options = parser().parse_args()
    if options.once:
        print(json.dumps(chain(*options.once)))
        return
    for table in measure(options):
        show(table)


if __name__ == "__main__":
    main()
