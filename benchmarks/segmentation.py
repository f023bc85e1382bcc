"""Scoring label maps: images a second of our counts, and of a loop over images and classes with scipy's erosion.

python -m benchmarks.segmentation [--images 1000] [--loop-images 100] [--side 512] [--runs 3]

Both count in one thread, from the same maps, all that IoU, F1 and Boundary IoU need of each image. Only --loop-images
pairs are drawn, and come again until there are --images: the loop, which is slow, takes each of them once.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator

import numpy as np
from scipy import ndimage

from benchmarks.tables import Measured, met, show
from corpusmith.score.segmentation import Counts, Labels, Marks, counts, radius

CLASSES = 9
AIM = 5.0


def blobs(images: int, side: int, seed: int) -> tuple[Labels, Labels]:
    """True and predicted maps, uint8 (images, side, side): where one of CLASSES smooth fields is highest.

    Those of a prediction are the true ones with some of another's mixed in.
    """
    random, maps = np.random.default_rng(seed), np.empty((2, images, side, side), dtype=np.uint8)
    between = np.linspace(0, 7, side)
    spread = np.stack([np.interp(between, np.arange(8), knot) for knot in np.eye(8)], axis=1).astype(np.float32)
    for image in range(images):
        true, other = random.random((2, CLASSES, 8, 8), dtype=np.float32)
        for place, coarse in enumerate((true, 0.8 * true + 0.2 * other)):
            maps[place, image] = (spread @ coarse @ spread.T).argmax(axis=0)
    return maps[0], maps[1]


def band(mask: Marks, reach: int) -> Marks:
    """The band of one mask as the reference implementation of Boundary IoU has it."""
    eroded: Marks = ndimage.binary_erosion(np.pad(mask, 1), np.ones((3, 3)), iterations=reach)
    return mask & ~eroded[1:-1, 1:-1]


def looped(truth: Labels, predicted: Labels) -> Counts:
    """The same counts, an image and a class at a time."""
    confusion = np.zeros((len(truth), CLASSES, CLASSES), dtype=np.int64)
    boundary = np.zeros((len(truth), CLASSES, 2), dtype=np.int64)
    for image, (true, found) in enumerate(zip(truth, predicted, strict=True)):
        pairs = true.ravel().astype(np.int64) * CLASSES + found.ravel()
        confusion[image] = np.bincount(pairs, minlength=CLASSES**2).reshape(CLASSES, CLASSES)
        for label in range(CLASSES):
            one, other = (band(side == label, radius(*true.shape)) for side in (true, found))
            boundary[image, label] = (one & other).sum(), (one | other).sum()
    return Counts(confusion, boundary)


def parser() -> argparse.ArgumentParser:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--images", type=int, default=1000)
    ask.add_argument("--loop-images", type=int, default=100)
    ask.add_argument("--side", type=int, default=512)
    ask.add_argument("--runs", type=int, default=3)
    return ask


def measure(options: argparse.Namespace) -> Iterator[Measured]:
    some = min(options.images, options.loop_images)
    whole = options.images, options.side, options.side
    truth, predicted = (np.resize(drawn, whole) for drawn in blobs(some, options.side, seed=1))
    ways: dict[str, Callable[[], Counts]] = {
        "all classes at once": lambda: counts(truth, predicted, CLASSES),
        "image by image, class by class": lambda: looped(truth[:some], predicted[:some]),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    found: dict[str, Counts] = {}
    for _ in range(options.runs):
        for name, count in ways.items():  # in turns, so that what else the machine does hits both alike
            began = time.perf_counter()
            found[name] = count()
            seconds[name].append(time.perf_counter() - began)
    one, other = found.values()
    ours, theirs = (len(found[name].boundary) / statistics.median(seconds[name]) for name in ways)
    same = np.array_equal(one.confusion[:some], other.confusion) and np.array_equal(one.boundary[:some], other.boundary)
    yield Measured(
        "segmentation",
        f"{options.images:,} pairs of maps of {options.side} px with {CLASSES} labels, {some:,} of them drawn and "
        f"all that the loop is given, one thread, medians of {options.runs}; the counts are "
        f"{'the same' if same else '*not* the same'}",
        ("how", "images/s", "ours is", "aim", ""),
        [
            ("all classes at once", ours, None, None, None),
            (
                "image by image, class by class",
                theirs,
                f"{ours / theirs:.1f} ×",
                f"at least {AIM:.0f} times",
                met(ours >= AIM * theirs),
            ),
        ],
    )


def main() -> None:
    for table in measure(parser().parse_args()):
        show(table)


if __name__ == "__main__":
    main()
