"""What computes here: device, card, and the versions that a number depends on; said beside every score."""

from __future__ import annotations

import platform
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path

from corpusmith.models.loading import hardware

DRIVER = Path("/proc/driver/nvidia/version")
PROCESSOR = Path("/proc/cpuinfo")


@dataclass(frozen=True)
class Machine:
    """Where something was computed.

    device: ``cpu`` or ``cuda``. card: the name of the GPU, or of the processor. torch: its version.
    driver: of the GPU; null on a CPU.
    """

    device: str
    card: str
    torch: str
    driver: str | None

    def sentence(self, dtype: str) -> str:
        """The same in a line: ``cuda (NVIDIA H100 80GB HBM3, driver 570.86), bfloat16, torch 2.13.0``."""
        driver = f", driver {self.driver}" if self.driver else ""
        return f"{self.device} ({self.card}{driver}), {dtype}, torch {self.torch}"


@cache
def machine(device: str | None = None) -> Machine:
    """The machine that computes here, on its own choice of device or on the one that is named."""
    device = device or hardware()["device"]
    if device.startswith("cuda"):
        import torch

        return Machine(device, torch.cuda.get_device_name(device), version("torch"), _driver())
    return Machine(device, _processor(), version("torch"), None)


def computes_here() -> str:
    """Where models run here, in a line."""
    return machine().sentence(hardware()["dtype"])


def _driver() -> str | None:
    found = re.search(r"Module\s+([0-9.]+)", DRIVER.read_text()) if DRIVER.exists() else None
    return found[1] if found else None


def _processor() -> str:
    found = re.search(r"model name\s*:\s*(.+)", PROCESSOR.read_text()) if PROCESSOR.exists() else None
    return found[1].strip() if found else platform.processor() or platform.machine()


@contextmanager
def one_thread() -> Iterator[None]:
    """On a CPU sums depend on how many threads share them: by one the same weights come out on any number of cores."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
