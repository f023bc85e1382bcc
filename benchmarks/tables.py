"""The one shape of what a benchmark measured, and how it is shown and kept in docs/benchmarks.md."""

from __future__ import annotations

import argparse
import contextlib
import os
import platform
import re
import resource
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil
from rich import box
from rich.console import Console
from rich.table import Table as Grid

CHECKOUT = Path(__file__).parents[1]
SHOWN = ("polars", "pyarrow", "numpy", "torch", "transformers", "diffusers")
Value = str | int | float | None


@dataclass(frozen=True)
class Measured:
    """One table: a row for each system or figure, the first column its name."""

    name: str  # of its markers in docs/benchmarks.md
    said: str  # what was measured, how much of it, how often
    columns: tuple[str, ...]
    rows: list[tuple[Value, ...]]
    missing: tuple[str, ...] = ()  # the peers that are not installed here

    @property
    def note(self) -> str:
        """What was measured, who is missing, and what it held at most."""
        missing = f" Not installed here: {', '.join(self.missing)}." if self.missing else ""
        return f"{self.said}.{missing}{peak()}"


Measure = Callable[[argparse.Namespace], Iterable[Measured]]


def met(true: bool) -> str:
    """How a table says whether an aim was reached."""
    return "met" if true else "*not* met"


def cell(value: Value) -> str:
    """A value as a table shows it: three figures or whole thousands."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
    return f"{value:,}" if isinstance(value, int) else value


def show(table: Measured) -> None:
    """Print a table."""
    grid = Grid(box=box.SIMPLE_HEAD, title=f"{table.name}: {table.note}", title_justify="left", title_style="bold")
    for place, column in enumerate(table.columns):
        grid.add_column(column, justify="right" if place else "left")
    for row in table.rows:
        grid.add_row(*map(cell, row))
    Console(width=120, highlight=False, markup=False).print(grid)


def markdown(table: Measured, where: str) -> str:
    """The table as docs/benchmarks.md has it, what was measured and where above it."""
    lines = [f"{table.note} *{where}*", "", f"| {' | '.join(table.columns)} |"]
    lines.append("|---|" + "--:|" * (len(table.columns) - 1))
    lines += [f"| {' | '.join(map(cell, row))} |" for row in table.rows]
    return "\n".join(lines)


def written(page: str, table: Measured, where: str) -> str:
    """The page with the figures of one table between its markers.

    Raises ValueError where the page has no such markers: the prose around a table is written by hand.
    """
    between = re.compile(rf"(<!-- measured: {re.escape(table.name)} -->\n).*?(<!-- end -->)", re.DOTALL)
    if not between.search(page):
        raise ValueError(f"the page has no '<!-- measured: {table.name} -->' … '<!-- end -->' to write between")
    return between.sub(lambda found: f"{found[1]}{markdown(table, where)}\n{found[2]}", page, count=1)


def machine() -> str:
    """Date, commit, processor, memory, load, accelerator and versions, in one line."""
    gigabytes = psutil.virtual_memory().total / 2**30
    parts = [
        f"{datetime.now(UTC):%Y-%m-%d}",
        f"commit {commit()}",
        f"{psutil.cpu_count()} cores ({processor()}), {gigabytes:.0f} GiB, load {os.getloadavg()[0]:.0f}",
        *accelerators(),
        f"Python {platform.python_version()}",
        *(f"{name} {number}" for name in SHOWN if (number := installed(name))),
    ]
    return ", ".join(parts)


def commit() -> str:
    """The commit of the checkout, with a + where files differ from it."""

    def git(*words: str) -> str:
        done = subprocess.run(["git", "-C", str(CHECKOUT), *words], capture_output=True, text=True, check=False)
        return done.stdout.strip()

    return (git("rev-parse", "--short", "HEAD") or "unknown") + ("+" if git("status", "--porcelain", "-uno") else "")


def processor() -> str:
    """Its name as Linux has it, elsewhere its kind."""
    try:
        found = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    except OSError:
        found = None
    return found[1] if found else platform.machine()


def accelerators() -> list[str]:
    """The names of the GPUs that torch sees."""
    if not installed("torch"):
        return []
    import torch

    return [torch.cuda.get_device_name(place) for place in range(torch.cuda.device_count())] or ["no GPU"]


def peak() -> str:
    """What this process, not those that it started, held at most since ``reset_peak``, and torch on a GPU."""
    held = [f"{_peak_bytes() / 1e6:,.0f} MB"]
    if cuda := _cuda():
        held.append(f"{cuda.max_memory_allocated() / 1e6:,.0f} MB of the device")
    return f" Peak memory: {', '.join(held)}."


def reset_peak() -> None:
    """Before the next benchmark of this process; where the system does not let it, the peak is that of all so far."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    if cuda := _cuda():
        cuda.reset_peak_memory_stats()


def _peak_bytes() -> int:
    """The most that this process held in memory."""
    status = Path("/proc/self/status")
    found = re.search(r"VmHWM:\s*(\d+) kB", status.read_text()) if status.exists() else None
    unit = 1 if sys.platform == "darwin" else 1024
    return int(found[1]) * 1024 if found else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _cuda() -> Any:
    """torch.cuda, where something was computed there."""
    torch = sys.modules.get("torch")
    return torch.cuda if torch and torch.cuda.is_initialized() else None


def installed(name: str) -> str | None:
    """The version of a package, if it is here."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None
