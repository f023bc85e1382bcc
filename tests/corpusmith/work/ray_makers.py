"""Makers for the tests of the Ray executor: each shows one thing that an actor does, or does to it."""

import os
import signal
import threading
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import pyarrow as pa
from makers import Squares

from corpusmith.work.plan import fingerprint


class Suicidal(Squares):
    """Its process is killed, as the kernel does for want of memory, at the rows in ``bad``; one at rows in ``once``."""

    once: frozenset[int] = frozenset()

    def make(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        numbers = set(rows["n"].to_pylist())
        first = numbers & self.once and self.journal and not self.journal.with_suffix(".died").exists()
        if first:
            self.journal.with_suffix(".died").touch()
        if first or numbers & self.bad:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().make(rows)


@dataclass
class Loading(Squares):
    """Loads a model that no pickle can hold, and says so in ``loads``."""

    loads: Path = Path("loads")

    @cached_property
    def model(self) -> threading.Lock:
        with open(self.loads, "a") as file:
            file.write(f"{os.getpid()}\n")
        return threading.Lock()

    def make(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        with self.model:
            return super().make(rows)


class Elsewhere(Squares):
    """Decides by the process that it is in."""

    @cached_property
    def fingerprint(self) -> str:
        return fingerprint(self.name, "arithmetic", str(os.getpid()), {})


class Threads:
    """How many threads torch computes with where a row is made."""

    name, inputs, batch_rows = "threads", ("n",), 1
    schema = pa.schema({"threads": pa.int64()})
    provenance: ClassVar = {"model": "torch"}
    fingerprint = fingerprint("threads", "torch", "1", {})

    def make(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        import torch

        return pa.record_batch([pa.array([torch.get_num_threads()])], schema=self.schema)
