"""Normalise → exact and near-duplicates → personal data → Parquet, against the peers, on known duplicates.

python -m benchmarks.duplicates [--documents 60000] [--runs 5] [--peers-python /path/to/python] [--only daft rensa]

The peers live in a virtual environment of their own (they pin other versions of our dependencies):
python -m venv peers && peers/bin/pip install -r benchmarks/requirements.txt. Without --peers-python they are skipped.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from os import cpu_count
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
import psutil
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import scipy.sparse.csgraph  # noqa: F401  starting up is not part of the work, here as for the peers

from benchmarks.tables import Measured, Value, show
from corpusmith.curate import duplicates
from corpusmith.curate.markup import normalise
from corpusmith.curate.privacy import scrub

PEERS_SCRIPT = Path(__file__).with_name("duplicates_peers.py")
PEERS = ("daft", "rensa", "datatrove, whitespace tokens", "datatrove", "data-juicer")
OURS = "corpusmith"
COMMENTS = [100_000, 1_000_000, 10_000_000]
COMMENTS_AT_ONCE = 500_000
ONCE_FROM = 10_000_000
TEXTS_AT_ONCE = 10_000
WORDS = 3  # of a shingle, for every system
COMPRESSION: Final = "snappy"  # daft's own choice: a faster or slower codec is not what is compared
NEAR = ("near-duplicates", "of these: shingles", "of these: prefixes")
STAGES = ("read", "normalise", "exact duplicates", *NEAR, "personal data", "write")
PERSONAL = ("mail me at {}.{}@example.com", "see https://www.example.org/{}/{}", "as u/{}_{} said", "call 555-010-{}{}")


@dataclass
class Documents:
    """A file of documents (id, text) and the pairs of ids in it that are duplicates by Jaccard 0.8."""

    path: Path
    pairs: np.ndarray
    rows: int
    characters: float


def documents(folder: Path, rows: int) -> Documents:
    """``rows`` texts of about 530 characters; a tenth are copies of others, a tenth copies with 1 to 5 new words."""
    rng = np.random.default_rng(0)
    vocabulary, often = language(rng)
    originals = rng.choice(vocabulary, (rows - 2 * (rows // 10), 80), p=often)
    copies = originals[: rows // 10]
    edited = originals[rows // 10 : 2 * (rows // 10)].copy()
    edits = rng.integers(1, 6, len(edited))
    new = rng.random(edited.shape).argsort(axis=1) < edits[:, None]
    edited[new] = rng.choice(vocabulary, int(new.sum()), p=often)

    order = rng.permutation(rows)
    words = np.concatenate([originals, copies, edited])
    partner = np.concatenate([np.arange(rows - 2 * (rows // 10)), np.arange(2 * (rows // 10))])
    place = np.empty(rows, np.int64)
    place[order] = np.arange(rows)
    texts = [sentences(words[row], partner[row]) for row in order]
    pairs = [(place[partner[row]], place[row]) for row in range(len(originals), rows)]
    pairs = [(a, b) for a, b in pairs if jaccard(texts[a], texts[b]) >= 0.8]
    path = folder / "documents.parquet"
    pl.DataFrame({"id": np.arange(rows), "text": texts}).write_parquet(path)
    return Documents(path, np.array(pairs), rows, float(np.mean([len(text) for text in texts])))


def comments(folder: Path, rows: int) -> Path:
    """``rows`` comments of 3 to 40 words, as a table of key and text; the last tenth are the first with a word more."""
    rng = np.random.default_rng(1)
    vocabulary, often = language(rng)
    shares = (np.arange(1 << 20) + 0.5) / (1 << 20)
    spoken = pa.array(vocabulary[np.searchsorted(often.cumsum(), shares)])  # each word as often as it occurs
    path = folder / f"comments-{rows}.parquet"
    with pq.ParquetWriter(path, pa.schema({"key": pa.string(), "text": pa.string()})) as file:
        said: list[pa.Array] = []
        for start in range(0, rows, COMMENTS_AT_ONCE):
            stop = min(start + COMMENTS_AT_ONCE, rows)
            originals = max(min(stop, rows - rows // 10) - start, 0)
            lengths = rng.integers(3, 41, originals)
            words = spoken.take(pa.array(rng.integers(len(spoken), size=int(lengths.sum()))))
            ends = np.concatenate([[0], lengths.cumsum()]).astype(np.int32)
            texts = pc.binary_join(pa.ListArray.from_arrays(ends, words), " ")
            if start < rows // 10:
                said.append(texts)
            if copies := stop - start - originals:
                first = max(start - (rows - rows // 10), 0)
                again = pa.chunked_array(said).slice(first, copies).combine_chunks()
                more = spoken.take(pa.array(rng.integers(len(spoken), size=copies)))
                texts = pa.concat_arrays([texts, pc.binary_join_element_wise(again, more, " ")])
            keys = [f"{number * 0x9E3779B97F4A7C15 % 2**64:032x}" for number in range(start, stop)]
            file.write_table(pa.table({"key": keys, "text": texts}), row_group_size=20_000)
    return path


def language(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """40,000 words of an invented language and how often each occurs (Zipf–Mandelbrot)."""
    syllables = ["ba", "co", "di", "fu", "le", "mo", "ne", "pa", "ri", "su", "ta", "vo", "wi", "ex", "an", "or", "st"]
    lengths = rng.choice([1, 2, 3, 4, 5], 40_000, p=[0.05, 0.4, 0.35, 0.15, 0.05])
    often = 1 / np.arange(10, len(lengths) + 10)
    return np.array(["".join(rng.choice(syllables, length)) for length in lengths]), often / often.sum()


def sentences(words: np.ndarray, number: int) -> str:
    """Words as prose: capitals, commas and full stops, and in every tenth text something personal."""
    parts = [" ".join(part).capitalize() for part in np.array_split(words, 8)]
    if number % 10 == 0:
        parts[3] = PERSONAL[number // 10 % 4].format(words[0], words[1])
    return ". ".join(parts) + "."


def jaccard(left: str, right: str) -> float:
    """Of the sets of word shingles, without case and punctuation."""
    words = [re.findall(r"[a-z0-9]+", text.lower()) for text in (left, right)]
    a, b = ({tuple(text[i : i + WORDS]) for i in range(len(text) - WORDS + 1)} for text in words)
    return len(a & b) / len(a | b)


class Stages(dict[str, tuple[float, float]]):
    """The seconds that each stage took, and its seconds of processor time."""

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        began, busy = time.perf_counter(), time.process_time()
        yield
        self[name] = time.perf_counter() - began, time.process_time() - busy

    def timed(self, name: str, work: Callable[..., object]) -> Callable[..., object]:
        """``work`` as a stage of its own."""

        def timed(*arguments: object) -> object:
            with self(name):
                return work(*arguments)

        return timed


def ours(source: Path, target: Path) -> Stages:
    stages = Stages()
    with stages("read"):
        texts = pl.read_parquet(source).select(pl.col("id").cast(pl.String).alias("key"), "text")
    with stages("normalise"):
        texts = texts.with_columns(in_threads(normalise, texts["text"]))
    with stages("exact duplicates"):
        exact = duplicates.exact_duplicates(texts.lazy())
        texts = texts.join(exact, on="key", how="anti", maintain_order="left")
    duplicates.gather = stages.timed(NEAR[1], duplicates.gather)  # type: ignore[assignment]
    duplicates.shared = stages.timed(NEAR[2], duplicates.shared)  # type: ignore[assignment]
    with stages(NEAR[0]):
        near = duplicates.near_duplicates(texts.lazy(), words=WORDS)
        copies = near.filter(pl.col("duplicate_of").is_not_null())
        kept = texts.join(copies, on="key", how="anti", maintain_order="left")
    with stages("personal data"):
        kept = kept.with_columns(in_threads(scrub, kept["text"]))
    with stages("write"):
        kept = kept.select(pl.col("key").cast(pl.Int64).alias("id"), "text")
        kept.write_parquet(target, compression=COMPRESSION)
    return stages


def in_threads(step: Callable[[pl.Series], pl.Series], texts: pl.Series) -> pl.Series:
    """What ``step`` makes of the texts, in batches, as the pipeline does."""
    starts = range(0, len(texts), TEXTS_AT_ONCE)
    with ThreadPoolExecutor(cpu_count()) as pool:
        return pl.concat(list(pool.map(step, (texts[start : start + TEXTS_AT_ONCE] for start in starts))))


def found(documents: Documents, kept: np.ndarray) -> tuple[float, float]:
    """Recall and precision: how many of the duplicates were dropped, how many of what was dropped were duplicates."""
    is_kept = np.zeros(documents.rows, bool)
    is_kept[kept] = True
    dropped = ~is_kept[documents.pairs].all(axis=1)
    return dropped.mean(), dropped.sum() / max((~is_kept).sum(), 1)


def run(command: list[str], target: Path) -> tuple[float, float]:
    """The seconds that a system reports, and the most memory (MB) that its processes held together."""
    shutil.rmtree(target) if target.is_dir() else target.unlink(missing_ok=True)
    report, megabytes = reported(command)
    return report["seconds"], megabytes


def reported(command: list[str]) -> tuple[dict[str, Any], float]:
    """What a system says of itself in its last line, and the most memory (MB) that its processes held together."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    peak = Peak(process.pid)
    out, errors = process.communicate()
    peak.stop()
    if process.returncode:
        raise RuntimeError(f"{command} failed:\n{errors[-3000:]}")
    return json.loads(out.splitlines()[-1]), peak.megabytes


