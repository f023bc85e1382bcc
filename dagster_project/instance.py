"""The Dagster instance of a home: opened by many at once, told what there is, and rid of runs whose process is gone."""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import dagster as dg
from dagster._core.instance.ref import InstanceRef
from filelock import FileLock, Timeout
from sqlalchemy.exc import DBAPIError, OperationalError

from corpusmith.assets import registry
from corpusmith.assets.asset import POOL
from corpusmith.assets.corpus import Corpus
from corpusmith.assets.resources import Workshop
from corpusmith.dagster_project.jobs import jobs, partitions_of
from corpusmith.whole import write_whole

SETTINGS = Path(__file__).with_name("dagster.yaml")
UNCAPTURED = {
    "compute_logs": {"module": "dagster._core.storage.noop_compute_log_manager", "class": "NoOpComputeLogManager"}
}
AT_WORK = [dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED]
COMMAND = "corpusmith/command"
"""The tag of a run that a command line runs in its own process, while it holds the turn of the corpus that it names."""


def instance_of(workshop: Workshop) -> dg.DagsterInstance:
    """The Dagster instance of a home: runs, events and schedules; nothing is reported to anybody.

    Its databases are made by one process at a time: two would stumble over each other's tables. What a step prints is
    not captured, as the UI does: that takes processes beside, which Ctrl-C would interrupt with a traceback each.
    """
    folder = workshop.home / ".corpusmith" / "dagster"
    folder.mkdir(parents=True, exist_ok=True)
    settings = folder / "dagster.yaml"
    with FileLock(folder / ".lock"):
        if not settings.exists():
            write_whole(settings, SETTINGS.read_text())
        return _patiently(lambda: dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(folder), overrides=UNCAPTURED)))


def tell_what_there_is(workshop: Workshop) -> None:
    """Tell the instance that DAGSTER_HOME names of the pool and of the partitions that the settings ask for.

    So that "Materialize all" finds the partitions in a fresh home. A corpus that cannot say its partitions is left out
    with a warning: its assets can be seen all the same. A run does not tell again what its code server told.
    """
    if "DAGSTER_HOME" not in os.environ or multiprocessing.parent_process() is not None:
        return
    log = logging.getLogger("dagster.corpusmith")
    with _patiently(dg.DagsterInstance.get) as instance:
        storage = instance.event_log_storage
        if POOL not in {limit.name for limit in storage.get_pool_limits()}:  # what somebody set is kept
            with contextlib.suppress(DBAPIError):  # on PostgreSQL: another process told it at this moment
                storage.initialize_concurrency_limit_to_default(POOL)
        for corpus in registry.corpora().values():
            try:
                if corpus.partitions:
                    names = list(corpus.partitions(workshop))
                    instance.add_dynamic_partitions(str(partitions_of(corpus).name), names)
            except Exception as error:
                log.warning("the partitions of %s are not known yet: %s", corpus.name, error)


def at_work(corpus: Corpus, workshop: Workshop, instance: dg.DagsterInstance) -> str | None:
    """The name of a job that is making something of a corpus, or waits to; None: nothing is."""
    turn = workshop.turn(corpus.name)
    try:
        with turn.acquire(blocking=False):
            end_abandoned(corpus, instance)
    except Timeout:
        pass  # a command line is at work
    names = {job.name for job in jobs(corpus)}
    for run in instance.get_runs(dg.RunsFilter(statuses=AT_WORK)):
        if run.job_name in names or any(key.path[0] == corpus.name for key in run.asset_selection or ()):
            return run.job_name
    return None


def end_abandoned(corpus: Corpus, instance: dg.DagsterInstance) -> None:
    """Record as failed the runs of command lines that were killed, which would hold the card for ever.

    To be called by one whose turn it is: then no other command line is at work.
    """
    for run in instance.get_runs(dg.RunsFilter(statuses=AT_WORK, tags={COMMAND: corpus.name})):
        instance.report_run_failed(run, message="The process was killed; the same command goes on.")


def _patiently(open_instance: Callable[[], dg.DagsterInstance]) -> dg.DagsterInstance:
    """The instance, also where a UI, which knows of no lock, is making its databases at the same moment."""
    for seconds in (0.2, 0.5, 1, 2, 4):
        try:
            return open_instance()
        except (OperationalError, sqlite3.OperationalError):
            time.sleep(seconds)
    return open_instance()
