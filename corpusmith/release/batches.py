"""Images and labels of a release as shuffled batches for training, decoded ahead of the model that learns from them."""

from __future__ import annotations

import math
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from corpusmith.curate.images import PROBLEMS, opened
from corpusmith.errors import ReleaseError
from corpusmith.release.shards import KEY
from corpusmith.score.bootstrap import generator

BUFFER_BYTES: Final = 256 << 20  # of encoded images: half of it is drawn from while the other half is read
KEEP_BYTES: Final = 1 << 30  # of decoded images that stay in memory from epoch to epoch
STREAMS: Final = 64  # row groups that are read side by side
SLICE: Final = 16  # rows that are read of one before it is the next one's turn

Bytes = np.ndarray[Any, np.dtype[np.uint8]]
Ints = np.ndarray[Any, np.dtype[np.int64]]
Batch = tuple[Bytes, Ints]
Item = TypeVar("Item")
Done = TypeVar("Done")


@dataclass(frozen=True)
class Group:
    """One row group: where it is, the number of its first row among all rows, and how many rows it has."""

    shard: Path
    number: int
    first: int
    rows: int


@dataclass(frozen=True)
class Block:
    """Rows that are shuffled with one another: slices (group, rows), as they are read, and the order they are shown in.

    numbers: of each row that is read, among all rows.
    """

    slices: list[tuple[int, int]]
    numbers: Ints
    order: Ints


@dataclass(frozen=True)
class Encoded:
    """A block as it was read: the encoded images, and the number of each row's label."""

    images: pa.Array
    labels: Ints
    numbers: Ints


class Images:
    """The images of some shards, ``size`` pixels square, and their labels, to be trained on for some epochs.

    label: the column; classes: its values in the order of their numbers, without which it holds the numbers itself. The
    shorter side of an image is averaged to ``size``, and of the longer one the middle is taken. buffer_bytes: of
    encoded images in memory, about. keep_bytes: if all decoded images fit, they are kept once each was decoded, and
    further epochs cost next to nothing. threads: that decode, a processor's each if it is not said.

    Raises ReleaseError where there is no row, or a shard lacks a column.
    """

    def __init__(
        self,
        shards: Iterable[str | os.PathLike[str]],
        *,
        size: int,
        label: str,
        classes: Sequence[str] | None = None,
        image: str = "image",
        buffer_bytes: int = BUFFER_BYTES,
        keep_bytes: int = KEEP_BYTES,
        threads: int | None = None,
    ) -> None:
        self.size, self.label, self.classes, self.image = size, label, classes, image
        self.threads = threads or os.cpu_count() or 1
        self.groups, encoded = _groups([Path(shard) for shard in shards], image, label)
        self.rows = sum(group.rows for group in self.groups)
        if not self.rows:
            raise ReleaseError("there is no row to train on: name the shards of a split that has some")
        self.block_rows = max(SLICE, int(buffer_bytes / 2 * self.rows / max(1, encoded)))
        self._keeps = self.rows * size * size * 3 <= keep_bytes
        self._kept: Batch | None = None

    def batches(self, batch_rows: int, *, seed: int, epoch: int) -> Iterator[Batch]:
        """Pixels (b, size, size, 3), uint8, and labels (b,), int64: each row once, ``batch_rows`` at a time.

        The order follows from the shards, the buffer, ``seed`` and ``epoch``, whichever thread is the quicker one, and
        whether images are kept or decoded anew. Row groups are drawn, STREAMS of them are read side by side, and what
        the buffer holds is shuffled, so that classes are mixed which lie side by side in a shard.

        Raises ReleaseError, with shard and key, for an image that cannot be decoded and a label that is no class.
        """
        blocks = _blocks(self.groups, self.block_rows, f"batches {seed} {epoch}")
        if self._kept:
            pixels, labels = self._kept
            for pieces in _cut(((None, block.numbers[block.order]) for block in blocks), batch_rows):
                rows = np.concatenate([order for _, order in pieces])
                yield pixels[rows], labels[rows]
        elif self._keeps:
            shape = (self.rows, self.size, self.size, 3)
            kept = np.empty(shape, np.uint8), np.empty(self.rows, np.int64)
            yield from self._decoded(blocks, batch_rows, kept)
            self._kept = kept
        else:
            yield from self._decoded(blocks, batch_rows, None)

    def _decoded(self, blocks: Iterator[Block], batch_rows: int, into: Batch | None) -> Iterator[Batch]:
        """The batches, decoded; ``into``: where pixels and labels are put as well, by the numbers of their rows."""
        streams: dict[int, Iterator[pa.RecordBatch]] = {}

        def read(block: Block) -> tuple[Encoded, Ints]:
            return self._read(block, streams), block.order

        def decode(pieces: list[tuple[Encoded, Ints]]) -> Batch:
            parts = [self._decode(encoded, order) for encoded, order in pieces]
            pixels, labels, numbers = (np.concatenate(part) for part in zip(*parts, strict=True))
            if into is not None:
                into[0][numbers], into[1][numbers] = pixels, labels
            return pixels, labels

        with ThreadPoolExecutor(1) as reader, ThreadPoolExecutor(self.threads) as decoder:
            pieces = _cut(_ahead(reader, read, blocks, 1), batch_rows)
            yield from _ahead(decoder, decode, pieces, 2 * self.threads)

    def _read(self, block: Block, streams: dict[int, Iterator[pa.RecordBatch]]) -> Encoded:
        """A block from the streams of its row groups, which are opened when they are first read."""
        columns = [f"{self.image}.bytes", self.label]
        parts = []
        for group, rows in block.slices:
            if group not in streams:
                at = self.groups[group]
                file = pq.ParquetFile(at.shard, memory_map=True)
                streams[group] = file.iter_batches(SLICE, row_groups=[at.number], columns=columns)
            part = next(streams[group])
            assert part.num_rows == rows
            parts.append(part)
        table = pa.Table.from_batches(parts).combine_chunks()
        images = pc.struct_field(table[self.image], "bytes").combine_chunks()
        return Encoded(images, self._numbered(table[self.label], block.numbers), block.numbers)

    def _numbered(self, labels: pa.ChunkedArray, numbers: Ints) -> Ints:
        found = labels if self.classes is None else pc.index_in(labels, pa.array(self.classes, labels.type))
        if found.null_count:
            row = int(np.flatnonzero(found.is_null().to_numpy())[0])
            raise ReleaseError(f"{self._named(numbers[row])}: its {self.label}, {labels[row].as_py()!r}, is no class")
        return np.asarray(found.to_numpy(), np.int64)

    def _decode(self, encoded: Encoded, order: Ints) -> tuple[Bytes, Ints, Ints]:
        pixels = np.empty((len(order), self.size, self.size, 3), np.uint8)
        numbers = encoded.numbers[order]
        for place, row in enumerate(order.tolist()):
            found = squared(encoded.images[row].as_py(), self.size)
            if isinstance(found, str):
                raise ReleaseError(f"{self._named(numbers[place])}: its image cannot be decoded: {PROBLEMS[found]}")
            pixels[place] = found
        return pixels, encoded.labels[order], numbers

    def _named(self, number: int) -> str:
        """The shard and the key of a row."""
        group = next(group for group in self.groups if number < group.first + group.rows)
        keys = pq.ParquetFile(group.shard).read_row_group(group.number, columns=[KEY])[KEY]
        return f"{group.shard}, row {keys[int(number) - group.first]}"


