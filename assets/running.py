"""What is at work in a home right now: builds at a terminal, and runs that Dagster's UI or daemon started."""

from __future__ import annotations

import contextlib
import fcntl
import json
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Final

UNDER_WAY: Final = ("QUEUED", "NOT_STARTED", "MANAGED", "STARTING", "STARTED", "CANCELING")


@dataclass(frozen=True)
class Run:
    """A run that Dagster knows to be under way: of which job, since when (seconds since 1970; null: it waits)."""

    run: str
    job: str
    status: str
    since: float | None


def lock_path(home: Path, corpus: str) -> Path:
    """The file that whoever builds a corpus holds the lock of."""
    return home / ".corpusmith" / f"build-{corpus}.lock"


def is_built(home: Path, corpus: str) -> bool:
    """Whether somebody builds a corpus in this home now."""
    try:
        with lock_path(home, corpus).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False  # there is no such file: nobody ever built it here
    return False


def elsewhere(home: Path) -> bool:
    """Whether Dagster keeps its runs of this home in another database, which is not looked into."""
    with contextlib.suppress(OSError):
        lines = (_dagster(home) / "dagster.yaml").read_text().splitlines()
        return any(line.startswith(("storage:", "run_storage:")) for line in lines)
    return False


def runs(home: Path) -> list[Run]:
    """The runs under way in the home's own Dagster instance, read without Dagster.

    A run at a terminal is not among them: that holds the lock of its corpus, and is dead without it.
    """
    database = _dagster(home) / "history" / "runs.db"
    if elsewhere(home) or not database.is_file():
        return []
    marks = ", ".join("?" * len(UNDER_WAY))
    columns = "run_id, pipeline_name, status, start_time, run_body"
    try:
        with contextlib.closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True, timeout=1)) as opened:
            rows = opened.execute(f"SELECT {columns} FROM runs WHERE status IN ({marks})", UNDER_WAY).fetchall()
    except sqlite3.Error:
        return []  # somebody is making the database at this moment
    return [Run(run, job, status, since) for run, job, status, since, body in rows if _is_started(body)]


def of_corpus(home: Path, corpus: str) -> list[Run]:
    """The same of one corpus, whose jobs have its name or begin with it."""
    return [run for run in runs(home) if run.job == corpus or run.job.startswith(f"{corpus}_")]


def _is_started(body: str) -> bool:
    """Whether the UI or the daemon started a run: it says then where its job is to be found."""
    said = json.loads(body)
    return bool(said.get("external_pipeline_origin") or said.get("remote_job_origin"))


def _dagster(home: Path) -> Path:
    return home / ".corpusmith" / "dagster"
