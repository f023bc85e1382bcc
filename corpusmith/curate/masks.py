"""Masks of what an image shows: made of COCO's polygons and runs, kept as PNG, laid over each other, measured.

A mask is bool (h, w); a label map is uint8 (h, w), 0 where nothing is.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from corpusmith.curate.images import MAX_PIXELS

Mask = NDArray[np.bool_]
LabelMap = NDArray[np.uint8]
Floats = NDArray[np.float64]

FARTHEST: Final = MAX_PIXELS
"""How far out, in pixels, a corner of a polygon may lie: no image is as wide."""

_FINE: Final = 5  # the grid on which COCO rounds corners is so much finer than the pixels
_BITS: Final = 5  # of a number in each character of a compressed run
_MOST_CHARACTERS: Final = 7  # of a number: 35 bits, more than the pixels of any image


def png(mask: Mask | LabelMap) -> bytes:
    """The mask as 0 and 255, or the label map as it is, in a PNG of one channel of 8 bits (mode L)."""
    from PIL import Image

    levels = mask.astype(np.uint8) * np.uint8(255) if mask.dtype == np.bool_ else mask
    file = io.BytesIO()
    Image.fromarray(levels).save(file, "PNG", compress_level=1)
    return file.getvalue()


def opened(data: bytes) -> LabelMap:
    """What ``png`` wrote: uint8 (h, w), 0 and 255 for a mask.

    Raises ValueError for bytes that are no whole PNG, of another mode than L, or with more than MAX_PIXELS pixels;
    the pixels of such a one are not decoded.
    """
    from PIL import Image

    try:
        image = Image.open(io.BytesIO(data), formats=("PNG",))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ValueError(f"expected a PNG of at most {MAX_PIXELS:,} pixels: {error}") from error
    except Exception as error:  # a header made to break the reader raises whatever it leads to
        raise ValueError(f"expected a PNG, found {len(data):,} bytes that start with {data[:8]!r}") from error
    with image:
        if image.width * image.height > MAX_PIXELS:
            raise ValueError(f"expected at most {MAX_PIXELS:,} pixels, found {image.width:,} × {image.height:,}")
        if image.mode != "L":
            raise ValueError(f"expected a PNG of one channel of 8 bits (mode L), found mode {image.mode}")
        try:
            return np.array(image)
        except Exception as error:  # as above, for damaged pixels
            raise ValueError(f"the PNG ends early or is damaged: {error}") from error


def from_polygons(polygons: Sequence[Sequence[float]], height: int, width: int) -> Mask:
    """The pixels inside any of COCO's polygons, each [x1, y1, x2, y2, …] in pixels; bool (height, width).

    The same pixels as pycocotools gives (rleFrPoly of https://github.com/cocodataset/cocoapi, common/maskApi.c): the
    corners are rounded to a fifth of a pixel, a side between two is a line of points on that grid, and a pixel is
    inside where an odd number of sides crosses the centre of its column above it. What lies outside the image is cut
    off; where a polygon crosses itself the parity counts.

    Raises ValueError for no polygon, and for one that is no list of numbers, has an odd number of them, fewer than
    three corners, NaN, or a corner beyond FARTHEST.
    """
    mask = _empty(height, width)
    if not len(polygons):
        raise ValueError("expected at least one polygon, found none")
    for polygon in polygons:
        columns, rows = _crossings(_corners(polygon), width)
        _fill(mask, columns, np.ceil(np.clip((rows + 0.5) / _FINE - 0.5, 0, height)).astype(np.int64))
    return mask


def from_rle(counts: Sequence[int] | str | bytes, height: int, width: int) -> Mask:
    """The mask of COCO's runs, column after column, the first of background; bool (height, width).

    The runs are whole numbers, or the string that COCO compresses them to: five bits a character, the lowest first, of
    the difference to the run before the last (rleToString of common/maskApi.c, as above).

    Raises ValueError for runs that are negative or do not add up to height × width, and for a string that is cut short
    or has a foreign character.
    """
    size = _empty(height, width).size
    runs = _decompressed(counts) if isinstance(counts, str | bytes) else _numbers(counts, "iu", "whole numbers")
    if len(runs) and (runs.min() < 0 or runs.max() > size):
        raise ValueError(f"expected runs of 0 to {size:,} pixels, found {runs.min():,} to {runs.max():,}")
    if runs.sum() != size:
        raise ValueError(f"expected runs of {height} × {width} = {size:,} pixels in all, found {runs.sum():,.0f}")
    inside = np.arange(len(runs)) % 2 == 1
    return np.ascontiguousarray(np.repeat(inside, runs).reshape(width, height).T)


def composed(masks: Sequence[Mask], labels: Sequence[int]) -> LabelMap:
    """The label map of masks of one shape, later ones over earlier ones, 0 where none is.

    Raises ValueError for no mask, not one label each, a label outside 1 to 255, or masks of several shapes.
    """
    if len({mask.shape for mask in masks}) != 1:
        raise ValueError(f"expected masks of one shape, found {sorted({mask.shape for mask in masks})}")
    if not all(0 < label < 256 for label in labels):
        raise ValueError(f"expected labels from 1 to 255, found {min(labels)} to {max(labels)}")
    found = np.zeros(masks[0].shape, np.uint8)
    for mask, label in zip(masks, labels, strict=True):
        found[mask] = label
    return found


def box(mask: Mask) -> tuple[int, int, int, int] | None:
    """(left, top, right, bottom) of the mask in pixels, right and bottom just outside it; None of an empty one."""
    columns, rows = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
    if not len(rows):
        return None
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def widened(mask: Mask, pixels: int) -> Mask:
    """The mask and every pixel that is at most so many pixels from it."""
    from scipy.ndimage import distance_transform_edt

    if pixels <= 0 or not mask.any():
        return mask
    near: Mask = distance_transform_edt(~mask) <= pixels
    return near


def resized(mask: Mask, size: tuple[int, int]) -> Mask:
    """The mask at another size (width, height): pixels of which at least half is covered."""
    from PIL import Image

    if mask.shape == size[::-1]:
        return mask
    return np.asarray(Image.fromarray(mask.astype(np.uint8) * 255).resize(size, Image.Resampling.BOX)) >= 128


def free_place(taken: Mask, radius: float) -> tuple[int, int, float] | None:
    """The pixel that is farthest from all that is taken and from what lies around the image: row, column, how far.

    None where that is less than ``radius``, in pixels between centres, or nothing is free. The first of equals, row
    by row.
    """
    from scipy.ndimage import distance_transform_edt

    distance = distance_transform_edt(~np.pad(taken, 1, constant_values=True))[1:-1, 1:-1]
    row, column = np.unravel_index(distance.argmax(), distance.shape)
    room = float(distance[row, column])
    return (int(row), int(column), room) if room >= max(radius, 1) else None


def _empty(height: int, width: int) -> Mask:
    if height < 1 or width < 1 or height * width > MAX_PIXELS:
        raise ValueError(f"expected a mask of 1 to {MAX_PIXELS:,} pixels, found {height} × {width}")
    return np.zeros((height, width), np.bool_)


def _numbers(values: Sequence[float], kinds: str, expected: str) -> NDArray[Any]:
    """The values as an array (n,) of one of numpy's kinds; raises ValueError for anything else."""
    try:
        found = np.asarray(values)
    except (ValueError, OverflowError) as error:  # lists of several lengths, or deeper than numpy goes
        raise ValueError(f"expected a list of {expected}, found {str(values)[:60]}") from error
    if found.ndim != 1 or found.dtype.kind not in kinds:
        raise ValueError(f"expected a list of {expected}, found {str(values)[:60]}")
    return found.astype(np.float64 if "f" in kinds else np.int64)


def _corners(polygon: Sequence[float]) -> Floats:
    """x and y of the corners: float64 (2, n), n at least 3."""
    flat = _numbers(polygon, "iuf", "numbers")
    if len(flat) % 2 or len(flat) < 6:
        raise ValueError(f"expected x and y of at least three corners, found {len(flat)} numbers")
    if not (np.abs(flat) <= FARTHEST).all():  # NaN compares false too
        raise ValueError(f"expected corners at most {FARTHEST:,} px away, found {flat[~(np.abs(flat) <= FARTHEST)][0]}")
    return flat.astype(np.float64).reshape(-1, 2).T


def _crossings(corners: Floats, width: int) -> tuple[NDArray[np.int64], Floats]:
    """Where the sides cross the centres of the image's columns: int64 (n,) columns, float64 (n,) rows on the fine grid.

    A side crosses column c where it steps between 5 c + 2 and 5 c + 3; its row is that of the upper of the two points.
    """
    ends = np.trunc(corners * _FINE + 0.5)
    sides = np.stack([ends, np.roll(ends, -1, axis=1)])
    left, right = sides[:, 0].min(axis=0), sides[:, 0].max(axis=0)
    first = np.maximum(np.ceil((left - 2) / _FINE), 0)
    count = np.maximum(np.minimum(np.floor((right - 3) / _FINE), width - 1) - first + 1, 0).astype(np.int64)
    side = np.repeat(np.arange(len(count)), count)
    columns = np.arange(len(side)) + np.repeat(first.astype(np.int64) - np.cumsum(count) + count, count)
    sides, fine = sides[:, :, side], columns * _FINE + 2.0
    run, rise = np.abs(sides[1] - sides[0])
    flat = run >= rise
    rows = np.empty(len(fine))
    rows[flat] = _flat_rows(sides[:, :, flat], fine[flat])
    rows[~flat] = _steep_rows(sides[:, :, ~flat], fine[~flat])
    return columns, rows


def _flat_rows(sides: Floats, fine: Floats) -> Floats:
    """The upper of the points at ``fine`` and right of it, float64 (n,), of sides (2 ends, xy, n) with a point in each
    fine column.
    """
    (x, y), (end_x, end_y) = np.where(sides[0, 0] < sides[1, 0], sides, sides[::-1])
    slope = (end_y - y) / (end_x - x)
    rows: Floats = np.minimum(np.trunc(y + slope * (fine - x) + 0.5), np.trunc(y + slope * (fine + 1 - x) + 0.5))
    return rows


def _steep_rows(sides: Floats, fine: Floats) -> Floats:
    """The last point before the step between ``fine`` and what is right of it, float64 (n,), of sides (2 ends, xy, n)
    with a point in each fine row.
    """
    (x, y), (end_x, end_y) = np.where(sides[0, 1] < sides[1, 1], sides, sides[::-1])
    slope = (end_x - x) / (end_y - y)
    step = np.floor((fine + 0.5 - x) / slope) + 1
    for _ in range(2):  # the quotient may be rounded to the other side of a whole number
        step -= (np.trunc(x + slope * step + 0.5) > fine) == (slope > 0)
    rows: Floats = y + step
    return rows


def _fill(mask: Mask, columns: NDArray[np.int64], rows: NDArray[np.int64]) -> None:
    """Add to the mask the pixels that have an odd number of crossings at or above them."""
    if not len(rows):
        return
    left, top = columns.min(), rows.min()
    turns = np.zeros((rows.max() - top + 1, columns.max() - left + 1), np.uint8)
    np.add.at(turns, (rows - top, columns - left), np.uint8(1))  # modulo 256, which keeps the parity
    inside = (np.add.accumulate(turns, axis=0, dtype=np.uint8)[:-1] & 1).view(np.bool_)
    mask[top : top + inside.shape[0], left : left + inside.shape[1]] |= inside


def _decompressed(text: str | bytes) -> NDArray[np.int64]:
    """The runs of COCO's compressed string: int64 (n,), which may be negative."""
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    codes = np.frombuffer(data, np.uint8).astype(np.int64) - ord("0")
    if ((codes < 0) | (codes >= 64)).any():
        raise ValueError(f"expected the characters 0 to o in compressed runs, found {text[:60]!r}")
    ends = (codes < 32).nonzero()[0]
    if not len(ends) or ends[-1] != len(codes) - 1:
        raise ValueError("the compressed runs end in the middle of a number")
    lengths = np.diff(ends, prepend=-1)
    if lengths.max() > _MOST_CHARACTERS:
        raise ValueError(f"expected at most {_MOST_CHARACTERS} characters a run, found {lengths.max()}")
    starts = ends - lengths + 1
    shifts = _BITS * (np.arange(len(codes)) - np.repeat(starts, lengths))
    runs: NDArray[np.int64] = np.add.reduceat((codes & 31) << shifts, starts)
    runs -= (codes[ends] & 16) << (shifts[ends] + 1)  # the highest bit is the sign
    runs[1::2] = np.cumsum(runs[1::2])
    runs[2::2] = np.cumsum(runs[2::2])
    return runs