def squared(data: bytes | None, size: int) -> Bytes | str:
    """The middle of an image, its shorter side averaged to ``size``: (size, size, 3). A code of PROBLEMS otherwise."""
    from PIL import Image

    found = opened(data, 2 * size)
    if found.pixels is not None and found.width and found.height and min(found.pixels.size) < size:
        found = opened(data, math.ceil(size * max(found.width, found.height) / min(found.width, found.height)))
    if found.pixels is None:
        return found.problem or "not_an_image"
    width, height = found.pixels.size
    if (width, height) == (size, size):
        return np.asarray(found.pixels)
    side = min(width, height)
    left, top = (width - side) / 2, (height - side) / 2
    middle = (left, top, left + side, top + side)
    return np.asarray(found.pixels.resize((size, size), Image.Resampling.BOX, box=middle))


def _groups(shards: Sequence[Path], image: str, label: str) -> tuple[list[Group], int]:
    """The row groups of all shards, and the bytes of their images."""
    groups: list[Group] = []
    encoded = first = 0
    for shard in shards:
        metadata = pq.read_metadata(shard)
        columns = {metadata.schema.column(i).path: i for i in range(metadata.num_columns)}
        for wanted in (f"{image}.bytes", label):
            if wanted not in columns:
                raise ReleaseError(f"{shard} has no column {wanted.partition('.')[0]!r}; it has {', '.join(columns)}")
        for number in range(metadata.num_row_groups):
            group = metadata.row_group(number)
            groups.append(Group(shard, number, first, group.num_rows))
            first += group.num_rows
            encoded += group.column(columns[f"{image}.bytes"]).total_uncompressed_size
    return groups, encoded


def _blocks(groups: Sequence[Group], block_rows: int, key: str) -> Iterator[Block]:
    """All rows of the groups, once, in blocks of about so many; ``key`` decides every draw."""
    draw = generator(key)
    waiting = [int(group) for group in draw.permutation(len(groups))]
    reading: deque[tuple[int, int]] = deque()  # groups, and how many rows of each were read
    slices: list[tuple[int, int]] = []
    numbers: list[Ints] = []
    held = 0
    while waiting or reading:
        while waiting and len(reading) < STREAMS:
            reading.append((waiting.pop(), 0))
        group, read = reading.popleft()
        rows = min(SLICE, groups[group].rows - read)
        if rows:
            slices.append((group, rows))
            numbers.append(np.arange(rows) + groups[group].first + read)
            reading.append((group, read + rows))
            held += rows
        if held >= block_rows or (held and not waiting and not reading):
            yield Block(slices, np.concatenate(numbers), draw.permutation(held))
            slices, numbers, held = [], [], 0


def _cut(blocks: Iterable[tuple[Item, Ints]], rows: int) -> Iterator[list[tuple[Item, Ints]]]:
    """Pieces of blocks, in their order, that have so many rows together, the last ones perhaps fewer."""
    pieces: list[tuple[Item, Ints]] = []
    missing = rows
    for block, order in blocks:
        while len(order):
            pieces.append((block, order[:missing]))
            missing -= len(pieces[-1][1])
            order = order[len(pieces[-1][1]) :]
            if not missing:
                yield pieces
                pieces, missing = [], rows
    if pieces:
        yield pieces


def _ahead(pool: ThreadPoolExecutor, work: Callable[[Item], Done], items: Iterable[Item], ahead: int) -> Iterator[Done]:
    """``work`` of each item, in their order; up to ``ahead`` are done or under way before they are asked for."""
    waiting: deque[Future[Done]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) > ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for each in waiting:
            each.cancel()
