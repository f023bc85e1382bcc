"""What lies behind and under drawn objects: views of each background, drawn once and cut anew each time."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Final

from corpusmith.drawings.canvas import SCALE, SIZE
from corpusmith.drawings.objects_pen import Colour, near, shade

if TYPE_CHECKING:
    from PIL import Image, ImageDraw

SIDE: Final = SIZE * SCALE
MARGIN: Final = 64
VIEWS: Final = 5
"""Views of a background that are kept; a view is cut at one of MARGIN² places and mirrored or not."""

_WHOLE: Final = SIDE + MARGIN
_SKY: Final[Colour] = (176, 208, 238)
_NIGHT: Final[Colour] = (28, 32, 58)


def background(name: str, rng: random.Random) -> Image.Image:
    """A fresh RGB canvas of SIDE pixels with the background called ``name``."""
    left, top = rng.randrange(MARGIN), rng.randrange(MARGIN)
    return _view(name, rng.randrange(2 * VIEWS)).crop((left, top, left + SIDE, top + SIDE))


@cache
def _view(name: str, view: int) -> Image.Image:
    from PIL import Image, ImageDraw

    if view >= VIEWS:
        return _view(name, view - VIEWS).transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    rng = random.Random(f"{name} {view}")
    canvas = Image.new("RGB", (_WHOLE, _WHOLE))
    BACKGROUNDS[name](ImageDraw.Draw(canvas), rng)
    return canvas


def _fade(draw: ImageDraw.ImageDraw, top: float, bottom: float, upper: Colour, lower: Colour) -> None:
    steps = 24
    for step in range(steps):
        part = step / (steps - 1)
        red, green, blue = (round(a + (b - a) * part) for a, b in zip(upper, lower, strict=True))
        start, end = top + (bottom - top) * step / steps, top + (bottom - top) * (step + 1) / steps
        draw.rectangle((0, start, _WHOLE, end), (red, green, blue))


def _clouds(draw: ImageDraw.ImageDraw, rng: random.Random, lowest: int, count: int) -> None:
    for _ in range(count):
        x, y, size = rng.randint(0, _WHOLE), rng.randint(10, lowest), rng.randint(14, 30)
        for step in range(-2, 3):
            radius = size * (1 - 0.2 * abs(step))
            left, top = x + step * size * 0.8 - radius, y - radius * 0.6
            draw.ellipse((left, top, left + 2 * radius, top + 1.2 * radius), (246, 248, 250))


def _wall(draw: ImageDraw.ImageDraw, rng: random.Random) -> None:
    tone = near(rng.choice(((214, 206, 192), (196, 206, 212), (210, 196, 190), (200, 208, 192))), rng, 10)
    _fade(draw, 0, _WHOLE, shade(tone, 0.2), shade(tone, -0.06))


def _office(draw: ImageDraw.ImageDraw, rng: random.Random) -> None:
    _fade(draw, 0, _WHOLE, (206, 210, 216), (186, 192, 200))
    for left in range(rng.randint(-60, 0), _WHOLE, 120):
        draw.rectangle((left, 20, left + 90, 130), (150, 186, 214))
        for y in range(26, 130, 12):
            draw.line((left, y, left + 90, y), (222, 226, 230), 4)
    draw.rectangle((0, 236, _WHOLE, _WHOLE), near((146, 134, 124), rng, 10))
    draw.rectangle((0, 230, _WHOLE, 240), (110, 104, 100))


def _park(draw: ImageDraw.ImageDraw, rng: random.Random) -> None:
    _fade(draw, 0, 140, _SKY, (214, 230, 240))
    for _ in range(9):
        x, radius = rng.randint(0, _WHOLE), rng.randint(26, 48)
        draw.rectangle((x - 5, 110, x + 5, 170), (110, 84, 60))
        draw.ellipse((x - radius, 105 - radius, x + radius, 105 + radius), near((110, 164, 104), rng, 14))
    _fade(draw, 140, _WHOLE, (150, 192, 122), (118, 168, 92))
    x = rng.randint(90, 230)
    draw.polygon((x - 10, 140, x + 10, 140, x + 70, _WHOLE, x - 60, _WHOLE), (214, 200, 172))


def _beach(draw: ImageDraw.ImageDraw, rng: random.Random) -> None:
    _fade(draw, 0, 120, (150, 200, 240), (210, 232, 246))
    _fade(draw, 120, 190, (70, 150, 190), (130, 200, 210))
    _fade(draw, 190, _WHOLE, (236, 218, 176), (222, 198, 150))
    for x in range(-20, _WHOLE, 40):
        draw.ellipse((x, 180 + rng.randint(-4, 4), x + 44, 200), (240, 246, 246))


def _kitchen(draw: ImageDraw.ImageDraw, rng: random.Random) -> None:
    tile = near((222, 228, 222), rng, 8)
    draw.rectangle((0, 0, _WHOLE, _WHOLE), shade(tile, -0.18))
    offset = rng.randint(-36, 0)
    for x in range(offset, _WHOLE, 40):
        for y in range(offset, 220, 40):
            draw.rectangle((x, y, x + 36, y + 36), near(tile, rng, 5))
    draw.rectangle((0, 214, _WHOLE, 240), (190, 156, 118))
    for x in range(offset, _WHOLE, 110):
        draw.rectangle((x, 240, x + 106, _WHOLE), (232, 224, 208))
        draw.rectangle((x + 46, 254, x + 60, 262), (140, 130, 120))


def _street(draw: ImageDraw.ImageDraw, rng: random.Random) -> None:
    _fade(draw, 0, 230, _NIGHT, (66, 58, 90))
    x = rng.randint(-40, 0)
    while x < _WHOLE:
        width, top = rng.randint(50, 90), rng.randint(20, 110)
        draw.rectangle((x, top, x + width, 230), near((44, 44, 66), rng, 8))
        for left in range(x + 8, x + width - 12, 20):
            for y in range(top + 10, 214, 24):
                draw.rectangle((left, y, left + 10, y + 12), (250, 214, 120) if rng.random() < 0.5 else (60, 60, 84))
        x += width + rng.randint(0, 12)
    draw.rectangle((0, 230, _WHOLE, _WHOLE), (70, 70, 80))
    for left in range(rng.randint(-40, 0), _WHOLE, 70):
        draw.rectangle((left, 270, left + 40, 277), (206, 206, 196))


def _table(draw: ImageDraw.ImageDraw, rng: random.Random) -> None:
    _fade(draw, 0, 150, (226, 220, 210), (206, 200, 192))
    wood = near(rng.choice(((176, 128, 84), (150, 104, 70), (196, 152, 106))), rng, 8)
    draw.rectangle((0, 150, _WHOLE, _WHOLE), wood)
    draw.rectangle((0, 150, _WHOLE, 158), shade(wood, -0.3))
    for y in range(176, _WHOLE, 30):
        draw.line((0, y, _WHOLE, y + rng.randint(-4, 4)), shade(wood, -0.15), 3)
        draw.line((0, y + 12, _WHOLE, y + 12 + rng.randint(-6, 6)), shade(wood, 0.12), 2)


def _grass(draw: ImageDraw.ImageDraw, rng: random.Random) -> None:
    _fade(draw, 0, _WHOLE, (132, 184, 96), (92, 150, 66))
    for _ in range(420):
        x, y, lean = rng.randint(0, _WHOLE), rng.randint(0, _WHOLE), rng.randint(-5, 5)
        draw.line((x, y, x + lean, y - rng.randint(8, 16)), near((104, 166, 70), rng, 26), 3)


def _sky(draw: ImageDraw.ImageDraw, rng: random.Random) -> None:
    _fade(draw, 0, _WHOLE, (112, 172, 230), (190, 218, 242))
    _clouds(draw, rng, _WHOLE - 10, 7)


def _sea(draw: ImageDraw.ImageDraw, rng: random.Random) -> None:
    _fade(draw, 0, 130, (186, 214, 238), (226, 236, 242))
    _clouds(draw, rng, 90, 3)
    _fade(draw, 130, _WHOLE, (92, 148, 186), (36, 92, 146))
    for _ in range(60):
        x, y = rng.randint(-20, _WHOLE), rng.randint(138, _WHOLE)
        length = 6 + (y - 130) // 6
        draw.arc((x, y, x + length, y + 10), 200, 340, (170, 206, 224), 3)


def _sand(draw: ImageDraw.ImageDraw, rng: random.Random) -> None:
    _fade(draw, 0, _WHOLE, (240, 222, 180), (224, 200, 152))
    for y in range(10, _WHOLE, 26):
        for x in range(rng.randint(-60, 0), _WHOLE, 70):
            draw.arc((x, y, x + 74, y + 18), 190, 350, (206, 178, 128), 4)
    for _ in range(70):
        x, y = rng.randint(0, _WHOLE), rng.randint(0, _WHOLE)
        draw.ellipse((x, y, x + 4, y + 4), (188, 160, 116))


def _snow(draw: ImageDraw.ImageDraw, rng: random.Random) -> None:
    _fade(draw, 0, 140, (150, 164, 186), (196, 206, 220))
    for _ in range(5):
        x, height = rng.randint(0, _WHOLE), rng.randint(40, 80)
        draw.polygon((x, 150 - height, x + 22, 150, x - 22, 150), (110, 132, 134))
    _fade(draw, 140, _WHOLE, (236, 242, 250), (222, 230, 242))
    for _ in range(90):
        x, y, radius = rng.randint(0, _WHOLE), rng.randint(0, _WHOLE), rng.randint(2, 4)
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), (252, 253, 255))


BACKGROUNDS: Final[Mapping[str, Callable[[ImageDraw.ImageDraw, random.Random], None]]] = {
    paint.__name__[1:]: paint
    for paint in (_wall, _office, _park, _beach, _kitchen, _street, _table, _grass, _sky, _sea, _sand, _snow)
}
