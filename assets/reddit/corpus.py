"""The Reddit corpus as one value: what it is made of, what must hold of it, and what it says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl

from corpusmith.assets.corpus import Content, Corpus
from corpusmith.assets.reddit import comments as cleaning
from corpusmith.assets.reddit import makers, rejected, replies, sources
from corpusmith.assets.reddit.card import CARD, DEMO, PEOPLE_LOOKED_FOR
from corpusmith.assets.reddit.preview import preview
from corpusmith.assets.reddit.remake import remaker
from corpusmith.assets.reddit.settings import Reddit
from corpusmith.assets.resources import Workshop
from corpusmith.curate import people
from corpusmith.ingest.sources import pinned
from corpusmith.release.inputs import CardText, Source
from corpusmith.release.lineage import Lineage
from corpusmith.validation.reddit import SUITE


def content(
    workshop: Workshop,
    comments: pl.LazyFrame,
    labelled: pl.LazyFrame,
    rewritten: pl.LazyFrame,
    synthesized: pl.LazyFrame,
    balanced: pl.LazyFrame,
) -> Content:
    """The balanced rows, and everything that did not come among them."""
    stages = [labelled, rewritten, synthesized]
    return Content(balanced, rejected.rejected(comments, stages, balanced), rejected.made(comments, stages))


def card(workshop: Workshop) -> CardText:
    """The words for a release of people's comments, or of the demo dump."""
    text = DEMO if sources.is_demo(workshop) else CARD
    model = workshop.settings.reddit.comments.people
    if model is None:
        return text
    return replace(text, personal_data=text.personal_data + PEOPLE_LOOKED_FOR.format(people.revision(model)))


def described(workshop: Workshop) -> list[Source]:
    """Every source as a release names it, with how it was read."""
    found = []
    for source in sources.sources(workshop).values():
        path = Path(source)
        name, size = (path.name, path.stat().st_size) if path.is_file() else (pinned(source), 0)
        found.append(Source(name, sources.digest(source), size, tuple(cleaning.read_as(source, workshop))))
    return found


def provenance(workshop: Workshop) -> Mapping[str, Mapping[str, Any]]:
    """Who cleans, judges and writes."""
    models = workshop.settings.reddit.models
    named = [makers.judge(models), makers.second_judge(models), makers.rewriter(models), makers.generator(models)]
    here = [maker for maker in named if maker]
    curation = {"model": "corpusmith/curate", "revision": cleaning.CURATION}
    return {cleaning.MAKER: curation, **{maker.fingerprint: maker.provenance for maker in here}}


CORPUS = Corpus(
    name="reddit",
    settings=Reddit,
    graph="corpusmith.assets.reddit.graph",
    tables=("comments", "labelled", "rewritten", "synthesized", "balanced"),
    content=content,
    scores=("agreement", "naturalness", "probes", "zero_shot", "steering", "persistence"),
    reads={
        "labelled": ("labelled",),
        "rewritten": ("rewritten",),
        "synthesized": ("synthesized",),
        "balanced": ("balanced",),
        "balanced.rows_per_emotion": ("labelled",),  # what a second judge reads; then, what an emotion lacks
        "models.judge": ("labelled",),
        "models.second_judge": ("labelled",),
        "models.rewriter": ("rewritten",),
        "models.generator": ("synthesized",),
        "models.probed": ("probes", "zero_shot", "steering"),
        "scores": ("probes", "zero_shot"),
        "scores.steering": ("steering", "persistence"),
        "scores.persistence": ("persistence",),
        "scores.bootstrap": ("agreement", "naturalness", "probes", "zero_shot", "steering"),
    },
    suite=SUITE,
    card=card,
    remaker=remaker,
    preview=preview,
    makers=provenance,
    sources=described,
    ready=replies.ready,
    inputs=sources.inputs,
    partitions=sources.partitions,
    arrivals=sources.arrivals,
    lineage=Lineage(parents=("source_key",)),
)
