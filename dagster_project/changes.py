"""What decides a corpus has changed: which of its assets depend on that, asked for in the order of its jobs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import dagster as dg

from corpusmith.assets import glance
from corpusmith.assets.corpus import Corpus
from corpusmith.assets.derived import assets_of, checks, partitioned, release
from corpusmith.assets.resources import Workshop
from corpusmith.dagster_project.instance import at_work
from corpusmith.dagster_project.jobs import above_partitions, names, partitions_of
from corpusmith.models.catalog import catalog
from corpusmith.release import tombstones
from corpusmith.settings import shared

ASKED = "corpusmith/asked"
"""The tag of the runs that were asked for together."""
WHY = "corpusmith/changed"
"""The tag of a run that says for which changes it was asked for."""


@dataclass(frozen=True)
class Seen:
    """What the sensor remembers.

    decides: digests of what decides the corpus, by path in its settings, as it was taken up. looked: the same at the
    last tick: what is the same at the next has settled. asks: how often it asked for runs. asked: the assets of the
    last asking. wanted: those that are to be made after them. why: the paths that changed.
    """

    decides: Mapping[str, str] = field(default_factory=dict)
    looked: Mapping[str, str] = field(default_factory=dict)
    asks: int = 0
    asked: Sequence[str] = ()
    wanted: Sequence[str] = ()
    why: Sequence[str] = ()


def tick(
    corpus: Corpus, workshop: Workshop, instance: dg.DagsterInstance, seen: Seen
) -> tuple[Seen, list[dg.RunRequest], list[dg.AddDynamicPartitionsRequest], str]:
    """What is remembered now, the runs that are to be started with the partitions they need, or else why none is.

    What is wanted is asked for job by job, the next one when the runs of the last have succeeded.
    """
    now = decides(corpus, workshop)
    if not seen.decides or not instance.get_latest_materialization_event(dg.AssetKey([corpus.name, "release"])):
        why = f"watched from now on; {corpus.name} is built by its own job first"
        return replace(seen, decides=now, looked=now), [], [], why
    changed = [path for path in sorted({*now, *seen.decides}) if now.get(path) != seen.decides.get(path)]
    if changed and now != seen.looked:
        return replace(seen, looked=now), [], [], f"changed, looked at again at the next tick: {', '.join(changed)}"
    if busy := at_work(corpus, workshop, instance):
        return replace(seen, looked=now), [], [], f"{busy} is running"
    failed = _failed(corpus, instance, seen)
    again = seen.asked if failed and changed else ()
    wanted = {*seen.wanted, *again, *affected(corpus, changed)}
    seen = replace(seen, decides=now, wanted=sorted(wanted), why=sorted({*seen.why, *changed}) if wanted else ())
    if failed and not changed:
        return seen, [], [], f"{failed} failed: run it again, or change what was wrong"
    if not wanted:
        return replace(seen, asked=()), [], [], "nothing changed"
    job, asked = _next_job(corpus, wanted)
    seen = replace(seen, asks=seen.asks + 1, asked=sorted(asked), wanted=sorted(wanted - asked))
    return seen, *_runs(corpus, workshop, job, seen), ""


def decides(corpus: Corpus, workshop: Workshop) -> dict[str, str]:
    """Digests of what decides a corpus and can be told at a glance, by path in its table of settings.

    A setting that names models stands for their entries in the catalog too, and the source of a corpus that has no
    partitions for the sizes and times of its files. The version decides nothing: runs name it.
    """
    catalog.cache_clear()  # the file may be another one by now
    said = shared(workshop.settings, corpus.name)
    found = dict(glance.leaves(said[corpus.name])) | {"work": said["work"]}
    del found["version"]
    for path in corpus.settings.marked("model"):
        named = found.get(".".join(path))
        models = named if isinstance(named, list) else [named]
        entries = [entry.model_dump(mode="json") for name in models if (entry := catalog().get(name))]
        found[".".join(path)] = [named, entries]
    if corpus.reads_sources and not corpus.partitions:
        named = workshop.settings.of(corpus.name).model_dump()["source"]
        found["source"] = glance.files(named or [str(workshop.inbox)])
    found["taken down"] = tombstones.digest(workshop.home, corpus.name)
    return {path: _digest(value) for path, value in found.items()}


def affected(corpus: Corpus, changed: Iterable[str]) -> set[str]:
    """The assets that depend on what lies at the paths that changed; all of them on a path that no asset claims."""
    order = [*assets_of(corpus), release(corpus)]
    every = [asset.key.path[-1] for asset in order]
    found = {name for path in changed for name in _readers(corpus, path) or every}
    for asset in order:
        if found & {key.path[-1] for key in asset.dependency_keys if key.path[0] == corpus.name}:
            found.add(asset.key.path[-1])
    return found


def _readers(corpus: Corpus, path: str) -> Sequence[str]:
    """The first assets that read a setting, as the longest of the paths says that leads to it."""
    parts = path.split(".")
    above = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
    return next((corpus.reads[place] for place in above if place in corpus.reads), ())


def _next_job(corpus: Corpus, wanted: set[str]) -> tuple[str, set[str]]:
    """The first job that makes any of the assets that are wanted, and those."""
    named = names(corpus)
    parts = [(named.plan, {key.path[-1] for key in above_partitions(corpus)}), (named.partitioned, partitioned(corpus))]
    found = ((job, wanted.intersection(assets)) for job, assets in parts if job)
    return next(((job, assets) for job, assets in found if assets), (corpus.name, wanted))


def _runs(
    corpus: Corpus, workshop: Workshop, job: str, seen: Seen
) -> tuple[list[dg.RunRequest], list[dg.AddDynamicPartitionsRequest]]:
    """The runs that make what was asked for, each with a key of its own: Dagster starts none of a key it has seen.

    Nothing is released that was not checked, though the table that the checks are of may stay as it is.
    """
    asking = _asking(corpus, seen)
    said = {
        "job_name": job,
        "asset_selection": [dg.AssetKey([corpus.name, name]) for name in seen.asked],
        "tags": {ASKED: asking, WHY: ", ".join(seen.why)},
    }
    if corpus.partitions and job == names(corpus).partitioned:
        there = list(corpus.partitions(workshop))
        requests = [dg.RunRequest(f"{asking} {name}", partition_key=name, **said) for name in there]
        return requests, [partitions_of(corpus).build_add_request(there)]
    if job == corpus.name:
        said["asset_check_keys"] = sorted(checks(corpus).check_keys)
    return [dg.RunRequest(f"{asking} {job}", **said)], []


def _failed(corpus: Corpus, instance: dg.DagsterInstance, seen: Seen) -> str | None:
    """The job of the last asking whose last run for some partition has ended without success; None: there is none."""
    if not seen.asked:
        return None
    last: dict[tuple[str, str | None], dg.DagsterRun] = {}
    for run in instance.get_runs(dg.RunsFilter(tags={ASKED: _asking(corpus, seen)})):  # the newest first
        last.setdefault((run.job_name, run.tags.get("dagster/partition")), run)
    return next((run.job_name for run in last.values() if run.is_finished and not run.is_success), None)


def _asking(corpus: Corpus, seen: Seen) -> str:
    return f"{corpus.name} {seen.asks}"


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]
