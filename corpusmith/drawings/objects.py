"""Some twenty classes of ImageNet, drawn so that they can be recognised, with captions to train and to measure on."""

from __future__ import annotations

import random
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl
import yaml

from corpusmith.drawings import captions, objects_household, objects_nature, objects_outdoors
from corpusmith.drawings.objects_backgrounds import SIDE, background
from corpusmith.drawings.objects_nuisance import clutter, developed, occluder
from corpusmith.drawings.objects_pen import Colour, Pen, Shape, near, view

if TYPE_CHECKING:
    from PIL import Image

SHAPES: Final[Mapping[str, Shape]] = {
    **objects_nature.SHAPES,
    **objects_household.SHAPES,
    **objects_outdoors.SHAPES,
}
UNSAID: Final = 0.15
"""How often a caption leaves out the background, or a colour that could be told."""
CLUTTERED: Final = 0.5
OCCLUDED: Final = 0.25


@cache
def words() -> dict[str, Any]:
    """objects.yaml: classes, colours, sizes, backgrounds (settings of portraits.yaml too) and how they are said."""
    loaded: dict[str, Any] = yaml.safe_load((Path(__file__).parent / "objects.yaml").read_text())
    loaded["backgrounds"] = captions.words()["setting"] | loaded["backgrounds"]
    return loaded


def classes() -> tuple[str, ...]:
    """The names of the classes, in the order of objects.yaml."""
    return tuple(words()["classes"])


@cache
def kinds() -> dict[str, Any]:
    """What objects.yaml says of each class and, after them, of each other thing that scenes show."""
    return {**words()["classes"], **words()["others"]}


def traits(rows: int, seed: int) -> pl.DataFrame:
    """What to draw, balanced over the classes, in random order.

    Columns: name, background|null, colour|null, size|null (all strings), seed (u64), prompt. What is null is not said
    and left to the drawing.
    """
    rng = np.random.default_rng(seed)
    name = rng.permutation(np.resize(rng.permutation(np.array(classes())), rows))
    table = pl.DataFrame(
        {
            "name": name,
            "background": maybe(rng.choice(list(words()["backgrounds"]), rows), rng.random(rows) < UNSAID),
            "colour": colours(name, rng),
            "size": maybe(rng.choice(list(words()["sizes"]), rows), rng.random(rows) < 0.5),
            "seed": rng.integers(0, 2**63, rows, dtype=np.uint64),
        }
    )
    return table.with_columns(caption(table))


def caption(table: pl.DataFrame) -> pl.Series:
    """The sentence for each row of name, background, colour and size, named prompt: "A large red balloon in a park"."""
    thing = pl.concat_str("size", "colour", "name", separator=" ", ignore_nulls=True)
    where = pl.col("background").replace_strict(words()["backgrounds"], default=None, return_dtype=pl.String)
    sentence = pl.concat_str(article(thing, "A"), thing, where, separator=" ", ignore_nulls=True)
    return table.select(sentence.alias("prompt")).to_series()


def draw(row: Mapping[str, Any]) -> Image.Image:
    """The drawing of a row of ``traits``: (SIZE, SIZE), RGB; the same for the same row."""
    rng = random.Random(row["seed"])
    canvas = background(row["background"] or rng.choice(list(words()["backgrounds"])), rng)
    if rng.random() < CLUTTERED:
        clutter(canvas, rng)
    low, high = words()["sizes"].get(row["size"], words()["unsaid_size"])
    radius = rng.uniform(low, high) * SIDE / 2
    slack = max(0.05 * SIDE, SIDE / 2 - radius) * 0.8
    x, y = (SIDE / 2 + rng.uniform(-slack, slack) for _ in range(2))
    place(row["name"], row["colour"], canvas, rng, x, y, radius)
    if rng.random() < OCCLUDED:
        occluder(canvas, rng, x, y, radius)
    return developed(canvas, rng)


def place(
    name: str,
    colour: str | None,
    canvas: Image.Image,
    rng: random.Random,
    x: float,
    y: float,
    radius: float,
    labels: Image.Image | None = None,
    label: int = 0,
) -> None:
    """Draw an object around (x, y), in pixels of the canvas, and its label on ``labels``, as a Pen does."""
    kind = kinds()[name]
    pen = Pen(canvas, view(rng, x, y, radius, kind["turn"]), labels, label)
    SHAPES[name](pen, near(_paint(colour or rng.choice(kind["colours"])), rng), rng)


def article(thing: pl.Expr, a: str = "a") -> pl.Expr:
    """The indefinite article of an expression of strings; ``a`` is its usual form."""
    return pl.when(thing.str.contains("^(?:[aeiou]|hour)")).then(pl.lit(a + "n")).otherwise(pl.lit(a))


def colours(names: np.ndarray[Any, Any], rng: np.random.Generator) -> pl.Series:
    """For each name a colour it may be painted in; null now and then, and always where there is but one."""
    ways = sorted(kinds())
    which = np.searchsorted(ways, names)
    many = np.array([len(kinds()[way]["colours"]) for way in ways])
    grid = np.array([np.resize(kinds()[way]["colours"], many.max()) for way in ways])
    drawn = (rng.random(len(names)) * many[which]).astype(np.int64)
    return maybe(grid[which, drawn], (many[which] == 1) | (rng.random(len(names)) < UNSAID))


def maybe(values: np.ndarray[Any, Any], unsaid: np.ndarray[Any, Any]) -> pl.Series:
    """The values as strings, null where ``unsaid``."""
    return pl.select(pl.when(~pl.Series(unsaid)).then(pl.Series(values, dtype=pl.String))).to_series()


@cache
def _paint(colour: str) -> Colour:
    red, green, blue = words()["colours"][colour]
    return red, green, blue
