"""What people see while a corpus is built: bars in a terminal, plain lines elsewhere, nothing with --json."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import dagster as dg
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from corpusmith.dagster_project.terminal import plain
from corpusmith.work.produce import Progress as Rows

PLAIN_EVERY = 5.0
CHECKS = "_holds"  # how the checks of every corpus end


@dataclass
class Display:
    """Shows steps as they end and rows as they are made, on standard error."""

    quiet: bool = False
    console: Console = field(default_factory=lambda: Console(stderr=True, highlight=False, emoji=False))
    _bars: Progress | None = None
    _step: TaskID | None = None
    _rows: dict[str, TaskID] = field(default_factory=dict)
    _said: float = field(default_factory=time.monotonic)
    _began: float = field(default_factory=time.monotonic)
    _checks: list[bool] = field(default_factory=list)
    _failed: dict[tuple[str, int], int] = field(default_factory=dict)  # by maker and rows that it was asked for

    def __enter__(self) -> Display:
        if self.console.is_terminal and not self.quiet:
            columns = (
                SpinnerColumn(),
                TextColumn("{task.description:<12}"),
                BarColumn(32),
                TextColumn("{task.fields[rows]}"),
            )
            rest = (TextColumn("{task.fields[rate]}"), TimeElapsedColumn(), TimeRemainingColumn())
            self._bars = Progress(*columns, *rest, console=self.console, transient=True)
            self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bars:
            self._bars.stop()

    def on_rows(self, rows: Rows) -> None:
        """A batch was made."""
        self._failed[rows.step, rows.total] = rows.failed
        rate = rows.done / rows.seconds if rows.seconds else 0.0
        speed = f"{rate:,.0f} rows/s" if rate >= 1 else ""
        if self._bars:
            if rows.step not in self._rows:
                self._rows[rows.step] = self._bars.add_task(rows.step, total=rows.total or None, rows="", rate="")
            of = f"{rows.done:,}/{rows.total:,}" if rows.total else f"{rows.done:,} rows"
            task = self._rows[rows.step]
            self._bars.update(task, completed=rows.done, total=rows.total or None, rows=of, rate=speed)
        elif not self.quiet and time.monotonic() - self._said > PLAIN_EVERY:
            self._said = time.monotonic()
            left = f"{(rows.total - rows.done) / rate:,.0f} s left" if rate and rows.total > rows.done else ""
            of = f" of {rows.total:,}" if rows.total else ""
            said = ", ".join(part for part in (f"{rows.done:,}{of} rows", speed, left) if part)
            self.console.print(f"  {rows.step}: {said}", soft_wrap=True)

    def on_event(self, event: dg.DagsterEvent) -> None:
        """A step began, ended or failed, or a check was evaluated."""
        step = event.step_key or ""
        name = "checks" if step.endswith(CHECKS) else step.rpartition("__")[2]
        match event.event_type:
            case dg.DagsterEventType.STEP_START | dg.DagsterEventType.STEP_RESTARTED:
                self._begin(name)
            case dg.DagsterEventType.ASSET_MATERIALIZATION:
                made = event.step_materialization_data.materialization
                self._say(f"[green]✓[/] {name:<12} {_counts(made.metadata)}{_of(made.partition)}")
                self._say_failed()
                if took := _took(made.metadata):
                    self.say(f"  [dim]{took}[/]")
                if "read as" in made.metadata:
                    self.say(f"  [dim]{plain(made.metadata['read as'].value)}[/]")
            case dg.DagsterEventType.ASSET_CHECK_EVALUATION:
                self._checks.append(event.asset_check_evaluation_data.passed)
            case dg.DagsterEventType.STEP_SUCCESS | dg.DagsterEventType.STEP_FAILURE if name == "checks":
                self._say_checks()
            case dg.DagsterEventType.STEP_UP_FOR_RETRY:
                self._say(f"[yellow]↻[/] {name:<12} failed, is tried again")
            case dg.DagsterEventType.STEP_FAILURE:
                self._say(f"[red]✗[/] {name}")
            case _:
                pass

    def say(self, line: str) -> None:
        """One line, unless nothing is to be said."""
        if not self.quiet:
            self.console.print(line, soft_wrap=True)

    def _begin(self, name: str) -> None:
        self._began = time.monotonic()
        if self._bars:
            self._step = self._bars.add_task(name, total=None, rows="", rate="")

    def _say_failed(self) -> None:
        for (step, _), failed in self._failed.items():
            if failed:
                self.say(f"  [yellow]{failed:,} of its rows failed[/] ({plain(step)}): the next build tries them again")
        self._failed.clear()

    def _say_checks(self) -> None:
        broken = self._checks.count(False)
        if broken:
            self._say(f"[red]✗[/] checks       {broken} of {len(self._checks)} expectations do not hold")
        else:
            self._say(f"[green]✓[/] checks       {len(self._checks)} expectations hold")

    def _say(self, line: str) -> None:
        """A line for a step that ended: its bars go."""
        if self._bars:
            for task in [*self._rows.values(), *([] if self._step is None else [self._step])]:
                self._bars.remove_task(task)
            self._rows.clear()
            self._step = None
        self.say(f"{line}  [dim]{time.monotonic() - self._began:.1f} s[/]")


def _counts(metadata: dict[str, dg.MetadataValue]) -> str:
    values = {name: value.value for name, value in metadata.items()}
    if "rejected" in values:
        return f"{values['kept']:,} kept, {values['rejected']:,} rejected"
    rows = values.get("dagster/row_count", values.get("rows"))
    return "" if rows is None else f"{rows:,} rows"


def _took(metadata: Mapping[str, dg.MetadataValue]) -> str:
    """What language models took for all rows of a step, as `tables.taken` says it; empty: no model was asked."""
    values = {name: value.value for name, value in metadata.items()}
    if "prompt tokens" not in values:
        return ""
    said = f"{values['prompt tokens']:,} tokens of prompts ({values['cached tokens']:,} cached)"
    said = f"its rows took {said}, {values['answer tokens']:,} of answers"
    if "cost" not in values:
        return said
    without = values["rows without a cost"]
    return f"{said}, cost {values['cost']:,.6g}" + (f" ({without:,} rows are without a cost)" if without else "")


def _of(partition: str | None) -> str:
    return f" of {plain(partition)}" if partition else ""
