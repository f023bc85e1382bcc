"""The same drawing with more and more of one nuisance: test sets that say how much of it a reader of classes bears.

Continuous shifts after CNS-Bench (Dünkel et al. 2025, arXiv 2507.17651): what is asked is not whether a reader fails
under a nuisance, but how strong it is when it does.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from corpusmith.drawings import objects
from corpusmith.drawings.canvas import SCALE
from corpusmith.drawings.objects_backgrounds import SIDE
from corpusmith.drawings.objects_nuisance import occluder
from corpusmith.drawings.objects_pen import Pen, near, view

if TYPE_CHECKING:
    from PIL import Image

SEVERITIES: Final = range(1, 6)

STRENGTHS: Final[Mapping[str, tuple[float, ...]]] = {
    "occlusion": (1, 2, 4, 7, 11),  # things in front
    "clutter": (6, 16, 32, 55, 85),  # small things all over
    "darkness": (0.25, 0.4, 0.5, 0.58, 0.66),  # of the light that is missing
    "blur": (1.5, 2.5, 3.4, 4.4, 5.5),  # pixels, standard deviation
    "noise": (25, 50, 75, 100, 130),  # grey levels, standard deviation
    "tilt": (0.2, 0.38, 0.5, 0.6, 0.68),  # of its width or height that is lost, as seen from the side
}
"""What each severity is. Set by the house's judge of objects, on drawings that it never saw: severity 1 costs it a few
in a hundred, severity 5 half or more."""


def drawn(row: Mapping[str, Any], nuisance: str, severity: int) -> Image.Image:
    """The drawing of a row of `objects.traits` with a nuisance of NUISANCES: (SIZE, SIZE), RGB; the same for the same
    row. Severity 0 is `objects.draw`; 1 to 5 add ever more to what the one before has.
    """
    return under(objects.draw(row), nuisance, severity, row["seed"])


def under(image: Image.Image, nuisance: str, severity: int, seed: int) -> Image.Image:
    """An image under a nuisance of a severity, 0 to 5; where and which way is drawn by the seed. Same size, RGB."""
    if not severity:
        return image
    return NUISANCES[nuisance](image, random.Random(f"{nuisance} {seed}"), STRENGTHS[nuisance][severity - 1])


def occlusion(image: Image.Image, rng: random.Random, things: float) -> Image.Image:
    """Plain things in front, each large enough to hide a part of the object."""

    def one(canvas: Image.Image) -> None:
        x, y = (rng.uniform(0.25, 0.75) * SIDE for _ in range(2))  # of which it lies to one side
        occluder(canvas, rng, x, y, 0.3 * SIDE)

    return _covered(image, one, things)


def clutter(image: Image.Image, rng: random.Random, things: float) -> Image.Image:
    """Small discs, blocks and sticks of all colours, scattered over the picture."""
    colours = list(objects.words()["colours"].values())

    def one(canvas: Image.Image) -> None:
        pen = Pen(canvas, view(rng, rng.uniform(0, SIDE), rng.uniform(0, SIDE), rng.uniform(0.03, 0.06) * SIDE, 180))
        colour, kind = near(tuple(rng.choice(colours)), rng), rng.randrange(3)
        if kind == 0:
            pen.disc(0, 0, 1, colour)
        elif kind == 1:
            pen.box(-1, -0.7, 1, 0.7, colour)
        else:
            pen.stroke(((-1.4, -0.6), (1.4, 0.6)), 0.3, colour)

    return _covered(image, one, things)


def darkness(image: Image.Image, rng: random.Random, missing: float) -> Image.Image:
    """Less light, and a sensor's grain that stays."""
    pixels = np.asarray(image, np.float64) * (1 - missing) + missing * _grain(image, rng, 6)
    return _image(pixels)


def blur(image: Image.Image, rng: random.Random, pixels: float) -> Image.Image:
    """Out of focus."""
    from PIL import ImageFilter

    return image.filter(ImageFilter.GaussianBlur(pixels))


def noise(image: Image.Image, rng: random.Random, levels: float) -> Image.Image:
    """Independent noise in every pixel and channel."""
    return _image(np.asarray(image, np.float64) + _grain(image, rng, levels))


def tilt(image: Image.Image, rng: random.Random, lost: float) -> Image.Image:
    """Seen from ever more to the side, or from above: pressed together, before a blurred copy of itself."""
    from PIL import Image, ImageFilter

    width, height = image.size
    pressed = (round(width * (1 - lost)), height) if rng.random() < 0.5 else (width, round(height * (1 - lost)))
    behind = image.filter(ImageFilter.GaussianBlur(width / 8))
    behind.paste(image.resize(pressed, Image.Resampling.BOX), ((width - pressed[0]) // 2, (height - pressed[1]) // 2))
    return behind


NUISANCES: Final[Mapping[str, Callable[[Image.Image, random.Random, float], Image.Image]]] = {
    nuisance.__name__: nuisance for nuisance in (occlusion, clutter, darkness, blur, noise, tilt)
}


def _covered(image: Image.Image, one: Callable[[Image.Image], None], things: float) -> Image.Image:
    """The image with so many things drawn on it, one after the other; where none lies no pixel has changed."""
    from PIL import Image

    canvas = image.resize((image.width * SCALE, image.height * SCALE), Image.Resampling.NEAREST)
    for _ in range(int(things)):
        one(canvas)
    return canvas.reduce(SCALE)


def _grain(image: Image.Image, rng: random.Random, levels: float) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.random.default_rng(rng.getrandbits(64)).normal(0, levels, (image.height, image.width, 3))


def _image(pixels: np.ndarray[Any, np.dtype[np.float64]]) -> Image.Image:
    from PIL import Image

    return Image.fromarray(pixels.round().clip(0, 255).astype(np.uint8))
