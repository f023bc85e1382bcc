"""JPEG files → quality, perceptual hash, near-duplicates → Parquet, against the peers on the same files.

python -m benchmarks.image_curation [--images 20000] [--runs 3] [--peers-python /path/to/python] [--only daft]

At each of --qualities the files are made anew. Seconds of the processor, of all threads and processes that did the
work, are the fairer clock where other work runs beside it.

Also: near-duplicates among many hashes, and new hashes against those of earlier releases. The peers live in a virtual
environment of their own: python -m venv peers && peers/bin/pip install -r benchmarks/requirements.txt, and then, since
it asks for torchvision, which its hashes do not use: peers/bin/pip install --no-deps imagededup==0.3.3.post2. Without
--peers-python they are skipped.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
from PIL import Image

from benchmarks.duplicates import run
from benchmarks.image_curation_peers import processor_file, processor_seconds
from benchmarks.tables import Measured, Value, show

PEERS_SCRIPT = Path(__file__).with_name("image_curation_peers.py")
HASHERS, MEASURERS = ("daft", "imagededup"), ("cleanvision",)
OURS = "corpusmith"
PHOTOS = Path(__file__).resolve().parents[2] / "shared" / "data"
IMAGE = pa.struct({"bytes": pa.binary(), "path": pa.string()})
SIDE, BATCH, DISTANCE = 512, 1024, 8
DISTANCES = (4, 6, 8, 10)  # bits, of the table of hashes
COPIES = 10  # one image in so many is another one re-encoded


def images(folder: Path, count: int, bases: list[Path], quality: int) -> None:
    """``count`` JPEGs of SIDE pixels: crops of photographs where there are some, else textures; a tenth are copies."""
    chunks = [range(start, min(start + 500, count)) for start in range(0, count, 500)]
    with ProcessPoolExecutor() as pool:
        list(pool.map(partial(_draw, folder, bases, quality), chunks))


def _draw(folder: Path, bases: list[Path], quality: int, numbers: range) -> None:
    for number in numbers:
        copied = number % COPIES == COPIES - 1
        rng = np.random.default_rng(number - copied)
        image = _crop(Image.open(bases[rng.integers(len(bases))]).convert("RGB"), rng) if bases else _texture(rng)
        if copied:
            image = image.resize((SIDE - 64,) * 2, Image.Resampling.LANCZOS).resize(
                (SIDE, SIDE), Image.Resampling.BICUBIC
            )
        image.save(folder / f"{number:06d}.jpg", quality=75 if copied else quality)


def _crop(photo: Image.Image, rng: np.random.Generator) -> Image.Image:
    side = min(photo.size) * rng.uniform(0.5, 1)
    left, top = rng.uniform(0, photo.width - side), rng.uniform(0, photo.height - side)
    box = (left, top, left + side, top + side)
    image = photo.resize((SIDE, SIDE), Image.Resampling.BICUBIC, box=box)
    return image.transpose(Image.Transpose(int(rng.integers(7))))


def _texture(rng: np.random.Generator) -> Image.Image:
    """Noise of all scales, as in photographs: amplitude falls with frequency."""
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(SIDE), np.fft.rfftfreq(SIDE), indexing="ij"))
    spectrum = rng.normal(size=(3, SIDE, SIDE // 2 + 1)) + 1j * rng.normal(size=(3, SIDE, SIDE // 2 + 1))
    noise = np.fft.irfft2(spectrum / np.maximum(frequency, 1 / SIDE) ** 1.2, (SIDE, SIDE))
    noise = (noise - noise.mean(axis=(1, 2), keepdims=True)) / noise.std(axis=(1, 2), keepdims=True)
    return Image.fromarray(np.clip(noise * 50 + 128, 0, 255).astype(np.uint8).transpose(1, 2, 0))


def ours(source: Path, target: Path) -> None:
    """All measures and the hash of every image, the verdicts, the near-duplicates."""
    from corpusmith.curate.image_hashes import duplicates
    from corpusmith.curate.image_quality import Thresholds, measure, verdicts

    parts = [measure(batch).insert_column(0, pl.Series("key", batch.field("path"))) for batch in _batches(source)]
    frame = verdicts(pl.concat(parts), Thresholds()).with_columns(image_sha256="key")
    near = duplicates(frame, DISTANCE).select("key", "duplicate_of")
    frame.join(near, on="key", how="left").write_parquet(target)


def _batches(source: Path) -> Iterator[pa.Array]:
    """The files, BATCH at a time, the next being read meanwhile."""
    paths = sorted(source.iterdir())
    parts = [paths[start : start + BATCH] for start in range(0, len(paths), BATCH)]
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(_read, parts[0])
        for part in parts[1:]:
            batch, waiting = waiting.result(), pool.submit(_read, part)
            yield batch
        yield waiting.result()


def _read(paths: list[Path]) -> pa.Array:
    read = pa.array([path.read_bytes() for path in paths], pa.binary())
    return pa.StructArray.from_arrays([read, pa.array([path.name for path in paths])], fields=list(IMAGE))


def against_peers(arguments: argparse.Namespace) -> Measured:
    bases = sorted([*PHOTOS.glob("imagenet_sample_dev/images/*.JPEG"), *PHOTOS.glob("coco_tiny_dev/*/*.jpg")])
    rows = [row for quality in arguments.qualities for row in _at(quality, bases, arguments)]
    return Measured(
        "image_curation",
        f"{arguments.images:,} JPEGs of {SIDE} px from {len(bases)} photographs (0: textures), medians of "
        f"{arguments.runs}, start-up not counted; ours computes all quality measures besides hash and near-duplicates",
        ("system", "does", "KiB", "images/s", "× ours", "images/s of a processor", "× ours", "peak MB", "recall"),
        rows,
        missing=() if arguments.peers_python else tuple(arguments.only),
    )


def _at(quality: int, bases: list[Path], arguments: argparse.Namespace) -> Iterator[tuple[Value, ...]]:
    """A row for each system, on files of one JPEG quality."""
    systems = {OURS: [sys.executable, "-m", "benchmarks.image_curation", "--once"]}
    if arguments.peers_python:
        systems |= {peer: [arguments.peers_python, str(PEERS_SCRIPT), peer] for peer in arguments.only}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "images"
        folder.mkdir()
        images(folder, arguments.images, bases, quality)
        size = sum(path.stat().st_size for path in folder.iterdir()) / arguments.images / 1024
        measured: dict[str, list[tuple[float, float, float]]] = {system: [] for system in systems}
        found = {}
        for _ in range(arguments.runs):  # in turn, so that a busy machine hits all alike
            for system, command in systems.items():
                target = Path(name) / "measured"
                seconds, megabytes = run([*command, str(folder), str(target)], target)
                measured[system].append((seconds, float(processor_file(target).read_text()), megabytes))
                found[system] = recall(target, arguments.images) if system not in MEASURERS else None
    medians = {
        name: [statistics.median(values) for values in zip(*runs, strict=True)] for name, runs in measured.items()
    }
    for system, (seconds, processor, megabytes) in medians.items():
        recalled = None if found[system] is None else f"{found[system]:.3f}"
        does = "quality" if system in MEASURERS else "hash" if system != OURS else "both"
        wall, busy = (f"{mine / ours:.1f}" for mine, ours in zip((seconds, processor), medians[OURS][:2], strict=True))
        per_second = arguments.images / seconds, arguments.images / processor
        yield (system, does, f"{size:.0f}", per_second[0], wall, per_second[1], busy, megabytes, recalled)


def recall(target: Path, count: int) -> float:
    """How many of the re-encoded copies were told from originals."""
    copies = [f"{number:06d}.jpg" for number in range(COPIES - 1, count, COPIES)]
    found = pl.read_parquet(target).filter(pl.col("key").is_in(copies) & pl.col("duplicate_of").is_not_null())
    return found.height / max(len(copies), 1)


def among(target: Path, count: int, distance: int) -> None:
    """Near-duplicates of random hashes, a tenth of them near another one."""
    from corpusmith.curate.image_hashes import duplicates

    rng = np.random.default_rng(0)
    hashes = rng.integers(0, 2**64, count, dtype=np.uint64)
    hashes[-(count // 10) :] = hashes[: count // 10] ^ (
        np.uint64(1) << rng.integers(0, 64, count // 10, dtype=np.uint64)
    )
    keys = pl.Series("key", np.arange(count)).cast(pl.String)
    frame = pl.DataFrame({"key": keys, "image_sha256": keys, "phash": hashes})
    began = time.perf_counter()
    duplicates(frame, distance).write_parquet(target)
    print(json.dumps({"seconds": time.perf_counter() - began}))


def hashes(arguments: argparse.Namespace) -> Measured:
    rows = []
    for count in arguments.hashes:
        taken, peak = [], 0.0
        for distance in DISTANCES:
            with tempfile.TemporaryDirectory() as name:
                target = Path(name) / "near"
                command = [sys.executable, "-m", "benchmarks.image_curation", "--among"]
                command += [str(count), str(distance), str(target)]
                runs = [run(command, target) for _ in range(arguments.runs)]
            seconds, megabytes = (statistics.median(values) for values in zip(*runs, strict=True))
            taken.append(seconds)
            peak = max(peak, megabytes)
        rows.append((f"{count:,}, s", *taken, peak))
    columns = ("near-duplicates among 64-bit hashes, all pairs", *(f"{bits} bits" for bits in DISTANCES), "peak MB")
    return Measured("image_hashes", f"Medians of {arguments.runs}", columns, rows)


def against_earlier(arguments: argparse.Namespace) -> Measured:
    """What a new release costs, given how many hashes earlier ones have."""
    rows = []
    with tempfile.TemporaryDirectory() as name:
        index, target = Path(name) / "earlier.arrow", Path(name) / "found"
        child = [sys.executable, "-m", "benchmarks.image_curation"]
        for earlier in arguments.earlier:
            written, _ = run([*child, "--remember", str(earlier), str(index)], index)
            for new in (1_000, 10_000):
                command = [*child, "--known", str(new), str(index), str(target)]
                runs = [run(command, target) for _ in range(arguments.runs)]
                seconds, megabytes = (statistics.median(values) for values in zip(*runs, strict=True))
                rows.append((f"{new:,}", earlier, seconds, pl.read_parquet(target).height, megabytes, written))
    said = (
        f"New hashes against those of earlier releases in a mapped file, medians of {arguments.runs}; pages of it count"
    )
    return Measured("known_images", said, ("new", "earlier", "seconds", "found", "peak MB", "file written in, s"), rows)


def remember_many(count: int, index: Path) -> None:
    """The file of an earlier release of so many images."""
    from corpusmith.curate.known_images import remember

    keys = pl.int_range(count, eager=True).alias("key").cast(pl.String)
    frame = pl.DataFrame({"key": keys, "phash": _earlier(count)})
    began = time.perf_counter()
    remember(frame, index)
    print(json.dumps({"seconds": time.perf_counter() - began}))


def find_known(count: int, index: Path, target: Path) -> None:
    """New images, a hundred of them near the first earlier ones, looked up."""
    from corpusmith.curate.known_images import known

    fresh = np.random.default_rng(1).integers(0, 2**64, count, dtype=np.uint64)
    fresh[:100] = _earlier(100) ^ np.uint64(1)
    frame = pl.DataFrame({"key": np.arange(count).astype(str), "phash": fresh})
    began = time.perf_counter()
    known(frame, [index], DISTANCE).write_parquet(target)
    print(json.dumps({"seconds": time.perf_counter() - began}))


def _earlier(count: int) -> np.ndarray[Any, np.dtype[np.uint64]]:
    """The first of always the same hashes."""
    return np.random.default_rng(0).integers(0, 2**64, count, dtype=np.uint64)


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=20_000, help="0: none")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--peers-python", help="the interpreter of the peers' virtual environment")
    parser.add_argument("--only", nargs="*", choices=HASHERS + MEASURERS, default=HASHERS + MEASURERS)
    parser.add_argument("--hashes", type=int, nargs="*", default=[100_000, 1_000_000])
    parser.add_argument("--earlier", type=int, nargs="*", default=[1_000_000, 30_000_000])
    parser.add_argument("--qualities", type=int, nargs="*", default=[90, 98], help="of the JPEGs: 58 and 119 KiB")
    parser.add_argument("--once", nargs=2, type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--among", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--remember", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--known", nargs=3, help=argparse.SUPPRESS)
    return parser


def measure(arguments: argparse.Namespace) -> Iterator[Measured]:
    if arguments.images:
        yield against_peers(arguments)
    if arguments.hashes:
        yield hashes(arguments)
    if arguments.earlier:
        yield against_earlier(arguments)


def main() -> None:
    arguments = parser().parse_args()
    if arguments.once:
        from corpusmith.curate import image_quality  # noqa: F401  starting up is not part of the work

        Image.init()
        began, busy = time.perf_counter(), processor_seconds()
        ours(*arguments.once)
        print(json.dumps({"seconds": time.perf_counter() - began}))
        processor_file(arguments.once[1]).write_text(str(processor_seconds() - busy))
    elif arguments.among:
        among(Path(arguments.among[2]), int(arguments.among[0]), int(arguments.among[1]))
    elif arguments.remember:
        remember_many(int(arguments.remember[0]), Path(arguments.remember[1]))
    elif arguments.known:
        find_known(int(arguments.known[0]), *map(Path, arguments.known[1:]))
    else:
        for table in measure(arguments):
            show(table)


if __name__ == "__main__":
    main()
