"""The imagenet corpus as one value: what it is made of, what must hold of it, and what it says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from corpusmith.assets.corpus import Content, Corpus
from corpusmith.assets.imagenet import card, classes, finetuned, folder, makers, rows
from corpusmith.assets.imagenet import sources as reading
from corpusmith.assets.imagenet.images import all_of
from corpusmith.assets.imagenet.preview import preview
from corpusmith.assets.imagenet.remake import remaker
from corpusmith.assets.imagenet.settings import ImageNet
from corpusmith.assets.resources import Workshop
from corpusmith.release.inputs import CardText
from corpusmith.release.lineage import Lineage
from corpusmith.validation.imagenet import SUITE


def content(
    workshop: Workshop, sources: pl.LazyFrame, images: dict[str, pl.LazyFrame], curated: pl.LazyFrame
) -> Content:
    """The fit images with what they are paired with, and the others with their reasons."""
    settings = workshop.settings.imagenet
    every = all_of(images, reading.blocks(workshop))
    released = rows.released(every, curated, sources, settings.photographs)
    return Content(released, rows.rejected(every, curated, sources), rows.made(curated))


def said(workshop: Workshop) -> CardText:
    """The card's words, with the names of the classes."""
    settings = workshop.settings.imagenet
    return card.card(settings, classes.asked_for(settings)["name"], classes.table()["name"])


def provenance(workshop: Workshop) -> Mapping[str, Mapping[str, Any]]:
    """Who draws and who looks."""
    settings = workshop.settings.imagenet
    every = makers.all_of(settings, classes.asked_for(settings)["name"], finetuned.known(reading.sources, workshop))
    return {maker.fingerprint: maker.provenance for maker in every}


CORPUS = Corpus(
    name="imagenet",
    settings=ImageNet,
    graph="corpusmith.assets.imagenet.graph",
    tables=("sources", "images", "curated"),
    content=content,
    scores=("shift_scores",),
    reads={"curated": ("curated",), "scores": ("shifted", "shift_scores")},
    suite=SUITE,
    card=said,
    remaker=remaker,
    preview=preview,
    makers=provenance,
    sources=reading.described,
    inputs=reading.inputs,
    ready=reading.ready,
    partitions=reading.partitions,
    lineage=Lineage(parents=("source", "source_sha256")),
    exports={"imagefolder": folder.export},
)
