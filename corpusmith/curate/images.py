"""Open untrusted images: bounded before they are decoded, and decoded once, at the scale that is needed."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from PIL import Image, ImageFile

MAX_PIXELS: Final = 1 << 26
"""Pixels of an image that is decoded, at most: 8192 × 8192, some 200 MB."""

SUFFIXES: Final = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "MPO": (".jpg", ".jpeg", ".mpo"),
    "PNG": (".png", ".apng"),
    "WEBP": (".webp",),
    "GIF": (".gif",),
    "BMP": (".bmp",),
    "TIFF": (".tif", ".tiff"),
}
"""The formats that are read, and how their files are named; every other decoder stays closed to untrusted bytes."""

PROBLEMS: Final = {
    "empty": "there are no bytes",
    "not_an_image": f"the bytes are no image of a format that is read ({', '.join(SUFFIXES)}), or of no known mode",
    "too_large": f"more than {MAX_PIXELS:,} pixels: not decoded",
    "truncated": "the header can be read but the pixels cannot: the file ends early or is damaged",
}

_OPENED: Final = tuple(kind for kind in SUFFIXES if kind != "MPO")  # Pillow opens that one as a JPEG
_ORIENTATION: Final = 0x0112
_MODES: Final = {"1": "L", "P": "RGBA", "PA": "RGBA", "LA": "RGBA", "CMYK": "RGB", "YCbCr": "RGB", "LAB": "RGB"}
_JPEGS: Final = ("JPEG", "MPO")
_AT_ONCE: Final = 1 << 30  # bytes that a JPEG's decoder is handed: all, as they lie in memory, not 64 KiB after 64 KiB
_READ: Final = ("L", "RGB", "RGBA", "RGBX", *_MODES)


@dataclass(frozen=True, slots=True)
class Opened:
    """What became of some bytes: pixels, or a problem."""

    pixels: Image.Image | None
    """RGB and upright, at most the asked pixels a side; None where there is a problem."""
    problem: str | None = None
    """A code of PROBLEMS."""
    format: str | None = None
    """By its content, whatever the file is called."""
    mode: str | None = None
    """As it is stored (RGB, L, P, RGBA, CMYK, I;16, …)."""
    width: int | None = None
    """In pixels, upright, of the whole image."""
    height: int | None = None


def opened(data: bytes | None, side: int, max_pixels: int = MAX_PIXELS) -> Opened:
    """The image in ``data``, averaged down until its longest side has ``side`` pixels; smaller ones stay as they are.

    A JPEG is decoded at a half, a quarter or an eighth of its size where that suffices: the inverse DCT of a part of
    the coefficients. The size is known from the header, so a decompression bomb is not decoded. Transparency lies on
    white, as pages show it; 16 bits become the upper 8; the EXIF orientation is applied. Of several frames, the first.
    """
    from PIL import Image, UnidentifiedImageError

    if not data:
        return Opened(None, "empty")
    try:
        image = Image.open(io.BytesIO(data), formats=_OPENED)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        return Opened(None, "too_large")
    except UnidentifiedImageError:
        return Opened(None, "not_an_image")
    except Exception:  # a header made to break the reader raises whatever it leads to
        return Opened(None, "truncated")
    with image:
        facts = (image.format, image.mode, image.width, image.height)
        if image.width * image.height > max_pixels:
            return Opened(None, "too_large", *facts)
        if image.mode not in _READ and not image.mode.startswith("I;16"):
            return Opened(None, "not_an_image", *facts)
        try:
            pixels, turned = _upright(_decoded(image, side), image)
        except Exception:  # as above, for damaged pixels
            return Opened(None, "truncated", *facts)
    kind, mode, width, height = facts
    return Opened(pixels, None, kind, mode, *((height, width) if turned else (width, height)))


def misnamed(kind: str | None, path: str | None) -> bool:
    """Whether a path has a suffix that is not one of its format's; without a suffix or a format nothing is wrong."""
    suffix = PurePath(path or "").suffix.lower()
    return bool(suffix and kind) and suffix not in SUFFIXES[str(kind)]


def _decoded(image: ImageFile.ImageFile, side: int) -> Image.Image:
    """RGB pixels, not yet turned."""
    from PIL import Image

    scale = min(1.0, side / max(image.size))
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    image.draft(None, size)
    if image.format in _JPEGS:
        image.decodermaxblock = _AT_ONCE
    image.load()
    if image.mode.startswith("I;16"):
        plain = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))  # convert("L") would clip at 255
    else:
        wanted = "RGBA" if "transparency" in image.info else _MODES.get(image.mode)
        plain = image.convert(wanted) if wanted else image
    if plain.size != size:
        plain = plain.resize(size, Image.Resampling.HAMMING, reducing_gap=2.0)
    if plain.mode == "RGBA":
        white = Image.new("RGBA", plain.size, "white")
        plain = Image.alpha_composite(white, plain)
    return plain if plain.mode == "RGB" else plain.convert("RGB")


def _upright(pixels: Image.Image, image: Image.Image) -> tuple[Image.Image, bool]:
    """The pixels as EXIF wants them turned, and whether width and height changed places."""
    from PIL import Image

    turns = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }
    turn = _orientation(image)
    return (pixels.transpose(turns[turn]), turn >= 5) if turn in turns else (pixels, False)


def _orientation(image: Image.Image) -> int:
    if "exif" not in image.info:
        return 1
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # damaged EXIF turns nothing
        return 1
