"""A few images of each strategy before the full run; nothing is released."""

from __future__ import annotations

import polars as pl

from corpusmith.assets.imagenet import classes, conditions, curated, images, makers, ways
from corpusmith.assets.imagenet import sources as reading
from corpusmith.assets.resources import Workshop


def preview(workshop: Workshop, rows: int) -> pl.DataFrame:
    """``rows`` real images of different classes in every way but the adapted generator's, measured and judged.

    What is made is in the ledger, so the full run does not make it again.
    """
    settings = workshop.settings.imagenet
    real = reading.sources(workshop)
    chosen = real.filter(pl.col("source").is_in(_few(real, rows).implode()))
    captioned = conditions.captioned(chosen, settings, workshop.make)
    templates = classes.templates(settings.templates)
    every = conditions.conditions(captioned, reading.sentences(workshop), templates, settings)
    planned = every.filter(pl.col("generator") != ways.FINETUNED)
    wnids = chosen.select("wnid").unique().collect()["wnid"].to_list()
    drawn = images.generate(planned, chosen, wnids, lambda way: makers.drawer(way, None), workshop.make)
    made = drawn.collect().lazy()
    names = classes.asked_for(settings)["name"]
    judged = curated.curate(real, made, names, workshop.make, settings)
    return (
        judged.join(made.select("key", "image"), on="key", how="left", maintain_order="left")
        .select(
            "generator",
            "recognized",
            "verdict",
            "reasons",
            "image",
            origin="strategy",
            label="name",
            text=pl.col("prompt").fill_null("(no text)"),
        )
        .collect()
    )


def _few(real: pl.LazyFrame, rows: int) -> pl.Series:
    """The first real image of each of some classes."""
    first = real.filter(pl.col("image_sha256").is_not_null() | (pl.col("kind") == "none")).select("source", "wnid")
    each = first.unique("wnid", keep="first", maintain_order=True).collect()
    return each.gather_every(max(1, each.height // rows)).head(rows)["source"]
