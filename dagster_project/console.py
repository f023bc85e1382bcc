"""What people see while a corpus is built: bars in a terminal, plain lines elsewhere, nothing with --json."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import dagster as dg
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

from corpusmith.work.produce import Progress as Rows

PLAIN_EVERY = 5.0


@dataclass
class Display:
    """Shows steps as they end and rows as they are made, on standard error."""

    quiet: bool = False
    console: Console = field(default_factory=lambda: Console(stderr=True, highlight=False))
    _bars: Progress | None = None
    _tasks: dict[str, object] = field(default_factory=dict)
    _said: float = 0.0
    _began: dict[str, float] = field(default_factory=dict)

    def __enter__(self) -> Display:
        if self.console.is_terminal and not self.quiet:
            self._bars = Progress(
                SpinnerColumn(),
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[rate]}"),
                TimeRemainingColumn(),
                console=self.console,
                transient=True,
            )
            self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bars:
            self._bars.stop()

    def on_rows(self, rows: Rows) -> None:
        """A batch was made."""
        rate = rows.done / rows.seconds if rows.seconds else 0.0
        speed = f"{rate:,.0f} rows/s" if rate else ""
        if self._bars:
            if rows.step not in self._tasks:
                self._tasks[rows.step] = self._bars.add_task(rows.step, total=rows.total or None, rate="")
            task = self._tasks[rows.step]
            self._bars.update(task, completed=rows.done, total=rows.total or None, rate=speed)  # type: ignore[arg-type]
        elif not self.quiet and time.monotonic() - self._said > PLAIN_EVERY:
            self._said = time.monotonic()
            left = f", {(rows.total - rows.done) / rate:,.0f} s left" if rate and rows.total else ""
            of = f" of {rows.total:,}" if rows.total else ""
            self.console.print(f"  {rows.step}: {rows.done:,}{of} rows, {speed}{left}")

    def on_event(self, event: dg.DagsterEvent) -> None:
        """A step began, ended or failed, or a check was evaluated."""
        name = (event.step_key or "").removeprefix("reddit__")
        match event.event_type:
            case dg.DagsterEventType.STEP_START:
                self._began[name] = time.monotonic()
            case dg.DagsterEventType.ASSET_MATERIALIZATION:
                metadata = event.step_materialization_data.materialization.metadata
                self._say(f"[green]✓[/] {name:<12} {_rows(metadata)}", name)
            case dg.DagsterEventType.STEP_FAILURE:
                self._say(f"[red]✗[/] {name}", name)
            case dg.DagsterEventType.ASSET_CHECK_EVALUATION:
                check = event.asset_check_evaluation_data
                if not check.passed:
                    self._say(f"[red]✗[/] check {check.check_name}: {check.description}", name)
            case _:
                pass

    def _say(self, line: str, name: str) -> None:
        if self._bars:
            for task in self._tasks.values():
                self._bars.remove_task(task)  # type: ignore[arg-type]
            self._tasks.clear()
        if not self.quiet:
            seconds = time.monotonic() - self._began.get(name, time.monotonic())
            self.console.print(f"{line}  [dim]{seconds:.1f} s[/]")


def _rows(metadata: dict[str, dg.MetadataValue]) -> str:
    def number(name: str) -> int | None:
        value = metadata.get(name)
        return int(value.value) if value is not None else None  # type: ignore[arg-type, call-overload]

    rows, rejected = number("dagster/row_count"), number("rejected")
    if rows is None:
        return ""
    return f"{rows:,} rows" if rejected is None else f"{rows - rejected:,} kept, {rejected:,} rejected"
