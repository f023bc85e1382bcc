"""Earlier releases of the portraits, and which new images show what one of theirs shows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from corpusmith.assets.portraits import makers
from corpusmith.assets.portraits.images import Make, seen
from corpusmith.assets.portraits.settings import Portraits
from corpusmith.assets.resources import Workshop
from corpusmith.curate.known_images import known, remember
from corpusmith.release import parquet

COPIES = pl.Schema({"key": pl.String, "duplicate_of": pl.String, "reason": pl.String})


def releases(workshop: Workshop) -> list[Path]:
    """The published versions, but for the one that is being made."""
    found = sorted((workshop.home / "published" / "portraits").glob("*/manifest.json"))
    return [path.parent for path in found if path.parent.name != workshop.settings.portraits.version]


def indexed(workshop: Workshop) -> dict[Path, Path]:
    """The sorted hashes of each earlier release, by its folder: written once, since a published one never changes."""
    indexes = {}
    for release in releases(workshop):
        index = workshop.home / ".corpusmith" / "known" / "portraits" / f"{release.name}.arrow"
        if not index.exists():
            remember(_rows(release).select("key", "phash").collect(), index)
        indexes[release] = index
    return indexes


def copies(embedded: pl.DataFrame, indexes: dict[Path, Path], make: Make, settings: Portraits) -> pl.DataFrame:
    """The new images that show what an image of an earlier release shows: columns of COPIES.

    embedded: key, phash and embedding of the fit images. An image that was released before under its own key is no
    copy. Takes the time of the new images: of the earlier ones only those are read whose hash is near.
    """
    rules = settings.curated
    near = known(embedded, list(indexes.values()), rules.max_hash_distance)
    near = near.join(embedded.select("key"), left_on="known", right_on="key", how="anti")
    if near.is_empty():
        return COPIES.to_frame()
    theirs = _embedded(list(indexes), near, make, settings).rename({"key": "known", "embedding": "theirs"})
    pairs = near.join(theirs, on="known").join(embedded.select("key", "embedding"), on="key")
    left, right = (np.stack(pairs[name].to_numpy()) for name in ("embedding", "theirs"))
    cosine = np.einsum("nd,nd->n", left, right) / (np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1))
    same = pairs.filter(pl.Series(cosine >= rules.min_similarity)).unique("key", keep="first", maintain_order=True)
    return same.select("key", pl.col("known").alias("duplicate_of"), pl.lit("released_before").alias("reason"))


def _embedded(found: Sequence[Path], near: pl.DataFrame, make: Make, settings: Portraits) -> pl.DataFrame:
    keys = near["known"].unique().implode()
    images = pl.concat([_rows(release).select("key", "image_sha256", "image") for release in found])
    wanted = images.filter(pl.col("key").is_in(keys)).unique("key")
    return seen(wanted, makers.embedder(settings.embedder), make).select("key", "embedding").collect()


def _rows(release: Path) -> pl.LazyFrame:
    return parquet.scan(release)
