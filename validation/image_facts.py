"""What the bytes of images really say, as plain columns: expectations never see an image."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Final

import numpy as np
import polars as pl

from corpusmith.curate.hamming import near_among
from corpusmith.curate.image_quality import BLANK, measure
from corpusmith.curate.images import opened

BATCH: Final = 1024  # images that are in memory at once
SIDE: Final = 32
DIFFERENCE: Final = 3.0
"""Root mean square difference of two images' luma, in grey levels of SIDE × SIDE pixels, up to which they are one.

Measured on 60 drawn portraits of 64 pixels: saved as JPEG, a copy differs by 1.0 at most (quality 90; at 60 by 2.8),
the same face with another emotion by 2.9 at least (9.8 in the middle), one drawn with another seed by 7.9 at least.
"""

Thumbnail = np.ndarray[tuple[int, ...], np.dtype[np.float32]]

COPIES: Final = pl.Schema({"key": pl.String, "value": pl.String})
FACTS: Final = pl.Schema(
    {
        "key": pl.String,
        "problem": pl.String,  # why it cannot be decoded (a code of corpusmith.curate.images.PROBLEMS); null: it can
        "real_width": pl.Int32,
        "real_height": pl.Int32,
        "real_mode": pl.String,
        "blank": pl.Boolean,  # of a single grey
        "real_sha256": pl.String,
        "real_phash": pl.UInt64,
    }
)


def image_facts(rows: pl.LazyFrame) -> pl.DataFrame:
    """FACTS of the images of ``rows`` (key, image), which are read batch by batch; in the order of the rows."""
    parts = [FACTS.to_frame(eager=True)]
    for batch in rows.select("key", "image").collect_batches(chunk_size=BATCH, maintain_order=True):
        seen = measure(batch["image"].to_arrow(compat_level=pl.CompatLevel.oldest()))
        digests = [None if data is None else hashlib.sha256(data).hexdigest() for data in _bytes(batch["image"])]
        found = seen.with_columns(batch["key"], real_sha256=pl.Series(digests, dtype=pl.String)).select(
            "key",
            "problem",
            "real_sha256",
            real_width="width",
            real_height="height",
            real_mode="mode",
            blank=pl.col("contrast") * 255 < BLANK,
            real_phash="phash",
        )
        parts.append(found.select(pl.col(name).cast(kind) for name, kind in FACTS.items()))
    return pl.concat(parts)


def copies_across_splits(rows: pl.LazyFrame, facts: pl.DataFrame, distance: int) -> pl.DataFrame:
    """Pairs of nearly the same image in two splits: columns key, value (the other one's key), both ways.

    The hashes (of FACTS, not those that the rows state) differ in ``distance`` bits or less, and the images themselves
    by DIFFERENCE or less: faces on one background hash alike.
    """
    hashed = facts.drop_nulls("real_phash").join(rows.select("key", "split").collect(), on="key", maintain_order="left")
    hashes, splits, keys = hashed["real_phash"].to_numpy(), hashed["split"].to_numpy(), hashed["key"]
    parts = [pl.DataFrame(schema=COPIES)]
    for near in near_among(hashes, distance):
        apart = splits[near.left] != splits[near.right]
        parts.append(pl.DataFrame({"key": keys.gather(near.left[apart]), "value": keys.gather(near.right[apart])}))
    found = list(_alike(rows, pl.concat(parts)))
    both = [*found, *((other, key) for key, other in found)]
    return pl.DataFrame(sorted(both), schema=COPIES, orient="row")


def _alike(rows: pl.LazyFrame, pairs: pl.DataFrame) -> Iterator[tuple[str, str]]:
    """Those of some pairs of keys whose images look the same."""
    small = _thumbnails(rows, pl.concat([pairs["key"], pairs["value"]]).unique())
    for key, other in pairs.iter_rows():
        if np.sqrt(np.mean((small[key] - small[other]) ** 2)) <= DIFFERENCE:
            yield key, other


def _thumbnails(rows: pl.LazyFrame, keys: pl.Series) -> dict[str, Thumbnail]:
    """The luma of the images of ``keys``, in one pass over all: 4 KB of each are held, and the images of a batch."""
    small: dict[str, Thumbnail] = {}
    if keys.is_empty():
        return small
    wanted = rows.filter(pl.col("key").is_in(keys.implode())).select("key", "image")
    for batch in wanted.collect_batches(chunk_size=BATCH):
        small |= {key: _thumbnail(data) for key, data in zip(batch["key"], _bytes(batch["image"]), strict=True)}
    return small


def _thumbnail(data: bytes | None) -> Thumbnail:
    """The luma (SIDE, SIDE) of an image that can be decoded: it was hashed."""
    from PIL import Image

    pixels = opened(data, 2 * SIDE).pixels
    assert pixels is not None
    return np.asarray(pixels.convert("L").resize((SIDE, SIDE), Image.Resampling.BOX), np.float32)


def _bytes(images: pl.Series) -> list[bytes | None]:
    found: list[bytes | None] = images.struct.field("bytes").to_list()
    return found
