"""Shapes of things kept in a house."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from typing import Final

import numpy as np

from corpusmith.drawings.objects_pen import INK, WHITE, Colour, Pen, Shape, arc, near, rounded, shade, smooth

METAL: Final[Colour] = (120, 122, 130)
GLASS: Final[Colour] = (206, 226, 234)
SAND: Final[Colour] = (226, 186, 110)

_TEAPOT_SPOUT: Final = ((0.5, 0.3), (0.72, 0.12), (0.8, -0.3), (1.0, -0.36), (0.96, -0.18), (0.88, 0.25), (0.6, 0.6))
_FLAME: Final = smooth([(0, -1), (0.13, -0.74), (0.16, -0.56), (0, -0.42), (-0.16, -0.56), (-0.1, -0.74)])
_BULB: Final = smooth([(-0.5, -0.78), (-0.52, -0.5), (-0.34, -0.2), (-0.07, 0), (0.07, 0), (0.34, -0.2),
                       (0.52, -0.5), (0.5, -0.78)])  # fmt: skip


def umbrella(pen: Pen, colour: Colour, rng: random.Random) -> None:
    """An open umbrella from the side, in panels, with a hooked handle."""
    other = rng.choice((shade(colour, -0.22), shade(colour, -0.22), WHITE))
    pen.stroke(((0, -1), (0, 0.8)), 0.07, INK)
    pen.stroke(arc(0.15, 0.78, 0.15, 0.2, 180, 0, 8), 0.09, (110, 66, 36))
    dome = arc(0, 0.1, 1, 0.95, 180, 360, 24)
    scallops = [arc(x, 0.1, 0.25, 0.14, 0, -180, 7) for x in (0.75, 0.25, -0.25, -0.75)]
    pen.polygon(np.concatenate([dome, *scallops]), colour)
    for start, end in ((-1.0, -0.5), (0.0, 0.5)):
        left, right = arc(0, 0.1, start, 0.95, -90, 0, 8), arc(0, 0.1, end, 0.95, 0, -90, 8)
        hem = arc((start + end) / 2, 0.1, 0.25, 0.14, 180, 360, 7)
        pen.polygon(np.concatenate([left, hem, right]), other)
    pen.stroke(((0, -0.84), (0, -0.98)), 0.06, INK)


def balloon(pen: Pen, colour: Colour, rng: random.Random) -> None:
    """A toy balloon with its knot and string."""
    bend = rng.uniform(-0.25, 0.25)
    pen.stroke(((0, 0.5), (bend, 0.7), (-bend, 0.85), (bend / 2, 1)), 0.04, (230, 226, 214))
    pen.polygon(((0, 0.36), (0.14, 0.56), (-0.14, 0.56)), shade(colour, -0.35))
    rounded(pen, colour, 0, -0.28, 0.62, 0.72)
    pen.disc(-0.24, -0.6, 0.1, shade(colour, 0.75), 0.15, 25)


def analog_clock(pen: Pen, colour: Colour, rng: random.Random) -> None:
    """A round dial with twelve marks and two hands."""
    pen.disc(0, 0, 0.97, shade(colour, -0.3))
    pen.disc(-0.02, -0.02, 0.92, colour)
    pen.disc(0, 0, 0.78, WHITE)
    for hour in range(12):
        x, y = math.cos(hour * math.pi / 6), math.sin(hour * math.pi / 6)
        inner = 0.56 if hour % 3 == 0 else 0.64
        pen.stroke(((inner * x, inner * y), (0.72 * x, 0.72 * y)), 0.1 if hour % 3 == 0 else 0.05, INK)
    minute = rng.uniform(0, 12 * 2 * math.pi)
    for angle, length, width in ((minute / 12, 0.38, 0.12), (minute, 0.6, 0.08)):
        pen.stroke(((0, 0), (length * math.sin(angle), -length * math.cos(angle))), width, INK)
    pen.disc(0, 0, 0.09, (190, 40, 40))


def envelope(pen: Pen, colour: Colour, rng: random.Random) -> None:
    """A closed letter from behind: the flap's edges meet in the middle; some bear a seal."""
    edge = shade(colour, -0.4)
    pen.box(-1, -0.66, 1, 0.66, edge)
    pen.box(-0.96, -0.62, 0.96, 0.62, colour)
    pen.stroke(((-0.96, 0.6), (-0.15, -0.02)), 0.04, edge)
    pen.stroke(((0.96, 0.6), (0.15, -0.02)), 0.04, edge)
    pen.polygon(((-0.96, -0.62), (0.96, -0.62), (0, 0.2)), shade(colour, -0.14))
    pen.stroke(((-0.97, -0.62), (0, 0.2), (0.97, -0.62)), 0.06, edge)
    if rng.random() < 0.4:
        pen.disc(0, 0.14, 0.15, (176, 30, 40))


