"""What a release holds: the fit portraits with their images and annotations, and the others with their reasons."""

from __future__ import annotations

import polars as pl

from corpusmith.assets.portraits.annotations import consensus
from corpusmith.errors import ReleaseError
from corpusmith.validation.schema import PORTRAITS, PORTRAITS_REJECTED, schema


def released(images: pl.LazyFrame, curated: pl.LazyFrame, annotations: pl.LazyFrame) -> pl.LazyFrame:
    """The rows of a release (PORTRAITS), in the order of ``curated``."""
    said = curated.join(consensus(annotations), on="key", how="left", maintain_order="left")
    annotated = said.with_columns(pl.col("human").fill_null(False), pl.col("annotators").fill_null(0))
    return _with_images(annotated, images).filter(pl.col("verdict") == "kept").select(_typed(PORTRAITS, annotated))


def rejected(images: pl.LazyFrame, curated: pl.LazyFrame) -> pl.LazyFrame:
    """The rejected rows of a release (PORTRAITS_REJECTED) with their images, which a release shows in its report."""
    refused = _with_images(curated, images).filter(pl.col("verdict") == "rejected")
    return refused.select(*_typed(PORTRAITS_REJECTED, curated), "image")


def made(curated: pl.LazyFrame) -> dict[str, int]:
    """How many images each generator was asked for."""
    return dict(curated.group_by("generator").len().sort("generator").collect().rows())


def _with_images(table: pl.LazyFrame, images: pl.LazyFrame) -> pl.LazyFrame:
    """The table with the images beside it: both are in the same order, so nothing has to be held to join them.

    Raises ReleaseError where they are not: one of them was materialized anew, and the other not.
    """
    if not images.select("key").collect().equals(table.select("key").collect()):
        raise ReleaseError(
            "portraits/curated was made from other images than there are now: materialize it and what follows it"
        )
    return pl.concat([table, images.select("image")], how="horizontal")


def _typed(columns: dict, table: pl.LazyFrame) -> list[pl.Expr]:  # type: ignore[type-arg]
    """The columns with their types; one that nobody was asked about (safety, say) is null."""
    there = {*table.collect_schema(), "image"}
    kinds = schema(columns)
    return [(pl.col(name) if name in there else pl.lit(None)).cast(kind).alias(name) for name, kind in kinds.items()]
