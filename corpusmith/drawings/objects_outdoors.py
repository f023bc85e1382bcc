"""Shapes of balls, boats, buildings and what stands in a street."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Final

import numpy as np

from corpusmith.drawings.objects_pen import INK, WHITE, Colour, Pen, Shape, arc, near, rounded, shade, smooth

_PENTAGON: Final = arc(0, 0, 1, 1, -90, 198, 5)
_EDGE: Final = arc(0, 0, 1, 1, -54, 234, 5)
_SEAM: Final = arc(-1.15, 0, 0.85, 0.85, -52, 52, 12)


def soccer_ball(pen: Pen, colour: Colour, rng: random.Random) -> None:
    """A white ball with black pentagons."""
    pen.disc(0, 0, 0.96, shade(colour, -0.35))
    pen.disc(-0.04, -0.05, 0.9, shade(colour, 0.3))
    for corner, (x, y) in zip(_PENTAGON, arc(0, 0, 1, 1, -90, 198, 5), strict=True):
        pen.stroke((corner * 0.34, (0.66 * x, 0.66 * y)), 0.05, INK)
    for place, (x, y) in enumerate(_PENTAGON):
        left, right = _EDGE[place - 1], _EDGE[place]
        tip = np.array([x, y])
        patch = np.stack([tip * 0.62, tip * 0.74 + right * 0.2, tip * 0.9 + right * 0.2,
                          tip * 0.94, tip * 0.9 + left * 0.2, tip * 0.74 + left * 0.2])  # fmt: skip
        norms = np.linalg.norm(patch, axis=1, keepdims=True)
        pen.polygon(patch * np.minimum(1, 0.94 / norms), INK)
    pen.polygon(_PENTAGON * 0.36, INK)


def tennis_ball(pen: Pen, colour: Colour, rng: random.Random) -> None:
    """A yellow-green ball with two white seams."""
    felt = near((204, 224, 50), rng, 12)
    rounded(pen, felt, 0, 0, 0.95, 0.95)
    for seam in (_SEAM, -_SEAM):
        pen.stroke(seam * (1, 1), 0.12, WHITE)


def ball(pen: Pen, colour: Colour, rng: random.Random) -> None:
    """A ball of one colour, or with a white band."""
    rounded(pen, colour, 0, 0, 0.95, 0.95)
    if rng.random() < 0.5:
        pen.polygon(np.concatenate([arc(0, -0.1, 0.93, 0.3, 180, 0), arc(0, 0.15, 0.93, 0.34, 0, 180)]), WHITE)


def traffic_light(pen: Pen, colour: Colour, rng: random.Random) -> None:
    """Three lamps above each other, one of them lit, on a pole."""
    pen.box(-0.08, 0.6, 0.08, 1, (84, 86, 92))
    pen.box(-0.4, -1, 0.4, 0.72, shade(colour, -0.35))
    pen.box(-0.34, -0.95, 0.34, 0.67, colour)
    lit = rng.randrange(3)
    for place, lamp in enumerate(((236, 40, 34), (250, 190, 30), (40, 210, 80))):
        y = -0.66 + 0.53 * place
        pen.disc(0, y, 0.25, (20, 20, 24))
        pen.disc(0, y, 0.21, lamp if place == lit else shade(lamp, -0.5))
        if place == lit:
            pen.disc(-0.05, y - 0.06, 0.09, shade(lamp, 0.65))


def sailboat(pen: Pen, colour: Colour, rng: random.Random) -> None:
    """A hull with a mast and two sails."""
    sail = rng.choice((WHITE, WHITE, (250, 228, 180), shade(colour, 0.5)))
    pen.stroke(((0, -1), (0, 0.55)), 0.06, (96, 62, 36))
    pen.polygon(((0.03, -1), (0.88, 0.4), (0.03, 0.4)), shade(sail, -0.4))
    pen.polygon(((0.07, -0.88), (0.8, 0.36), (0.07, 0.36)), sail)
    pen.polygon(((-0.03, -0.88), (-0.76, 0.4), (-0.03, 0.4)), shade(sail, -0.4))
    pen.polygon(((-0.07, -0.74), (-0.66, 0.36), (-0.07, 0.36)), shade(sail, -0.12))
    pen.polygon(((-0.95, 0.48), (0.98, 0.48), (0.66, 0.95), (-0.62, 0.95)), shade(colour, -0.2))
    pen.polygon(((-0.95, 0.48), (0.98, 0.48), (0.88, 0.64), (-0.85, 0.64)), colour)


def lighthouse(pen: Pen, colour: Colour, rng: random.Random) -> None:
    """A tapering striped tower with a lantern, on a rock."""
    pen.polygon(smooth([(-0.75, 1), (-0.5, 0.82), (0, 0.76), (0.5, 0.84), (0.75, 1)], 4), (104, 100, 98))
    bands = rng.choice((4, 5, 6))
    for band in range(bands):
        top, bottom = -0.42 + 1.3 * band / bands, -0.42 + 1.3 * (band + 1) / bands
        wide_top, wide_bottom = 0.22 + 0.16 * band / bands, 0.22 + 0.16 * (band + 1) / bands
        fill = colour if band % 2 == 0 else WHITE
        pen.polygon(((-wide_top, top), (wide_top, top), (wide_bottom, bottom), (-wide_bottom, bottom)), fill)
        pen.polygon(((0.4 * wide_top, top), (wide_top, top), (wide_bottom, bottom), (0.4 * wide_bottom, bottom)),
                    shade(fill, -0.2))  # fmt: skip
    pen.box(-0.32, -0.5, 0.32, -0.4, INK)
    pen.box(-0.17, -0.74, 0.17, -0.5, (255, 232, 130))
    pen.stroke(((0, -0.74), (0, -0.5)), 0.04, INK)
    pen.polygon(((0, -1), (0.26, -0.73), (-0.26, -0.73)), shade(colour, -0.15))


def house(pen: Pen, colour: Colour, rng: random.Random) -> None:
    """A front with a door, windows and a gable roof."""
    roof = rng.choice(((150, 60, 44), (90, 70, 66), (70, 80, 100)))
    pen.box(-0.75, -0.2, 0.75, 1, colour)
    pen.box(0.35, -0.85, 0.55, -0.3, shade(roof, -0.2))
    pen.polygon(((-0.98, -0.1), (0, -1), (0.98, -0.1)), roof)
    pen.box(-0.17, 0.35, 0.17, 1, (96, 60, 36))
    for x in (-0.48, 0.48):
        pen.box(x - 0.17, 0.15, x + 0.17, 0.5, WHITE)
        pen.box(x - 0.13, 0.19, x + 0.13, 0.46, (110, 160, 200))


def car(pen: Pen, colour: Colour, rng: random.Random) -> None:
    """A car from the side."""
    pen.polygon(smooth([(-0.6, 0.05), (-0.42, -0.42), (0.3, -0.44), (0.62, 0.05)], 4), colour)
    pen.polygon(((-0.98, 0.05), (0.7, 0.02), (0.98, 0.14), (0.98, 0.45), (-0.98, 0.45)), colour)
    pen.box(-0.98, 0.3, 0.98, 0.45, shade(colour, -0.3))
    pen.polygon(((-0.48, 0.02), (-0.36, -0.32), (-0.06, -0.34), (-0.06, 0.02)), (176, 214, 230))
    pen.polygon(((0.04, 0.02), (0.04, -0.34), (0.26, -0.32), (0.48, 0.02)), (176, 214, 230))
    for x in (-0.55, 0.55):
        pen.disc(x, 0.45, 0.24, INK)
        pen.disc(x, 0.45, 0.11, (170, 172, 178))


SHAPES: Final[Mapping[str, Shape]] = {
    shape.__name__.replace("_", " "): shape
    for shape in (soccer_ball, tennis_ball, ball, traffic_light, sailboat, lighthouse, house, car)
}
