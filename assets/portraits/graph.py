"""The portraits corpus, from a grammar of prompts to scores: the recipe, top to bottom. The rest follows from it."""

import dagster as dg
import polars as pl

from corpusmith.assets.asset import corpus_asset
from corpusmith.assets.pictures import confusion_matrix, contact_sheet, fates, leaderboard
from corpusmith.assets.portraits import annotations as annotating
from corpusmith.assets.portraits import curated as curating
from corpusmith.assets.portraits import earlier, scores, sources
from corpusmith.assets.portraits import images as generating
from corpusmith.assets.resources import Workshop
from corpusmith.errors import ModelError
from corpusmith.ingest import people

GENERATORS = dg.DynamicPartitionsDefinition(name="portraits_images")


@corpus_asset(group="portraits", kinds={"polars"})
def prompts(workshop: dg.ResourceParam[Workshop]) -> pl.LazyFrame:
    """The same prompts for every generator: each emotion at each degree, balanced over who, where and how."""
    return sources.prompts(workshop.settings.portraits).lazy()


@corpus_asset(group="portraits", kinds={"pytorch", "huggingface"}, pictures=[contact_sheet], partitions_def=GENERATORS)
def images(
    context: dg.AssetExecutionContext, prompts: pl.LazyFrame, workshop: dg.ResourceParam[Workshop]
) -> pl.LazyFrame:
    """What one generator makes of each prompt, with the seed and settings that make it again."""
    return generating.generate(prompts, context.partition_key, workshop.make)


@corpus_asset(group="portraits", kinds={"polars", "pytorch"}, pictures=[fates])
def curated(
    prompts: pl.LazyFrame, images: dict[str, pl.LazyFrame], workshop: dg.ResourceParam[Workshop]
) -> pl.LazyFrame:
    """Every image, measured: kept, or rejected as blank, dark, flat, unsafe, without one face, or seen before."""
    settings = workshop.settings.portraits
    lacking = [name for name in settings.generators if images.get(name) is None]
    if lacking:
        raise ModelError(f"not made yet: {', '.join(lacking)}; materialize these partitions of portraits/images first")
    every = generating.all_of(images, settings)
    return curating.curate(prompts, every, earlier.indexed(workshop), workshop.make, settings)


@corpus_asset(group="portraits", kinds={"polars", "pytorch"})
def annotations(
    images: dict[str, pl.LazyFrame], curated: pl.LazyFrame, workshop: dg.ResourceParam[Workshop]
) -> pl.LazyFrame:
    """What each annotator, machine or person, sees in each kept portrait: emotion, intensity and quality."""
    settings = workshop.settings.portraits
    said = people.said(workshop.home, "portraits")
    return annotating.annotate(generating.all_of(images, settings), curated, said, workshop.make, settings)


@corpus_asset(group="portraits", kinds={"polars"}, pictures=[leaderboard])
def generator_scores(
    images: dict[str, pl.LazyFrame],
    curated: pl.LazyFrame,
    annotations: pl.LazyFrame,
    workshop: dg.ResourceParam[Workshop],
) -> pl.LazyFrame:
    """How often, how strongly and how well each generator shows the emotion that it was asked for."""
    settings = workshop.settings.portraits
    return scores.of_generators(generating.all_of(images, settings), curated, annotations, workshop.make, settings)


@corpus_asset(group="portraits", kinds={"pytorch"}, pictures=[leaderboard, confusion_matrix])
def perceiver_scores(
    images: dict[str, pl.LazyFrame],
    curated: pl.LazyFrame,
    annotations: pl.LazyFrame,
    workshop: dg.ResourceParam[Workshop],
) -> pl.LazyFrame:
    """How well each perceiver reads the portraits, from coarse to fine: polarity, emotion, intensity."""
    settings = workshop.settings.portraits
    return scores.of_perceivers(generating.all_of(images, settings), curated, annotations, workshop.make, settings)
