"""When things run: schedules of each corpus, and sensors for new partitions, changed settings and new releases.

All follow from a corpus's registration, and stand still until somebody turns them on.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace

import dagster as dg

from corpusmith.assets import refused, registry
from corpusmith.assets.corpus import Corpus
from corpusmith.assets.derived import partitioned
from corpusmith.assets.resources import Workshop
from corpusmith.dagster_project import changes
from corpusmith.dagster_project.instance import at_work
from corpusmith.dagster_project.jobs import above_partitions, jobs, names, partitions_of
from corpusmith.errors import UserError

LOOK = 30
"""Seconds from one look of a sensor to the next."""


@dataclass(frozen=True)
class Seen:
    """What a sensor remembers: how often it asked for runs, and by partition what stood for its content.

    looked: at the last tick: what is the same at the next has settled. asked: when it was last asked for.
    refreshed: when the corpus was last refreshed.
    """

    asks: int = 0
    looked: Mapping[str, str] = field(default_factory=dict)
    asked: Mapping[str, str] = field(default_factory=dict)
    refreshed: Mapping[str, str] = field(default_factory=dict)


def schedules(corpus: Corpus) -> list[dg.ScheduleDefinition]:
    """Refreshes a corpus, with the partitions that are there, and measures its scores again."""
    refresh = dg.ScheduleDefinition(
        name=f"{corpus.name}_refresh",
        job_name=corpus.name,
        cron_schedule=corpus.schedule,
        description="Refresh the corpus; what is already made is not made again.",
    )
    scoring = dg.ScheduleDefinition(
        name=f"{corpus.name}_scoring",
        job_name=names(corpus).scoring,
        cron_schedule=corpus.scoring,
        description="Measure the scores of what is there, and release them.",
    )
    return [refresh, scoring]


def sensors(corpus: Corpus) -> list[dg.SensorDefinition]:
    """Of a corpus: new or changed partitions, where it has any, changed settings, and releases to be published."""
    found = [partitions_sensor(corpus), changes_sensor(corpus), releases_sensor(corpus)]
    return [sensor for sensor in found if sensor]


def changes_sensor(corpus: Corpus) -> dg.SensorDefinition:
    """Makes what depends on a setting, on a model of the catalog or on a takedown that changed, and nothing else."""

    def what_changed(context: dg.SensorEvaluationContext, workshop: dg.ResourceParam[Workshop]) -> dg.SensorResult:
        """Read the settings and the catalog, and make what depends on what changed in them."""
        seen = changes.Seen(**json.loads(context.cursor)) if context.cursor else changes.Seen()
        try:
            now = workshop.anew(registry.load(profile=workshop.profile))
            seen, requests, partitions, why = changes.tick(corpus, now, context.instance, seen)
        except UserError as error:
            return dg.SensorResult(skip_reason=dg.SkipReason(str(error)))
        return dg.SensorResult(
            requests,
            skip_reason=None if requests else dg.SkipReason(why),
            dynamic_partitions_requests=partitions,
            cursor=json.dumps(asdict(seen)),
        )

    watched = [job for job in jobs(corpus) if job.name not in (names(corpus).publish, names(corpus).scoring)]
    said = "Make what depends on a setting, a model of the catalog or a takedown that changed."
    made = dg.sensor(name=f"{corpus.name}_changes", jobs=watched, minimum_interval_seconds=LOOK, description=said)
    return made(what_changed)


def releases_sensor(corpus: Corpus) -> dg.SensorDefinition:
    """Publishes a release once another one stands there: the condition of the asset says so (assets/derived.py)."""
    return dg.AutomationConditionSensorDefinition(
        name=f"{corpus.name}_releases",
        target=dg.AssetSelection.assets([corpus.name, "published"]),
        minimum_interval_seconds=LOOK,
        description="Publish a release once another one stands there.",
    )


def partitions_sensor(corpus: Corpus) -> dg.SensorDefinition | None:
    """Makes what is new or changed among a corpus's partitions, then refreshes the corpus; None: it has none."""
    arrivals = corpus.arrivals or corpus.partitions
    if arrivals is None:
        return None

    def new_partitions(context: dg.SensorEvaluationContext, workshop: dg.ResourceParam[Workshop]) -> dg.SensorResult:
        """Make what is new or changed among the partitions, then refresh the corpus."""
        seen = Seen(**json.loads(context.cursor)) if context.cursor else Seen()
        try:
            workshop = workshop.anew(registry.load(profile=workshop.profile))
            now = dict(arrivals(workshop))
        except UserError as error:
            return dg.SensorResult(skip_reason=dg.SkipReason(str(error)))
        left_out = [
            f"{name} is left out: {note['error']}" for name, note in refused.refused(workshop.home, corpus.name).items()
        ]
        return _tick(corpus, workshop, context.instance, seen, now, left_out)

    watched = [job for job in jobs(corpus) if job.name not in (names(corpus).publish, names(corpus).scoring)]
    said = "Make what is new or changed among the partitions, then refresh the corpus."
    made = dg.sensor(name=f"{corpus.name}_partitions", jobs=watched, minimum_interval_seconds=LOOK, description=said)
    return made(new_partitions)


