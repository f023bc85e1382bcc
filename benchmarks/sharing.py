"""Publishing and pulling a release, against the Hub's own client on the same files and the same server.

python -m benchmarks.sharing [--megabytes 2000] [--kilobytes 40] [--runs 3]

The server is the Hub-compatible one of the tests, on this machine: it says what the clients cost, not what a network
does. Each measurement is a process of its own with empty caches. Uploaded: `preupload_lfs_files` and `create_commit` of
the files of a release, and `publish`, which proves the release first; then a version in which 1 % of the rows changed.
Downloaded: `snapshot_download` and `load_dataset` of the folder, and `pull`, which proves every file, and `load`.
"""

from __future__ import annotations

import argparse
import io
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import polars as pl
from PIL import Image

from benchmarks.tables import CHECKOUT, Measured, met, show
from benchmarks.uploading import CLASSES, IMAGE_ORDER, some, written
from benchmarks.uploading import images as noise

HUB = CHECKOUT / "tests" / "hub" / "hub_server.py"
PUBLISH, PULL, FIRST, COMMAND = 0.8, 1.1, 3.0, 1.0  # the aims

UPLOAD_BARE = """
from huggingface_hub import CommitOperationAdd, HfApi
api, files = HfApi(), [path for path in folder.rglob("*") if path.is_file()]
api.create_repo(name, repo_type="dataset")
made = [CommitOperationAdd(path.relative_to(folder).as_posix(), path) for path in files]
api.preupload_lfs_files(name, made, repo_type="dataset", free_memory=False, num_threads=8)
api.create_commit(name, made, commit_message="bare", repo_type="dataset")
"""
UPLOAD = """
from corpusmith.release.publish.put import publish
publish(folder, f"hf://datasets/{name}")
"""
DOWNLOAD_BARE = """
from datasets import load_dataset
from huggingface_hub import snapshot_download
snapshot_download(name, repo_type="dataset", revision="v1.0.0", local_dir=folder)
assert load_dataset(str(folder), split="train").num_rows
"""
DOWNLOAD = """
import corpusmith
corpusmith.pull("pictures@1.0.0", source=f"hf://datasets/{name}", into=folder / "pulled")
assert corpusmith.load("pictures", "train", home=folder).num_rows
"""
FIRST_ROW = """
import os
from datasets import load_dataset
print(next(iter(load_dataset(name, revision="v1.0.0", split="train", streaming=True)))["key"], flush=True)
os._exit(0)  # threads of the reader are still at work, and would be torn down with an abort
"""


def images(rows: int, kilobytes: float, seed: int, label: np.ndarray) -> pl.DataFrame:
    """Rows of an image release whose images can be opened: a small JPEG with noise after its end."""
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "JPEG")
    table = noise(rows, kilobytes, seed, label)
    data = [{**each, "bytes": file.getvalue() + each["bytes"]} for each in table["image"]]
    return table.with_columns(image=pl.Series(data, dtype=table.schema["image"]))


def release(folder: Path, table: pl.DataFrame, version: str) -> None:
    """A release of images without a report: shards, a card, and the manifest over them."""
    from corpusmith import __version__
    from corpusmith.release import manifest

    folder.mkdir(parents=True)
    written(table.with_columns(split=pl.lit("train")), folder / "data", IMAGE_ORDER)
    (folder / "README.md").write_text(
        "---\nlicense: cc0-1.0\nconfigs:\n- config_name: default\n  data_files:\n  - split: train\n"
        "    path: data/train-*.parquet\n---\n\n# Pictures\n"
    )
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    files = {path.relative_to(folder).as_posix(): manifest.file(path) for path in paths}
    digest = manifest.sha256(folder / "README.md")
    code = {"corpusmith": __version__, "commit": "0" * 40, "from": "checkout"}
    made = manifest.Manifest("pictures", version, digest, digest, code, {"rows": table.height}, [], {}, {}, files, {})
    (folder / manifest.NAME).write_text(made.to_json())


