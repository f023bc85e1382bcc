"""Tell a web address of each run that failed: of its corpus, its job, its error and the expectations that broke."""

from __future__ import annotations

import time
from typing import Any

import dagster as dg
import httpx
from dagster._utils.error import SerializableErrorInfo

from corpusmith.assets import registry
from corpusmith.assets.resources import Workshop
from corpusmith.dagster_project.jobs import jobs
from corpusmith.errors import UserError
from corpusmith.release.manifest import redacted

TIMEOUT = 10.0
"""Seconds that the address may take to answer."""
ATTEMPTS = 2
PAUSE = 1.0
"""Seconds between two attempts."""
LONGEST = 500
"""Characters of an error that are told at most."""


@dg.run_failure_sensor(
    name="failed_runs", description="Tell the webhook of the settings (work.webhook) of each run that failed."
)
def failed_runs(context: dg.RunFailureSensorContext, workshop: dg.ResourceParam[Workshop]) -> dg.SkipReason | None:
    """Tell work.webhook, where the settings name one."""
    address = registry.load(profile=workshop.profile).work.webhook
    if address is None:
        return dg.SkipReason("work.webhook names no address")
    tell(address, failure(context))
    return None


def failure(context: dg.RunFailureSensorContext) -> dict[str, Any]:
    """What is told of a run that failed, as plain data without secrets.

    run_id, job, corpus (None: of several, or of none), partition, error: the first line of what stopped it, failed: the
    steps that it stopped in, checks: the expectations that do not hold.
    """
    run = context.dagster_run
    steps = context.get_step_failure_events()
    causes = [_cause(event.step_failure_data.error) for event in steps]
    said = [cause for cause in causes if cause] or [context.failure_event.message or "", ""]
    found = {
        "run_id": run.run_id,
        "job": run.job_name,
        "corpus": _corpus(run),
        "partition": run.tags.get("dagster/partition"),
        "error": next(iter(said[0].splitlines()), "")[:LONGEST],
        "failed": [event.step_key for event in steps],
        "checks": _broken(context.instance, run.run_id),
    }
    return dict(redacted(found))


def tell(address: str, said: dict[str, Any]) -> None:
    """POST JSON to an address, twice at most. Raises UserError: it is no web address, or took it neither time.

    The address is in no message: who knows it can write there.
    """
    if not address.startswith(("http://", "https://")):
        raise UserError("work.webhook is no web address: expected one that begins with https:// or http://")
    why = ""
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(PAUSE)
        try:
            answer = httpx.post(address, json=said, timeout=TIMEOUT)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            why = type(error).__name__
        else:
            if answer.is_success:
                return
            why = f"HTTP {answer.status_code}"
    raise UserError(f"work.webhook took no message in {ATTEMPTS} attempts; the last: {why}")


def _cause(error: SerializableErrorInfo | None) -> str:
    """What was raised first of all that were raised on top of one another: the class and its message."""
    while error and error.cause:
        error = error.cause
    return error.message if error else ""


def _corpus(run: dg.DagsterRun) -> str | None:
    corpora = registry.corpora().values()
    of_job = [corpus.name for corpus in corpora if any(job.name == run.job_name for job in jobs(corpus))]
    found = of_job or sorted({key.path[0] for key in run.asset_selection or ()})
    return found[0] if len(found) == 1 else None


def _broken(instance: dg.DagsterInstance, run_id: str) -> list[str]:
    """The names of the expectations that were found not to hold in a run."""
    kind = dg.DagsterEventType.ASSET_CHECK_EVALUATION
    events = [log.get_dagster_event() for log in instance.all_logs(run_id, of_type=kind)]
    found = [event.asset_check_evaluation_data for event in events]
    return sorted({check.check_name for check in found if not check.passed})
