"""Keys as two 64-bit numbers, compared exactly and in bounded memory: which of a plan are held, which are held twice.

More than IN_MEMORY keys are parted by their first eight bits in temporary files without a name (TMPDIR), which end with
the process, and each part is compared by itself, as a database joins what is larger than memory.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Iterator
from typing import IO, Any, Final

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

Numbers = np.ndarray[Any, np.dtype[np.uint64]]
Bools = np.ndarray[Any, np.dtype[np.bool_]]

HEX: Final = 32
KEY: Final = re.compile(r"[0-9a-f]{32}")
IN_MEMORY: Final = 1 << 21
"""Keys up to which nothing is written: with their numbers 50 MB, and as much again while they are sorted."""
PARTS: Final = 256
CHUNK: Final = 1 << 17
"""Keys that are packed at a time."""
NONE: Final = 256


def _digits() -> np.ndarray[Any, np.dtype[np.uint16]]:
    """The byte that two hexadecimal digits spell, by the number that their characters are; NONE: they spell none."""
    found = np.full(1 << 16, NONE, dtype=np.uint16)
    for byte in range(256):
        found[np.frombuffer(f"{byte:02x}".encode(), dtype=np.uint16)] = byte
    return found


DIGITS: Final = _digits()


def pack(keys: pl.Series | pa.ChunkedArray) -> Numbers:
    """Keys (n,) as their first and last 64 bits, shape (n, 2), uint64: 16 bytes instead of 48.

    What is not 32 lower-case hexadecimal digits is no `plan.keys` key, and goes by its 128-bit BLAKE2b.
    """
    return np.concatenate([np.empty((0, 2), dtype=np.uint64), *chunks(keys)])


def chunks(keys: pl.Series | pa.ChunkedArray) -> Iterator[Numbers]:
    """Keys packed CHUNK at a time."""
    for start in range(0, len(keys), CHUNK):
        part = keys.slice(start, CHUNK)
        if isinstance(part, pl.Series):
            yield _packed(part.rechunk().to_arrow(compat_level=pl.CompatLevel.oldest()))
        else:
            yield from map(_packed, part.chunks)


def _packed(keys: pa.Array) -> Numbers:
    if len(keys) and pc.all(pc.equal(pc.binary_length(keys), HEX)).as_py():
        width = np.int64 if pa.types.is_large_string(keys.type) else np.int32
        first = np.frombuffer(keys.buffers()[1], dtype=width)[keys.offset]
        digits = np.frombuffer(keys.buffers()[2], dtype=np.uint8, count=HEX * len(keys), offset=int(first))
        spelt = DIGITS.take(digits.view(np.uint16))
        if spelt.max() < NONE:
            return spelt.astype(np.uint8).view(">u8").reshape(-1, 2).astype(np.uint64)
    return _hashed(keys.to_pylist())


def _hashed(keys: list[str]) -> Numbers:
    bits = [
        bytes.fromhex(key) if KEY.fullmatch(key) else hashlib.blake2b(key.encode(), digest_size=HEX // 2).digest()
        for key in keys
    ]
    return np.frombuffer(b"".join(bits), dtype=">u8").reshape(-1, 2).astype(np.uint64)


class Parted:
    """Any number of keys, each with a number of its own, that are read back in parts of the first eight bits.

    Up to IN_MEMORY they stay in memory. Use it in a ``with``: the temporary file goes with it.
    """

    def __init__(self) -> None:
        self._waiting: list[Numbers] = []
        self._held = 0
        self._file: IO[bytes] | None = None
        self._runs: list[list[tuple[int, int]]] = [[] for _ in range(PARTS)]  # of each part: where in the file, bytes
        self.total = 0

    def __enter__(self) -> Parted:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file:
            self._file.close()

    @property
    def is_written(self) -> bool:
        """Whether there are more of them than stay in memory."""
        return self._file is not None

    def add(self, packed: Numbers) -> None:
        """Take in more keys, shape (n, 2); they are numbered in the order in which they come."""
        numbers = np.arange(self.total, self.total + len(packed), dtype=np.uint64)
        self._waiting.append(np.column_stack([packed, numbers]))
        self.total += len(packed)
        self._held += len(packed)
        if self._held > IN_MEMORY:
            self.write()

    def write(self) -> None:
        """Write what is in memory to the file, part by part."""
        self._file = self._file or tempfile.TemporaryFile()  # noqa: SIM115  # closed in __exit__
        rows = np.concatenate([np.empty((0, 3), dtype=np.uint64), *self._waiting])
        part = (rows[:, 0] >> np.uint64(56)).astype(np.uint8)
        order = np.argsort(part, kind="stable")
        ends = np.bincount(part, minlength=PARTS).cumsum()
        for number, chosen in enumerate(np.split(order, ends[:-1])):
            if len(chosen):
                self._runs[number].append((self._file.tell(), 24 * len(chosen)))
                self._file.write(np.ascontiguousarray(rows[chosen]).data)
        self._waiting, self._held = [], 0

    def part(self, number: int) -> Numbers:
        """The keys with these first eight bits and their numbers, shape (n, 3); all that are in memory, if they are.

        They are given out once.
        """
        if not self._file:
            rows = np.concatenate([np.empty((0, 3), dtype=np.uint64), *self._waiting])
            self._waiting = []
            return rows
        self._file.flush()
        runs = [os.pread(self._file.fileno(), size, start) for start, size in self._runs[number]]
        return np.frombuffer(b"".join(runs), dtype=np.uint64).reshape(-1, 3)


def compared(plan: Parted, held: Parted) -> tuple[Bools, Numbers]:
    """Which of the plan are not held, the first of equal ones only, shape (plan,); and the numbers of those of the held
    that are held before, shape (n,), in order.
    """
    if plan.is_written or held.is_written:
        for one in (plan, held):
            one.write()
    lacking = np.zeros(plan.total, dtype=np.bool_)
    again = []
    for number in range(PARTS if plan.is_written else 1):
        wanted, there = _Sorted(plan.part(number)), _Sorted(held.part(number))
        again.append(there.numbers[~there.is_first])
        lacking[wanted.numbers[wanted.is_first & ~wanted.among(there)]] = True
    return lacking, np.sort(np.concatenate(again))


class _Sorted:
    """Keys in order, equal ones by their numbers; ``is_first``: of equal ones."""

    def __init__(self, rows: Numbers) -> None:
        high = np.ascontiguousarray(rows[:, 0])
        if len(high) > 1 and not (high[1:] > high[:-1]).all():
            order = pl.Series(high).arg_sort().to_numpy()
            high, low, numbers = high[order], rows[order, 1], rows[order, 2]
            _settle(high, low, numbers)
        else:
            low, numbers = np.ascontiguousarray(rows[:, 1]), np.ascontiguousarray(rows[:, 2])
        self.high, self.low, self.numbers = high, low, numbers
        self.is_first = np.ones(len(high), dtype=np.bool_)
        self.is_first[1:] = (high[1:] != high[:-1]) | (low[1:] != low[:-1])

    def among(self, others: _Sorted) -> Bools:
        """Which keys are among the others: all 128 bits of them."""
        place = np.searchsorted(others.high, self.high)
        found = np.zeros(len(place), dtype=np.bool_)
        left = np.flatnonzero(place < len(others.high))
        while len(left):
            left = left[others.high[place[left]] == self.high[left]]
            is_same = others.low[place[left]] == self.low[left]
            found[left[is_same]] = True
            left = left[~is_same]  # the same first half by chance, or an equal one further on
            place[left] += 1
            left = left[place[left] < len(others.high)]
        return found


def _settle(high: Numbers, low: Numbers, numbers: Numbers) -> None:
    """Order keys with the same first half by their second, and equal ones by their numbers; in place."""
    same = high[1:] == high[:-1]
    tied = np.flatnonzero(np.append(same, False) | np.insert(same, 0, False))
    if len(tied):
        order = tied[np.lexsort((numbers[tied], low[tied], high[tied]))]
        low[tied], numbers[tied] = low[order], numbers[order]
