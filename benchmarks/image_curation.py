"""JPEG files → quality, perceptual hash, near-duplicates → Parquet, against the peers on the same files.

python benchmarks/image_curation.py [--images 20000] [--runs 3] [--peers-python /path/to/python] [--only daft]

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

import numpy as np
import polars as pl
import psutil
import pyarrow as pa
from duplicates import run
from PIL import Image

PEERS_SCRIPT = Path(__file__).with_name("image_curation_peers.py")
HASHERS, MEASURERS = ("daft", "imagededup"), ("cleanvision",)
OURS = "corpusmith"
PHOTOS = Path(__file__).resolve().parents[2] / "shared" / "data"
IMAGE = pa.struct({"bytes": pa.binary(), "path": pa.string()})
SIDE, BATCH, DISTANCE = 512, 1024, 8
COPIES = 10  # one image in so many is another one re-encoded


def images(folder: Path, count: int, bases: list[Path]) -> None:
    """``count`` JPEGs of SIDE pixels: crops of photographs where there are some, else textures; a tenth are copies."""
    chunks = [range(start, min(start + 500, count)) for start in range(0, count, 500)]
    with ProcessPoolExecutor() as pool:
        list(pool.map(partial(_draw, folder, bases), chunks))


def _draw(folder: Path, bases: list[Path], numbers: range) -> None:
    for number in numbers:
        copied = number % COPIES == COPIES - 1
        rng = np.random.default_rng(number - copied)
        image = _crop(Image.open(bases[rng.integers(len(bases))]).convert("RGB"), rng) if bases else _texture(rng)
        if copied:
            image = image.resize((SIDE - 64,) * 2, Image.Resampling.LANCZOS).resize(
                (SIDE, SIDE), Image.Resampling.BICUBIC
            )
        image.save(folder / f"{number:06d}.jpg", quality=75 if copied else 90)


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
    return pa.array([{"bytes": path.read_bytes(), "path": path.name} for path in paths], IMAGE)


def against_peers(arguments: argparse.Namespace) -> None:
    systems = {OURS: [sys.executable, __file__, "--once"]}
    if arguments.peers_python:
        systems |= {peer: [arguments.peers_python, str(PEERS_SCRIPT), peer] for peer in arguments.only}
    bases = sorted([*PHOTOS.glob("imagenet_sample_dev/images/*.JPEG"), *PHOTOS.glob("coco_tiny_dev/*/*.jpg")])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "images"
        folder.mkdir()
        images(folder, arguments.images, bases)
        size = sum(path.stat().st_size for path in folder.iterdir()) / arguments.images / 1024
        print(f"{arguments.images:,} JPEGs of {SIDE} px, {size:.0f} KiB, from {len(bases)} photographs (0: textures)")
        print(f"medians of {arguments.runs} runs, start-up not counted, {psutil.cpu_count()} cores\n")
        measured: dict[str, list[tuple[float, float]]] = {system: [] for system in systems}
        found = {}
        for _ in range(arguments.runs):  # in turn, so that a busy machine hits all alike
            for system, command in systems.items():
                target = Path(name) / "measured"
                measured[system].append(run([*command, str(folder), str(target)], target))
                found[system] = recall(target, arguments.images) if system not in MEASURERS else None
    print(f"{'system':14}{'does':34}{'seconds':>9}{'images/s':>10}{'peak MB':>9}{'recall':>8}{'ratio':>8}")
    best = statistics.median(seconds for seconds, _ in measured[OURS])
    for system, runs in measured.items():
        seconds, megabytes = (statistics.median(values) for values in zip(*runs, strict=True))
        does = "quality" if system in MEASURERS else "hash, near-duplicates"
        recalled = "" if found[system] is None else f"{found[system]:.3f}"
        print(
            f"{system:14}{does if system != OURS else 'quality, hash, near-duplicates':34}{seconds:9.1f}"
            f"{arguments.images / seconds:10,.0f}{megabytes:9,.0f}{recalled:>8}{seconds / best:7.1f}x"
        )


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


def hashes(arguments: argparse.Namespace) -> None:
    print(f"\n{'near-duplicates among hashes':32}{'bits':>5}{'seconds':>9}{'found':>10}{'peak MB':>9}")
    for count in arguments.hashes:
        for distance in (4, 6, 8, 10):
            with tempfile.TemporaryDirectory() as name:
                target = Path(name) / "near"
                command = [sys.executable, __file__, "--among", str(count), str(distance), str(target)]
                runs = [run(command, target) for _ in range(arguments.runs)]
                found = pl.scan_parquet(target).select(pl.col("duplicate_of").count()).collect().item()
            seconds, megabytes = (statistics.median(values) for values in zip(*runs, strict=True))
            print(f"{count:<32,}{distance:>5}{seconds:9.2f}{found:10,}{megabytes:9,.0f}", flush=True)


def against_earlier(arguments: argparse.Namespace) -> None:
    """What a new release costs, given how many hashes earlier ones have."""
    from corpusmith.curate.known_images import known, remember

    print(f"\n{'new':>8}{'earlier':>12}{'seconds':>9}{'found':>8}")
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as name:
        for earlier in arguments.earlier:
            old = rng.integers(0, 2**64, earlier, dtype=np.uint64)
            path = Path(name) / f"{earlier}.arrow"
            remember(pl.DataFrame({"key": np.arange(earlier).astype(str), "phash": old}), path)
            for new in (1_000, 10_000):
                fresh = rng.integers(0, 2**64, new, dtype=np.uint64)
                fresh[:100] = old[:100] ^ np.uint64(1)
                frame = pl.DataFrame({"key": np.arange(new).astype(str), "phash": fresh})
                seconds = []
                for _ in range(arguments.runs):
                    began = time.perf_counter()
                    found = known(frame, [path], DISTANCE)
                    seconds.append(time.perf_counter() - began)
                print(f"{new:8,}{earlier:12,}{statistics.median(seconds):9.2f}{found.height:8,}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=20_000, help="0: none")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--peers-python", help="the interpreter of the peers' virtual environment")
    parser.add_argument("--only", nargs="*", choices=HASHERS + MEASURERS, default=HASHERS + MEASURERS)
    parser.add_argument("--hashes", type=int, nargs="*", default=[100_000, 1_000_000])
    parser.add_argument("--earlier", type=int, nargs="*", default=[100_000, 1_000_000, 10_000_000])
    parser.add_argument("--once", nargs=2, type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--among", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.once:
        from corpusmith.curate import image_quality  # noqa: F401  starting up is not part of the work

        Image.init()
        began = time.perf_counter()
        ours(*arguments.once)
        print(json.dumps({"seconds": time.perf_counter() - began}))
    elif arguments.among:
        among(Path(arguments.among[2]), int(arguments.among[0]), int(arguments.among[1]))
    else:
        if arguments.images:
            against_peers(arguments)
        hashes(arguments)
        against_earlier(arguments)


if __name__ == "__main__":
    main()
