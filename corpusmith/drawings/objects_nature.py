"""Shapes of fruit, animals and plants."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Final

import numpy as np

from corpusmith.drawings.objects_pen import INK, WHITE, Colour, Pen, Points, Shape, arc, near, rounded, shade, smooth

LEAF: Final[Colour] = (58, 132, 48)
WOOD: Final[Colour] = (112, 74, 44)

_BANANA: Final = np.concatenate([arc(0, -0.75, 1.0, 1.5, 158, 22), arc(0, -0.95, 0.82, 1.05, 22, 158)])
_RIDGE: Final = arc(0, -0.8, 0.93, 1.27, 150, 35)
_LEMON: Final = smooth([(-1, 0), (-0.84, -0.18), (-0.5, -0.52), (0, -0.64), (0.5, -0.52), (0.84, -0.18), (1, 0),
                        (0.84, 0.18), (0.5, 0.52), (0, 0.64), (-0.5, 0.52), (-0.84, 0.18)])  # fmt: skip
_STRAWBERRY: Final = smooth([(0, 1), (-0.4, 0.66), (-0.76, 0.05), (-0.74, -0.42), (-0.38, -0.64), (0, -0.6),
                             (0.38, -0.64), (0.74, -0.42), (0.76, 0.05), (0.4, 0.66)])  # fmt: skip
_SEEDS: Final = [(x + 0.13 * (row % 2), -0.32 + 0.24 * row) for row in range(5)
                 for x in (-0.52, -0.26, 0.0, 0.26, 0.46) if abs(x + 0.13 * (row % 2)) < 0.62 - 0.13 * row]  # fmt: skip
_CROWN: Final = [(0.62 * x if place % 2 else 0.25 * x, -0.66 + (0.28 * abs(y) if place % 2 else 0.1))
                 for place, (x, y) in enumerate(arc(0, 0, 1, 1, 0, 330, 12))]  # fmt: skip
_CAP: Final = smooth([(-1, 0.1), (-0.86, -0.42), (-0.45, -0.82), (0, -0.92), (0.45, -0.82), (0.86, -0.42), (1, 0.1),
                      (0.6, 0.22), (0, 0.26), (-0.6, 0.22)])  # fmt: skip
_STEM: Final = smooth([(-0.26, 0.1), (-0.24, 0.5), (-0.34, 0.88), (0, 0.98), (0.34, 0.88), (0.24, 0.5), (0.26, 0.1)])


def _star(inner: float, outer: float) -> Points:
    angles = np.radians(np.arange(0, 360, 12) - 90)
    along = np.abs(((np.arange(0, 360, 12) + 36) % 72) - 36) / 36
    radius = inner + (outer - inner) * (1 - along) ** 1.3
    return np.stack([np.cos(angles) * radius, np.sin(angles) * radius], axis=1)


_STARFISH: Final = _star(0.32, 1.0)
_STARFISH_TOP: Final = _star(0.2, 0.84)


def orange(pen: Pen, colour: Colour, rng: random.Random) -> None:
    """A round fruit with pores, a stem and a leaf."""
    rounded(pen, colour, 0, 0.1, 0.88, 0.86)
    for _ in range(14):
        pen.disc(rng.uniform(-0.5, 0.55), rng.uniform(-0.3, 0.7), 0.035, shade(colour, -0.25))
    pen.polygon(smooth([(0, -0.7), (0.25, -0.98), (0.72, -0.9), (0.4, -0.66)]), near(LEAF, rng))
    pen.disc(0, -0.68, 0.13, shade(LEAF, -0.35), 0.08)


def banana(pen: Pen, colour: Colour, rng: random.Random) -> None:
    """A crescent with a ridge and brown ends."""
    pen.polygon(_BANANA, colour)
    pen.stroke(_RIDGE, 0.09, shade(colour, -0.22))
    pen.stroke(arc(0, -0.86, 0.86, 1.1, 140, 70), 0.06, shade(colour, 0.4))
    pen.polygon(((-0.86, -0.28), (-1.0, -0.62), (-0.84, -0.66), (-0.7, -0.42)), shade(WOOD, -0.1))
    pen.disc(0.86, -0.36, 0.11, shade(WOOD, -0.4))
    for _ in range(rng.randint(0, 5)):
        x = rng.uniform(-0.5, 0.5)
        pen.disc(x, 0.35 - 0.6 * x * x, 0.05, shade(WOOD, -0.2), 0.03)


def lemon(pen: Pen, colour: Colour, rng: random.Random) -> None:
    """An oval that comes to a point at both ends."""
    pen.polygon(_LEMON, shade(colour, -0.2))
    pen.polygon(_LEMON * (0.93, 0.86) + (-0.02, -0.06), colour)
    pen.disc(-0.15, -0.2, 0.45, shade(colour, 0.3), 0.2)
    pen.disc(-0.25, -0.26, 0.18, shade(colour, 0.7), 0.07)
    for _ in range(8):
        pen.disc(rng.uniform(-0.6, 0.6), rng.uniform(-0.1, 0.4), 0.03, shade(colour, -0.2))
    pen.disc(0.97, 0, 0.07, (120, 130, 40))


def strawberry(pen: Pen, colour: Colour, rng: random.Random) -> None:
    """A red cone full of seeds under green leaves."""
    pen.polygon(_STRAWBERRY, shade(colour, -0.25))
    pen.polygon(_STRAWBERRY * 0.92 + (-0.04, -0.05), colour)
    pen.disc(-0.35, -0.2, 0.2, shade(colour, 0.3), 0.28)
    for x, y in _SEEDS:
        pen.disc(x, y, 0.045, (250, 222, 120), 0.065)
    leaf = near(LEAF, rng)
    pen.polygon(_CROWN, leaf)
    pen.polygon(((-0.66, -0.5), (-0.3, -0.86), (0, -0.6)), leaf)
    pen.polygon(((0.66, -0.5), (0.3, -0.86), (0, -0.6)), leaf)
    pen.polygon(((-0.2, -0.36), (0, -0.74), (0.2, -0.36)), shade(leaf, 0.15))
    pen.stroke(((0, -0.7), (0.1, -0.98)), 0.1, shade(leaf, -0.2))


def starfish(pen: Pen, colour: Colour, rng: random.Random) -> None:
    """Five arms with rows of bumps."""
    pen.polygon(_STARFISH, shade(colour, -0.25))
    pen.polygon(_STARFISH_TOP, shade(colour, 0.1))
    dots = shade(colour, 0.55)
    for angle in range(-90, 270, 72):
        direction = np.array([np.cos(np.radians(angle)), np.sin(np.radians(angle))])
        for along in (0.2, 0.38, 0.55, 0.7):
            x, y = direction * along
            pen.disc(x, y, 0.06 - 0.04 * along, dots)
    pen.disc(0, 0, 0.07, dots)


def ladybug(pen: Pen, colour: Colour, rng: random.Random) -> None:
    """A beetle from above: black head, red wings with black spots."""
    for side in (-1, 1):
        for y, reach in ((-0.2, -0.15), (0.15, 0.1), (0.5, 0.3)):
            pen.stroke(((0.5 * side, y), (0.86 * side, y + reach * 0.5), (0.96 * side, y + reach + 0.12)), 0.08, INK)
        pen.stroke(((0.15 * side, -0.7), (0.36 * side, -0.98)), 0.05, INK)
    pen.disc(0, -0.6, 0.4, INK, 0.32)
    pen.disc(-0.22, -0.68, 0.09, WHITE)
    pen.disc(0.22, -0.68, 0.09, WHITE)
    pen.disc(0, 0.15, 0.72, shade(colour, -0.25), 0.76)
    pen.disc(-0.04, 0.11, 0.66, colour, 0.69)
    pen.disc(-0.3, -0.2, 0.16, shade(colour, 0.35), 0.12)
    pen.stroke(((0, -0.58), (0, 0.9)), 0.06, INK)
    radius = rng.uniform(0.11, 0.16)
    for x, y in ((0.3, -0.2), (0.44, 0.24), (0.22, 0.58))[: rng.randint(2, 3)]:
        pen.disc(x, y, radius, INK)
        pen.disc(-x, y, radius, INK)


def mushroom(pen: Pen, colour: Colour, rng: random.Random) -> None:
    """A cap, often with spots, on a pale stem."""
    stem = near((232, 220, 196), rng, 10)
    pen.polygon(_STEM, shade(stem, -0.15))
    pen.polygon(_STEM * (0.75, 0.97) + (-0.05, 0), stem)
    pen.polygon(arc(0, 0.12, 0.8, 0.2, 0, 360, 20), shade(stem, -0.3))
    pen.polygon(_CAP, shade(colour, -0.2))
    pen.polygon(_CAP * (0.94, 0.88) + (-0.03, -0.05), colour)
    spot = WHITE if sum(colour) < 600 else (206, 190, 160)
    if rng.random() < 0.75:
        for x, y in ((-0.5, -0.3), (0.05, -0.55), (0.52, -0.28), (0.02, -0.08), (-0.28, -0.66), (0.78, 0.0)):
            pen.disc(x + rng.uniform(-0.05, 0.05), y, rng.uniform(0.08, 0.14), spot, 0.1)


def tree(pen: Pen, colour: Colour, rng: random.Random) -> None:
    """A round tree, or a fir."""
    pen.box(-0.14, 0.2, 0.14, 1, near(WOOD, rng))
    if rng.random() < 0.5:
        for x, y, radius in ((-0.42, 0.0, 0.44), (0.42, 0.02, 0.44), (0, -0.48, 0.5), (0, -0.1, 0.5)):
            pen.disc(x, y, radius, shade(colour, -0.2))
            pen.disc(x - 0.06, y - 0.07, 0.8 * radius, colour)
        return
    for top, bottom, width in ((-0.2, 0.6, 0.7), (-0.6, 0.2, 0.56), (-1, -0.25, 0.4)):
        pen.polygon(((0, top), (width, bottom), (-width, bottom)), shade(colour, -0.3))
        pen.polygon(((0, top), (0.55 * width, bottom - 0.05), (-width, bottom)), shade(colour, -0.1))


SHAPES: Final[Mapping[str, Shape]] = {
    shape.__name__: shape for shape in (orange, banana, lemon, strawberry, starfish, ladybug, mushroom, tree)
}
