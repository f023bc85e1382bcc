"""Makers for the tests of the Ray executor: each shows one thing that an actor does, or does to it."""

import os
import signal
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import pyarrow as pa
from makers import Squares

from corpusmith.work.plan import fingerprint


@dataclass
class Suicidal(Squares):
    """Its process is killed, as the kernel does for want of memory, so many times at each number in ``dies``.

    deaths: a file with the number of each time.
    """

    dies: Mapping[int, int] = field(default_factory=dict)
    deaths: Path = Path("deaths")

    def make(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        with open(self.deaths, "a+") as file:
            file.seek(0)
            before = [int(number) for number in file.read().split()]
            for number in rows["n"].to_pylist():
                if before.count(number) < self.dies.get(number, 0):
                    file.write(f"{number}\n")
                    file.flush()
                    os.kill(os.getpid(), signal.SIGKILL)
        return super().make(rows)


@dataclass
class Stillborn(Squares):
    """Kills every process but one that would find out what it makes."""

    survivor: int = 0

    @cached_property
    def fingerprint(self) -> str:
        if os.getpid() != self.survivor:
            os.kill(os.getpid(), signal.SIGKILL)
        return fingerprint(self.name, "arithmetic", self.version, {})


@dataclass
class Loading(Squares):
    """Loads a model that no pickle can hold, says so in ``loads``, and waits until ``together`` processes did."""

    loads: Path = Path("loads")
    together: int = 1

    @cached_property
    def model(self) -> threading.Lock:
        with open(self.loads, "a") as file:
            file.write(f"{os.getpid()}\n")
        end = time.monotonic() + 60
        while len(self.loads.read_text().split()) < self.together and time.monotonic() < end:
            time.sleep(0.02)
        return threading.Lock()

    def make(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        with self.model:
            return super().make(rows)


class Elsewhere(Squares):
    """Decides by the process that it is in."""

    @cached_property
    def fingerprint(self) -> str:
        return fingerprint(self.name, "arithmetic", str(os.getpid()), {})


class Sums:
    """Sums up a convolution, whose last bits depend on the number of threads, which is told beside it."""

    name, inputs, batch_rows = "sums", ("n",), 1
    schema = pa.schema({"sum": pa.float32(), "threads": pa.int64()})
    provenance: ClassVar = {"model": "torch"}
    fingerprint = fingerprint("sums", "torch", "1", {})

    def make(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        import torch

        drawn = torch.Generator().manual_seed(rows["n"][0].as_py())
        image, kernel = torch.randn(1, 16, 64, 64, generator=drawn), torch.randn(16, 16, 3, 3, generator=drawn)
        total = torch.nn.functional.conv2d(image, kernel).softmax(dim=1).std().item()
        return pa.record_batch([pa.array([total], pa.float32()), pa.array([torch.get_num_threads()])], self.schema)
