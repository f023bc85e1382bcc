"""What follows from a corpus for Dagster: its assets with the release and its publication, and its blocking checks."""

from __future__ import annotations

import graphlib
import inspect
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib import import_module
from typing import Any

import dagster as dg
import polars as pl
from dagster._utils.schedules import get_smallest_cron_interval

from corpusmith.assets import publishing, uses, versions
from corpusmith.assets.asset import corpus_asset
from corpusmith.assets.checked import checked, results
from corpusmith.assets.corpus import Corpus
from corpusmith.assets.released import release_of, shown
from corpusmith.assets.resources import Workshop
from corpusmith.assets.status import status_metadata
from corpusmith.release.columns import without_images
from corpusmith.release.manifest import Manifest, redacted
from corpusmith.release.write import write_release
from corpusmith.validation.suite import sentences

Partitions = dict[str, pl.LazyFrame]
"""The tables of a partitioned asset, by partition."""
OTHER_RELEASE = (
    dg.AutomationCondition.any_deps_match(dg.AutomationCondition.data_version_changed()).since_last_handled()
    & ~dg.AutomationCondition.any_deps_in_progress()
    & ~dg.AutomationCondition.in_progress()
).with_label("another release stands there")
"""When the sensor ``<corpus>_releases``, once it is turned on, asks for a publication."""


_interval = cache(get_smallest_cron_interval)  # which tries a thousand ticks


def assets_of(corpus: Corpus) -> list[dg.AssetsDefinition]:
    """The assets of a corpus's graph, each after those that it is made from."""
    module = import_module(corpus.graph)
    found = {asset.key: asset for asset in vars(module).values() if isinstance(asset, dg.AssetsDefinition)}
    order = graphlib.TopologicalSorter({key: sorted(found[key].dependency_keys) for key in found}).static_order()
    return [found[key] for key in order if key in found]


def all_assets_of(corpus: Corpus) -> list[dg.AssetsDefinition]:
    """The assets of a corpus's graph, its release, and the publication of that."""
    return [*assets_of(corpus), release(corpus), published(corpus)]


@cache
def partitioned(corpus: Corpus) -> dict[str, dg.PartitionsDefinition[str]]:
    """The partitioned assets of a corpus by name, with their set of partitions."""
    found = {asset.key.path[-1]: asset.partitions_def for asset in assets_of(corpus)}
    return {name: partitions for name, partitions in found.items() if partitions is not None}


def release(corpus: Corpus) -> dg.AssetsDefinition:
    """The asset ``<corpus>/release``; stale where a refresh was missed."""

    def release(workshop: dg.ResourceParam[Workshop], **tables: Any) -> dg.MaterializeResult:
        """An immutable folder: Parquet shards, what was rejected, scores, card, Croissant, manifest and report."""
        folder = workshop.release(corpus.name)

        def write(as_version: Workshop) -> Manifest:
            made = write_release(release_of(corpus, as_version, tables), folder)
            partitions = corpus.partitions(workshop) if corpus.partitions else ()
            uses.keep(workshop.home, corpus.name, made.content, partitions)
            return made

        if not workshop.automatic:
            return shown(write(workshop), folder)
        with workshop.turn(corpus.name):
            named = versions.name(corpus, workshop, write)
        return shown(named, folder, status_metadata(corpus, workshop))

    names = dict.fromkeys((*corpus.tables, *corpus.scores))
    missed = dg.FreshnessPolicy.time_window(2 * _interval(corpus.schedule))
    asset = corpus_asset(group=corpus.name, kinds={"parquet", "dvc"}, freshness_policy=missed)
    return asset(_taking(release, corpus, names))


def published(corpus: Corpus) -> dg.AssetsDefinition:
    """The asset ``<corpus>/published``."""

    def published(workshop: dg.ResourceParam[Workshop]) -> dg.MaterializeResult:
        """The release under its version, where others pull it from: the setting work.publish, or HOME/published."""
        done = publishing.publish(corpus, workshop)
        return dg.MaterializeResult(metadata={"published": str(redacted(done.place)), "new": done.new})

    options = {"deps": [[corpus.name, "release"]], "automation_condition": OTHER_RELEASE}
    return corpus_asset(group=corpus.name, kinds={"huggingface"}, **options)(published)


def checks(corpus: Corpus) -> dg.AssetChecksDefinition:
    """The expectations of a corpus as blocking checks: nothing that breaks one can be released."""
    last = dg.AssetKey([corpus.name, corpus.tables[-1]])
    others = [dg.AssetKey([corpus.name, name]) for name in corpus.tables[:-1]]

    def holds(workshop: dg.ResourceParam[Workshop], **tables: Any) -> Iterator[dg.AssetCheckResult]:
        """Every expectation of the suite over what would be released, with the rows that fail it."""
        content = corpus.content(workshop, **tables)
        kept, refused = content.rows, without_images(content.rejected)
        limits = corpus.suite.limits.of(workshop.settings.of(corpus.name).model_dump(), content.made)
        yield from results(checked(corpus, workshop, kept, refused, limits), last)

    return dg.multi_asset_check(
        name=f"{corpus.name}_holds",
        specs=[
            dg.AssetCheckSpec(name, asset=last, blocking=True, description=sentence, additional_deps=others)
            for name, sentence in sentences(corpus.suite.sentences, corpus.suite.limits()).items()
        ],
        ins={key.path[-1]: dg.AssetIn(key=key) for key in (*others, last)},
        can_subset=False,
    )(_taking(holds, corpus, dict.fromkeys(corpus.tables)))


def _taking(body: Callable[..., Any], corpus: Corpus, names: Mapping[str, None]) -> Callable[..., Any]:
    """``body`` with a parameter for each table, of the type that Dagster is to read it as."""
    several = partitioned(corpus)
    kinds = {name: Partitions if name in several else pl.LazyFrame for name in names}
    workshop = dg.ResourceParam[Workshop]
    parameter = inspect.Parameter("workshop", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=workshop)
    taken = [
        inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=kind)
        for name, kind in kinds.items()
    ]
    returned = inspect.signature(body, eval_str=True).return_annotation
    body.__signature__ = inspect.Signature([*taken, parameter], return_annotation=returned)  # type: ignore[attr-defined]
    body.__annotations__ = {**kinds, "workshop": workshop, "return": returned}
    return body
