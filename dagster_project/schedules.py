"""When things run: jobs, a weekly refresh, and a sensor that notices new dumps in the inbox."""

import dagster as dg

from assets.reddit.graph import DUMPS
from assets.reddit.sources import sources
from assets.resources import Workshop

DUMP_ASSETS = dg.AssetSelection.assets(["reddit", "dumps"])

reddit_dumps = dg.define_asset_job(
    "reddit_dumps", DUMP_ASSETS, partitions_def=DUMPS, description="Read and clean one source."
)
reddit = dg.define_asset_job(
    "reddit",
    dg.AssetSelection.groups("reddit") - DUMP_ASSETS,
    description="From the cleaned sources to a published release.",
)


@dg.schedule(job=reddit, cron_schedule="0 4 * * 1", default_status=dg.DefaultScheduleStatus.STOPPED)
def reddit_weekly() -> dg.RunRequest:
    """Refresh the corpus every Monday at four; what is already made is not made again."""
    return dg.RunRequest()


@dg.sensor(jobs=[reddit_dumps, reddit], minimum_interval_seconds=30, default_status=dg.DefaultSensorStatus.STOPPED)
def reddit_inbox(context: dg.SensorEvaluationContext, workshop: dg.ResourceParam[Workshop]) -> dg.SensorResult:
    """Read every dump that is new in the inbox, and refresh the corpus when all of them are read."""
    found = sources(workshop) if workshop.inbox.is_dir() else {}
    new = [name for name in found if name not in context.instance.get_dynamic_partitions("reddit_dumps")]
    if new:
        runs = [dg.RunRequest(name, job_name="reddit_dumps", partition_key=name) for name in new]
        return dg.SensorResult(runs, dynamic_partitions_requests=[DUMPS.build_add_request(new)], cursor=",".join(found))
    if context.cursor and _all_read(context.instance, list(found)):
        return dg.SensorResult([dg.RunRequest(f"after {context.cursor}", job_name="reddit")], cursor="")
    return dg.SensorResult(skip_reason=dg.SkipReason("no new dump in the inbox"))


def _all_read(instance: dg.DagsterInstance, names: list[str]) -> bool:
    return set(names) <= instance.get_materialized_partitions(dg.AssetKey(["reddit", "dumps"]))
