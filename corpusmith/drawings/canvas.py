"""A canvas to draw on larger than it will be seen, and a table of things drawn by all cores."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from PIL import Image

Pixels = np.ndarray[Any, np.dtype[np.uint8]]

SIZE: Final = 64
"""Side of a drawing, in pixels."""
SCALE: Final = 4
"""Drawn this many times larger and then averaged, which smooths every edge."""
CHUNK: Final = 512


def finished(canvas: Image.Image, size: int = SIZE) -> Image.Image:
    """The canvas averaged down to ``size`` pixels a side, RGB."""
    return canvas.reduce(canvas.width // size)


def render(
    table: pl.DataFrame, draw: Callable[[Mapping[str, Any]], Image.Image], processes: int = 1, size: int = SIZE
) -> Pixels:
    """Every row of a table as a drawing: (n, size, size, 3), uint8, in the table's order."""
    chunks = [table.slice(start, CHUNK).to_dicts() for start in range(0, table.height, CHUNK)]
    pixels = np.empty((table.height, size, size, 3), np.uint8)
    task = functools.partial(_drawn, draw)
    if processes == 1:
        for place, chunk in enumerate(map(task, chunks)):
            pixels[place * CHUNK : place * CHUNK + len(chunk)] = chunk
        return pixels
    with ProcessPoolExecutor(processes) as pool:
        for place, chunk in enumerate(pool.map(task, chunks)):
            pixels[place * CHUNK : place * CHUNK + len(chunk)] = chunk
    return pixels


def _drawn(draw: Callable[[Mapping[str, Any]], Image.Image], rows: Sequence[Mapping[str, Any]]) -> Pixels:
    return np.stack([np.asarray(draw(row), np.uint8) for row in rows])
