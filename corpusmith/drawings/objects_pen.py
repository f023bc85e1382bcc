"""A pen that draws shapes given in an object's own coordinates where, how large and how turned the object is seen."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from PIL import Image

Points = np.ndarray[Any, np.dtype[np.float64]]
Colour = tuple[int, int, int]
WHITE: Final[Colour] = (246, 246, 242)
INK: Final[Colour] = (36, 34, 38)

_ROUND: Final = np.stack([f(np.linspace(0, 2 * np.pi, 28, endpoint=False)) for f in (np.cos, np.sin)], axis=1)


class Pen:
    """Draws on an RGB canvas in an object's coordinates: x to the right, y down, the object within -1 to 1.

    ``view`` is the 3×3 projective map from there to the canvas's pixels. Where ``labels`` is given, an "L" image of the
    canvas's size, every stroke is drawn there as well, in the shade ``label``.
    """

    def __init__(self, canvas: Image.Image, view: Points, labels: Image.Image | None = None, label: int = 0) -> None:
        from PIL import ImageDraw

        self._draw = ImageDraw.Draw(canvas)
        self._labels = ImageDraw.Draw(labels) if labels is not None else None
        self._label = label
        self._linear = np.ascontiguousarray(view[:, :2].T)
        self._shift = view[:, 2]
        self._scale = math.sqrt(abs(np.linalg.det(view[:2, :2])))

    def polygon(self, points: Points | Sequence[tuple[float, float]], fill: Colour) -> None:
        """A filled polygon of (n, 2) points."""
        seen = self._seen(points)
        self._draw.polygon(seen, fill)
        if self._labels is not None:
            self._labels.polygon(seen, self._label)

    def disc(
        self, x: float, y: float, width: float, fill: Colour, height: float | None = None, turn: float = 0.0
    ) -> None:
        """A filled ellipse around (x, y) of half-axes ``width`` and ``height``, turned by ``turn`` degrees."""
        points = _ROUND * (width, width if height is None else height)
        if turn:
            points = points @ _turned(turn).T
        self.polygon(points + np.array((x, y)), fill)

    def box(self, left: float, top: float, right: float, bottom: float, fill: Colour) -> None:
        """A filled rectangle."""
        self.polygon(((left, top), (right, top), (right, bottom), (left, bottom)), fill)

    def stroke(self, points: Points | Sequence[tuple[float, float]], width: float, fill: Colour) -> None:
        """A line through (n, 2) points."""
        seen, pixels = self._seen(points), max(1, round(width * self._scale))
        self._draw.line(seen, fill, pixels, "curve")
        if self._labels is not None:
            self._labels.line(seen, self._label, pixels, "curve")

    def _seen(self, points: Points | Sequence[tuple[float, float]]) -> list[float]:
        spread = np.asarray(points, np.float64) @ self._linear + self._shift
        flat: list[float] = (spread[:, :2] / spread[:, 2:]).ravel().tolist()
        return flat


Shape = Callable[[Pen, Colour, random.Random], None]


def view(rng: random.Random, x: float, y: float, radius: float, turn: float) -> Points:
    """The map of an object seen around (x, y) at ``radius``, all pixels: turned by up to ``turn`` degrees, a little
    squashed, in perspective, half of the time mirrored; (3, 3), float64.
    """
    rotation = _turned(rng.uniform(-turn, turn)) * radius
    rotation[:, 0] *= rng.uniform(0.86, 1.0) * rng.choice((-1, 1))
    rotation[:, 1] *= rng.uniform(0.9, 1.0)
    affine = np.array([[*rotation[0], x], [*rotation[1], y], [0, 0, 1]])
    tilt = np.array([[1, 0, 0], [0, 1, 0], [rng.uniform(-0.12, 0.12), rng.uniform(-0.12, 0.12), 1]])
    seen: Points = affine @ tilt
    return seen


def shade(colour: Colour, light: float) -> Colour:
    """The colour towards black (``light`` below 0, to -1) or towards white (above 0, to 1)."""
    end, part = (255, light) if light > 0 else (0, -light)
    red, green, blue = (round(value + (end - value) * part) for value in colour)
    return red, green, blue


def near(colour: Colour, rng: random.Random, spread: int = 16) -> Colour:
    """A colour that still goes by the same name."""
    red, green, blue = (min(255, max(0, value + rng.randint(-spread, spread))) for value in colour)
    return red, green, blue


def smooth(points: Sequence[tuple[float, float]], steps: int = 5) -> Points:
    """A closed curve through the points (Catmull and Rom 1974): (steps × n, 2)."""
    knots = np.asarray(points, np.float64)
    before, after, beyond = np.roll(knots, 1, 0), np.roll(knots, -1, 0), np.roll(knots, -2, 0)
    t = np.linspace(0, 1, steps, endpoint=False)[None, :, None]
    p0, p1, p2, p3 = (values[:, None, :] for values in (before, knots, after, beyond))
    curve = 0.5 * (2 * p1 + (p2 - p0) * t + (2 * p0 - 5 * p1 + 4 * p2 - p3) * t**2 + (3 * p1 - p0 - 3 * p2 + p3) * t**3)
    return curve.reshape(-1, 2)


def arc(x: float, y: float, width: float, height: float, start: float, end: float, steps: int = 14) -> Points:
    """Points on an ellipse around (x, y) from ``start`` to ``end`` degrees, clockwise from the right: (steps, 2)."""
    angles = np.radians(np.linspace(start, end, steps))
    return np.stack([x + width * np.cos(angles), y + height * np.sin(angles)], axis=1)


def rounded(pen: Pen, colour: Colour, x: float, y: float, width: float, height: float) -> None:
    """A ball or an egg, lit from the upper left."""
    pen.disc(x, y, width, shade(colour, -0.28), height)
    pen.disc(x - 0.06 * width, y - 0.08 * height, 0.9 * width, colour, 0.88 * height)
    pen.disc(x - 0.2 * width, y - 0.24 * height, 0.55 * width, shade(colour, 0.18), 0.52 * height)
    pen.disc(x - 0.32 * width, y - 0.38 * height, 0.2 * width, shade(colour, 0.5), 0.17 * height)


def _turned(degrees: float) -> Points:
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return np.array([[cosine, -sine], [sine, cosine]])
