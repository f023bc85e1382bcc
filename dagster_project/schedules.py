"""When things run: jobs, a weekly refresh, and sensors that notice new dumps in the inbox and new generators."""

import time
from pathlib import Path

import dagster as dg

from assets.portraits.graph import GENERATORS
from assets.portraits.sources import partitions
from assets.reddit.graph import DUMPS
from assets.reddit.sources import in_inbox
from assets.resources import Workshop

SETTLED_SECONDS = 5.0  # without a change, after which a file in the inbox counts as whole
DUMP_ASSETS = dg.AssetSelection.assets(["reddit", "dumps"])
PUBLISHED = dg.AssetSelection.assets(["reddit", "published"])
PROMPT_ASSETS = dg.AssetSelection.assets(["portraits", "prompts"])
IMAGE_ASSETS = dg.AssetSelection.assets(["portraits", "images"])
PORTRAITS_PUBLISHED = dg.AssetSelection.assets(["portraits", "published"])

reddit_dumps = dg.define_asset_job(
    "reddit_dumps", DUMP_ASSETS, partitions_def=DUMPS, description="Read and clean one source."
)
reddit = dg.define_asset_job(
    "reddit",
    dg.AssetSelection.groups("reddit") - DUMP_ASSETS - PUBLISHED,
    description="From the cleaned sources to a release.",
)
reddit_publish = dg.define_asset_job(
    "reddit_publish", PUBLISHED, description="Put the release where others pull it from; run it on purpose."
)

portraits_prompts = dg.define_asset_job("portraits_prompts", PROMPT_ASSETS, description="Write the prompts.")
portraits_images = dg.define_asset_job(
    "portraits_images", IMAGE_ASSETS, partitions_def=GENERATORS, description="Make the images of one generator."
)
portraits = dg.define_asset_job(
    "portraits",
    dg.AssetSelection.groups("portraits") - PROMPT_ASSETS - IMAGE_ASSETS - PORTRAITS_PUBLISHED,
    description="From the images to a release.",
)
portraits_publish = dg.define_asset_job(
    "portraits_publish", PORTRAITS_PUBLISHED, description="Put the release where others pull it from; on purpose."
)

JOBS = [
    *(reddit_dumps, reddit, reddit_publish),
    *(portraits_prompts, portraits_images, portraits, portraits_publish),
]


@dg.schedule(job=reddit, cron_schedule="0 4 * * 1", default_status=dg.DefaultScheduleStatus.STOPPED)
def reddit_weekly() -> dg.RunRequest:
    """Refresh the corpus every Monday at four; what is already made is not made again."""
    return dg.RunRequest()


@dg.sensor(jobs=[reddit_dumps, reddit], minimum_interval_seconds=30, default_status=dg.DefaultSensorStatus.STOPPED)
def reddit_inbox(context: dg.SensorEvaluationContext, workshop: dg.ResourceParam[Workshop]) -> dg.SensorResult:
    """Read every dump that is new in the inbox, and refresh the corpus when all of them are read."""
    found = in_inbox(workshop)
    known = context.instance.get_dynamic_partitions(str(DUMPS.name))
    new = [name for name in found if name not in known]
    if any(time.time() - Path(found[name]).stat().st_mtime < SETTLED_SECONDS for name in new):
        return dg.SensorResult(skip_reason=dg.SkipReason("a dump in the inbox is still being written"))
    if new:
        runs = [dg.RunRequest(name, job_name="reddit_dumps", partition_key=name) for name in new]
        return dg.SensorResult(runs, dynamic_partitions_requests=[DUMPS.build_add_request(new)], cursor=",".join(found))
    if not context.cursor:
        return dg.SensorResult(skip_reason=dg.SkipReason("no new dump in the inbox"))
    unread = set(found) - context.instance.get_materialized_partitions(dg.AssetKey(["reddit", "dumps"]))
    if unread:
        return dg.SensorResult(skip_reason=dg.SkipReason(f"not read yet: {', '.join(sorted(unread))}"))
    return dg.SensorResult([dg.RunRequest(f"after {context.cursor}", job_name="reddit")], cursor="")


@dg.sensor(
    jobs=[portraits_prompts, portraits_images, portraits],
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.STOPPED,
)
def portraits_generators(context: dg.SensorEvaluationContext, workshop: dg.ResourceParam[Workshop]) -> dg.SensorResult:
    """Make the images of every generator that is new in the settings, and refresh the corpus when all are made."""
    wanted = partitions(workshop)
    known = context.instance.get_dynamic_partitions(str(GENERATORS.name))
    new = [name for name in wanted if name not in known]
    if new and context.instance.get_latest_materialization_event(dg.AssetKey(["portraits", "prompts"])) is None:
        return dg.SensorResult([dg.RunRequest("prompts", job_name="portraits_prompts")])
    if new:
        runs = [dg.RunRequest(name, job_name="portraits_images", partition_key=name) for name in new]
        requests = [GENERATORS.build_add_request(new)]
        return dg.SensorResult(runs, dynamic_partitions_requests=requests, cursor=",".join(wanted))
    if not context.cursor:
        return dg.SensorResult(skip_reason=dg.SkipReason("no new generator in the settings"))
    unmade = set(wanted) - context.instance.get_materialized_partitions(dg.AssetKey(["portraits", "images"]))
    if unmade:
        return dg.SensorResult(skip_reason=dg.SkipReason(f"not made yet: {', '.join(sorted(unmade))}"))
    return dg.SensorResult([dg.RunRequest(f"after {context.cursor}", job_name="portraits")], cursor="")
