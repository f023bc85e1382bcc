"""Portraits whose emotion is built from facial action units (FACS), drawn with Pillow from a table of traits."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl

from corpusmith.drawings import backgrounds, captions
from corpusmith.drawings.canvas import SCALE, SIZE, finished
from corpusmith.drawings.expressions import express
from corpusmith.drawings.face import Colour, Face, Point, disc, shaded
from corpusmith.emotions import EMOTIONS

if TYPE_CHECKING:
    from PIL import Image, ImageDraw

CLOTHES: Final[Sequence[Colour]] = (
    (44, 72, 120),
    (140, 40, 48),
    (52, 104, 72),
    (90, 90, 96),
    (196, 150, 60),
    (96, 62, 120),
)


def traits(rows: int, seed: int) -> pl.DataFrame:
    """Who is drawn and how: emotion (Ekman's word), degree 0–3, shown, word, captions.ATTRIBUTES and a seed, each even.

    The same ``rows`` and ``seed`` give the same table.
    """
    draws = np.random.default_rng(seed)
    emotion = np.asarray(EMOTIONS)[draws.integers(len(EMOTIONS), size=rows)]
    columns: dict[str, Any] = {
        "emotion": emotion,
        "degree": np.where(emotion == "neutral", 0, draws.integers(1, 4, size=rows)).astype(np.int8),
        "shown": draws.integers(2, size=rows).astype(np.int8),
        "word": draws.integers(2, size=rows).astype(np.int8),
    }
    for attribute in captions.ATTRIBUTES:
        columns[attribute] = np.asarray(captions.values(attribute))[
            draws.integers(len(captions.values(attribute)), size=rows)
        ]
    return pl.DataFrame({**columns, "seed": draws.integers(2**62, size=rows, dtype=np.uint64)})


def mentioned(table: pl.DataFrame, share: float, seed: int) -> pl.DataFrame:
    """The table with each attribute, and how the emotion shows, left out of a ``share`` of its rows: for captions."""
    draws = np.random.default_rng(seed)
    kept = {name: draws.random(table.height) >= share for name in (*captions.ATTRIBUTES, "shown")}
    return table.with_columns(pl.when(pl.Series(keep)).then(pl.col(name)).alias(name) for name, keep in kept.items())


def draw(row: Mapping[str, Any]) -> Image.Image:
    """One row of ``traits`` as a drawing of 64 by 64 pixels, RGB."""
    chance = random.Random(row["seed"])
    canvas, pen = backgrounds.canvas(row["setting"], chance)
    _person(pen, row, Face(row, chance), chance)
    return backgrounds.lit(finished(canvas), row["light"])


def _person(pen: ImageDraw.ImageDraw, row: Mapping[str, Any], face: Face, chance: random.Random) -> None:
    _behind(pen, row, face)
    _body(pen, row, face, chance)
    _head(pen, row, face)
    _front_hair(pen, row, face, chance)
    express(pen, row, face, chance)
    if row["glasses"] == "glasses":
        _glasses(pen, face)


def _behind(pen: ImageDraw.ImageDraw, row: Mapping[str, Any], face: Face) -> None:
    if row["hair"] == "long":
        box = (
            face.x - face.width * 1.22,
            face.y - face.height * 1.12,
            face.x + face.width * 1.22,
            face.y + face.height * 1.5,
        )
        pen.rounded_rectangle(box, radius=face.width * 0.9, fill=face.hair)
    elif row["hair"] == "curly":
        for angle in range(-210, 31, 24):
            x, y = _around(face, angle, 1.04)
            disc(pen, x, y, face.width * 0.30, face.hair)
    elif row["hair"] == "tied":
        disc(pen, face.x - face.turn * face.width, face.y - face.height * 1.16, face.width * 0.36, face.hair)


def _body(pen: ImageDraw.ImageDraw, row: Mapping[str, Any], face: Face, chance: random.Random) -> None:
    bottom = SIZE * SCALE
    neck = face.width * (0.46 if row["who"] == "man" else 0.36)
    shoulders = face.width * (1.75 if row["who"] == "man" else 1.5)
    top = face.y + face.height * 1.12
    pen.rectangle((face.x - neck, face.y + face.height * 0.6, face.x + neck, bottom), fill=shaded(face.skin, 0.84))
    pen.polygon(
        [
            (face.x - shoulders, bottom),
            (face.x - shoulders * 0.92, top + 22),
            (face.x - neck * 1.05, top),
            (face.x, top + neck * 0.7),
            (face.x + neck * 1.05, top),
            (face.x + shoulders * 0.92, top + 22),
            (face.x + shoulders, bottom),
        ],
        fill=chance.choice(CLOTHES),
    )


def _head(pen: ImageDraw.ImageDraw, row: Mapping[str, Any], face: Face) -> None:
    for side in (-1, 1):
        disc(
            pen,
            face.x + side * face.width * 0.99,
            face.y + face.height * 0.05,
            face.width * 0.16,
            shaded(face.skin, 0.9),
        )
    drop = 1 + 0.06 * face.unit(26) + 0.12 * face.unit(27)
    jaw = face.y + face.height * drop
    pen.ellipse((face.x - face.width, face.y - face.height, face.x + face.width, jaw), fill=face.skin)
    if row["who"] == "man":
        pen.rounded_rectangle(
            (face.x - face.width * 0.74, face.y + face.height * 0.1, face.x + face.width * 0.74, jaw - 2),
            radius=face.width * 0.4,
            fill=face.skin,
        )


def _front_hair(pen: ImageDraw.ImageDraw, row: Mapping[str, Any], face: Face, chance: random.Random) -> None:
    if row["hair"] == "bald":
        disc(pen, face.x + face.width * 0.3, face.y - face.height * 0.72, face.width * 0.12, shaded(face.skin, 1.12))
        return
    top = face.y - face.height * 1.08
    line = chance.uniform(-0.60, -0.54)
    box = (face.x - face.width * 1.06, top, face.x + face.width * 1.06, face.y + face.height * 0.9)
    angle = math.degrees(math.asin(min(0.95, -(line + 0.09) / 0.99)))
    pen.chord(box, 180 + angle, 360 - angle, fill=face.hair)
    if row["hair"] == "long":
        for side in (-1, 1):
            x = face.x + side * face.width * 1.0
            pen.polygon(
                [
                    (x - 14, face.y - face.height * 0.6),
                    (x + 14, face.y - face.height * 0.6),
                    (x + 12, face.y + face.height),
                    (x - 12, face.y + face.height),
                ],
                fill=face.hair,
            )
    elif row["hair"] == "curly":
        for place in (-0.7, -0.35, 0.0, 0.35, 0.7):
            disc(pen, face.x + face.width * place, face.y - face.height * 0.80, face.width * 0.24, face.hair)


def _glasses(pen: ImageDraw.ImageDraw, face: Face) -> None:
    for side in (-1, 1):
        x, y = face.at(side * 0.42, -0.07)
        w, h = face.width * 0.33, face.height * 0.21
        pen.rounded_rectangle((x - w, y - h, x + w, y + h), radius=h * 0.6, outline=(20, 20, 24), width=5)
    pen.line([face.at(-0.1, -0.09), face.at(0.1, -0.09)], fill=(20, 20, 24), width=5)


def _around(face: Face, angle: float, far: float) -> Point:
    radians = math.radians(angle)
    return face.x + face.width * far * math.cos(radians), face.y + face.height * far * math.sin(radians) * 0.95
