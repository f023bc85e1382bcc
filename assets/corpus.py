"""What only a corpus can know of itself, as one value: all else follows from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from corpusmith.assets.resources import Workshop
from corpusmith.release.inputs import CardText, Source
from corpusmith.release.lineage import Lineage
from corpusmith.release.manifest import Manifest
from corpusmith.settings import CorpusSettings
from corpusmith.validation.suite import Suite

Remake = Callable[[pl.DataFrame], pl.DataFrame]


@dataclass(frozen=True)
class Content:
    """What the tables of a corpus come to: the rows that are fit, the rejected ones, and rows made of each origin."""

    rows: pl.LazyFrame
    rejected: pl.LazyFrame
    made: Mapping[str, int]


def nothing(workshop: Workshop) -> dict[str, Any]:
    """Of a corpus that is made by no model, or from nothing but its settings."""
    return {}


def no_sources(workshop: Workshop) -> list[Source]:
    """Of a corpus that is made from no files."""
    return []


def always(workshop: Workshop) -> None:
    """Of a corpus that nothing could stop."""


@dataclass(frozen=True, eq=False)
class Corpus:
    """One corpus, as its folder declares it.

    settings: the model of its table in params.yaml; one with ``source`` is made from files that one names.
    graph: the module of its assets, each a `corpus_asset` of its group; those that are partitioned are so alike.
    tables: the assets that its rows are put together from; the suite is checked once the last of them is there.
    content(workshop, **tables): the rows, of lazy frames (of a partitioned asset: a frame for each partition).
    scores: the assets whose rows together are the scores of a release.
    suite: what must hold of its content (validation). card(workshop): what a release says about itself in words.
    remaker(workshop): a function from released rows of one fingerprint to the same rows made anew.
    preview(workshop, rows): a few samples: origin, text or image, verdict, reasons, and whatever else says something.
    makers(workshop): provenance of all who make rows, by fingerprint. sources(workshop): the files it is made from.
    inputs(workshop): digests, by name, of what else it is made from. ready(workshop): raises where work cannot be done.
    partitions(workshop): those that the settings ask for, each with what stands for its content.
    arrivals(workshop): the same of those that come in by themselves; the partitions, if it is not said.
    exports(release, to, tar), imports(workshop, folder, into): by name, layouts of other people's that a release can be
    written in, in folders or tar shards, and read from, as a release.
    lineage: the columns of its rows that name what a row was made from, and what it is put together from.
    reads: by path in its table of settings (``scores``, ``balanced.tolerance``), the first assets that read what is
    there; a setting that is below none of the paths decides the whole corpus.
    schedule, scoring: when it is refreshed, and its scores measured again, as cron has it.
    """

    name: str
    settings: type[CorpusSettings]
    graph: str
    tables: tuple[str, ...]
    content: Callable[..., Content]
    scores: tuple[str, ...]
    suite: Suite
    card: Callable[[Workshop], CardText]
    remaker: Callable[[Workshop], Remake]
    preview: Callable[[Workshop, int], pl.DataFrame]
    makers: Callable[[Workshop], Mapping[str, Mapping[str, Any]]] = nothing
    sources: Callable[[Workshop], Sequence[Source]] = no_sources
    inputs: Callable[[Workshop], Mapping[str, str]] = nothing
    ready: Callable[[Workshop], None] = always
    partitions: Callable[[Workshop], Mapping[str, str]] | None = None
    arrivals: Callable[[Workshop], Mapping[str, str]] | None = None
    exports: Mapping[str, Callable[[Path, Path, bool], int]] = field(default_factory=dict)
    imports: Mapping[str, Callable[[Workshop, Path, Path], Manifest]] = field(default_factory=dict)
    lineage: Lineage = field(default_factory=Lineage)
    reads: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    schedule: str = "0 4 * * 1"
    scoring: str = "0 4 1 * *"

    @property
    def reads_sources(self) -> bool:
        """Whether it is made from files that one names."""
        return "source" in self.settings.model_fields
