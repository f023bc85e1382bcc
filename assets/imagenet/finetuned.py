"""A generator that is adapted to the real train split, made once, like all that is expensive."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import polars as pl

from corpusmith.assets.imagenet import makers
from corpusmith.assets.imagenet.makers import Drawer
from corpusmith.assets.imagenet.settings import ImageNet
from corpusmith.assets.imagenet.ways import FINETUNED, Way, ways
from corpusmith.assets.resources import Workshop
from corpusmith.errors import ModelError, SettingsError
from corpusmith.models import catalog
from corpusmith.models.catalog import Entry
from corpusmith.models.finetune import FINETUNED as TUNED
from corpusmith.models.finetune import Examples, Finetuner, adapted
from corpusmith.models.lora import Recipe


def finetuned(sources: pl.LazyFrame, workshop: Workshop) -> pl.LazyFrame:
    """One row, TUNED with its key, of the adapter that the settings ask for; none where they ask for none."""
    tuner = tuner_of(sources, workshop)
    if tuner is None:
        return pl.LazyFrame(schema=pl.Schema({"key": pl.String, **pl.Schema(TUNED)}))
    return workshop.make(pl.LazyFrame({"examples": [tuner.examples.digest]}), tuner)


def is_wanted(settings: ImageNet) -> bool:
    """Whether some way of drawing asks for the adapted model."""
    return any(way["generator"] == FINETUNED for way in ways(settings))


def tuner_of(sources: pl.LazyFrame, workshop: Workshop) -> Finetuner | None:
    """The maker of the adapter; it learns the train split, each image under the name of its class, as ImageNet-G does.

    Raises SettingsError where there is nothing to learn, or no validation split to measure it on.
    """
    settings = workshop.settings.imagenet
    if not is_wanted(settings):
        return None
    called = pl.col("wnid").replace_strict(settings.names, default=pl.col("name"))
    there = sources.filter(pl.col("image_sha256").is_not_null())
    parts = {
        split: there.filter(pl.col("split") == split).select("image", "image_sha256", caption=called)
        for split in ("train", "validation")
    }
    counted = there.group_by("split").len().collect()
    if lacking := [split for split in parts if split not in counted["split"]]:
        raise SettingsError(
            f"imagenet.finetuned: there is no real image in {' and '.join(lacking)}; set finetuned.base to null, or "
            "name a source with these splits"
        )
    examples = Examples(parts["train"], parts["validation"])
    return Finetuner(base(settings), recipe(settings), examples, workshop.home / ".corpusmith" / "checkpoints")


def recipe(settings: ImageNet) -> Recipe:
    """How it learns."""
    asked = settings.finetuned
    return Recipe(
        rank=asked.rank,
        alpha=asked.rank,
        steps=asked.steps,
        batch_rows=asked.batch_rows,
        rate=asked.rate,
        warm_up=max(1, asked.steps // 20),
        seed=asked.seed,
    )


def base(settings: ImageNet) -> Entry:
    """The model that is adapted."""
    found = catalog.entry(str(settings.finetuned.base))
    if found.role != "text_to_image":
        raise ModelError(f"{found.name} is a model of the role {found.role}; expected one of text_to_image")
    return found


def entry(table: pl.LazyFrame, workshop: Workshop) -> Entry | None:
    """The adapted model, of the table that `finetuned` returns, as Generators open it; None where there is none.

    Raises ModelError: it is asked for, and its training failed.
    """
    settings = workshop.settings.imagenet
    if not is_wanted(settings):
        return None
    adapters = table.select("adapter").collect()["adapter"].to_list()
    if not adapters:
        raise ModelError(f"{settings.finetuned.base} was not fine-tuned: `corpusmith status` counts what failed")
    return adapted(base(settings), adapters[0], workshop.home / ".corpusmith" / "adapters")


def drawers(table: pl.LazyFrame, workshop: Workshop) -> Callable[[Way], Drawer]:
    """Who draws in a way, the adapted model among them."""
    found = entry(table, workshop)
    return lambda way: makers.drawer(way, found)


def known(sources: Callable[[Workshop], pl.LazyFrame], workshop: Workshop) -> Entry | None:
    """The adapted model, if it was made already; nothing is made for it."""

    def stop(rows: int, rate: float | None) -> None:
        raise LookupError

    looking = replace(workshop, on_lacking=stop)
    try:
        return entry(finetuned(sources(looking), looking), looking)
    except LookupError:
        return None
