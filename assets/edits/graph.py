"""The edits corpus, from images to segmentation baselines: the recipe, top to bottom. The rest follows from it."""

from functools import partial

import dagster as dg
import polars as pl

from corpusmith.assets.asset import corpus_asset
from corpusmith.assets.edits import curated as curating
from corpusmith.assets.edits import makers, scores, sources
from corpusmith.assets.edits import regions as finding
from corpusmith.assets.edits import scenes as gathering
from corpusmith.assets.edits import turns as editing
from corpusmith.assets.pictures import contact_sheet, fates
from corpusmith.assets.resources import Workshop


@corpus_asset(group="edits", kinds={"polars", "pytorch"}, pictures=[partial(contact_sheet, label="kind", key="scene")])
def scenes(workshop: dg.ResourceParam[Workshop]) -> pl.LazyFrame:
    """The images that are edited: photographs of a source, or scenes that are drawn and generated."""
    settings = workshop.settings.edits.scenes
    photographs = sources.photographs(workshop)
    return gathering.scenes(photographs, settings, makers.generator(settings.generator), workshop.make)


@corpus_asset(group="edits", kinds={"polars", "pytorch"})
def regions(scenes: pl.LazyFrame, workshop: dg.ResourceParam[Workshop]) -> pl.LazyFrame:
    """What can be edited in each scene, and where: things with their masks, and free places."""
    settings = workshop.settings.edits
    return finding.regions(scenes, makers.finder(settings), workshop.make, settings.regions)


@corpus_asset(group="edits", kinds={"pytorch", "huggingface"}, pictures=[partial(contact_sheet, label="editor")])
def turns(scenes: pl.LazyFrame, regions: pl.LazyFrame, workshop: dg.ResourceParam[Workshop]) -> pl.LazyFrame:
    """One to three edits of each scene, one after the other, by the editors of the settings in balance."""
    settings = workshop.settings.edits
    planned = editing.plan(scenes, regions, settings.editors, settings.turns)
    if writer := makers.writer(settings):
        planned = editing.worded(planned, scenes, writer, workshop.make)
    return editing.turns(planned, scenes, makers.editor, workshop.make)


@corpus_asset(group="edits", kinds={"polars", "pytorch"}, pictures=[partial(fates, maker="editor")])
def curated(scenes: pl.LazyFrame, turns: pl.LazyFrame, workshop: dg.ResourceParam[Workshop]) -> pl.LazyFrame:
    """Every edit, judged: kept, or rejected as unchanged, not as asked, or made on top of one that is."""
    settings = workshop.settings.edits
    return curating.curate(scenes, turns, makers.edit_judge(settings.curated), workshop.make, settings)


@corpus_asset(group="edits", kinds={"pytorch"})
def segmentation_scores(
    scenes: pl.LazyFrame, turns: pl.LazyFrame, curated: pl.LazyFrame, workshop: dg.ResourceParam[Workshop]
) -> pl.LazyFrame:
    """How many edits are fit, and how well segmenters find out which pixel was edited, and by whom."""
    return scores.of(scenes, turns, curated, workshop.make, workshop.settings.edits)
