"""What `corpusmith build` does: nothing if nothing changed and nothing failed, else the graph, shown as it runs."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from filelock import Timeout

from corpusmith.assets import refused, unchanged
from corpusmith.assets.corpus import Corpus
from corpusmith.assets.released import shown
from corpusmith.assets.resources import Workshop, turn_of
from corpusmith.dagster_project.console import Display
from corpusmith.errors import UserError


def build(corpus: Corpus, workshop: Workshop, quiet: bool) -> dict[str, Any]:
    """The metadata of the release (version, rows, release, report), with ``seconds`` and whether it was ``made`` now.

    Raises UserError when the home cannot be written, and what `run` raises.
    """
    with turn(workshop.home, corpus.name, quiet) as display:
        return built(corpus, workshop, display)


def built(corpus: Corpus, workshop: Workshop, display: Display) -> dict[str, Any]:
    """The same, by one whose turn it is."""
    began = time.monotonic()
    refused.forget(workshop.home, corpus.name)
    inputs = unchanged.inputs(corpus, workshop)
    found = unchanged.unchanged(workshop, corpus.name, inputs)
    if found:
        display.say(f"[green]✓[/] nothing changed since {corpus.name} {found.version} was built")
        release = _values(shown(found, workshop.release(corpus.name)).metadata or {})
    else:
        from corpusmith.dagster_project.runs import run

        corpus.ready(workshop)
        release = run(corpus, dataclasses.replace(workshop, on_progress=display.on_rows), display.on_event)
        remember(corpus, workshop, inputs)
    return {**release, "made": found is None, "seconds": round(time.monotonic() - began, 1)}


def remember(corpus: Corpus, workshop: Workshop, inputs: unchanged.Inputs) -> None:
    """Note what the release that lies there was made from, unless rows of it failed: they are worth another try."""
    if unchanged.every_row_made(workshop.release(corpus.name)):
        unchanged.remember(workshop, corpus.name, inputs)


@contextlib.contextmanager
def turn(home: Path, corpus: str, quiet: bool) -> Iterator[Display]:
    """One build of a corpus at a time in a home: a second one waits, and then finds what the first one made.

    Raises UserError when the home cannot be written.
    """
    check_writable(home)
    with Display(quiet) as display:
        lock = turn_of(home, corpus)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            display.say(f"another build of {corpus} is at work here; this one goes on when it has ended")
            lock.acquire()
        with lock:
            lock.release()
            yield display


def check_writable(home: Path) -> None:
    """Raises UserError when nothing can be written in a home."""
    probe = home / ".corpusmith" / ".writable"
    try:
        probe.parent.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink(missing_ok=True)
    except OSError as error:
        raise UserError(f"cannot write in the home {home}: {error.strerror}; choose another with --home") from error


def _values(metadata: Mapping[str, Any]) -> dict[str, Any]:
    return {name: getattr(value, "value", value) for name, value in metadata.items()}
