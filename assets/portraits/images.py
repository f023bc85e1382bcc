"""What the generators make of the prompts."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from corpusmith.assets.portraits import makers
from corpusmith.assets.portraits.settings import Portraits
from corpusmith.work.plan import canonical
from corpusmith.work.produce import Make, Maker, with_failed


def generate(prompts: pl.LazyFrame, name: str, make: Make) -> pl.LazyFrame:
    """Every prompt with the image that a generator made of it; one that failed has a key and no image."""
    maker = makers.generator(name)
    provenance = maker.provenance
    scheduler = (provenance["scheduler"] or {}).get("name")  # null: the one that the model came with
    return with_failed(make(prompts, maker), prompts, maker).with_columns(
        generator=pl.lit(name),
        model=pl.lit(provenance["model"]),
        revision=pl.lit(provenance["revision"]),
        steps=pl.lit(provenance["steps"], pl.Int32),
        guidance=pl.lit(provenance["guidance"], pl.Float32),
        scheduler=pl.lit(scheduler, pl.String),
        plan=canonical(maker.inputs),
        fingerprint=pl.lit(maker.fingerprint),
    )


def all_of(images: Mapping[str, pl.LazyFrame], settings: Portraits) -> pl.LazyFrame:
    """The images of all generators that the settings name, in their order."""
    return pl.concat([images[name] for name in settings.generators])


def kept(images: pl.LazyFrame, curated: pl.LazyFrame) -> pl.LazyFrame:
    """The images that were kept, in their order."""
    keys = curated.filter(pl.col("verdict") == "kept").select("key").collect().to_series()
    return images.filter(pl.col("key").is_in(keys.implode()))


def seen(images: pl.LazyFrame, maker: Maker, make: Make) -> pl.LazyFrame:
    """What a maker that looks at images says of each, by the image's ``key``; failed images are absent."""
    plan = images.filter(pl.col("image_sha256").is_not_null()).select("image_sha256", "image", sample="key")
    return make(plan, maker).select(pl.col("sample").alias("key"), *maker.schema.names)
