"""What the house's readers of expressions learn from: fresh portraits, pictures of none or two faces, and faults."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl

from corpusmith.assets.house.degrade import degraded, posed
from corpusmith.assets.house.readers import tensor
from corpusmith.drawings import backgrounds, canvas, captions, face, objects, portraits
from corpusmith.emotions import EMOTIONS

if TYPE_CHECKING:
    import torch

Draw = np.random.Generator
Pixels = np.ndarray[Any, np.dtype[np.uint8]]
Floats = np.ndarray[Any, np.dtype[np.float32]]
Ints = np.ndarray[Any, np.dtype[np.int64]]

CLASSES: Final = tuple(
    f"{emotion}/{degree}" for emotion in EMOTIONS for degree in ((0,) if emotion == "neutral" else (1, 2, 3))
)
LABELS: Final = (*CLASSES, "faces/0", "faces/1", "faces/2", "quality")
UNITS: Final = sorted({unit for emotion in EMOTIONS for way in (0, 1) for unit in face.action_units(emotion, way)})
"""The action units that are drawn."""
TRAITS: Final = len(UNITS) + sum(len(captions.values(name)) for name in captions.ATTRIBUTES)
"""How many numbers say what a face was drawn from; see ``marked``."""
UNKNOWN: Final = -100  # the expression where there is no single face: counts in no loss
SINGLE, DOUBLE = 0.76, 0.12  # of the pictures of a batch; the rest has no face
CLEAN: Final = 0.3  # of the pictures are left without a fault


@dataclass(frozen=True)
class Batch:
    """Pictures (n, 3, 64, 64), 0–1, with the place of their expression in CLASSES, their faces and quality, each (n,),
    and the traits that they were drawn from, (n, traits).
    """

    pictures: torch.Tensor
    expression: torch.Tensor
    faces: torch.Tensor
    quality: torch.Tensor
    traits: torch.Tensor


@dataclass(frozen=True)
class Portraits:
    """Drawings (n, 64, 64, 3), the place of each one's expression in CLASSES (n,), and its traits (n, traits)."""

    pixels: Pixels
    expression: Ints
    traits: Floats

    def __getitem__(self, rows: Any) -> Portraits:
        return Portraits(self.pixels[rows], self.expression[rows], self.traits[rows])


def drawn(rows: int, seed: int) -> Portraits:
    """So many portraits, decided by the seed."""
    table = portraits.traits(rows, seed)
    return Portraits(canvas.render(table, portraits.draw), expressions(table), marked(table))


def marked(table: pl.DataFrame) -> Floats:
    """How strongly each action unit is drawn, and which values the attributes have: (n, traits), 0 to 1."""
    shown = [face.action_units(emotion, way) for emotion, way in table.select("emotion", "shown").iter_rows()]
    strength = np.asarray(face.STRENGTH, np.float32)[table["degree"].to_numpy()]
    units = np.array([[unit in way for unit in UNITS] for way in shown], np.float32) * strength[:, None]
    values = [
        (table[attribute] == value).to_numpy().astype(np.float32)[:, None]
        for attribute in captions.ATTRIBUTES
        for value in captions.values(attribute)
    ]
    return np.concatenate([units, *values], axis=1)


def expressions(table: pl.DataFrame) -> Ints:
    """The place in CLASSES of each row's emotion and degree, (n,)."""
    named = table.select(pl.format("{}/{}", "emotion", "degree")).to_series()
    return named.replace_strict(list(CLASSES), list(range(len(CLASSES))), return_dtype=pl.Int64).to_numpy()


def empty(rows: int, seed: int) -> Pixels:
    """Pictures without a face, (rows, 64, 64, 3): the places that portraits are drawn in, and objects."""
    half = rows // 2
    things = canvas.render(objects.traits(rows - half, seed), objects.draw)
    draws = np.random.default_rng(seed)
    places = pl.DataFrame(
        {name: draws.choice(np.array(captions.values(name)), half) for name in ("setting", "light")}
        | {"seed": draws.integers(2**62, size=half)}
    )
    return np.concatenate([canvas.render(places, _place), things])


def _place(row: Any) -> Any:
    board, _ = backgrounds.canvas(row["setting"], random.Random(row["seed"]))
    return backgrounds.lit(canvas.finished(board), row["light"])


def batch(
    faces: Portraits, others: Pixels, draw: Draw, faults: tuple[str, ...], worst: float = 1.0, moved: float = 1.0
) -> Batch:
    """One picture for each portrait of ``faces``: itself, it beside another, or one of ``others`` in its place.

    CLEAN of them are left alone, the others have ``faults`` of strengths up to ``worst``; all are moved
    and turned by a share ``moved`` of the most.
    """
    import torch

    n = len(faces.pixels)
    kind = draw.random(n)
    double, none = (kind >= SINGLE) & (kind < SINGLE + DOUBLE), kind >= SINGLE + DOUBLE
    pictures = tensor(faces.pixels)
    pictures[double] = side_by_side(pictures[double], tensor(faces.pixels[draw.integers(n, size=double.sum())]), draw)
    pictures[none] = tensor(others[draw.integers(len(others), size=none.sum())])
    strength = np.where(draw.random(n) < CLEAN, 0, worst * draw.random(n)).astype(np.float32)
    return Batch(
        degraded(posed(pictures, draw, moved), strength, draw, faults),
        torch.from_numpy(np.where(double | none, UNKNOWN, faces.expression)),
        torch.from_numpy(np.where(none, 0, np.where(double, 2, 1))),
        torch.from_numpy(1 - strength),
        torch.from_numpy(faces.traits),
    )


def side_by_side(left: torch.Tensor, right: torch.Tensor, draw: Draw) -> torch.Tensor:
    """Two faces in one picture, (n, 3, h, w) each: halves of a split picture, or two smaller ones that overlap."""
    from torch.nn import functional

    made = left.clone()
    side = left.shape[-1]
    for row in range(len(left)):
        if draw.random() < 0.5:
            quarter = side // 4
            made[row, :, :, : side // 2] = left[row, :, :, quarter : side - quarter]
            made[row, :, :, side // 2 :] = right[row, :, :, quarter : side - quarter]
        else:
            small = [int(size) for size in draw.integers(side * 5 // 9, side * 3 // 4, 2)]
            made[row] = functional.interpolate(left[row : row + 1, :, :4, :4], (side, side), mode="bicubic")[0].clamp(
                0, 1
            )
            for picture, size, at in ((left, small[0], 0), (right, small[1], side - small[1])):
                shrunk = functional.interpolate(picture[row : row + 1], (size, size), mode="area")[0]
                down = int(draw.integers(side - size + 1))
                made[row, :, down : down + size, at : at + size] = shrunk
    return made
