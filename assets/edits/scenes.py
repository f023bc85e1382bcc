"""The images that are edited: photographs of a source, scenes that are drawn, and scenes that a model generates."""

from __future__ import annotations

import json
from typing import Any, Final

import numpy as np
import polars as pl
import pyarrow as pa

from corpusmith.assets.edits.settings import Scenes
from corpusmith.curate import masks
from corpusmith.drawings import scenes as drawing
from corpusmith.ingest.coco import mask_of
from corpusmith.ingest.photographs import KEPT, kept, read
from corpusmith.models.generator import Generator
from corpusmith.models.images import UnusableError
from corpusmith.work.draws import mix
from corpusmith.work.plan import canonical, fingerprint, seeds
from corpusmith.work.produce import Make, Maker, with_failed

VERSION: Final = 1  # of how scenes are drawn and read: raise it when that changes

THING: Final = pa.struct([("name", pa.string()), ("colour", pa.string()), ("mask", pa.binary())])
SCENE: Final = pa.schema(
    [
        *KEPT,
        pa.field("caption", pa.string()),
        pa.field("things", pa.list_(THING)),
        pa.field("unread", pa.list_(pa.string())),
    ]
)
"""things: what is known to be there, with its mask, a PNG of the image's size; null:
nothing is known. unread: what a source says of things that could not be read, and why."""


class Drawer:
    """Draws a scene and the mask of each thing in it, by the seed that the key gives."""

    name = "scenes"
    inputs = ("number", "seed")
    schema = SCENE
    batch_rows = 256
    fingerprint = fingerprint("scenes", "corpusmith/drawings", str(VERSION), {})
    provenance: Final[dict[str, Any]] = {
        "model": "corpusmith/drawings",
        "revision": str(VERSION),
        "licence": "apache-2.0",
    }

    def make(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        """A drawing of each row."""
        keys = rows["key"].to_pylist()
        return pa.RecordBatch.from_pylist(
            [_drawn(key, int(seed)) for key, seed in zip(keys, seeds(keys), strict=True)], self.schema
        )


class Photographs:
    """Opens the images of a source, bounded and upright, and what its annotations say is where.

    Rows are plans of a file's digest and ``annotations``, JSON as `corpusmith.ingest.coco` has it (a list of name and
    segmentation, the size that they are of), with the ``path``. A file that is no image, or not of the size that its
    annotations say, fails alone (UnusableError).
    """

    name = "photographs"
    inputs = ("file_sha256", "annotations")
    carried = ("path",)
    schema = SCENE
    batch_rows = 16

    def __init__(self, max_edge: int) -> None:
        self.max_edge = max_edge
        self.fingerprint = fingerprint("photographs", "corpusmith/curate", str(VERSION), {"max_edge": max_edge})
        self.provenance = {"model": "corpusmith/curate", "revision": str(VERSION), "max_edge": max_edge}

    def make(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        """One scene of each row; raises UnusableError."""
        return pa.RecordBatch.from_pylist([self._opened(row) for row in rows.to_pylist()], self.schema)

    def _opened(self, row: dict[str, Any]) -> dict[str, Any]:
        path = row["path"]
        found, pixels = read(path, self.max_edge)
        scene = kept(row["key"], pixels)
        said = json.loads(row["annotations"]) if row["annotations"] else None
        if said is None:
            return {**scene, "caption": None, "things": None, "unread": []}
        if (found.width, found.height) != (said["width"], said["height"]):
            raise UnusableError(
                f"{path}: the image has {found.width}×{found.height} pixels, its annotations say "
                f"{said['width']}×{said['height']}"
            )
        things, unread = _things(said, pixels.size)
        return {**scene, "caption": said.get("caption"), "things": things, "unread": unread}


def _things(said: dict[str, Any], size: tuple[int, int]) -> tuple[list[dict[str, Any]], list[str]]:
    """What annotations say is there, at the size (width, height) that the image has here; and what cannot be read."""
    things, unread = [], []
    for thing in said["things"]:
        try:
            mask = mask_of(thing["segmentation"], said["height"], said["width"])
        except ValueError as error:
            unread.append(f"annotation {thing['annotation_id']}: {error}")
            continue
        if not mask.any():
            unread.append(f"annotation {thing['annotation_id']}: it has no pixel in the image")
            continue
        things.append({"name": thing["name"], "colour": None, "mask": masks.png(masks.resized(mask, size))})
    return things, unread


def scenes(photographs: pl.LazyFrame | None, settings: Scenes, generator: Generator, make: Make) -> pl.LazyFrame:
    """Every image to be edited with its kind (real, drawn, generated); one that failed has a key and no image.

    photographs: file_sha256, annotations, path, source, licence of each; None: there is no source.
    """
    if photographs is not None:
        return of_kind("real", photographs, Photographs(settings.max_edge), make)
    return pl.concat(
        [
            of_kind("drawn", numbered(settings.drawn, settings.seed), Drawer(), make),
            of_kind("generated", prompts(settings.generated, settings.seed), generator, make),
        ],
        how="diagonal",
    )


def of_kind(kind: str, plan: pl.LazyFrame, maker: Maker, make: Make) -> pl.LazyFrame:
    """What a maker of scenes makes of a plan, in the columns of a scene."""
    made = with_failed(make(plan, maker), plan, maker)
    columns = made.collect_schema()
    caption = pl.col("prompt") if "prompt" in columns else pl.col("caption")
    nothing = pl.lit(None, pl.List(pl.Struct({"name": pl.String, "colour": pl.String, "mask": pl.Binary})))
    return made.select(
        scene="key",
        kind=pl.lit(kind),
        image="image",
        image_sha256="image_sha256",
        width="width",
        height="height",
        caption=caption,
        things=pl.col("things") if "things" in columns else nothing,
        unread=pl.col("unread") if "unread" in columns else pl.lit([], pl.List(pl.String)),
        source=pl.col("source") if "source" in columns else pl.lit(None, pl.String),
        licence=pl.col("licence") if "licence" in columns else pl.lit(maker.provenance.get("licence"), pl.String),
        scene_plan=canonical(maker.inputs),
        scene_fingerprint=pl.lit(maker.fingerprint),
    )


def numbered(count: int, seed: int) -> pl.LazyFrame:
    """The plan of so many drawings: number, seed."""
    return pl.LazyFrame({"number": range(count), "seed": [seed] * count}, schema={"number": pl.Int64, "seed": pl.Int64})


def prompts(count: int, seed: int) -> pl.LazyFrame:
    """The captions of so many scenes, each by a seed of its own, so that more of them leave the first as they are."""
    drawn = [
        drawing.traits(1, int(number))["prompt"] for number in mix(np.arange(count, dtype=np.uint64) + np.uint64(seed))
    ]
    return pl.LazyFrame({"prompt": pl.concat(drawn) if drawn else []}, schema={"prompt": pl.String}).unique(
        maintain_order=True
    )


def _drawn(key: str, seed: int) -> dict[str, Any]:
    row = drawing.traits(1, seed).row(0, named=True)
    image, found = drawing.draw_with_masks(row)
    things = [
        {"name": thing["name"], "colour": thing["colour"], "mask": masks.png(mask > 0)}
        for thing, mask in zip(row["objects"], found, strict=True)
        if mask.any()
    ]
    return {**kept(key, image), "caption": row["prompt"], "things": things, "unread": []}