def _tick(
    corpus: Corpus,
    workshop: Workshop,
    instance: dg.DagsterInstance,
    seen: Seen,
    now: Mapping[str, str],
    left_out: Sequence[str],
) -> dg.SensorResult:
    """What is to be run now, or why nothing is; what is asked for is remembered with what stands for its content."""
    named = names(corpus)
    asked = {name: token for name, token in seen.asked.items() if name in now}
    new = [name for name, token in now.items() if asked.get(name) != token]
    unsettled = [name for name in new if seen.looked.get(name) != now[name]]
    seen = replace(seen, looked=now, asked=asked)
    if unsettled:
        return _wait(seen, f"may still be written, looked at again at the next tick: {', '.join(unsettled)}", left_out)
    if busy := at_work(corpus, workshop, instance):
        return _wait(seen, f"{busy} is running", left_out)
    if new and named.plan and not _is_planned(corpus, instance):
        return _ask(replace(seen, asks=seen.asks + 1), [("plan", named.plan, None)])
    if new:
        seen = replace(seen, asks=seen.asks + 1, asked={**asked, **{name: now[name] for name in new}})
        add = [partitions_of(corpus).build_add_request(new)]
        return _ask(seen, [(name, named.partitioned, name) for name in new], add)
    made = instance.get_materialized_partitions(dg.AssetKey([corpus.name, next(iter(partitioned(corpus)))]))
    if unmade := sorted(set(asked) - made):
        return _wait(seen, f"not made: {', '.join(unmade)}", left_out)
    if not asked or asked == seen.refreshed:
        return _wait(seen, "nothing new", left_out)
    return _ask(replace(seen, asks=seen.asks + 1, refreshed=asked), [("refresh", corpus.name, None)])


def _ask(
    seen: Seen, runs: Sequence[tuple[str, str, str | None]], partitions: Sequence[dg.AddDynamicPartitionsRequest] = ()
) -> dg.SensorResult:
    """Runs, each with a key that says which asking it is: Dagster starts none of a key that it has seen."""
    requests = [
        dg.RunRequest(f"{seen.asks} {what}", job_name=job, partition_key=partition) for what, job, partition in runs
    ]
    return dg.SensorResult(requests, dynamic_partitions_requests=list(partitions), cursor=json.dumps(asdict(seen)))


def _wait(seen: Seen, why: str, left_out: Sequence[str]) -> dg.SensorResult:
    return dg.SensorResult(skip_reason=dg.SkipReason("; ".join([why, *left_out])), cursor=json.dumps(asdict(seen)))


def _is_planned(corpus: Corpus, instance: dg.DagsterInstance) -> bool:
    """Whether everything that the partitions are made from was made."""
    return all(instance.get_latest_materialization_event(key) for key in above_partitions(corpus))
