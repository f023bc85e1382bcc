"""Portraits whose emotion is built from facial action units (FACS), drawn with Pillow from a table of traits."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl

from corpusmith.drawings import backgrounds, captions
from corpusmith.drawings.canvas import SCALE, SIZE, finished
from corpusmith.emotions import EMOTIONS

if TYPE_CHECKING:
    from PIL import Image, ImageDraw

Colour = tuple[int, int, int]
Point = tuple[float, float]

STRENGTH: Final = (0.0, 0.5, 0.75, 1.0)
"""How far the action units of each degree are drawn: the slight one must still be readable in 64 pixels."""
SKIN: Final[Mapping[str, Colour]] = {
    "light": (246, 214, 190),
    "tan": (222, 176, 132),
    "brown": (172, 120, 82),
    "dark": (122, 80, 58),
}
HAIR: Final[Mapping[str, Colour]] = {
    "black": (28, 24, 26),
    "brown": (92, 58, 32),
    "blond": (222, 186, 104),
    "red": (176, 74, 32),
    "grey": (176, 176, 178),
}
CLOTHES: Final[Sequence[Colour]] = (
    (44, 72, 120),
    (140, 40, 48),
    (52, 104, 72),
    (90, 90, 96),
    (196, 150, 60),
    (96, 62, 120),
)
IRIS: Final[Sequence[Colour]] = ((60, 40, 24), (52, 84, 120), (62, 96, 60))
DARK: Final = (34, 20, 20)


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
    _person(pen, row, _Face(row, chance), chance)
    return backgrounds.lit(finished(canvas), row["light"])


def action_units(emotion: str, shown: int) -> tuple[int, ...]:
    """The FACS action units by which an emotion is shown, in its first or second way."""
    return tuple(captions.words()["shown"][emotion][shown]["units"])


class _Face:
    """Where the parts of a face lie on the canvas: its centre, half axes, the turn of the head and its colours."""

    def __init__(self, row: Mapping[str, Any], chance: random.Random) -> None:
        half = SIZE * SCALE / 2
        close = row["framing"] == "close"
        child = row["age"] == "child"
        self.height = (0.76 if close else 0.66) * half * chance.uniform(0.96, 1.04)
        self.width = (
            self.height * (0.86 if child else 0.80 if row["who"] == "man" else 0.76) * chance.uniform(0.97, 1.03)
        )
        self.x = half + chance.uniform(-8, 8)
        self.y = half * (1.04 if close else 0.92) + chance.uniform(-5, 5)
        self.turn = {"front": 0.0, "left": -0.16, "right": 0.16}[row["pose"]] + chance.uniform(-0.02, 0.02)
        self.skin = _shaded(SKIN[row["skin"]], chance.uniform(0.95, 1.05))
        self.hair = _shaded(HAIR[row["hair_colour"]], chance.uniform(0.9, 1.1))
        strength = STRENGTH[row["degree"]] if row["emotion"] != "neutral" else 0.6
        self.units = {unit: strength for unit in action_units(row["emotion"], row["shown"])}
        self.eye = 1.16 if child else 1.0

    def at(self, x: float, y: float) -> Point:
        """A place on the face: (-1, -1) is its upper left corner, (1, 1) its lower right; a turned head moves it."""
        return (self.x + self.width * (x * (1 - abs(self.turn) * 0.5) + self.turn * 1.6), self.y + self.height * y)

    def unit(self, *numbers: int) -> float:
        """How strongly any of these action units is drawn, 0 to 1."""
        return max((self.units.get(number, 0.0) for number in numbers), default=0.0)


def _person(pen: ImageDraw.ImageDraw, row: Mapping[str, Any], face: _Face, chance: random.Random) -> None:
    _behind(pen, row, face)
    _body(pen, row, face, chance)
    _head(pen, row, face)
    _front_hair(pen, row, face, chance)
    _cheeks(pen, row, face)
    _nose(pen, face)
    _eyes(pen, row, face, chance)
    _brows(pen, row, face)
    _mouth(pen, row, face)
    if row["glasses"] == "glasses":
        _glasses(pen, face)


def _behind(pen: ImageDraw.ImageDraw, row: Mapping[str, Any], face: _Face) -> None:
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
            _disc(pen, x, y, face.width * 0.30, face.hair)
    elif row["hair"] == "tied":
        _disc(pen, face.x - face.turn * face.width, face.y - face.height * 1.16, face.width * 0.36, face.hair)


def _body(pen: ImageDraw.ImageDraw, row: Mapping[str, Any], face: _Face, chance: random.Random) -> None:
    bottom = SIZE * SCALE
    neck = face.width * (0.46 if row["who"] == "man" else 0.36)
    shoulders = face.width * (1.75 if row["who"] == "man" else 1.5)
    top = face.y + face.height * 1.12
    pen.rectangle((face.x - neck, face.y + face.height * 0.6, face.x + neck, bottom), fill=_shaded(face.skin, 0.84))
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


def _head(pen: ImageDraw.ImageDraw, row: Mapping[str, Any], face: _Face) -> None:
    for side in (-1, 1):
        _disc(
            pen,
            face.x + side * face.width * 0.99,
            face.y + face.height * 0.05,
            face.width * 0.16,
            _shaded(face.skin, 0.9),
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


def _front_hair(pen: ImageDraw.ImageDraw, row: Mapping[str, Any], face: _Face, chance: random.Random) -> None:
    if row["hair"] == "bald":
        _disc(pen, face.x + face.width * 0.3, face.y - face.height * 0.72, face.width * 0.12, _shaded(face.skin, 1.12))
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
            _disc(pen, face.x + face.width * place, face.y - face.height * 0.80, face.width * 0.24, face.hair)


def _cheeks(pen: ImageDraw.ImageDraw, row: Mapping[str, Any], face: _Face) -> None:
    line = _shaded(face.skin, 0.72)
    if row["age"] in ("middle-aged", "elderly"):
        for side in (-1, 1):
            pen.line([face.at(side * 0.30, 0.22), face.at(side * 0.46, 0.40)], fill=line, width=3)
    if row["age"] == "elderly":
        for height in (-0.52, -0.44):
            pen.line([face.at(-0.34, height), face.at(0.34, height)], fill=line, width=3)
        for side in (-1, 1):
            pen.line([face.at(side * 0.24, 0.07), face.at(side * 0.52, 0.10)], fill=line, width=3)
    raised = face.unit(6)
    if raised:
        blush = _mixed(face.skin, (226, 92, 84), 0.30 + 0.15 * raised)
        for side in (-1, 1):
            x, y = face.at(side * 0.58, 0.22)
            _disc(pen, x, y, face.width * 0.17, blush)


def _nose(pen: ImageDraw.ImageDraw, face: _Face) -> None:
    shade = _shaded(face.skin, 0.70)
    tip = 0.20 - 0.05 * face.unit(9)
    pen.line(
        [
            face.at(0.0 + face.turn * 0.6, -0.10),
            face.at(face.turn * 1.1, tip),
            face.at(-0.09 + face.turn * 0.6, tip + 0.02),
        ],
        fill=shade,
        width=5,
        joint="curve",
    )
    wrinkle = face.unit(9)
    if wrinkle:
        lines = _shaded(face.skin, 0.50)
        for height in (-0.16, -0.07, 0.02):
            pen.line(
                [face.at(-0.17, height + 0.03), face.at(0.0, height - 0.02), face.at(0.17, height + 0.03)],
                fill=lines,
                width=round(3 + 3 * wrinkle),
            )
        for side in (-1, 1):
            pen.line(
                [face.at(side * 0.16, tip), face.at(side * 0.46, tip + 0.24)], fill=lines, width=round(3 + 3 * wrinkle)
            )


def _eyes(pen: ImageDraw.ImageDraw, row: Mapping[str, Any], face: _Face, chance: random.Random) -> None:
    iris = chance.choice(IRIS)
    wide = 0.225 * face.eye
    opened = (0.12 + 0.07 * face.unit(5)) * face.eye
    if face.unit(7):
        opened = (0.12 - 0.05 * face.unit(7)) * face.eye
    lower = 1 - 0.75 * face.unit(6)
    lid = 0.75 * face.unit(43)
    for side in (-1, 1):
        x, y = face.at(side * 0.42, -0.08)
        w, h = face.width * wide, face.height * opened
        pen.ellipse((x - w, y - h, x + w, y + h), fill=(252, 252, 250))
        _disc(pen, x + face.turn * face.width * 0.3, y + h * (0.25 if lid else 0.0), min(h, w) * 0.62 + 3, iris)
        _disc(pen, x + face.turn * face.width * 0.3, y + h * (0.25 if lid else 0.0), min(h, w) * 0.34 + 1, DARK)
        if lower < 1:
            pen.chord((x - w - 3, y - h - 3, x + w + 3, y + h + 3), 20, 160, fill=face.skin)
            pen.arc(
                (x - w, y - h * 0.6, x + w, y + h * 1.6 * (0.5 + lower)),
                200,
                340,
                fill=_shaded(face.skin, 0.6),
                width=4,
            )
        if lid:
            cover = y - h + 2 * h * lid
            pen.rectangle((x - w - 4, y - h - 5, x + w + 4, cover), fill=_shaded(face.skin, 0.92))
            pen.line([(x - w, cover), (x + w, cover + side * 0 + h * 0.3)], fill=DARK, width=6)
        else:
            pen.arc((x - w, y - h, x + w, y + h), 190, 350, fill=DARK, width=6 if row["who"] == "woman" else 4)


def _brows(pen: ImageDraw.ImageDraw, row: Mapping[str, Any], face: _Face) -> None:
    inner = -0.30 - 0.17 * face.unit(1) + 0.16 * (face.unit(4) if not face.unit(1) else 0.0) + 0.06 * face.unit(9)
    outer = -0.29 - 0.13 * face.unit(2) - 0.05 * (face.unit(4) if not face.unit(1) else 0.0)
    if face.unit(1) and not face.unit(2):
        outer += 0.10 * face.unit(1)
    if face.unit(1) and face.unit(4) and face.unit(2):
        inner, outer = inner - 0.05 * face.unit(1), outer + 0.12 * face.unit(2)
    near = 0.17 - 0.07 * face.unit(4)
    arch = -0.05 - (0.05 if face.unit(1) and face.unit(2) and not face.unit(4) else 0.0)
    colour = _shaded(face.hair, 0.62) if row["hair_colour"] != "grey" else (96, 96, 98)
    if sum(colour) > 1.1 * sum(face.skin) or sum(abs(a - b) for a, b in zip(colour, face.skin, strict=True)) < 110:
        colour = _shaded(face.skin, 0.30)
    width = round(face.height * (0.115 if row["who"] == "man" else 0.095))
    for side in (-1, 1):
        a, b, c = (
            face.at(side * near, inner),
            face.at(side * 0.42, (inner + outer) / 2 + arch),
            face.at(side * 0.68, outer),
        )
        pen.line([a, b, c], fill=colour, width=width, joint="curve")
    if face.unit(4) and face.unit(5) and not face.unit(1):
        for side in (-1, 1):
            pen.line([face.at(side * 0.05, -0.34), face.at(side * 0.05, -0.20)], fill=_shaded(face.skin, 0.55), width=4)


def _mouth(pen: ImageDraw.ImageDraw, row: Mapping[str, Any], face: _Face) -> None:
    corner = -0.17 * face.unit(12) + 0.15 * face.unit(15) + 0.05 * face.unit(20) + 0.02 * face.unit(16)
    half = 0.37 + 0.12 * face.unit(12) + 0.13 * face.unit(20) - 0.06 * face.unit(17) - 0.05 * face.unit(22)
    middle = 0.52 - 0.05 * face.unit(17)
    if face.unit(26, 27) and not face.unit(12, 20):
        half -= 0.12 * face.unit(26, 27)
    above = (
        0.10 * face.unit(10)
        + 0.04 * face.unit(12) * bool(face.unit(25))
        + 0.05 * face.unit(22)
        + 0.05 * face.unit(26, 27)
    )
    below = (
        0.09 * face.unit(25) + 0.10 * face.unit(22) + 0.06 * face.unit(16) + 0.14 * face.unit(26) + 0.30 * face.unit(27)
    )
    lips = _mixed(face.skin, (176, 40, 52), 0.62 if row["who"] == "woman" else 0.34)
    lips = _shaded(lips, 0.78)
    thick = round(face.height * (0.06 if face.unit(23) else 0.085))
    upper = _curve(face, half, middle, corner, -above)
    lower = _curve(face, half, middle, corner, below)
    if above + below > 0.03:
        bared = face.unit(22, 10) or (face.unit(12) and face.unit(25)) or face.unit(20) * bool(face.unit(26))
        pen.polygon(upper + lower[::-1], fill=(250, 248, 242) if bared else (62, 16, 20))
        if face.unit(12) and face.unit(26):
            pen.polygon(
                _curve(face, half * 0.86, middle + below * 0.55, corner * 0.6, 0)
                + _curve(face, half * 0.86, middle, corner * 0.9, below)[::-1],
                fill=(120, 24, 30),
            )
        pen.line(lower, fill=lips, width=thick, joint="curve")
    pen.line(upper, fill=lips if above + below > 0.03 else _shaded(lips, 0.72), width=thick, joint="curve")
    if face.unit(17):
        x, y = face.at(0.0, 0.80)
        pen.arc(
            (x - face.width * 0.2, y - 8, x + face.width * 0.2, y + 14),
            190,
            350,
            fill=_shaded(face.skin, 0.62),
            width=5,
        )
    if face.unit(23) and not face.unit(25):
        pen.line(
            [face.at(-half * 0.7, middle + 0.1), face.at(half * 0.7, middle + 0.1)],
            fill=_shaded(face.skin, 0.66),
            width=4,
        )


def _curve(face: _Face, half: float, middle: float, corner: float, bulge: float) -> list[Point]:
    """A lip from corner to corner: its ends ``corner`` lower than its middle, which bulges down by ``bulge``."""
    places = [place / 5 for place in range(-5, 6)]
    return [face.at(half * t, middle - corner * 0.45 + corner * t * t * 1.45 + bulge * (1 - t * t)) for t in places]


def _glasses(pen: ImageDraw.ImageDraw, face: _Face) -> None:
    for side in (-1, 1):
        x, y = face.at(side * 0.42, -0.07)
        w, h = face.width * 0.33, face.height * 0.21
        pen.rounded_rectangle((x - w, y - h, x + w, y + h), radius=h * 0.6, outline=(20, 20, 24), width=5)
    pen.line([face.at(-0.1, -0.09), face.at(0.1, -0.09)], fill=(20, 20, 24), width=5)


def _around(face: _Face, angle: float, far: float) -> Point:
    radians = math.radians(angle)
    return face.x + face.width * far * math.cos(radians), face.y + face.height * far * math.sin(radians) * 0.95


def _disc(pen: ImageDraw.ImageDraw, x: float, y: float, radius: float, colour: Colour) -> None:
    pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)


@cache
def _scaled(colour: Colour, factor: int) -> Colour:
    r, g, b = (max(0, min(255, part * factor // 100)) for part in colour)
    return r, g, b


def _shaded(colour: Colour, factor: float) -> Colour:
    return _scaled(colour, round(factor * 100))


def _mixed(one: Colour, other: Colour, share: float) -> Colour:
    r, g, b = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return r, g, b
