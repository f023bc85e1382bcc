"""Which images are fit, measured one by one and held against one another."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from corpusmith.assets.portraits import earlier, makers
from corpusmith.assets.portraits.images import Make, kept, seen
from corpusmith.assets.portraits.settings import Curated, Portraits
from corpusmith.assets.portraits.splits import splits
from corpusmith.curate.image_hashes import duplicates
from corpusmith.curate.image_quality import Inspector, Thresholds, verdicts


def curate(
    prompts: pl.LazyFrame, images: pl.LazyFrame, released: dict[Path, Path], make: Make, settings: Portraits
) -> pl.LazyFrame:
    """Every image without its bytes, in the order given: with its measures, faces, safety, split, verdict and reasons.

    released: the hashes of earlier releases (earlier.indexed). An image that was not made has ``not_made`` for its only
    reason.
    """
    facts = images.drop("image").collect()
    looked = [seen(images, Inspector(), make), faces(images, make, settings)]
    if settings.safety:
        looked.append(seen(images, makers.safety(settings.safety), make))
    for table in looked:
        facts = facts.join(table.collect(), on="key", how="left", maintain_order="left")
    made = facts["image_sha256"].is_not_null()
    judged = verdicts(facts, thresholds(settings.curated, safety=settings.safety is not None))
    judged = judged.with_columns(
        verdict=pl.when(made).then("verdict").otherwise(pl.lit("rejected")),
        reasons=pl.when(made).then("reasons").otherwise(pl.lit(["not_made"])),
    )
    split = splits(prompts.collect(), settings.splits)
    return (
        judged.join(copies(images, judged, released, make, settings), on="key", how="left", maintain_order="left")
        .with_columns(
            verdict=pl.when(pl.col("reason").is_null()).then("verdict").otherwise(pl.lit("rejected")),
            reasons=pl.when(pl.col("reason").is_null()).then("reasons").otherwise(pl.concat_list("reason")),
        )
        .drop("reason")
        .join(split, on="prompt_id", how="left", maintain_order="left")
        .lazy()
    )


def copies(
    images: pl.LazyFrame, judged: pl.DataFrame, released: dict[Path, Path], make: Make, settings: Portraits
) -> pl.DataFrame:
    """The fit images that show what another shows: a fit one before them, or one of an earlier release.

    One that the embedder failed at is not surely new: ``not_judged``.
    """
    fit = judged.filter(pl.col("verdict") == "kept").select("key", "image_sha256", "phash")
    if fit.is_empty():
        return earlier.COPIES.to_frame()
    made = seen(kept(images, judged.lazy()), makers.embedder(settings.embedder), make).select("key", "embedding")
    embedded = fit.join(made.collect(), on="key", maintain_order="left")
    unseen = fit.join(embedded, on="key", how="anti").select(
        "key", duplicate_of=pl.lit(None, pl.String), reason=pl.lit("not_judged")
    )
    if embedded.is_empty():
        return unseen
    vectors, rules = np.stack(embedded["embedding"].to_numpy()), settings.curated
    found = duplicates(embedded.drop("embedding"), rules.max_hash_distance, vectors, rules.min_similarity)
    here = found.drop_nulls("reason").select(earlier.COPIES.names())
    before = earlier.copies(embedded, released, make, settings)
    return pl.concat([here, before, unseen]).unique("key", keep="first", maintain_order=True)


def faces(images: pl.LazyFrame, make: Make, settings: Portraits) -> pl.LazyFrame:
    """How many faces an image shows, says the first annotator that can tell: key, faces (0, 1, 2 for several, null)."""
    for name in settings.annotators:
        counted = seen(images, makers.perceiver(name, settings.servers), make).select("key", "faces")
        if counted.select(pl.col("faces").is_not_null().any()).collect().item():
            break
    return counted


def thresholds(settings: Curated, safety: bool) -> Thresholds:
    """The settings as the library takes them."""
    return Thresholds(
        min_sharpness=settings.min_sharpness,
        min_contrast=settings.min_contrast,
        max_dark_share=settings.max_dark_share,
        max_bright_share=settings.max_bright_share,
        one_face=settings.one_face,
        min_safety=settings.min_safety if safety else None,
    )
