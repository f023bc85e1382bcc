"""Run a corpus's graph in this process, recorded in the home's Dagster instance so that the UI shows it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import dagster as dg
from dagster._core.errors import DagsterAssetCheckFailedError

from assets.reddit.graph import DUMPS
from assets.reddit.sources import sources
from assets.resources import Workshop
from corpusmith.errors import CorpusmithError, ValidationFailed
from dagster_project.definitions import definitions

Listen = Callable[[dg.DagsterEvent], None]

QUIET = {"loggers": {"steps": {"config": {}}}}
INSTANCE = "telemetry:\n  enabled: false\nnux:\n  enabled: false\n"


def instance_of(workshop: Workshop) -> dg.DagsterInstance:
    """The Dagster instance of a home: runs, events and schedules; nothing is reported to anybody."""
    folder = workshop.home / ".corpusmith" / "dagster"
    folder.mkdir(parents=True, exist_ok=True)
    settings = folder / "dagster.yaml"
    if not settings.exists():
        settings.write_text(INSTANCE)
    return dg.DagsterInstance.from_config(str(folder))


def build_reddit(workshop: Workshop, listen: Listen) -> dict[str, Any]:
    """Read every source, then make the rest of the graph; the metadata of the release.

    Raises what an asset raised on purpose, and ValidationFailed when a blocking check did not hold.
    """
    found = sources(workshop)
    defs = definitions(workshop, {"steps": _listener(listen)})
    with instance_of(workshop) as instance:
        instance.add_dynamic_partitions(str(DUMPS.name), list(found))
        for name in found:
            _run(defs, "reddit_dumps", instance, partition_key=name)
        result = _run(defs, "reddit", instance)
    materialized = result.asset_materializations_for_node("reddit__release")
    return {name: value.value for name, value in materialized[0].metadata.items()}


def _run(defs: dg.Definitions, job: str, instance: dg.DagsterInstance, **options: Any) -> dg.ExecuteInProcessResult:
    try:
        return defs.resolve_job_def(job).execute_in_process(instance=instance, run_config=QUIET, **options)
    except dg.Failure as failure:
        raise failure.__cause__ if isinstance(failure.__cause__, CorpusmithError) else failure from None
    except DagsterAssetCheckFailedError as error:
        raise ValidationFailed(str(error)) from None


def _listener(listen: Listen) -> dg.LoggerDefinition:
    """A Dagster logger that hands step events on and prints nothing."""

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            event = getattr(record, "dagster_meta", {}).get("dagster_event")
            if event is not None:
                listen(event)

    @dg.logger(description="Hands step events to the command line.")
    def steps(init: dg.InitLoggerContext) -> logging.Logger:
        logger = logging.Logger("corpusmith", logging.DEBUG)
        logger.addHandler(Handler())
        return logger

    return steps
