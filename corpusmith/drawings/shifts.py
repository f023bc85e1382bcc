"""The same drawing in another look: test sets whose classes stay while everything about their pixels shifts."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from PIL import Image

ENLARGED: Final = 4
"""Lines are drawn and warps are made at so many times the size, then averaged."""


def sketch(image: Image.Image, seed: int) -> Image.Image:
    """Grey pencil lines on paper along the edges, with some hatching in the dark parts; same size, RGB."""
    from PIL import ImageChops, ImageFilter, ImageOps

    rng = random.Random(seed)
    grey = _enlarged(image).filter(ImageFilter.GaussianBlur(rng.uniform(2.0, 3.2)))
    edges = _edges(ImageOps.autocontrast(grey, cutoff=1))
    strength, floor = rng.uniform(5, 8), rng.randint(8, 14)
    lines = edges.point([255 - min(215, max(0, int((value - floor) * strength))) for value in range(256)])
    shaded = ImageOps.autocontrast(grey.convert("L")).point([255 if value > 84 else 0 for value in range(256)])
    hatched = ImageChops.lighter(shaded, _hatching(image.size[0] * ENLARGED, rng.randrange(4)))
    drawn = ImageChops.darker(lines, hatched).reduce(ENLARGED)
    paper = rng.randint(226, 255)
    pencil = rng.randint(20, 90)
    drawn = drawn.point([pencil + value * (paper - pencil) // 255 for value in range(256)])
    return _grained(drawn.convert("RGB"), rng, 4.0)


def rendition(image: Image.Image, seed: int) -> Image.Image:
    """Another art: a cartoon of flat colours and outlines, a mosaic, a painting of broad strokes, or a print in other
    inks, by the seed; same size, RGB.
    """
    rng = random.Random(seed)
    return rng.choice((_cartoon, _mosaic, _painting, _print))(image, rng)


def rephotographed(image: Image.Image, seed: int) -> Image.Image:
    """As photographed from a screen: in perspective, with moiré, a glare, a cast, blur and noise; same size, RGB."""
    from PIL import Image, ImageChops, ImageEnhance, ImageFilter

    rng = random.Random(seed)
    side = image.size[0]
    large = _enlarged(image)
    large = ImageChops.multiply(large, _screen(large.size[0], rng.randrange(6)))
    reach = 0.09 * large.size[0]
    corners = [value + rng.uniform(-0.35 * reach, reach) * sign for value, sign in zip(
        _corners(large.size[0]), (1, 1, 1, -1, -1, -1, -1, 1), strict=True)]  # fmt: skip
    tilted = large.transform(large.size, Image.Transform.QUAD, corners, Image.Resampling.BILINEAR)
    seen = tilted.filter(ImageFilter.GaussianBlur(rng.uniform(0.5, 4.0))).reduce(ENLARGED)
    seen = ImageEnhance.Contrast(seen).enhance(rng.uniform(0.7, 0.95))
    exposure, cast = rng.choice((rng.uniform(0.65, 0.85), rng.uniform(1.15, 1.4))), rng.uniform(-0.14, 0.14)
    gains = (exposure * (1 + cast), exposure, exposure * (1 - cast))
    seen = seen.point([min(255, int(value * gain)) for gain in gains for value in range(256)])
    glare = ImageChops.offset(_glare(side), rng.randrange(side), rng.randrange(side))
    return _grained(ImageChops.screen(seen, glare), rng, rng.uniform(3, 9))


SHIFTS: Final[Mapping[str, Callable[[Image.Image, int], Image.Image]]] = {
    shift.__name__: shift for shift in (sketch, rendition, rephotographed)
}


def _cartoon(image: Image.Image, rng: random.Random) -> Image.Image:
    from PIL import ImageChops, ImageEnhance, ImageFilter

    large = _enlarged(image).filter(ImageFilter.GaussianBlur(2.2))
    edges = _edges(large)
    floor = rng.randint(24, 32)
    lines = edges.point([255 - min(255, max(0, (value - floor) * 9)) for value in range(256)])
    step = rng.choice((64, 85))
    flat = ImageEnhance.Color(large).enhance(rng.uniform(1.4, 2.0))
    flat = flat.point([min(255, round(value / step) * step) for value in range(256)] * 3)
    return ImageChops.multiply(flat, lines.convert("RGB")).reduce(ENLARGED)


def _mosaic(image: Image.Image, rng: random.Random) -> Image.Image:
    """Square stones with joints, as in an embroidery or a mosaic."""
    from PIL import Image, ImageChops, ImageEnhance

    side = image.size[0]
    stones = rng.choice((26, 32, 38))
    small = ImageEnhance.Color(image.resize((stones, stones), Image.Resampling.BOX)).enhance(rng.uniform(1.2, 1.8))
    pitch = 8
    whole = small.resize((stones * pitch, stones * pitch), Image.Resampling.NEAREST)
    joints = np.full((stones * pitch, stones * pitch, 3), 255, np.uint8)
    joints[::pitch] = joints[:, ::pitch] = rng.randint(60, 150)
    jointed = ImageChops.multiply(whole, Image.fromarray(joints))
    return _grained(jointed.resize((side, side), Image.Resampling.BOX), rng, 9.0)


def _painting(image: Image.Image, rng: random.Random) -> Image.Image:
    """Broad strokes: each patch takes its commonest colour, on a canvas of warm or cold paint."""
    from PIL import ImageChops, ImageEnhance, ImageFilter

    large = image.resize((image.size[0] * 2, image.size[1] * 2))
    shaken = ImageChops.offset(large, rng.randint(0, 1), rng.randint(0, 1)).filter(ImageFilter.ModeFilter(9))
    strokes = ImageEnhance.Color(shaken.reduce(2)).enhance(rng.uniform(0.9, 1.7))
    cast = rng.uniform(-0.2, 0.2)
    gains = (1 + cast, 1.0, 1 - cast)
    return _grained(strokes.point([min(255, int(v * gain)) for gain in gains for v in range(256)]), rng, 7.0)


def _print(image: Image.Image, rng: random.Random) -> Image.Image:
    """Three inks by lightness, the darkest along edges as well, as of a lino cut or a tattoo."""
    from PIL import Image, ImageChops, ImageFilter, ImageOps

    large = _enlarged(image).filter(ImageFilter.GaussianBlur(2.5))
    floor = rng.randint(34, 44)
    lines = _edges(large).point([255 if value < floor else 0 for value in range(256)])
    grey = ImageChops.darker(ImageOps.autocontrast(large.convert("L"), cutoff=2), lines)
    inks = rng.choice(_INKS)
    low, high = rng.randint(45, 80), rng.randint(125, 165)
    tones = [inks[0] if value < low else inks[1] if value < high else inks[2] for value in range(256)]
    return Image.merge("RGB", [grey.point([tone[c] for tone in tones]) for c in range(3)]).reduce(ENLARGED)


_INKS: Final = (
    ((30, 30, 34), (150, 60, 50), (236, 226, 204)),
    ((20, 40, 80), (90, 140, 170), (240, 238, 226)),
    ((60, 30, 20), (180, 130, 80), (244, 232, 208)),
    ((30, 60, 40), (130, 160, 110), (238, 236, 214)),
)


def _enlarged(image: Image.Image) -> Image.Image:
    from PIL import Image

    width, height = image.size
    return image.resize((width * ENLARGED, height * ENLARGED), Image.Resampling.BICUBIC)


def _edges(image: Image.Image) -> Image.Image:
    """The largest step, of any channel along either axis, between neighbours a few pixels apart: "L"."""
    from PIL import ImageChops

    across = ImageChops.difference(ImageChops.offset(image, 2, 0), ImageChops.offset(image, -2, 0))
    down = ImageChops.difference(ImageChops.offset(image, 0, 2), ImageChops.offset(image, 0, -2))
    red, green, blue = ImageChops.lighter(across, down).split()
    return ImageChops.lighter(ImageChops.lighter(red, green), blue)


def _grained(image: Image.Image, rng: random.Random, strength: float) -> Image.Image:
    """The image with grey noise of so many levels (standard deviation)."""
    from PIL import Image, ImageChops

    noise = np.random.default_rng(rng.getrandbits(64)).normal(128, strength, (image.size[1], image.size[0]))
    grain = Image.fromarray(noise.clip(0, 255).astype(np.uint8))
    return ImageChops.add(image, Image.merge("RGB", (grain, grain, grain)), 1, -128)


def _corners(side: int) -> tuple[int, ...]:
    return (0, 0, 0, side, side, side, side, 0)


@cache
def _hatching(side: int, number: int) -> Image.Image:
    from PIL import Image

    across, down = np.meshgrid(np.arange(side), np.arange(side))
    lean = (1, -1, 0.5, -2)[number]
    return Image.fromarray(np.where((across + lean * down) % 14 < 5, 90, 255).astype(np.uint8))


@cache
def _screen(side: int, number: int) -> Image.Image:
    """A screen's rows and columns beating against a camera's: coloured bands, wide and faint."""
    from PIL import Image

    rng = np.random.default_rng(number)
    across, down = np.meshgrid(np.arange(side), np.arange(side))
    bands = []
    for phase in (0, 2.1, 4.2):
        angle, pitch = rng.uniform(0, np.pi), rng.uniform(14, 44)
        bent = down + 0.002 * rng.uniform(-1, 1) * across**2
        wave = np.sin((np.cos(angle) * across + np.sin(angle) * bent) * 2 * np.pi / pitch + phase)
        bands.append(0.9 + 0.1 * wave)
    rows = np.where(down % 8 < 2, 0.82, 1.0)
    return Image.fromarray((np.stack(bands, axis=2) * rows[:, :, None] * 255).astype(np.uint8))


@cache
def _glare(side: int) -> Image.Image:
    from PIL import Image

    across, down = np.meshgrid(np.linspace(-1, 1, side), np.linspace(-1, 1, side))
    light = 110 * np.exp(-(across**2 + down**2) / 0.12)
    return Image.fromarray(np.repeat(light[:, :, None], 3, axis=2).astype(np.uint8))