class Peak(threading.Thread):
    """Watches what a process and its children hold, twenty times a second (shared pages counted in each)."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.process = psutil.Process(pid)
        self.megabytes = 0.0
        self.over = threading.Event()
        self.start()

    def run(self) -> None:
        while not self.over.wait(0.05):
            total = 0
            try:
                for process in [self.process, *self.process.children(recursive=True)]:
                    total += process.memory_info().rss
            except psutil.NoSuchProcess:
                continue
            self.megabytes = max(self.megabytes, total / 2**20)

    def stop(self) -> None:
        self.over.set()
        self.join()


def kept_ids(target: Path) -> np.ndarray:
    files = sorted(target.glob("*.parquet")) if target.is_dir() else [target]
    return pl.concat([pl.read_parquet(file, columns=["id"]).cast(pl.Int64) for file in files])["id"].to_numpy()


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=60_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--peers-python", help="the interpreter of the peers' virtual environment")
    parser.add_argument("--only", nargs="*", choices=PEERS, default=PEERS)
    parser.add_argument("--comments", type=int, nargs="*", default=COMMENTS, help="for the memory table")
    parser.add_argument("--once", nargs=2, type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--near", nargs=2, type=Path, help=argparse.SUPPRESS)
    return parser


def measure(arguments: argparse.Namespace) -> Iterator[Measured]:
    with tempfile.TemporaryDirectory() as name:
        made = documents(Path(name), arguments.documents)
        yield against_peers(arguments, made)
        yield by_stage(arguments, made)
    if arguments.comments:
        yield memory(arguments)


def main() -> None:
    arguments = parser().parse_args()
    if arguments.once:
        once(ours, *arguments.once)
    elif arguments.near:
        once(near_alone, *arguments.near)
    else:
        for table in measure(arguments):
            show(table)


def against_peers(arguments: argparse.Namespace, made: Documents) -> Measured:
    systems = {OURS: [sys.executable, "-m", "benchmarks.duplicates", "--once"]}
    if arguments.peers_python:
        systems |= {peer: [arguments.peers_python, str(PEERS_SCRIPT), peer] for peer in arguments.only}
    measured: dict[str, list[tuple[float, ...]]] = {system: [] for system in systems}
    target = made.path.with_name("kept")
    for _ in range(arguments.runs):  # in turn, so that a busy machine hits all alike
        for system, command in systems.items():
            seconds, megabytes = run([*command, str(made.path), str(target)], target)
            measured[system].append((seconds, megabytes, *found(made, kept_ids(target))))
    best = statistics.median(runs[0] for runs in measured[OURS])
    rows = []
    for system, runs in measured.items():
        seconds, megabytes, recall, precision = (statistics.median(values) for values in zip(*runs, strict=True))
        rows.append(
            (system, made.rows, seconds, f"{recall:.3f}", f"{precision:.3f}", megabytes, f"{seconds / best:.1f}")
        )
    return Measured(
        "duplicates",
        f"{made.rows:,} documents of {made.characters:.0f} characters, {len(made.pairs):,} duplicates (Jaccard 0.8), "
        f"medians of {arguments.runs}, start-up not counted",
        ("system", "documents", "seconds", "recall", "precision", "peak MB", "ratio"),
        rows,
        missing=() if arguments.peers_python else tuple(arguments.only),
    )


def by_stage(arguments: argparse.Namespace, made: Documents) -> Measured:
    """Where the time of ours goes."""
    command = [sys.executable, "-m", "benchmarks.duplicates", "--once", str(made.path), str(made.path.with_name("own"))]
    runs = [reported(command)[0] for _ in range(arguments.runs)]
    total = statistics.median(report["seconds"] for report in runs)
    rows: list[tuple[Value, ...]] = []
    for stage in STAGES:
        seconds, busy = (statistics.median(report["stages"][stage][place] for report in runs) for place in (0, 1))
        rows.append((stage, seconds, busy, f"{seconds / total:.0%}"))
    said = f"The same {made.rows:,} documents through ours, medians of {arguments.runs}"
    return Measured("duplicates_stages", said, ("stage", "seconds", "processor s", "share"), rows)


def memory(arguments: argparse.Namespace) -> Measured:
    """Near-duplicates alone, of short comments read from a file: what ten times the rows cost."""
    table = []
    for rows in arguments.comments:
        with tempfile.TemporaryDirectory() as name:
            source, target = comments(Path(name), rows), Path(name) / "near"
            command = [sys.executable, "-m", "benchmarks.duplicates", "--near", str(source), str(target)]
            runs = [run(command, target) for _ in range(1 if rows >= ONCE_FROM else arguments.runs)]
            copies = pl.scan_parquet(target).select(pl.col("duplicate_of").count()).collect().item()
        seconds, megabytes = (statistics.median(values) for values in zip(*runs, strict=True))
        table.append((f"{rows:,}", seconds, copies, megabytes))
    said = f"Near-duplicates of short comments alone, medians of {arguments.runs} (one run from {ONCE_FROM:,} on)"
    return Measured("near_duplicates", said, ("comments", "seconds", "found", "peak MB"), table)


def near_alone(source: Path, target: Path) -> Stages:
    duplicates.near_duplicates(pl.scan_parquet(source), words=WORDS).write_parquet(target)
    return Stages()


def once(work: Callable[[Path, Path], Stages], source: Path, target: Path) -> None:
    began = time.perf_counter()
    stages = work(source, target)
    print(json.dumps({"seconds": time.perf_counter() - began, "stages": stages}))


if __name__ == "__main__":
    main()
