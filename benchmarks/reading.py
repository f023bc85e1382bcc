"""Reading a release's images in a shuffled order: images a second, decoded, against the ways that others have.

python -m benchmarks.reading [--images 8000] [--side 256] [--runs 5] [--peers-python /path/to/python]

The same JPEGs lie in a release's shards and in WebDataset's tars, of as many rows each. One epoch: every image once, in
batches of 64, with two threads or processes that decode. WebDataset lives in the peers' virtual environment
(requirements.txt); without --peers-python it is skipped.
"""

from __future__ import annotations

import argparse
import io
import json
import statistics
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
from PIL import Image

from benchmarks.duplicates import run
from benchmarks.tables import Measured, show

PEERS_SCRIPT = Path(__file__).with_name("reading_peers.py")
OURS = "corpusmith"
HERE = ("polars", "pyarrow", "datasets")  # dependencies of the project
PEERS = ("webdataset",)
SHARDS = 4
ROWS = 64
THREADS = 2


def photographs(images: int, side: int) -> list[bytes]:
    """JPEGs of noise that is as coarse as what photographs show, at quality 90."""
    random = np.random.default_rng(0)
    found = []
    for _ in range(images):
        small = random.integers(0, 256, (side // 16, side // 16, 3), dtype=np.uint8)
        large = Image.fromarray(small).resize((side, side), Image.Resampling.BICUBIC)
        grain = random.integers(-12, 13, (side, side, 1), dtype=np.int16)
        pixels = np.clip(np.asarray(large).astype(np.int16) + grain, 0, 255).astype(np.uint8)
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "JPEG", quality=90)
        found.append(file.getvalue())
    return found


def release(folder: Path, images: list[bytes]) -> None:
    """The images as shards, ordered by their label, and as tars."""
    from corpusmith.release.shards import write_shards

    key = [f"{number:032x}"[::-1] for number in range(len(images))]
    table = pl.DataFrame(
        {
            "key": key,
            "label": [number % 10 for number in range(len(images))],
            "image": [{"bytes": data, "path": f"{name}.jpg"} for name, data in zip(key, images, strict=True)],
        },
        schema_overrides={"image": pl.Struct({"bytes": pl.Binary, "path": pl.String})},
    )
    size = sum(map(len, images)) / SHARDS
    write_shards(table.lazy(), folder, "train", order=["label"], shard_bytes=int(1.3 * size), row_group_bytes=16 << 20)
    for number in range(SHARDS):
        with tarfile.open(folder / f"train-{number:05d}.tar", "w") as tar:
            for name, label, image in table[number::SHARDS].iter_rows():
                for suffix, data in (("jpg", image["bytes"]), ("cls", str(label).encode())):
                    member = tarfile.TarInfo(f"{name}.{suffix}")
                    member.size = len(data)
                    tar.addfile(member, io.BytesIO(data))


def ours(source: Path, target: Path) -> None:
    from corpusmith.release.batches import Images

    shards = sorted(source.glob("*.parquet"))
    side = int(source.name)
    Image.init()
    began = time.perf_counter()
    images = Images(shards, size=side, label="label", threads=THREADS, keep_bytes=0)
    count = sum(len(pixels) for pixels, _ in images.batches(ROWS, seed=0, epoch=0))
    seconds = time.perf_counter() - began
    target.write_text(str(count))
    print(json.dumps({"seconds": seconds}))


def parser() -> argparse.ArgumentParser:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--images", type=int, default=8000)
    ask.add_argument("--side", type=int, default=256)
    ask.add_argument("--runs", type=int, default=5)
    ask.add_argument("--peers-python", help="the interpreter of the peers' virtual environment")
    ask.add_argument("--once", nargs=2, type=Path, help=argparse.SUPPRESS)
    return ask


def measure(asked: argparse.Namespace) -> Iterator[Measured]:
    systems = {OURS: [sys.executable, "-m", "benchmarks.reading", "--once"]}
    systems |= {peer: [sys.executable, str(PEERS_SCRIPT), peer] for peer in HERE}
    if asked.peers_python:
        systems |= {peer: [asked.peers_python, str(PEERS_SCRIPT), peer] for peer in PEERS}
    measured: dict[str, list[tuple[float, float]]] = {system: [] for system in systems}
    with tempfile.TemporaryDirectory() as name:
        source, target = Path(name) / str(asked.side), Path(name) / "count"
        images = photographs(asked.images, asked.side)
        size = sum(map(len, images)) / asked.images / 1024
        release(source, images)
        del images
        for _ in range(asked.runs):  # in turn, so that a busy machine hits all alike
            for system, command in systems.items():
                measured[system].append(run([*command, str(source), str(target)], target))
                if target.read_text() != str(asked.images):
                    raise RuntimeError(f"{system} read {target.read_text()} of {asked.images} images")
    best = statistics.median(seconds for seconds, _ in measured[OURS])
    rows = []
    for system, runs in measured.items():
        seconds, megabytes = (statistics.median(values) for values in zip(*runs, strict=True))
        rows.append((system, asked.images / seconds, megabytes, f"{seconds / best:.1f}"))
    yield Measured(
        "reading",
        f"{asked.images:,} JPEGs of {asked.side} px, {size:.0f} KiB, an epoch in batches of {ROWS}, shuffled, decoded "
        f"by {THREADS} threads or processes (polars, pyarrow: the one that reads), medians of {asked.runs}, imports "
        "not counted",
        ("system", "images/s", "peak MB", "ratio"),
        rows,
        missing=() if asked.peers_python else PEERS,
    )


def main() -> None:
    asked = parser().parse_args()
    if asked.once:
        ours(*asked.once)
    else:
        for table in measure(asked):
            show(table)


if __name__ == "__main__":
    main()
