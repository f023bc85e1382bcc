"""The jobs of a corpus: before its partitions, one partition, all up to the release, its scores, and publishing."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import dagster as dg

from corpusmith.assets.corpus import Corpus
from corpusmith.assets.derived import assets_of, partitioned


@dataclass(frozen=True)
class Names:
    """The names of a corpus's jobs; None: it has no such part. The one to a release has the name of the corpus."""

    plan: str | None
    partitioned: str | None
    scoring: str
    publish: str


@cache
def names(corpus: Corpus) -> Names:
    """The names of a corpus's jobs."""
    several = list(partitioned(corpus))
    return Names(
        f"{corpus.name}_plan" if above_partitions(corpus) else None,
        f"{corpus.name}_{several[0]}" if several else None,
        f"{corpus.name}_scoring",
        f"{corpus.name}_publish",
    )


@cache
def jobs(corpus: Corpus) -> list[dg.UnresolvedAssetJobDefinition]:
    """The jobs of a corpus, in the order in which a build runs them."""
    named, above = names(corpus), above_partitions(corpus)
    parts = [dg.AssetKey([corpus.name, name]) for name in partitioned(corpus)]
    last = dg.AssetKey([corpus.name, "published"])
    rest = dg.AssetSelection.groups(corpus.name) - dg.AssetSelection.assets(*above, *parts, last)
    found = []
    if named.plan:
        said = "What is planned, before any partition is made."
        found.append(dg.define_asset_job(named.plan, dg.AssetSelection.assets(*above), description=said))
    if named.partitioned:
        selection, partitions = dg.AssetSelection.assets(*parts), partitions_of(corpus)
        found.append(
            dg.define_asset_job(
                named.partitioned, selection, partitions_def=partitions, description="Make one partition."
            )
        )
    found.append(dg.define_asset_job(corpus.name, rest, description="From the partitions to a release."))
    measured = [dg.AssetKey([corpus.name, name]) for name in (*corpus.scores, "release")]
    scoring = dg.AssetSelection.assets(*measured) | checks_of(corpus)
    said = "Measure the scores of the tables that are there, and release them."
    found.append(dg.define_asset_job(named.scoring, scoring, description=said))
    said = "Put the release where others pull it from; run it on purpose."
    return [*found, dg.define_asset_job(named.publish, dg.AssetSelection.assets(last), description=said)]


def checks_of(corpus: Corpus) -> dg.AssetSelection:
    """The expectations that hold before anything is released, whether or not the tables are made anew."""
    return dg.AssetSelection.checks_for_assets(dg.AssetKey([corpus.name, corpus.tables[-1]]))


def partitions_of(corpus: Corpus) -> dg.DynamicPartitionsDefinition | None:
    """The set of partitions of a corpus, the same for all its partitioned assets; None: it has none.

    Raises ValueError where they are of different sets.
    """
    found = list(partitioned(corpus).values())
    if any(not isinstance(one, dg.DynamicPartitionsDefinition) or one != found[0] for one in found):
        raise ValueError(f"{corpus.graph}: expected one DynamicPartitionsDefinition for all partitioned assets")
    return found[0] if found else None


@cache
def above_partitions(corpus: Corpus) -> tuple[dg.AssetKey, ...]:
    """The unpartitioned assets that the partitioned ones are made from."""
    inputs = {asset.key: set(asset.dependency_keys) for asset in assets_of(corpus)}
    several = {dg.AssetKey([corpus.name, name]) for name in partitioned(corpus)}
    found = set[dg.AssetKey]()
    todo = several
    while todo:
        found |= todo
        todo = set[dg.AssetKey]().union(*(inputs.get(key, set()) for key in todo)) - found
    return tuple(sorted(found - several))
