"""Small real makers that the engine's tests drive."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa

from corpusmith.work.plan import fingerprint, seeds


@dataclass
class Squares:
    """Squares ``n``; raises on the rows in ``bad``; writes each finished batch to ``journal``."""

    batch_rows: int = 8
    bad: frozenset[int] = frozenset()
    version: str = "1"
    journal: Path | None = None
    pause: float = 0.0
    error: Callable[[str], Exception] = ValueError
    name: str = "squares"
    inputs: tuple[str, ...] = ("n",)
    calls: list[list[int]] = field(default_factory=list)

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.name, "arithmetic", self.version, {})

    @property
    def provenance(self) -> dict[str, Any]:
        return {"model": "arithmetic", "revision": self.version}

    @property
    def schema(self) -> pa.Schema:
        return pa.schema({"square": pa.int64(), "seed": pa.uint64()})

    def make(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        numbers = rows["n"].to_pylist()
        self.calls.append(numbers)
        if self.bad & set(numbers):
            raise self.error(f"cannot square {sorted(self.bad & set(numbers))}")
        time.sleep(self.pause)
        if self.journal:
            with open(self.journal, "a") as file:
                file.write(f"{' '.join(map(str, numbers))}\n")
                file.flush()
                os.fsync(file.fileno())
        squares = [n * n for n in numbers]
        return pa.record_batch([pa.array(squares), pa.array(seeds(rows["key"].to_pylist()))], schema=self.schema)


def plan_of(numbers: range | list[int]) -> pl.LazyFrame:
    return pl.LazyFrame({"n": list(numbers)}, schema={"n": pl.Int64})
