"""The peers of `reading.py`, each in its own idiom: one epoch of decoded images in batches, shuffled.

python benchmarks/reading_peers.py PEER SOURCE TARGET   reads the shards in SOURCE, writes how many images to TARGET.

SOURCE holds ``*.parquet`` (key, label, image) and ``*.tar``, the same images as WebDataset has them. WebDataset runs in
the peers' own virtual environment; the others are dependencies of the project and run in its.
"""

from __future__ import annotations

import io
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image

ROWS = 64
BUFFER = 1000
WORKERS = 2


def decoded(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"))


def polars(source: Path) -> Iterator[np.ndarray]:
    """All rows in memory, in a random order, decoded one after the other: what one writes first."""
    import polars as pl

    rows = pl.read_parquet(source / "*.parquet", columns=["label", "image"]).sample(fraction=1, shuffle=True, seed=0)
    for part in rows.iter_slices(ROWS):
        yield np.stack([decoded(image["bytes"]) for image in part["image"]])


def pyarrow(source: Path) -> Iterator[np.ndarray]:
    """The row groups in a random order, each shuffled."""
    import pyarrow.parquet as pq

    random = np.random.default_rng(0)
    files = [pq.ParquetFile(path) for path in sorted(source.glob("*.parquet"))]
    groups = [(file, number) for file in files for number in range(file.num_row_groups)]
    for place in random.permutation(len(groups)):
        file, number = groups[place]
        table = file.read_row_group(number, columns=["label", "image"])
        for rows in np.split(random.permutation(len(table)), range(ROWS, len(table), ROWS)):
            yield np.stack([decoded(image["bytes"]) for image in table["image"].take(rows).to_pylist()])


def datasets(source: Path) -> Iterator[np.ndarray]:
    """Streamed through a shuffle buffer, decoded by the processes of a DataLoader."""
    import datasets
    from torch.utils.data import DataLoader

    files = [str(path) for path in sorted(source.glob("*.parquet"))]
    rows = datasets.load_dataset("parquet", data_files=files, split="train", streaming=True)
    shuffled = rows.shuffle(seed=0, buffer_size=BUFFER)
    yield from DataLoader(shuffled, ROWS, num_workers=min(WORKERS, len(files)), collate_fn=_stacked)


def webdataset(source: Path) -> Iterator[np.ndarray]:
    """Tars through a shuffle buffer, decoded by the processes of its loader."""
    import webdataset as wds

    tars = [str(path) for path in sorted(source.glob("*.tar"))]
    rows = wds.WebDataset(tars, shardshuffle=len(tars), seed=0).shuffle(BUFFER).map(lambda row: decoded(row["jpg"]))
    yield from wds.WebLoader(rows, batch_size=ROWS, num_workers=min(WORKERS, len(tars)), collate_fn=np.stack)


def _stacked(rows: list[dict]) -> np.ndarray:
    return np.stack([np.asarray(row["image"].convert("RGB")) for row in rows])


PEERS: dict[str, Callable[[Path], Iterator[np.ndarray]]] = {
    "polars": polars,
    "pyarrow": pyarrow,
    "datasets": datasets,
    "webdataset": webdataset,
}


def main() -> None:
    name, source, target = sys.argv[1:]
    __import__(name)  # starting up is not part of the work
    if name in ("datasets", "webdataset"):
        __import__("torch.utils.data")
    Image.init()
    began = time.perf_counter()
    images = sum(len(pixels) for pixels in PEERS[name](Path(source)))
    seconds = time.perf_counter() - began
    Path(target).write_text(str(images))
    print(json.dumps({"seconds": seconds}), file=sys.__stdout__)


if __name__ == "__main__":
    main()
