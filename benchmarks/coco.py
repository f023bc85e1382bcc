"""Instances of a COCO file read and made masks of a second, and the peak of memory, beside pycocotools.

python -m benchmarks.coco [--instances 800000] [--masks 20000]

The file is written first: outlines of 12 to 60 corners and, one in a hundred, runs, in images of 640 × 480. Each system
reads it whole in a process of its own, then makes the masks of the first instances. Reading is what an ingest does, all
rows with their outlines gone through once: pycocotools keeps them, ours hands them on frame by frame.
"""

from __future__ import annotations

import argparse
import importlib
import io
import json
import math
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from itertools import islice
from pathlib import Path

import orjson

from benchmarks.tables import Measured, installed, show

WIDTH, HEIGHT = 640, 480
PER_IMAGE = 7
SHAPES = 1000


def outline(draw: random.Random) -> list[list[float]]:
    """A polygon around a centre, with two decimals as COCO's have."""
    x, y = draw.uniform(0, WIDTH), draw.uniform(0, HEIGHT)
    radius, corners = min(draw.lognormvariate(3.7, 0.9), 300), draw.randrange(12, 60)
    flat: list[float] = []
    for corner in range(corners):
        angle, reach = math.tau * corner / corners, radius * draw.uniform(0.6, 1)
        flat.append(round(min(max(x + reach * math.cos(angle), 0), WIDTH), 2))
        flat.append(round(min(max(y + reach * math.sin(angle), 0), HEIGHT), 2))
    return [flat]


def runs(draw: random.Random) -> dict[str, list[int]]:
    """Runs of a crowd: some in each of the columns that it takes."""
    counts, left = [], WIDTH * HEIGHT
    while left > 0 and len(counts) < 400:
        counts.append(min(left, draw.randrange(1, 300)))
        left -= counts[-1]
    return {"counts": [*counts, left] if left else counts, "size": [HEIGHT, WIDTH]}


def write_file(path: Path, instances: int) -> None:
    """A COCO instances file of so many instances."""
    draw = random.Random(0)
    shapes = [orjson.dumps(runs(draw) if n % 100 == 0 else outline(draw)) for n in range(SHAPES)]
    count = math.ceil(instances / PER_IMAGE)
    licences = b'"licenses":[{"id":1,"name":"Attribution License","url":"http://example.com"}]'
    with path.open("wb") as file:
        file.write(b'{"info":{},' + licences + b',"images":[')
        for n in range(count):
            image = {"id": n, "file_name": f"{n:012}.jpg", "width": WIDTH, "height": HEIGHT, "license": 1}
            file.write(b"," * (n > 0) + orjson.dumps(image))
        file.write(b'],"annotations":[')
        for n in range(instances):
            ids = b'"id":%d,"image_id":%d,"category_id":1,"area":1234.5,' % (n, n // PER_IMAGE)
            rest = b'"bbox":[1.5,2.5,30.25,40.75],"iscrowd":%d,"segmentation":' % (n % 100 == 0)
            file.write(b"," * (n > 0) + b"{" + ids + rest + shapes[n % SHAPES] + b"}")
        file.write(b'],"categories":[{"id":1,"name":"person","supercategory":"person"}]}')


def ours(path: Path, masks: int) -> Iterator[int]:
    """How many instances were read, then how many pixels the masks of the first have."""
    from corpusmith.ingest import coco

    coco.images(path), coco.categories(path)
    yield sum(frame.height for frame in coco.instances(path))
    outlines = (text for frame in coco.instances(path) for text in frame["segmentation"])
    yield sum(int(coco.mask_of(text, HEIGHT, WIDTH).sum()) for text in islice(outlines, masks))


def pycocotools(path: Path, masks: int) -> Iterator[int]:
    from pycocotools.coco import COCO

    with redirect_stdout(io.StringIO()):
        found = COCO(str(path))
    yield len(found.anns)
    yield sum(int(found.annToMask(annotation).sum()) for annotation in islice(found.anns.values(), masks))


SYSTEMS: dict[str, Callable[[Path, int], Iterator[int]]] = {"ours": ours, "pycocotools": pycocotools}


def once(name: str, path: Path, masks: int) -> dict[str, float]:
    """What one system took in this process: seconds of both steps, MB after reading, and what it found."""
    module = "corpusmith.ingest.coco" if name == "ours" else "pycocotools.coco"
    importlib.import_module(module)  # start-up is not the work
    steps = SYSTEMS[name](path, masks)
    began = time.perf_counter()
    rows = next(steps)
    read = time.perf_counter()
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    pixels = next(steps)
    return {
        "rows": rows,
        "pixels": pixels,
        "read_s": read - began,
        "masks_s": time.perf_counter() - read,
        "mb": megabytes,
    }


def parser() -> argparse.ArgumentParser:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--instances", type=int, default=800_000)
    ask.add_argument("--masks", type=int, default=20_000)
    ask.add_argument("--once", nargs=2, help=argparse.SUPPRESS)
    return ask


def measure(asked: argparse.Namespace) -> Iterator[Measured]:
    names = [name for name in SYSTEMS if name == "ours" or installed(name)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "instances.json"
        write_file(path, asked.instances)
        size = path.stat().st_size / 1e6
        found = {name: _in_a_process(name, path, asked.masks) for name in names}
    if len({(run["rows"], run["pixels"]) for run in found.values()}) > 1:
        raise RuntimeError(f"the systems disagree on what the file holds: {found}")
    masks = min(asked.instances, asked.masks)
    yield Measured(
        "coco",
        f"{asked.instances:,} instances in {size:,.0f} MB of JSON, {masks:,} masks of {WIDTH} × {HEIGHT}, one run",
        ("system", "read s", "instances/s", "peak MB", "masks s", "masks/s", "reading × ours", "masks × ours"),
        [_row(name, run, found["ours"], masks) for name, run in found.items()],
        tuple(name for name in SYSTEMS if name not in names),
    )


def main() -> None:
    asked = parser().parse_args()
    if asked.once:
        print(json.dumps(once(asked.once[0], Path(asked.once[1]), asked.masks)))
        return
    for table in measure(asked):
        show(table)


def _row(name: str, run: dict[str, float], base: dict[str, float], masks: int) -> tuple[str | float, ...]:
    rates = (run["read_s"], run["rows"] / run["read_s"], run["mb"], run["masks_s"], masks / run["masks_s"])
    return name, *rates, run["read_s"] / base["read_s"], run["masks_s"] / base["masks_s"]


def _in_a_process(name: str, path: Path, masks: int) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.coco", "--masks", str(masks), "--once", name, str(path)]
    run = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    found: dict[str, float] = json.loads(run.stdout)
    return found


if __name__ == "__main__":
    main()
