"""The portraits corpus as one value: what it is made of, what must hold of it, and what it says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from corpusmith.assets.corpus import Content, Corpus
from corpusmith.assets.portraits import card, makers, rows, sources
from corpusmith.assets.portraits.images import all_of
from corpusmith.assets.portraits.preview import preview
from corpusmith.assets.portraits.remake import remaker
from corpusmith.assets.portraits.settings import Portraits
from corpusmith.assets.resources import Workshop
from corpusmith.validation.portraits import SUITE


def content(
    workshop: Workshop, images: dict[str, pl.LazyFrame], curated: pl.LazyFrame, annotations: pl.LazyFrame
) -> Content:
    """The fit portraits with what annotators see in them, and the others with their images."""
    every = all_of(images, workshop.settings.portraits)
    return Content(rows.released(every, curated, annotations), rows.rejected(every, curated), rows.made(curated))


def provenance(workshop: Workshop) -> Mapping[str, Mapping[str, Any]]:
    """Who draws and who looks."""
    here = makers.all_of(workshop.settings.portraits).values()
    return {maker.fingerprint: maker.provenance for maker in here}


CORPUS = Corpus(
    name="portraits",
    settings=Portraits,
    graph="corpusmith.assets.portraits.graph",
    tables=("images", "curated", "annotations"),
    content=content,
    scores=("generator_scores", "perceiver_scores"),
    reads={
        "generators": ("images",),
        **dict.fromkeys(("curated", "annotators", "safety", "embedder", "splits"), ("curated",)),
        "perceivers": ("perceiver_scores",),
        "scores": ("generator_scores", "perceiver_scores"),
    },
    suite=SUITE,
    card=lambda workshop: card.card(workshop.settings.portraits),
    remaker=remaker,
    preview=preview,
    makers=provenance,
    inputs=sources.inputs,
    ready=sources.ready,
    partitions=sources.partitions,
)