@contextmanager
def hub(folder: Path) -> Iterator[dict[str, str]]:
    """The environment in which processes work against a server of their own."""
    started = subprocess.Popen(
        [sys.executable, str(HUB), "--folder", str(folder), "--port", "0"], stdout=subprocess.PIPE, text=True
    )
    try:
        assert started.stdout
        said = dict(started.stdout.readline().removeprefix("export ").strip().split("=", 1) for _ in range(2))
        yield {**os.environ, **said, "HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_DATASETS_DISABLE_PROGRESS_BARS": "1"}
    finally:
        started.terminate()
        started.wait()


def seconds(script: str, name: str, folder: Path, environment: dict[str, str]) -> float:
    """How long a process takes for a script, from start to end, with empty caches."""
    with tempfile.TemporaryDirectory() as home:
        here = {**environment, "HF_HOME": home, "HF_XET_CACHE": f"{home}/xet", "HF_DATASETS_CACHE": f"{home}/datasets"}
        head = f"from pathlib import Path\nfolder, name = Path({str(folder)!r}), {name!r}\n"
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", head + script], env=here, check=True, cwd=CHECKOUT, capture_output=True)
        return time.perf_counter() - began


def paired(runs: int, *acts: Callable[[int], float]) -> list[list[float]]:
    """What each act measured, one after the other in each run."""
    return list(map(list, zip(*([act(number) for act in acts] for number in range(runs)), strict=True)))


