"""Scenes of one to three named objects at named places, with the exact mask of each."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl

from corpusmith.drawings.canvas import SCALE, SIZE, Pixels
from corpusmith.drawings.objects import UNSAID, article, colours, kinds, maybe, place, words
from corpusmith.drawings.objects_backgrounds import SIDE, background
from corpusmith.drawings.objects_nuisance import developed

if TYPE_CHECKING:
    from PIL import Image

MOST: Final = 3
"""Objects in a scene, at most: one at each place."""
RADII: Final = {1: (0.42, 0.58), 2: (0.36, 0.48), 3: (0.32, 0.4)}
"""How large the objects of a scene are by their number; half the drawing's side is 1."""


def traits(rows: int, seed: int) -> pl.DataFrame:
    """What to draw. Columns: objects (list of struct name, colour|null, place; left to right, names distinct),
    background|null, seed (u64), prompt.
    """
    rng = np.random.default_rng(seed)
    count = rng.integers(1, MOST + 1, rows)
    scene = np.repeat(np.arange(rows), count)
    rank = np.arange(len(scene)) - np.repeat(count.cumsum() - count, count)
    name = np.array(list(kinds()))[rng.random((rows, len(kinds()))).argsort(axis=1)[scene, rank]]
    where = rng.random((rows, MOST)).argsort(axis=1)[scene, rank]
    placed = pl.DataFrame(
        {"scene": scene, "at": where, "name": name, "colour": colours(name, rng)},
    ).with_columns(pl.Series(np.array(list(words()["places"]))[where]).alias("place"))
    table = (
        placed.sort("scene", "at")
        .group_by("scene", maintain_order=True)
        .agg(pl.struct("name", "colour", "place").alias("objects"))
        .select("objects")
        .with_columns(
            maybe(rng.choice(list(words()["backgrounds"]), rows), rng.random(rows) < UNSAID).alias("background"),
            pl.Series("seed", rng.integers(0, 2**63, rows, dtype=np.uint64)),
        )
    )
    return table.with_columns(caption(table))


def caption(table: pl.DataFrame) -> pl.Series:
    """The sentence for each row of objects and background, named prompt.

    "A red ball on the left, a candle in the middle and a blue cup on the right, in a park"
    """
    thing = pl.concat_str(
        pl.element().struct.field("colour"), pl.element().struct.field("name"), separator=" ", ignore_nulls=True
    )
    where = pl.element().struct.field("place").replace_strict(words()["places"], default=None, return_dtype=pl.String)
    said = pl.col("objects").list.eval(pl.concat_str(article(thing), thing, where, separator=" ", ignore_nulls=True))
    but_last = said.list.head(said.list.len() - 1).list.join(", ")
    joined = pl.when(said.list.len() > 1).then(pl.concat_str(but_last, pl.lit(" and "), said.list.last()))
    things = pl.coalesce(joined, said.list.first())
    behind = pl.col("background").replace_strict(words()["backgrounds"], default=None, return_dtype=pl.String)
    sentence = pl.concat_str(pl.concat_str(pl.lit("A"), things.str.slice(1)), behind, separator=", ", ignore_nulls=True)
    return table.select(sentence.alias("prompt")).to_series()


def draw(row: Mapping[str, Any]) -> Image.Image:
    """The drawing of a row of ``traits``: (SIZE, SIZE), RGB; the same for the same row."""
    return _drawn(row, None)


def draw_with_masks(row: Mapping[str, Any]) -> tuple[Image.Image, Pixels]:
    """The drawing and, for each object in the row's order, the pixels in which it is seen: (objects, SIZE, SIZE),
    uint8, 255 where the visible part of the object covers at least half of the pixel, else 0; disjoint.
    """
    from PIL import Image

    labels = Image.new("L", (SIDE, SIDE))
    image = _drawn(row, labels)
    blocks = np.asarray(labels).reshape(SIZE, SCALE, SIZE, SCALE)
    shares = np.stack([(blocks == label).sum(axis=(1, 3)) for label in range(1, len(row["objects"]) + 1)])
    most = shares.argmax(axis=0)[None] == np.arange(len(shares))[:, None, None]
    return image, np.where(most & (2 * shares >= SCALE**2), np.uint8(255), np.uint8(0))


def _drawn(row: Mapping[str, Any], labels: Image.Image | None) -> Image.Image:
    rng = random.Random(row["seed"])
    canvas = background(row["background"] or rng.choice(list(words()["backgrounds"])), rng)
    objects = row["objects"]
    across = list(words()["places"])
    low, high = RADII[len(objects)]
    for number in rng.sample(range(len(objects)), len(objects)):
        thing = objects[number]
        radius = rng.uniform(low, high) * SIDE / 2
        x = (across.index(thing["place"]) + 0.9 + rng.uniform(-0.15, 0.15)) / (len(across) + 0.8) * SIDE
        y = rng.uniform(0.42, 0.72) * SIDE
        place(thing["name"], thing["colour"], canvas, rng, x, y, radius, labels, number + 1)
    return developed(canvas, rng)
