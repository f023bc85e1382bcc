"""A column of encoded images as pixels that a model can be given."""

from __future__ import annotations

import os
from collections.abc import Iterator
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
    return list(_begun(column))


def in_parts(column: pa.Array, rows: int) -> Iterator[list[Image]]:
    """The same, ``rows`` at a time: no more are held than are looked at, and the next are decoded meanwhile."""
    waiting = _begun(column[:rows])
    for start in range(rows, len(column) + rows, rows):
        ready = list(waiting)
        waiting = _begun(column[start : start + rows])
        yield ready


def _begun(column: pa.Array) -> Iterator[Image]:
    # Pillow lets go of the interpreter while it decodes
    return _decoders().map(_opened, column.field("bytes").to_pylist())


@cache
def _decoders() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(os.cpu_count(), "decode")


def _opened(encoded: bytes | None) -> Image:
    found = images.opened(encoded, WHOLE)
    if found.pixels is None:
        raise ValueError(f"{found.problem}: {images.PROBLEMS[str(found.problem)]}")
    return found.pixels
