"""What must not change an object's name: things around it, something in front of it, light and grain."""

from __future__ import annotations

import random
from functools import cache
from typing import TYPE_CHECKING, Final

import numpy as np

from corpusmith.drawings.canvas import SIZE, finished
from corpusmith.drawings.objects_backgrounds import SIDE
from corpusmith.drawings.objects_pen import Colour, Pen, shade, view

if TYPE_CHECKING:
    from PIL import Image

GRAINS: Final = 8


def clutter(canvas: Image.Image, rng: random.Random) -> None:
    """Some plain discs, blocks and sticks of muted colours, drawn on the canvas: behind whatever comes next."""
    for _ in range(rng.randint(1, 4)):
        radius = rng.uniform(0.07, 0.16) * SIDE
        pen = Pen(canvas, view(rng, rng.uniform(0, SIDE), rng.uniform(0, SIDE), radius, 180))
        colour = _muted(rng)
        kind = rng.randrange(3)
        if kind == 0:
            pen.disc(0, 0, 1, shade(colour, -0.2), rng.uniform(0.6, 1))
        elif kind == 1:
            pen.box(-1, -0.7, 1, 0.7, shade(colour, -0.2))
            pen.box(-1, -0.7, 1, 0.3, colour)
        else:
            pen.stroke(((-1.4, -0.6), (1.4, 0.6)), 0.25, colour)


def occluder(canvas: Image.Image, rng: random.Random, x: float, y: float, radius: float) -> None:
    """A plain thing drawn in front of an object of that place and radius, in pixels: it hides a part, from one side."""
    colour = _muted(rng)
    angle = rng.uniform(0, 2 * np.pi)
    half = rng.uniform(0.35, 0.6) * radius
    away = radius * rng.uniform(0.6, 0.8) + half
    pen = Pen(canvas, view(rng, x + away * np.cos(angle), y + away * np.sin(angle), half * 1.2, 180))
    if rng.random() < 0.5:
        pen.disc(0, 0, 1, shade(colour, -0.15))
        pen.disc(-0.1, -0.1, 0.8, colour)
    else:
        pen.box(-1, -1, 1, 1, shade(colour, -0.15))
        pen.box(-1, -1, 1, 0.6, colour)


def developed(canvas: Image.Image, rng: random.Random) -> Image.Image:
    """The canvas at its final size, in its own light and with grain: (SIZE, SIZE), RGB."""
    from PIL import ImageChops

    bright, tint = rng.uniform(0.82, 1.14), rng.uniform(-0.07, 0.07)
    lut: list[int] = []
    for gain in (bright * (1 + tint), bright, bright * (1 - tint)):
        lut += [min(255, int(value * gain)) for value in range(256)]
    grain = ImageChops.offset(_grain(rng.randrange(GRAINS)), rng.randrange(SIZE), rng.randrange(SIZE))
    return ImageChops.add(finished(canvas).point(lut), grain, 1, -128)


@cache
def _grain(number: int) -> Image.Image:
    """Noise around 128: fine in some, in soft patches in others."""
    from PIL import Image

    rng = np.random.default_rng(number)
    fine = rng.normal(0, 1.5 + number % 4, (SIZE, SIZE, 3))
    patches = Image.fromarray(rng.normal(128, 1 + number // 2, (8, 8)).astype(np.float32))
    soft = np.asarray(patches.resize((SIZE, SIZE), Image.Resampling.BICUBIC))
    return Image.fromarray((fine + soft[:, :, None]).clip(0, 255).astype(np.uint8))


def _muted(rng: random.Random) -> Colour:
    grey = rng.randint(70, 200)
    red, green, blue = (min(255, max(0, grey + rng.randint(-30, 30))) for _ in range(3))
    return red, green, blue
