"""Keep long columns in files, so that memory does not grow with them: numbers, keys, and numbers put in order."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from itertools import pairwise
from os import cpu_count
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

Rows = npt.NDArray[np.int64]
Labels = npt.NDArray[np.integer[Any]]
Packed = npt.NDArray[np.uint64]
Item = TypeVar("Item")
Made = TypeVar("Made")

WINDOW = 1 << 22  # numbers of a file that are mapped at once
ROWS_AT_ONCE = 1 << 18
BAND = 1 << 20  # numbers that are put in order at once
MOST_BANDS = 512  # files that are open at once


class Numbers:
    """A column of numbers in a file that grows at its end."""

    def __init__(self, path: Path, dtype: type[np.generic]) -> None:
        self._path, self._dtype, self._length = path, np.dtype(dtype), 0
        path.touch()

    def __len__(self) -> int:
        return self._length

    def append(self, numbers: npt.NDArray[Any]) -> None:
        with self._path.open("ab") as file:
            file.write(np.ascontiguousarray(numbers, self._dtype).data)
        self._length += len(numbers)

    def read(self, start: int = 0, stop: int | None = None) -> npt.NDArray[Any]:
        """The numbers from ``start`` up to ``stop``."""
        count = (len(self) if stop is None else stop) - start
        return np.fromfile(self._path, self._dtype, count, offset=start * self._dtype.itemsize)

    def runs(self, starts: Rows, lengths: Rows) -> npt.NDArray[Any]:
        """The numbers starts[0], starts[0] + 1, … for lengths[0], then those from starts[1], …; ``starts`` ascend."""
        borders = np.flatnonzero(np.diff(starts // WINDOW)) + 1
        return np.concatenate(
            [
                np.empty(0, self._dtype),
                *map(self._window, np.split(starts, borders), np.split(lengths, borders)),
            ]
        )

    def _window(self, starts: Rows, lengths: Rows) -> npt.NDArray[Any]:
        """What `runs` returns, of a part of the file that is mapped for as long as it takes."""
        if not lengths.any():
            return np.empty(0, self._dtype)
        low, high = int(starts[0]), int((starts + lengths).max())
        part = np.memmap(self._path, self._dtype, "r", low * self._dtype.itemsize, (high - low,))
        return np.asarray(part[ranges(starts - low, lengths)])


class Keys:
    """A column of keys in a file, written once from front to back and then read in ascending order of rows."""

    def __init__(self, path: Path, dtype: pl.DataType) -> None:
        self._path, self._dtype = path, dtype
        self._ends: list[int] = [0]
        self._writer = pa.ipc.new_file(path, pa.schema([("key", self._arrow(pl.Series([], dtype=dtype)).type)]))

    def append(self, keys: pl.Series) -> None:
        self._writer.write_batch(pa.record_batch([self._arrow(keys)], ["key"]))
        self._ends.append(self._ends[-1] + len(keys))

    def at(self, rows: Rows) -> pl.Series:
        """The keys of ``rows``, which ascend."""
        self._writer.close()
        found = [pl.Series("key", [], self._dtype)]
        places = np.searchsorted(rows, self._ends)
        with pa.OSFile(str(self._path)) as file:
            reader = pa.ipc.open_file(file)
            for batch, (first, last) in enumerate(pairwise(places)):
                if first < last:
                    wanted = pl.Series(rows[first:last] - self._ends[batch]).to_arrow()
                    keys = reader.get_batch(batch).column(0).take(wanted)  # polars would keep the whole batch
                    found.append(pl.Series("key", keys))
        return pl.concat(found, rechunk=True)

    @staticmethod
    def _arrow(keys: pl.Series) -> pa.Array:
        return keys.to_arrow(compat_level=pl.CompatLevel.oldest())


def in_bands(parts: Iterable[Packed], most: int, folder: Path) -> Iterator[Packed]:
    """All numbers of the ``parts``, each of which ascends, in ascending order, some BAND at once.

    ``most`` says how many there are, about or at most. Before this returns they are written to files in ``folder``,
    one for each range of numbers; the ranges are of equal width, so the upper half should be a hash. Numbers that
    agree in it are never apart.
    """
    bands = min(most // BAND + 1, MOST_BANDS)
    paths = [folder / f"band-{band}" for band in range(bands)]
    edges = np.array([(band << 32) // bands << 32 for band in range(1, bands)], np.uint64)
    with ExitStack() as stack:
        files = [stack.enter_context(path.open("wb")) for path in paths]
        for part in parts:
            for file, piece in zip(files, np.split(part, np.searchsorted(part, edges)), strict=True):
                file.write(piece.data)
    return map(_band, paths)


def _band(path: Path) -> Packed:
    band = np.fromfile(path, np.uint64)
    path.unlink()
    band.sort()
    return band


def repeated(band: Packed) -> tuple[npt.NDArray[np.uint32], Rows]:
    """Of ascending numbers hash << 32 | row those whose hash is there more than once: the hashes and the rows."""
    hashes = (band >> np.uint64(32)).astype(np.uint32)
    again = hashes[1:] == hashes[:-1]
    kept = np.zeros(len(band), np.bool_)
    kept[1:] |= again
    kept[:-1] |= again
    return hashes[kept], (band[kept] & np.uint64(0xFFFFFFFF)).astype(np.int64)


def twins(numbers: Numbers, folder: Path) -> tuple[Rows, Rows]:
    """The rows of a column of 64-bit hashes that another has too, ascending, and of each the first with that hash.

    Rows whose hashes agree in their upper half are found first: only these are held in memory.
    """
    alike = [repeated(band)[1] for band in in_bands(_halves(numbers), len(numbers), folder)]
    rows = np.sort(np.concatenate(alike))
    _, first, hashes, count = np.unique(
        numbers.runs(rows, np.ones_like(rows)), return_index=True, return_inverse=True, return_counts=True
    )
    equal = count[hashes] > 1
    return rows[equal], rows[first[hashes]][equal]


def _halves(numbers: Numbers) -> Iterator[Packed]:
    """The upper half of each hash with its row below it; in ascending parts."""
    for start in range(0, len(numbers), ROWS_AT_ONCE):
        part = numbers.read(start, min(start + ROWS_AT_ONCE, len(numbers)))
        part &= np.uint64(0xFFFFFFFF00000000)
        part |= np.arange(start, start + len(part), dtype=np.uint64)
        part.sort()
        yield part


def ahead(pool: ThreadPoolExecutor, make: Callable[[Item], Made], items: Iterable[Item]) -> Iterator[Made]:
    """What ``make`` makes of each item, in order, with a few being made in threads ahead of what is asked for."""
    waiting: deque[Future[Made]] = deque()
    for item in items:
        waiting.append(pool.submit(make, item))
        if len(waiting) > 2 * (cpu_count() or 1):
            yield waiting.popleft().result()
    yield from (future.result() for future in waiting)


def ranges(starts: Rows, lengths: Rows) -> Rows:
    """The numbers starts[0], starts[0] + 1, … for lengths[0] numbers, then those from starts[1], and so on."""
    ends = lengths.cumsum()
    return np.repeat(starts - ends + lengths, lengths) + np.arange(ends[-1] if len(ends) else 0)