def candle(pen: Pen, colour: Colour, rng: random.Random) -> None:
    """A burning candle, some on a plate."""
    thick = rng.uniform(0.2, 0.3)
    if rng.random() < 0.5:
        pen.disc(0, 0.9, 0.62, METAL, 0.1)
        pen.disc(0, 0.87, 0.5, shade(METAL, 0.3), 0.06)
    pen.box(-thick, -0.22, thick, 0.88, shade(colour, -0.22))
    pen.disc(0, 0.88, thick, shade(colour, -0.22), 0.06)
    pen.box(-0.8 * thick, -0.22, 0.2 * thick, 0.88, colour)
    pen.disc(0, -0.22, thick, shade(colour, 0.35), 0.07)
    pen.stroke(((0, -0.22), (0, -0.5)), 0.05, INK)
    pen.polygon(_FLAME * (1.25, 1.0), (250, 146, 30))
    pen.polygon(_FLAME * (0.7, 0.72) + (0, -0.12), (255, 240, 150))


def hourglass(pen: Pen, colour: Colour, rng: random.Random) -> None:
    """Two bulbs of glass with sand between two plates."""
    left = rng.uniform(0.25, 0.75)
    for x in (-0.62, 0.62):
        pen.stroke(((x, -0.85), (x, 0.85)), 0.09, shade(colour, -0.2))
    pen.polygon(_BULB, GLASS)
    pen.polygon(-_BULB, GLASS)
    pen.polygon(((-0.46, -0.2 - 0.45 * left), (0.46, -0.2 - 0.45 * left), (0.3, -0.2), (0, 0.02), (-0.3, -0.2)), SAND)
    pen.polygon(smooth([(-0.46, 0.8), (0, 0.72 - 0.5 * (1 - left)), (0.46, 0.8)]), SAND)
    pen.polygon(((-0.46, 0.8), (0, 0.7 - 0.5 * (1 - left)), (0.46, 0.8)), SAND)
    pen.stroke(((0, 0), (0, 0.7)), 0.05, SAND)
    pen.stroke(((-0.36, -0.66), (-0.34, -0.42)), 0.06, WHITE)
    for y in (-0.88, 0.88):
        pen.box(-0.76, y - 0.11, 0.76, y + 0.11, shade(colour, -0.2))
        pen.box(-0.76, y - 0.11, 0.76, y, shade(colour, 0.1))


def dumbbell(pen: Pen, colour: Colour, rng: random.Random) -> None:
    """A bar between two weights."""
    pen.box(-0.6, -0.11, 0.6, 0.11, shade(METAL, -0.2))
    pen.box(-0.6, -0.09, 0.6, 0.0, shade(METAL, 0.45))
    bevel = rng.uniform(0.05, 0.16)
    for side in (-1, 1):
        for inner, outer, height in ((0.42, 0.7, 0.62), (0.66, 0.94, 0.46)):
            edge = outer - bevel * 0.5
            pen.polygon(
                [(side * x, y) for x, y in ((inner, -height + bevel), (inner + bevel, -height), (edge, -height),
                 (outer, -height + bevel), (outer, height - bevel), (edge, height), (inner + bevel, height),
                 (inner, height - bevel))], shade(colour, -0.15))  # fmt: skip
            low, high = sorted((side * (inner + 0.03), side * (outer - 0.05)))
            pen.box(low, -height + bevel + 0.04, high, -0.3 * height, shade(colour, 0.25))


