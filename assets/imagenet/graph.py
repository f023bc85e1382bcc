"""The imagenet corpus, from real images to classifiers under shift: the recipe, top to bottom. The rest follows."""

from functools import partial

import dagster as dg
import polars as pl

from corpusmith.assets.asset import corpus_asset
from corpusmith.assets.imagenet import classes, scores, shifts
from corpusmith.assets.imagenet import conditions as planning
from corpusmith.assets.imagenet import curated as curating
from corpusmith.assets.imagenet import finetuned as adapting
from corpusmith.assets.imagenet import images as drawing
from corpusmith.assets.imagenet import sources as reading
from corpusmith.assets.pictures import contact_sheet, fates
from corpusmith.assets.resources import Workshop
from corpusmith.errors import ModelError

BLOCKS = dg.DynamicPartitionsDefinition(name="imagenet_images")


@corpus_asset(group="imagenet", kinds={"polars"}, pictures=[partial(contact_sheet, label="name", key="source")])
def sources(workshop: dg.ResourceParam[Workshop]) -> pl.LazyFrame:
    """The real images, or drawings in their place, with class and split: what generated ones are paired with."""
    return reading.sources(workshop)


@corpus_asset(group="imagenet", kinds={"polars"})
def conditions(sources: pl.LazyFrame, workshop: dg.ResourceParam[Workshop]) -> pl.LazyFrame:
    """Each real image once in each way: from what, by whom and with which settings it is drawn anew."""
    settings = workshop.settings.imagenet
    captioned = planning.captioned(sources, settings, workshop.make)
    sentences = reading.sentences(workshop)
    return planning.conditions(captioned, sentences, classes.templates(settings.templates), settings)


@corpus_asset(group="imagenet", kinds={"pytorch", "huggingface"})
def finetuned(sources: pl.LazyFrame, workshop: dg.ResourceParam[Workshop]) -> pl.LazyFrame:
    """The adapter of a generator that learned from the real train split, with its losses; no row without one."""
    return adapting.finetuned(sources, workshop)


@corpus_asset(
    group="imagenet",
    kinds={"pytorch", "huggingface"},
    pictures=[partial(contact_sheet, label="strategy")],
    partitions_def=BLOCKS,
)
def images(
    context: dg.AssetExecutionContext,
    sources: pl.LazyFrame,
    conditions: pl.LazyFrame,
    finetuned: pl.LazyFrame,
    workshop: dg.ResourceParam[Workshop],
) -> pl.LazyFrame:
    """What the generators make of a block of classes, with the seed and settings that make it again."""
    wnids = reading.blocks(workshop)[context.partition_key]
    drawer = adapting.drawers(finetuned, workshop)
    return drawing.generate(conditions, sources, wnids, drawer, workshop.make)


@corpus_asset(group="imagenet", kinds={"polars", "pytorch"}, pictures=[partial(fates, maker="strategy")])
def curated(
    sources: pl.LazyFrame, images: dict[str, pl.LazyFrame], workshop: dg.ResourceParam[Workshop]
) -> pl.LazyFrame:
    """Every image, measured and held against its class: kept, or rejected as unfit, not of its class, or a copy."""
    blocks = reading.blocks(workshop)
    if lacking := [name for name in blocks if images.get(name) is None]:
        raise ModelError(f"not made yet: {', '.join(lacking)}; materialize these partitions of imagenet/images first")
    settings = workshop.settings.imagenet
    names = classes.asked_for(settings)["name"]
    return curating.curate(sources, drawing.all_of(images, blocks), names, workshop.make, settings)


@corpus_asset(group="imagenet", kinds={"polars"}, pictures=[partial(contact_sheet, label="set", key="sample")])
def shifted(workshop: dg.ResourceParam[Workshop]) -> pl.LazyFrame:
    """The test sets: images of the same classes in other looks, and with more and more of a nuisance."""
    return shifts.shifts(workshop)


@corpus_asset(group="imagenet", kinds={"pytorch"})
def shift_scores(
    sources: pl.LazyFrame,
    shifted: pl.LazyFrame,
    images: dict[str, pl.LazyFrame],
    curated: pl.LazyFrame,
    workshop: dg.ResourceParam[Workshop],
) -> pl.LazyFrame:
    """How recognizable and varied the images are, and what training on them is worth where the world shifts."""
    every = drawing.all_of(images, reading.blocks(workshop))
    return scores.of(sources, shifted, every, curated, workshop.make, workshop.settings.imagenet)
