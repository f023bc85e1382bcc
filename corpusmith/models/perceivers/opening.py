"""Encoded images as pixels that a model can be given, with a bound on what untrusted bytes may unfold to."""

from __future__ import annotations

import io
import os
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING, Final

import pyarrow as pa

if TYPE_CHECKING:
    from PIL.Image import Image

MOST_PIXELS: Final = 64_000_000


def opened(images: pa.Array) -> list[Image]:
    """The images of a column of struct{bytes, path} as RGB, upright by their EXIF, over white where transparent.

    Raises ValueError: no bytes, more than MOST_PIXELS; OSError: no image, or a truncated one.
    """
    return list(_decoders().map(_opened, images.field("bytes").to_pylist()))


@cache
def _decoders() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(os.cpu_count(), "decode")  # Pillow lets go of the interpreter while it decodes


def _opened(encoded: bytes | None) -> Image:
    from PIL import Image, ImageOps

    if not encoded:
        raise ValueError("an image without bytes")
    image: Image.Image = Image.open(io.BytesIO(encoded))
    if image.width * image.height > MOST_PIXELS:
        raise ValueError(f"an image of {image.width}x{image.height} pixels, more than {MOST_PIXELS:,}")
    return rgb(ImageOps.exif_transpose(image))


def rgb(image: Image) -> Image:
    """Any mode as RGB: 16 bits scaled to 8, transparency over white."""
    from PIL import Image

    if image.mode.startswith("I;16"):
        image = image.point(lambda value: value / 256, "L") if image.mode == "I;16" else image.convert("I")
    if image.mode in ("I", "F"):
        image = image.point(lambda value: value / 256).convert("L")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image if image.mode == "RGB" else image.convert("RGB")
