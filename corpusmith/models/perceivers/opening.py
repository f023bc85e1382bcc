"""A column of encoded images as pixels that a model can be given."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING, Final

import pyarrow as pa

from corpusmith.curate import images

if TYPE_CHECKING:
    from PIL.Image import Image

WHOLE: Final = 1 << 20  # pixels a side: nothing is averaged down before the model's own preprocessing


def opened(column: pa.Array) -> list[Image]:
    """The images of a column of struct{bytes, path}, as corpusmith.curate.images opens them: bounded, RGB, upright.

    Raises ValueError, which says what is wrong with the first that cannot be opened.
    """
    # Pillow lets go of the interpreter while it decodes
    return list(_decoders().map(_opened, column.field("bytes").to_pylist()))


@cache
def _decoders() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(os.cpu_count(), "decode")


def _opened(encoded: bytes | None) -> Image:
    found = images.opened(encoded, WHOLE)
    if found.pixels is None:
        raise ValueError(f"{found.problem}: {images.PROBLEMS[str(found.problem)]}")
    return found.pixels
