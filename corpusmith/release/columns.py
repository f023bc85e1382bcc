"""Which columns of a table hold images, told by their type."""

from __future__ import annotations

from typing import Final

import polars as pl

IMAGE: Final = pl.Struct({"bytes": pl.Binary(), "path": pl.String()})
"""An encoded image and its file name, as the Image feature of `datasets` stores it."""


def images_of(table: pl.LazyFrame) -> list[str]:
    """The names of the image columns; ``<name>_sha256`` beside each is the digest of its bytes."""
    return [name for name, kind in table.collect_schema().items() if kind == IMAGE]


def without_images(table: pl.LazyFrame) -> pl.LazyFrame:
    """The table without its image columns; the digests stay."""
    return table.drop(images_of(table))
