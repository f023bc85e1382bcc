"""What stands behind a person, and the light that falls on both."""

from __future__ import annotations

import random
from functools import cache
from typing import TYPE_CHECKING, Final

from corpusmith.drawings.canvas import SCALE, SIZE

if TYPE_CHECKING:
    from PIL import Image, ImageDraw

FULL: Final = SIZE * SCALE
WALLS: Final = ((206, 200, 188), (176, 192, 204), (214, 190, 186), (184, 202, 182))


def canvas(setting: str, chance: random.Random) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """A new canvas with a setting of portraits.yaml drawn on it, and a pen for the rest."""
    from PIL import Image, ImageDraw

    image = Image.new("RGB", (FULL, FULL), chance.choice(WALLS))
    pen = ImageDraw.Draw(image)
    SETTINGS[setting](pen, chance)
    return image, pen


def lit(image: Image.Image, light: str) -> Image.Image:
    """The image under one of the lights of portraits.yaml; RGB of the same size."""
    from PIL import ImageChops

    return image if light == "day" else ImageChops.multiply(image, _light(light, image.width))


@cache
def _light(light: str, size: int) -> Image.Image:
    from PIL import Image

    if light == "side":
        ramp = Image.linear_gradient("L").rotate(90).resize((size, size)).point(lambda v: 130 + v * 125 // 255)
        return Image.merge("RGB", (ramp, ramp, ramp))
    return Image.new("RGB", (size, size), {"warm": (255, 218, 168), "cool": (176, 206, 255)}[light])


def _wall(pen: ImageDraw.ImageDraw, chance: random.Random) -> None:
    del pen, chance


def _office(pen: ImageDraw.ImageDraw, chance: random.Random) -> None:
    pen.rectangle((0, 0, FULL, FULL), fill=(198, 204, 210))
    x = chance.randrange(-20, 40)
    pen.rectangle((x, 14, x + 84, 110), fill=(236, 246, 252), outline=(120, 126, 134), width=6)
    pen.line([(x + 42, 14), (x + 42, 110)], fill=(120, 126, 134), width=5)
    for y in (40, 78, 116):
        pen.rectangle((176 + x // 2, y, FULL, y + 8), fill=(110, 84, 60))
        for place, colour in enumerate(((160, 60, 50), (60, 90, 140), (70, 120, 80))):
            pen.rectangle((188 + 20 * place + x // 2, y - 24, 202 + 20 * place + x // 2, y), fill=colour)


def _park(pen: ImageDraw.ImageDraw, chance: random.Random) -> None:
    pen.rectangle((0, 0, FULL, 150), fill=(168, 208, 240))
    pen.rectangle((0, 150, FULL, FULL), fill=(112, 168, 84))
    for x in (chance.randrange(0, 40), chance.randrange(200, FULL)):
        pen.rectangle((x - 8, 110, x + 8, 190), fill=(104, 74, 48))
        pen.ellipse((x - 46, 30, x + 46, 136), fill=(66, 124, 62))


def _beach(pen: ImageDraw.ImageDraw, chance: random.Random) -> None:
    sea = chance.randrange(86, 112)
    pen.rectangle((0, 0, FULL, sea), fill=(150, 212, 246))
    pen.rectangle((0, sea, FULL, sea + 46), fill=(38, 126, 180))
    pen.rectangle((0, sea + 46, FULL, FULL), fill=(238, 216, 164))
    x = chance.choice((30, 222))
    pen.ellipse((x - 22, 12, x + 22, 56), fill=(255, 240, 150))


def _kitchen(pen: ImageDraw.ImageDraw, chance: random.Random) -> None:
    pen.rectangle((0, 0, FULL, FULL), fill=(240, 232, 214))
    for y in range(0, 160, 40):
        pen.line([(0, y), (FULL, y)], fill=(208, 194, 170), width=4)
    for x in range(chance.randrange(0, 40), FULL, 40):
        pen.line([(x, 0), (x, 160)], fill=(208, 194, 170), width=4)
    pen.rectangle((0, 160, FULL, FULL), fill=(150, 104, 66))
    pen.rectangle((0, 150, FULL, 166), fill=(92, 92, 98))


def _street(pen: ImageDraw.ImageDraw, chance: random.Random) -> None:
    pen.rectangle((0, 0, FULL, FULL), fill=(24, 28, 56))
    for x in range(0, FULL, 64):
        top = chance.randrange(20, 90)
        pen.rectangle((x, top, x + 56, FULL), fill=(44, 48, 74))
        for y in range(top + 12, 200, 32):
            for shift in (8, 34):
                if chance.random() < 0.6:
                    pen.rectangle((x + shift, y, x + shift + 13, y + 15), fill=(250, 214, 110))


SETTINGS: Final = {
    "wall": _wall,
    "office": _office,
    "park": _park,
    "beach": _beach,
    "kitchen": _kitchen,
    "street": _street,
}