def teapot(pen: Pen, colour: Colour, rng: random.Random) -> None:
    """A round pot with a spout, a handle and a lid; some are dotted."""
    dark = shade(colour, -0.28)
    pen.stroke(arc(-0.66, 0.1, 0.3, 0.34, 70, 290), 0.13, dark)
    pen.polygon(smooth(_TEAPOT_SPOUT, 4), dark)
    pen.disc(0, 0.74, 0.44, dark, 0.1)
    rounded(pen, colour, 0, 0.18, 0.7, 0.6)
    pen.disc(0, -0.38, 0.38, dark, 0.12)
    pen.disc(0, -0.44, 0.32, shade(colour, 0.1), 0.12)
    pen.disc(0, -0.62, 0.11, dark)
    if rng.random() < 0.4:
        dot = near(WHITE if sum(colour) < 600 else (60, 90, 190), rng, 8)
        for x, y in ((-0.4, 0.2), (0.0, 0.12), (0.4, 0.2), (-0.2, 0.48), (0.2, 0.48)):
            pen.disc(x, y, 0.09, dot)


def box(pen: Pen, colour: Colour, rng: random.Random) -> None:
    """A closed box seen from above a corner."""
    pen.polygon(((-0.85, -0.4), (0, -0.05), (0, 0.95), (-0.85, 0.55)), colour)
    pen.polygon(((0.85, -0.4), (0, -0.05), (0, 0.95), (0.85, 0.55)), shade(colour, -0.3))
    pen.polygon(((-0.85, -0.4), (0, -0.75), (0.85, -0.4), (0, -0.05)), shade(colour, 0.3))
    pen.stroke(((-0.42, -0.58), (0.42, -0.22)), 0.1, shade(colour, 0.6))


def cup(pen: Pen, colour: Colour, rng: random.Random) -> None:
    """A mug with its handle."""
    pen.stroke(arc(0.5, 0.1, 0.4, 0.38, -80, 80), 0.15, shade(colour, -0.25))
    pen.polygon(((-0.66, -0.66), (0.66, -0.66), (0.52, 0.85), (-0.52, 0.85)), colour)
    pen.polygon(((0.25, -0.66), (0.66, -0.66), (0.52, 0.85), (0.2, 0.85)), shade(colour, -0.2))
    pen.disc(0, 0.85, 0.52, shade(colour, -0.1), 0.1)
    pen.disc(0, -0.66, 0.66, shade(colour, 0.35), 0.18)
    pen.disc(0, -0.63, 0.54, rng.choice(((90, 54, 30), (150, 90, 40), (60, 40, 30))), 0.12)


def book(pen: Pen, colour: Colour, rng: random.Random) -> None:
    """A closed book from the front, with the edge of its pages."""
    pen.polygon(((-0.7, -0.9), (0.75, -0.9), (0.82, 0.95), (-0.62, 0.95)), shade(colour, -0.4))
    pen.polygon(((-0.68, 0.78), (0.8, 0.78), (0.8, 0.9), (-0.62, 0.9)), WHITE)
    pen.box(-0.75, -0.95, 0.75, 0.78, colour)
    pen.box(-0.75, -0.95, -0.55, 0.78, shade(colour, -0.3))
    paper = near((240, 222, 170), rng, 10)
    pen.box(-0.35, -0.65, 0.55, -0.3, paper)
    pen.stroke(((-0.2, -0.05), (0.4, -0.05)), 0.07, paper)


SHAPES: Final[Mapping[str, Shape]] = {
    shape.__name__.replace("_", " "): shape
    for shape in (umbrella, balloon, analog_clock, envelope, candle, hourglass, dumbbell, teapot, box, cup, book)
}