def measure(asked: argparse.Namespace) -> Iterator[Measured]:
    rows = max(1, round(asked.megabytes * 1000 / asked.kilobytes / CLASSES)) * CLASSES
    label = np.repeat([f"thing {number:03d}" for number in range(CLASSES)], rows // CLASSES)
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        old = images(rows, asked.kilobytes, 0, label)
        release(place / "old", old, "1.0.0")
        size = sum(path.stat().st_size for path in (place / "old").rglob("*") if path.is_file())
        one = pl.Series(label == label[rows // 2])
        cases = {
            "one class of a hundred is drawn anew": lambda: pl.concat(
                [old.filter(~one), images(int(one.sum()), asked.kilobytes, 3, label[one.to_numpy()])]
            ),
            "a random 1 % of the rows is drawn anew": lambda: redrawn(old, asked.kilobytes),
        }
        with hub(place / "hub") as environment:
            bare, ours = paired(
                asked.runs,
                lambda run: seconds(UPLOAD_BARE, f"org/bare-{run}", place / "old", environment),
                lambda run: seconds(UPLOAD, f"org/ours-{run}", place / "old", environment),
            )
            yield uploads(size, bare, ours, asked)
            yield downloads(place, environment, size, asked)
            yield starts(environment, asked)
        yield versions(place, cases, size, asked)


def redrawn(old: pl.DataFrame, kilobytes: float) -> pl.DataFrame:
    """The rows with one of a hundred drawn anew."""
    gone = some(old.height, 0.01, 1)
    labels = old.filter(gone)["label"].to_numpy()
    return pl.concat([old.filter(~gone), images(len(labels), kilobytes, 4, labels)])


def uploads(size: int, bare: list[float], ours: list[float], asked: argparse.Namespace) -> Measured:
    ratio = statistics.median(b / o for b, o in zip(bare, ours, strict=True))
    said = f"{size / 1e6:,.0f} MB of images, medians of {asked.runs} runs, each to a repository of its own"
    lines: list[tuple[str | float, ...]] = [
        ("preupload and create_commit", size / 1e6 / statistics.median(bare), statistics.median(bare), ""),
        ("corpusmith publish", size / 1e6 / statistics.median(ours), statistics.median(ours), ratio),
        (f"aim: {PUBLISH} of the bare upload at least", "", "", met(ratio >= PUBLISH)),
    ]
    return Measured("publishing", said, ("", "MB/s", "seconds", "of the bare upload"), lines)


def versions(
    place: Path, cases: dict[str, Callable[[], pl.DataFrame]], size: int, asked: argparse.Namespace
) -> Measured:
    """What the client sends of the next version, where it knows the one before; a server for each case."""
    sys.path.insert(0, str(HUB.parent))
    from hub_server import serve

    lines: list[tuple[str | float, ...]] = []
    for number, (case, made) in enumerate(cases.items(), 1):
        new = place / f"new-{number}"
        release(new, made(), f"1.{number}.0")
        with serve(place / f"hub-{number}") as server:
            environment = {**server.environment(place / f"home-{number}"), "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
            counts = [0]
            for folder in (place / "old", new):
                script = f"from pathlib import Path\nfolder, name = Path({str(folder)!r}), 'org/pictures'\n{UPLOAD}"
                subprocess.run([sys.executable, "-c", script], env=environment, check=True, capture_output=True)
                counts.append(sum(request.bytes_in for request in server.requests))
        share = (counts[2] - counts[1]) / size
        lines.append((case, share * 100, met(share <= 0.05)))
    said = f"{asked.megabytes:,} MB of images; what the server receives of the next version, against all that it has"
    return Measured("publishing_again", said, ("", "% of the bytes", "5 % at the most"), lines)


def downloads(place: Path, environment: dict[str, str], size: int, asked: argparse.Namespace) -> Measured:
    def into(run: int, whose: str) -> Path:
        return place / f"{whose}-{run}"

    theirs, ours = paired(
        asked.runs,
        lambda run: seconds(DOWNLOAD_BARE, "org/ours-0", into(run, "theirs"), environment),
        lambda run: seconds(DOWNLOAD, "org/ours-0", into(run, "ours"), environment),
    )
    ratio = statistics.median(o / t for t, o in zip(theirs, ours, strict=True))
    said = f"{size / 1e6:,.0f} MB of images, medians of {asked.runs} runs"
    lines: list[tuple[str | float, ...]] = [
        ("snapshot_download and load_dataset", statistics.median(theirs), ""),
        ("corpusmith pull and load, every file proved", statistics.median(ours), ratio),
        (f"aim: {PULL} times at the most", "", met(ratio <= PULL)),
    ]
    return Measured("pulling", said, ("", "seconds", "times"), lines)


def starts(environment: dict[str, str], asked: argparse.Namespace) -> Measured:
    """How long one waits for a first row, and for the commands that should answer at once."""
    with tempfile.TemporaryDirectory() as home:
        command = str(Path(sys.executable).parent / "corpusmith")
        commands = {
            "--help": ["--help"],
            "status": ["status", "--home", home],
            "versions reddit": ["versions", "reddit", "--home", home, "--json"],
        }
        first = [seconds(FIRST_ROW, "org/ours-0", Path(home), environment) for _ in range(asked.runs)]
        light = {**environment, "USE_TORCH": "0"}
        without = [seconds(FIRST_ROW, "org/ours-0", Path(home), light) for _ in range(asked.runs)]
        lines: list[tuple[str | float, ...]] = [
            ("load_dataset, streaming: first row", statistics.median(first), met(statistics.median(first) < FIRST)),
            ("the same with USE_TORCH=0", statistics.median(without), met(statistics.median(without) < FIRST)),
        ]
        for name, words in commands.items():
            taken = [timed([command, *words], environment) for _ in range(max(5, asked.runs))]
            lines.append((f"corpusmith {name}", statistics.median(taken), met(statistics.median(taken) < COMMAND)))
    said = "medians, from the start of the process to its end; aims: a first row in 3 s, a command in 1 s"
    return Measured("first_answers", said, ("", "seconds", "aim"), lines)


def timed(command: list[str], environment: dict[str, str]) -> float:
    """Seconds that a command takes."""
    began = time.perf_counter()
    subprocess.run(command, env=environment, capture_output=True, check=False)
    return time.perf_counter() - began


def parser() -> argparse.ArgumentParser:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--megabytes", type=int, default=2000, help="of the release")
    ask.add_argument("--kilobytes", type=float, default=40, help="of an image, on average")
    ask.add_argument("--runs", type=int, default=3)
    return ask


def main() -> None:
    for table in measure(parser().parse_args()):
        show(table)


if __name__ == "__main__":
    main()
