"""Run a corpus's graph in this process, recorded in the home's Dagster instance so that the UI shows it."""

from __future__ import annotations

import dataclasses
import functools
import logging
import uuid
from collections.abc import Callable
from typing import Any

import dagster as dg
from dagster._core.errors import DagsterAssetCheckFailedError, DagsterExecutionInterruptedError

from corpusmith.assets.corpus import Corpus
from corpusmith.assets.resources import Workshop
from corpusmith.dagster_project.definitions import definitions
from corpusmith.dagster_project.instance import COMMAND, end_abandoned, instance_of
from corpusmith.dagster_project.interrupts import Interrupts
from corpusmith.dagster_project.jobs import names, partitions_of
from corpusmith.errors import ValidationFailed
from corpusmith.work.produce import Progress

Listen = Callable[[dg.DagsterEvent], None]

QUIET = {"loggers": {"steps": {"config": {}}}}
NAMED = 5


def run(corpus: Corpus, workshop: Workshop, listen: Listen) -> dict[str, Any]:
    """Make every partition, then the rest of the graph up to the release; the metadata of the release.

    To be called by one whose turn it is (`build.turn`): runs of others that seem to be at work are recorded as failed.
    Raises what an asset raised on purpose, ValidationFailed when a blocking check did not hold, and KeyboardInterrupt
    at Ctrl-C, when the run is recorded as canceled.
    """
    partitions = list(corpus.partitions(workshop)) if corpus.partitions else []
    named = names(corpus)
    with instance_of(workshop) as instance, Interrupts() as interrupts:
        end_abandoned(corpus, instance)
        runs = _Runs(corpus.name, workshop, listen, interrupts)
        if named.plan:
            runs.run(named.plan, instance)
        if named.partitioned:
            instance.add_dynamic_partitions(str(partitions_of(corpus).name), partitions)
            for name in partitions:
                runs.run(named.partitioned, instance, partition_key=name)
        result = runs.run(corpus.name, instance)
    materialized = result.asset_materializations_for_node(f"{corpus.name}__release")
    return {name: value.value for name, value in materialized[0].metadata.items()}


@dataclasses.dataclass
class _Runs:
    """The jobs of one corpus in a home; remembers what became of the checks."""

    corpus: str
    workshop: Workshop
    listen: Listen
    interrupts: Interrupts
    checks: list[dg.AssetCheckEvaluation] = dataclasses.field(default_factory=list)

    @functools.cached_property
    def defs(self) -> dg.Definitions:
        workshop = dataclasses.replace(self.workshop, on_progress=self._on_progress)
        return definitions(workshop, {"steps": _listener(self._hear)})

    def run(self, job: str, instance: dg.DagsterInstance, **options: Any) -> dg.ExecuteInProcessResult:
        run_id = str(uuid.uuid4())
        try:
            found = self.defs.resolve_job_def(job)
            tags = {COMMAND: self.corpus}
            return found.execute_in_process(instance=instance, run_config=QUIET, run_id=run_id, tags=tags, **options)
        except BaseException as error:
            if self.interrupts.seen or isinstance(error, KeyboardInterrupt | DagsterExecutionInterruptedError):
                run = instance.get_run_by_id(run_id)
                if run is not None:
                    instance.report_run_canceled(run, message="Interrupted at the terminal; the same command goes on.")
                raise KeyboardInterrupt from None
            if isinstance(error, DagsterAssetCheckFailedError):
                raise ValidationFailed(_broken(self.checks)) from None
            if isinstance(error, dg.Failure) and error.__cause__ is not None:
                raise error.__cause__ from None
            raise

    def _on_progress(self, rows: Progress) -> None:
        self.interrupts.check()
        if self.workshop.on_progress:
            self.workshop.on_progress(rows)

    def _hear(self, event: dg.DagsterEvent) -> None:
        self.interrupts.check()
        if event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            self.checks.append(event.asset_check_evaluation_data)
        self.listen(event)


def _broken(checks: list[dg.AssetCheckEvaluation]) -> str:
    """Which expectations do not hold, with what was found and the first rows that break each."""
    broken = [check for check in checks if not check.passed]
    lines = [f"{len(broken)} of {len(checks)} expectations do not hold, so nothing was released:"]
    for check in broken:
        said = {name: value.value for name, value in check.metadata.items()}
        keys = [key for key in str(said["rows"]).split(", ") if key]
        rows = f"; {said['failing']} rows: {', '.join(keys[:NAMED])}{' …' if len(keys) > NAMED else ''}" if keys else ""
        found = f" (found {said['observed']})" if said["observed"] not in ("None", "") else ""
        lines.append(f"  ✗ {check.check_name}: {check.description}{found}{rows}")
    return "\n".join(lines)


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
