"""What a release holds: the fit images with their class, what they were drawn from, and what was seen in them."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from corpusmith.errors import ReleaseError
from corpusmith.validation.schema import IMAGENET, IMAGENET_REJECTED, Column, schema


def released(images: pl.LazyFrame, curated: pl.LazyFrame, sources: pl.LazyFrame, photographs: bool) -> pl.LazyFrame:
    """The rows of a release (IMAGENET), in the order of ``curated``.

    A drawing goes along with what is paired with it; a photograph where ``photographs`` says so.
    """
    passed_on = pl.lit(True) if photographs else pl.col("kind") == "drawn"
    real = sources.select(
        "source",
        "licence",
        source_sha256="image_sha256",
        source_image=pl.when(passed_on).then("image"),
        source_image_sha256=pl.when(passed_on).then("image_sha256"),
    )
    fit = _with_images(curated, images).filter(pl.col("verdict") == "kept")
    return _typed(fit.join(real, on="source", how="left", maintain_order="left"), IMAGENET)


def rejected(images: pl.LazyFrame, curated: pl.LazyFrame, sources: pl.LazyFrame) -> pl.LazyFrame:
    """The rejected rows of a release (IMAGENET_REJECTED) with their images, which a release shows in its report."""
    real = sources.select("source", "licence", source_sha256="image_sha256")
    refused = _with_images(curated, images).filter(pl.col("verdict") == "rejected")
    joined = refused.join(real, on="source", how="left", maintain_order="left")
    return _typed(joined, {**IMAGENET_REJECTED, "image": IMAGENET["image"]})


def made(curated: pl.LazyFrame) -> dict[str, int]:
    """How many images each strategy asked for."""
    return dict(curated.group_by("strategy").len().sort("strategy").collect().rows())


def _typed(table: pl.LazyFrame, columns: Mapping[str, Column]) -> pl.LazyFrame:
    labelled = table.with_columns(label="name")
    there = labelled.collect_schema()
    kinds = schema(dict(columns))
    return labelled.select(
        (pl.col(name) if name in there else pl.lit(None)).cast(kind).alias(name) for name, kind in kinds.items()
    )


def _with_images(table: pl.LazyFrame, images: pl.LazyFrame) -> pl.LazyFrame:
    """The table with the images beside it: both are in the same order, so nothing has to be held to join them.

    Raises ReleaseError where they are not: one of them was materialized anew, and the other not.
    """
    if not images.select("key").collect().equals(table.select("key").collect()):
        raise ReleaseError(
            "imagenet/curated was made from other images than there are now: materialize it and what follows it"
        )
    return pl.concat([table, images.select("image")], how="horizontal")
