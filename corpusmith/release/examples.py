"""Rows that the report shows: texts, a contact sheet of images, and what was rejected; nobody chose them."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl

from corpusmith.curate import masks
from corpusmith.curate.images import opened
from corpusmith.release.columns import images_of
from corpusmith.release.inputs import CardText
from corpusmith.release.order import place

if TYPE_CHECKING:
    from PIL.Image import Image

EXAMPLES: Final = 3
IMAGES: Final = 12  # of a reason
LONGEST: Final = 400  # characters of a text
SIDE: Final = 80  # pixels of a thumbnail
LINES: Final = 3  # of the contact sheet, for each label
LABELS: Final = 40  # of the contact sheet, at most: of more, as many that lie evenly among them
GIVEN: Final = "given"
"""The origin, on the contact sheet, of what all origins were given."""
CHAINS: Final = 6  # of each length
CHAIN_SIDE: Final = 128  # pixels of an image in a chain
COLOURS: Final = (
    "#d1495b", "#2e86ab", "#3b8b4f", "#e08e1b", "#7d53a6", "#1b998b", "#b0578d", "#6b7a1e",
)  # fmt: skip
"""Of the labels, by their place; after the last the first comes again."""


def texts(rows: pl.LazyFrame, text: CardText) -> pl.DataFrame:
    """The first few texts of each label and origin by key: columns label, origin, text, source_text."""
    columns = rows.collect_schema()
    if "text" not in columns:
        return pl.DataFrame(schema=dict.fromkeys(("label", "origin", "text", "source_text"), pl.String))
    source = "source_text" if "source_text" in columns else pl.lit(None, pl.String).alias("source_text")
    short = rows.filter(pl.col("text").str.len_chars() <= LONGEST)
    drawn = short.filter(pl.col("key").rank("ordinal").over(text.label, "origin") <= EXAMPLES)
    found = drawn.select("key", "origin", "text", source, label=text.label).collect()
    return found.sort(place("label", text.labels), place("origin", text.origins), "key").drop("key")


def sheet(rows: pl.LazyFrame, rejected: pl.LazyFrame, text: CardText) -> pl.DataFrame:
    """What each origin made of the same few groups: label, group, says, origin, image (a thumbnail), reason.

    Of each label there is one group of each degree, or else the first LINES of them, by their names. ``says`` is what
    was asked for; an image that was rejected has its first reason.
    """
    columns = rows.collect_schema()
    if text.group is None or not images_of(rows):
        return pl.DataFrame(schema=_SHEET)
    few = text.labels[:: max(1, -(-len(text.labels) // LABELS))]
    rows, rejected = (table.filter(pl.col(text.label).is_in(few)) for table in (rows, rejected))
    by, most = ([text.label, "degree"], 1) if "degree" in columns else ([text.label], LINES)
    asked = pl.concat([table.select(*by, group=text.group) for table in (rows, rejected)]).unique()
    lines = asked.filter(pl.col("group").rank("dense").over(by) <= most).select("group").collect().to_series()
    says = "prompt" if "prompt" in columns and text.beside is None else text.group
    shown = {"label": text.label, "group": text.group, "says": says, "degree": by[-1]}
    parts = [
        _with_thumbnails(table, table.filter(pl.col(text.group).is_in(lines.implode())), **shown, reason=reason)
        for table, reason in ((rows, pl.lit(None, pl.String)), (rejected, pl.col("reasons").list.first()))
    ]
    if text.beside in columns:
        of_line = rows.filter(pl.col(text.group).is_in(lines.implode())).unique(text.group).drop_nulls(text.beside)
        given = of_line.with_columns(origin=pl.lit(GIVEN)).drop(images_of(rows)[0])
        parts.append(_with_thumbnails(given.select(text.beside), given, **shown, reason=pl.lit(None, pl.String)))
    origins = (GIVEN, *text.origins)
    found = pl.concat(parts).sort(place("label", text.labels), "degree", "group", place("origin", origins), "key")
    return found.select(list(_SHEET))


def refused(rejected: pl.LazyFrame, reasons: Sequence[str]) -> pl.DataFrame:
    """The first few rows of each reason by key: columns reason, text, image (a thumbnail)."""
    columns, first = rejected.collect_schema(), pl.col("reasons").list.first()
    if "text" in columns:
        short = rejected.filter(pl.col("text").str.len_chars().is_between(1, LONGEST))
        said = short.select("key", "text", reason=first, image=pl.lit(None, pl.Binary))
        found = said.filter(_among_first(EXAMPLES, "reason")).collect()
    elif images_of(rejected):
        keys = rejected.select("key", reason=first).filter(_among_first(IMAGES, "reason")).select("key").collect()
        drawn = rejected.filter(pl.col("key").is_in(keys.to_series().implode()))
        found = _with_thumbnails(rejected, drawn, reason=first).with_columns(text=pl.lit(None, pl.String))
    else:
        return pl.DataFrame(schema=_REFUSED)
    return found.sort(place("reason", reasons), "key").select(list(_REFUSED))


def strips(rows: pl.LazyFrame, text: CardText) -> list[dict[str, Any]]:
    """Chains of images, the first CHAINS of each length by key: says, and images, each with what it says and its label.

    After the first, an image has the outline of its mask in the colour of its label (COLOURS, by its place in the
    corpus's labels).
    """
    if text.strips is None:
        return []
    first, following = text.strips
    length = pl.col(following).list.len()
    lengths = rows.select("key", length=length)
    keys = lengths.filter(pl.col("key").rank("ordinal").over("length") <= CHAINS).select("key").collect().to_series()
    drawn = rows.filter(pl.col("key").is_in(keys.implode())).select("key", first, following, "origin").collect()
    return [_strip(row, first, following, text) for row in drawn.sort(pl.col(following).list.len(), "key").to_dicts()]


def _strip(row: dict[str, Any], first: str, following: str, text: CardText) -> dict[str, Any]:
    images = [{"image": thumbnail(row[first]["bytes"], CHAIN_SIDE), "says": row["origin"], "label": None}]
    for step in row[following]:
        label = step[text.label]
        colour = COLOURS[text.labels.index(label) % len(COLOURS)] if label in text.labels else COLOURS[0]
        says = ", ".join(str(step[name]) for name in ("operation", "prompt") if step.get(name))
        images.append(
            {"image": outlined(step["image"]["bytes"], step["mask"]["bytes"], colour), "says": says, "label": label}
        )
    return {"says": row["key"], "images": images}


def outlined(data: bytes, mask: bytes, colour: str) -> bytes | None:
    """A WebP of CHAIN_SIDE pixels a side, at most, with the outline of a mask; None of what cannot be opened."""
    from PIL import Image, ImageColor

    pixels = opened(data, CHAIN_SIDE).pixels
    if pixels is None:
        return None
    scale = CHAIN_SIDE / max(pixels.size)
    size = (max(1, round(pixels.width * scale)), max(1, round(pixels.height * scale)))
    shown = np.array(pixels.resize(size, Image.Resampling.BICUBIC))
    inside = np.asarray(Image.fromarray(masks.opened(mask)).resize(size, Image.Resampling.NEAREST)) > 0
    shown[masks.widened(inside, 1) & ~inside] = ImageColor.getrgb(colour)
    return _webp(Image.fromarray(shown))


_SHEET = {**dict.fromkeys(("label", "group", "says", "origin"), pl.String), "image": pl.Binary, "reason": pl.String}
_REFUSED = {"reason": pl.String, "text": pl.String, "image": pl.Binary}


def _among_first(most: int, by: str) -> pl.Expr:
    return pl.col("key").rank("ordinal").over(by) <= most


def _with_thumbnails(table: pl.LazyFrame, drawn: pl.LazyFrame, **columns: str | pl.Expr) -> pl.DataFrame:
    """Some rows of a table: key, origin, ``columns``, and a small copy of their image, where there is one."""
    images = [pl.col(name).struct.field("bytes") for name in images_of(table)[:1]]
    found = drawn.select("key", "origin", **columns, image=[*images, pl.lit(None, pl.Binary)][0]).collect()
    small = pl.Series("image", [thumbnail(data) for data in found["image"]], dtype=pl.Binary)
    return found.with_columns(small)


def thumbnail(data: bytes | None, side: int = SIDE) -> bytes | None:
    """A WebP of at most ``side`` pixels a side; None of what cannot be opened."""
    pixels = opened(data, side).pixels
    return None if pixels is None else _webp(pixels)


def _webp(pixels: Image) -> bytes:
    sink = io.BytesIO()
    pixels.save(sink, "WEBP", quality=80)
    return sink.getvalue()
