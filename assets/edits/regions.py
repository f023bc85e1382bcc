"""What can be edited in each scene, and where: things with their masks, and places that are free."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np
import polars as pl

from corpusmith.assets.edits.settings import Regions
from corpusmith.curate import masks
from corpusmith.score import segmentation
from corpusmith.work.draws import below, mix
from corpusmith.work.produce import Make, Maker

Mask = np.ndarray[Any, np.dtype[np.bool_]]

FREE: Final = 2  # free places of a scene, at most
ROUND: Final = (0.7, 1.0)  # of the room that a free place has, by which it is taken

REGION: Final = pl.Schema(
    {
        "scene": pl.String,
        "number": pl.Int32,
        "name": pl.String,
        "colour": pl.String,
        "found_by": pl.String,
        "mask": pl.Binary,
        "mask_sha256": pl.String,
        "area": pl.Float32,
    }
)
"""A region of a scene. name: what is there; null: a free place. found_by: source (whose mask it is), finder, or free.
mask: PNG of the scene's size, widened by the margin. area: share of the image."""


def regions(scenes: pl.LazyFrame, finder: Maker, make: Make, settings: Regions) -> pl.LazyFrame:
    """The regions of every scene, REGION: those of its source where it has some, else those that are found."""
    there = scenes.filter(pl.col("image_sha256").is_not_null())
    unknown = there.filter(pl.col("things").is_null())
    found = make(unknown.select("image_sha256", "image", "scene"), finder).select("scene", "regions")
    sizes = there.select("scene", "width", "height", "things").join(
        found, on="scene", how="left", maintain_order="left"
    )
    rows = [row for scene in sizes.collect().iter_rows(named=True) for row in _of_scene(scene, settings)]
    return pl.DataFrame(rows, REGION, orient="row").lazy()


def measured(scenes: pl.LazyFrame, finder: Maker, make: Make) -> pl.DataFrame:
    """How well the finder's masks agree with those that sources know: scene, name, iou, boundary_iou, one row a thing.

    For each thing the best region of its name; 0 where there is none. Crowded scenes are as hard as they are.
    """
    known = scenes.filter(pl.col("things").list.len() > 0, pl.col("kind") != "real")
    found = make(known.select("image_sha256", "image", "scene", "things"), finder).select("scene", "things", "regions")
    rows = [
        {"scene": row["scene"], "name": thing["name"], **_agreement(thing, row["regions"])}
        for row in found.collect().iter_rows(named=True)
        for thing in row["things"]
    ]
    return pl.DataFrame(rows, {"scene": pl.String, "name": pl.String, "iou": pl.Float32, "boundary_iou": pl.Float32})


def _agreement(thing: Mapping[str, Any], found: list[dict[str, Any]]) -> dict[str, float]:
    truth = (masks.opened(thing["mask"]) > 0).astype(np.uint8)
    said = [(masks.opened(one["mask"]) > 0).astype(np.uint8) for one in found if one["name"] == thing["name"]]
    if not said:
        return {"iou": 0.0, "boundary_iou": 0.0}
    each = [segmentation.metrics(segmentation.counts([truth], [one], 2)).filter(label=1) for one in said]
    best = [dict(table.select("metric", "value").iter_rows()) for table in each]
    chosen = max(best, key=lambda one: float(one["iou"]))
    return {"iou": chosen["iou"], "boundary_iou": chosen["boundary_iou"]}


def _of_scene(scene: Mapping[str, Any], settings: Regions) -> Iterator[dict[str, Any]]:
    """The regions of one scene, numbered: things that are large and free enough, the larger first, then free places."""
    height, width = scene["height"], scene["width"]
    by = "source" if scene["things"] is not None else "finder"
    things = [
        (thing["name"], thing.get("colour"), masks.opened(thing["mask"]) > 0)
        for thing in (scene["things"] if by == "source" else scene["regions"] or ())
    ]
    margin = round(settings.margin * max(width, height))
    wide = [(name, colour, masks.widened(mask, margin)) for name, colour, mask in things if mask.any()]
    wide.sort(key=lambda one: -int(one[2].sum()))
    number = 0
    taken = np.zeros((height, width), bool)
    for name, colour, mask in wide:
        fits = settings.min_area <= mask.mean() <= settings.max_area and (settings.at_edge or not _at_edge(mask))
        if fits and (mask & taken).sum() <= settings.max_overlap * mask.sum():
            yield _row(scene, number, name, colour, by, mask)
            number += 1
        taken |= mask
    for place in range(FREE):
        mask = _free(taken, scene["scene"], place, settings)
        if mask is None:
            return
        yield _row(scene, number, None, None, "free", mask)
        number += 1
        taken |= mask


def _at_edge(mask: Mask) -> bool:
    return bool(mask[0].any() or mask[-1].any() or mask[:, 0].any() or mask[:, -1].any())


def _free(taken: Mask, scene: str, place: int, settings: Regions) -> Mask | None:
    """A round place in what nothing takes, of a size that the scene draws; None where there is no room."""
    height, width = taken.shape
    least = np.sqrt(settings.min_area * height * width / np.pi) + 1  # a disc of pixels may be smaller than its circle
    found = masks.free_place(taken, float(least))
    if found is None:
        return None
    row, column, room = found
    seed = mix(np.array([int(scene[:15], 16) + place], np.uint64))
    share = ROUND[0] + (ROUND[1] - ROUND[0]) * below(seed, 1000)[0] / 1000
    radius = min(max(room * share, least), np.sqrt(settings.max_area * height * width / np.pi) - 1)
    rows, columns = np.ogrid[:height, :width]
    inside: Mask = (rows - row) ** 2 + (columns - column) ** 2 < min(radius, room) ** 2
    return inside if settings.min_area <= inside.mean() <= settings.max_area else None


def _row(
    scene: Mapping[str, Any], number: int, name: str | None, colour: str | None, by: str, mask: Mask
) -> dict[str, Any]:
    encoded = masks.png(mask)
    return {
        "scene": scene["scene"],
        "number": number,
        "name": name,
        "colour": colour,
        "found_by": by,
        "mask": encoded,
        "mask_sha256": hashlib.sha256(encoded).hexdigest(),
        "area": float(mask.mean()),
    }
