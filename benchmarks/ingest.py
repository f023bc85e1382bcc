"""From a dump to clean comments: rows a second of each step and of all, and peak memory, by size of the dump.

python -m benchmarks.ingest [--rows 100000 1000000] [--runs 3] [--window-log 27]

The dump is written first: comments of 40 keys in Pushshift's format, of a length that real ones have (median 20 words).
Real dumps declare a window of 2 GiB (``--window-log 31``); the decoder then keeps what it decompressed, up to that, as
any decoder of the format must. Memory beyond it does not depend on the dump.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import orjson
import polars as pl
import zstandard

from benchmarks.tables import Measured, show
from corpusmith.curate.language import english
from corpusmith.curate.markup import normalise
from corpusmith.curate.privacy import scrub
from corpusmith.curate.text import Rules, clean
from corpusmith.ingest import read

ENGLISH = """
the a of to and i you it is that in for on this was with my but not have they be just like so are what all about if
out up do get when your can me no or one we people think time know would really good even there more from because who
how make them other some then don't it's than see want still never game work love money house friend school movie
music pretty actually probably literally thought happened morning tomorrow yesterday seriously
"""
GERMAN = "der und nicht das ist ich habe aber auch wenn man nur noch kann mehr als gut immer schon wieder"
EXTRAS = [
    "&gt; someone else said this\n\n{}",
    "{} [a link](https://example.com/page?id=1)",
    "{} **really** *really*",
    "{} u/some_user_name",
    "{} it’s &amp;amp; “quoted”",
    "* one\n* two\n\n{}",
    "{} mail me at someone@example.com",
    "{} call (555) 123-4567",
]


def comment(number: int, draw: random.Random) -> dict[str, object]:
    """A comment with the keys of a dump of 2019."""
    kind = draw.random()
    words = (GERMAN if kind < 0.02 else ENGLISH).split()
    count = max(1, int(draw.lognormvariate(3.0, 0.9)))
    body = "[deleted]" if 0.02 <= kind < 0.07 else " ".join(draw.choices(words, k=count))
    if kind > 0.8:
        body = draw.choice(EXTRAS).format(body)
    return {
        "all_awardings": [],
        "associated_award": None,
        "author": f"user_{draw.randrange(1 << 20):x}",
        "author_created_utc": 1_400_000_000 + number,
        "author_flair_background_color": None,
        "author_flair_css_class": None,
        "author_flair_richtext": [],
        "author_flair_template_id": None,
        "author_flair_text": None,
        "author_flair_text_color": None,
        "author_flair_type": "text",
        "author_fullname": f"t2_{draw.randrange(1 << 30):x}",
        "author_patreon_flair": False,
        "awarders": [],
        "body": body,
        "can_gild": True,
        "collapsed": False,
        "collapsed_reason": None,
        "controversiality": 0,
        "created_utc": 1_569_888_000 + number // 10,
        "distinguished": None,
        "edited": False,
        "gilded": 0,
        "gildings": {},
        "id": f"f{number:x}",
        "is_submitter": False,
        "link_id": f"t3_{number // 12:x}",
        "locked": False,
        "no_follow": True,
        "parent_id": f"t1_f{max(0, number - 3):x}",
        "permalink": f"/r/AskReddit/comments/{number // 12:x}/a_question_of_some_length/f{number:x}/",
        "quarantined": False,
        "removal_reason": None,
        "retrieved_on": 1_575_000_000 + number,
        "score": draw.randrange(-5, 50),
        "send_replies": True,
        "steward_reports": [],
        "stickied": False,
        "subreddit": "AskReddit",
        "subreddit_id": "t5_2qh1i",
        "total_awards_received": 0,
    }


def write_dump(path: Path, rows: int, window_log: int) -> None:
    draw = random.Random(0)
    compression = zstandard.ZstdCompressionParameters.from_level(3, window_log=window_log)
    with path.open("wb") as file, zstandard.ZstdCompressor(compression_params=compression).stream_writer(file) as out:
        for number in range(rows):
            out.write(orjson.dumps(comment(number, draw)) + b"\n")


def steps(dump: Path) -> Iterator[tuple[str, float]]:
    """Rows a second of each step by itself, on the first 100,000 rows held in memory."""
    began = time.perf_counter()
    batches = [batch for batch, _ in zip(read(dump), range(2), strict=False)]
    rows = sum(batch.height for batch in batches)
    yield "read", rows / (time.perf_counter() - began)
    raw = pl.concat(batches)["raw"]
    began = time.perf_counter()
    normal = normalise(raw)
    yield "normalise", rows / (time.perf_counter() - began)
    began = time.perf_counter()
    text = scrub(normal)
    yield "scrub", rows / (time.perf_counter() - began)
    began = time.perf_counter()
    english(text)
    yield "language", rows / (time.perf_counter() - began)


def whole(dump: Path) -> dict[str, float]:
    """Rows a second, and a second of one core, of read and clean together; the peak of this process's memory."""
    began, used = time.perf_counter(), time.process_time()
    rows = sum(clean(batch, Rules(), "salt").height for batch in read(dump))
    seconds, cpu = time.perf_counter() - began, time.process_time() - used
    return {
        "rows_s": rows / seconds,
        "rows_cpu": rows / cpu,
        "mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[20_000, 100_000])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--window-log", type=int, default=27)
    parser.add_argument("--once", nargs=2, help=argparse.SUPPRESS)
    return parser


def measure(options: argparse.Namespace) -> Iterator[Measured]:
    columns = ("read", "normalise", "scrub", "language", "rows_s", "rows_cpu", "mb")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for count in options.rows:
            dump = Path(folder) / f"RC_{count}.zst"
            write_dump(dump, count, options.window_log)
            runs = [_in_a_process("steps", dump) | _in_a_process("whole", dump) for _ in range(options.runs)]
            rows.append((f"{count:,}", *(statistics.median(run[name] for run in runs) for name in columns)))
            dump.unlink()
    yield Measured(
        "ingest",
        f"Rows/s of each step and of read and clean together, window 2^{options.window_log}, medians of {options.runs}",
        ("comments", "read", "normalise", "scrub", "language", "read and clean", "a CPU second", "peak MB"),
        rows,
    )


def main() -> None:
    options = parser().parse_args()
    if options.once:
        what, dump = options.once[0], Path(options.once[1])
        print(json.dumps(whole(dump) if what == "whole" else dict(steps(dump))))
        return
    for table in measure(options):
        show(table)


def _in_a_process(what: str, dump: Path) -> dict[str, float]:
    run = subprocess.run(
        [sys.executable, "-m", "benchmarks.ingest", "--once", what, str(dump)],
        capture_output=True,
        check=True,
        text=True,
    )
    found: dict[str, float] = json.loads(run.stdout)
    return found


if __name__ == "__main__":
    main()
