"""The geometry and colours of one face: where its parts lie, and how strongly each action unit moves them."""

from __future__ import annotations

import random
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from corpusmith.drawings import captions
from corpusmith.drawings.canvas import SCALE, SIZE

if TYPE_CHECKING:
    from PIL import ImageDraw

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
DARK: Final = (34, 20, 20)


def action_units(emotion: str, shown: int) -> tuple[int, ...]:
    """The FACS action units by which an emotion is shown, in its first or second way."""
    return tuple(captions.words()["shown"][emotion][shown]["units"])


class Face:
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
        self.skin = shaded(SKIN[row["skin"]], chance.uniform(0.95, 1.05))
        self.hair = shaded(HAIR[row["hair_colour"]], chance.uniform(0.9, 1.1))
        strength = STRENGTH[row["degree"]] if row["emotion"] != "neutral" else 0.6
        self.units = {unit: strength for unit in action_units(row["emotion"], row["shown"])}
        self.eye = 1.16 if child else 1.0

    def at(self, x: float, y: float) -> Point:
        """A place on the face: (-1, -1) is its upper left corner, (1, 1) its lower right; a turned head moves it."""
        return (self.x + self.width * (x * (1 - abs(self.turn) * 0.5) + self.turn * 1.6), self.y + self.height * y)

    def unit(self, *numbers: int) -> float:
        """How strongly any of these action units is drawn, 0 to 1."""
        return max((self.units.get(number, 0.0) for number in numbers), default=0.0)


def disc(pen: ImageDraw.ImageDraw, x: float, y: float, radius: float, colour: Colour) -> None:
    """A filled circle around (x, y)."""
    pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)


@cache
def _scaled(colour: Colour, factor: int) -> Colour:
    r, g, b = (max(0, min(255, part * factor // 100)) for part in colour)
    return r, g, b


def shaded(colour: Colour, factor: float) -> Colour:
    """The colour darker (a factor below 1) or lighter."""
    return _scaled(colour, round(factor * 100))


def mixed(one: Colour, other: Colour, share: float) -> Colour:
    """Two colours mixed: a ``share`` of the other."""
    r, g, b = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return r, g, b
