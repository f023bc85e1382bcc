"""A small corpus of edits in a second: real scenes, regions, plans and pastes, by editors that paint one colour."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from corpusmith.assets.edits import curated, regions, rows, scenes, turns
from corpusmith.assets.edits.settings import Edits
from corpusmith.assets.registry import load
from corpusmith.assets.samples import make
from corpusmith.models.catalog import entry
from corpusmith.models.diffusion import Loaded
from corpusmith.models.editor import Editor
from corpusmith.models.regions import REGIONS
from corpusmith.work.plan import keys

EDITORS = ("house/edit-epsilon", "house/edit-velocity", "house/edit-flow")


class StableDiffusionInpaintPipeline:
    """Paints all that it is shown in one colour, which its seed draws."""

    def __init__(self, paint: Callable[[np.ndarray, Any], np.ndarray]) -> None:
        self.paint = paint

    def __call__(self, prompt, image, mask_image, height, width, num_inference_steps, strength, generator, output_type):
        images = [self.paint(np.asarray(one) / 255, each) for one, each in zip(image, generator, strict=True)]
        return type("Output", (), {"images": images})()


def one_colour(image: np.ndarray, generator: Any) -> np.ndarray:
    import torch

    return np.broadcast_to(torch.rand(3, generator=generator).numpy(), image.shape)


def editor(name: str, paint: Callable[[np.ndarray, Any], np.ndarray] = one_colour) -> Editor:
    made = Editor(entry(name))
    pipeline = StableDiffusionInpaintPipeline(paint)
    made.__dict__["loaded"] = Loaded(made.entry, pipeline, made.revision, "cpu", "float32")
    return made


def made_of(plan: pl.LazyFrame, maker: Any) -> pl.LazyFrame:
    """What `Workshop.make` would return, without a ledger."""
    asked = plan.collect()
    if asked.is_empty():
        nothing = pl.DataFrame(pl.from_arrow(maker.schema.empty_table()))
        return asked.with_columns(key=pl.lit("")).hstack(nothing).lazy()
    keyed = asked.with_columns(keys(asked, maker.fingerprint, maker.inputs))
    return keyed.hstack(make(keyed, maker)).lazy()


@dataclass(frozen=True)
class Corpus:
    """The tables of the graph, and what a release holds of them."""

    settings: Edits
    scenes: pl.LazyFrame
    regions: pl.LazyFrame
    planned: pl.DataFrame
    turns: pl.LazyFrame
    curated: pl.LazyFrame
    rows: pl.LazyFrame
    rejected: pl.LazyFrame


def settings(*overrides: str) -> Edits:
    named = ", ".join(EDITORS)
    laid = [f"edits.editors=[{named}]", "edits.splits={validation: 0.2, test: 0.3}", *overrides]
    return load(profile="house", overrides=laid).edits


def corpus(drawn: int = 24, unfit: Callable[[pl.Expr], pl.Expr] | None = None, *overrides: str) -> Corpus:
    """So many drawn scenes, edited; ``unfit`` says, of the number of a turn, which the judge does not see as asked."""
    wanted = settings(f"edits.scenes.drawn={drawn}", "edits.scenes.generated=0", *overrides)
    bases = made_of(scenes.numbered(drawn, 0), scenes.Drawer()).collect()
    found = scenes.of_kind("drawn", scenes.numbered(drawn, 0), scenes.Drawer(), lambda plan, maker: bases.lazy())
    here = found.collect().lazy()
    areas = regions.regions(here, Finder(), made_of, wanted.regions)
    planned = turns.plan(here, areas, wanted.editors, wanted.turns)
    edited = turns.turns(planned, here, editor, made_of)
    judged = edited.select(*curated.TURN, "image_sha256").with_columns(
        change=pl.lit(50.0),
        outside=pl.lit(0),
        distance=pl.lit(0.3),
        match=pl.when((unfit or (lambda number: number < 0))(pl.int_range(pl.len()))).then(0.0).otherwise(0.9),
        nearer=pl.lit(0.1),
    )
    verdicts = curated.chained(curated.verdicts(judged.collect(), wanted.curated), wanted.curated.failed_turn)
    split = curated.split_of(here, made_of, wanted)
    fit = verdicts.join(split, on="scene", how="left", maintain_order="left").lazy()
    released = rows.released(here, edited, fit, wanted.editors)
    return Corpus(wanted, here, areas, planned, edited, fit, released, rows.rejected(here, edited, fit))


class Finder:
    """Finds nothing: drawings know their things."""

    name, inputs, carried = "nothing", ("image_sha256",), ("image",)
    fingerprint, schema = "nothing:none@1+0", REGIONS
