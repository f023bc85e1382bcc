"""What happens to images on their way: compression, scaling, blur, noise, colour, screenshots."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image

Pixels = np.ndarray[Any, np.dtype[np.uint8]]

NOISE: Final = 8.0  # standard deviation, in grey levels
BLUR: Final = 1.0  # standard deviation, in pixels
SCREEN: Final = 1.1  # how much larger a screenshot shows an image before it is saved again


def distorted(images: Pixels, name: str) -> Pixels:
    """Images (n, h, w, 3), uint8, after one of DISTORTIONS, at the same size: what moved is moved back."""
    from PIL import Image

    change = DISTORTIONS[name]
    rng = np.random.default_rng(0)  # the noise of an image depends on its place alone
    return np.stack([np.asarray(change(Image.fromarray(image), rng)) for image in images]) if len(images) else images


def _jpeg(image: Image, rng: np.random.Generator, quality: int) -> Image:
    import PIL.Image

    sink = io.BytesIO()
    image.save(sink, "JPEG", quality=quality)
    return PIL.Image.open(sink).convert("RGB")


def _scaled(image: Image, rng: np.random.Generator, factor: float) -> Image:
    import PIL.Image

    size = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
    return image.resize(size, PIL.Image.Resampling.BICUBIC).resize(image.size, PIL.Image.Resampling.BICUBIC)


def _blurred(image: Image, rng: np.random.Generator) -> Image:
    from PIL import ImageFilter

    return image.filter(ImageFilter.GaussianBlur(BLUR))


def _noisy(image: Image, rng: np.random.Generator) -> Image:
    import PIL.Image

    pixels = np.asarray(image) + rng.normal(0, NOISE, (image.height, image.width, 3))
    return PIL.Image.fromarray(pixels.round().clip(0, 255).astype(np.uint8))


def _coloured(image: Image, rng: np.random.Generator) -> Image:
    """Brightness, contrast and saturation raised by a fifth."""
    from PIL import ImageEnhance

    for enhance in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        image = enhance(image).enhance(1.2)
    return image


def _screenshot(image: Image, rng: np.random.Generator) -> Image:
    """Shown larger, photographed off the screen as JPEG, and brought back to its size."""
    return _jpeg(_scaled(image, rng, SCREEN), rng, 85)


DISTORTIONS: Final[Mapping[str, Callable[[Image, np.random.Generator], Image]]] = {
    "JPEG 95": partial(_jpeg, quality=95),
    "JPEG 75": partial(_jpeg, quality=75),
    "JPEG 50": partial(_jpeg, quality=50),
    "resize 0.75": partial(_scaled, factor=0.75),
    "resize 0.5": partial(_scaled, factor=0.5),
    "blur": _blurred,
    "noise": _noisy,
    "colour": _coloured,
    "screenshot": _screenshot,
}
"""Each by its name. DiffSeg30k names JPEG and resizing without their strengths; these are our choice."""
