"""Personal data: what is found of three hundred planted pieces, by kind, and what is found in comments without any.

python -m benchmarks.personal_data [--comments 20000]

Planted: tests/corpusmith/curate/planted.py. Without any: GoEmotions (names of people are masked there already); what is
left of names of users and addresses in it is real, and was read one by one.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator

import polars as pl

from benchmarks.tables import CHECKOUT, Measured, show
from corpusmith.curate.privacy import KINDS, find, scrub
from tests.corpusmith.curate.planted import planted

COMMENTS = CHECKOUT.parent / "shared" / "data" / "goemotions" / "original" / "train.tsv"


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--comments", type=int, default=20_000)
    return parser


def measure(options: argparse.Namespace) -> Iterator[Measured]:
    rows = pl.DataFrame(list(planted()), schema=["kind", "text", "expected"], orient="row")
    rows = rows.with_columns(whole=scrub(rows["text"]) == rows["expected"])
    by_kind = rows.group_by("kind").agg(pl.len(), pl.col("whole").mean()).rows_by_key("kind", unique=True)
    columns = ["text", "labels", "id"]
    clean = pl.read_csv(COMMENTS, separator="\t", has_header=False, quote_char=None, new_columns=columns)["text"]
    clean = clean.head(options.comments)
    began = time.perf_counter()
    found = find(clean)
    seconds = time.perf_counter() - began
    alarms = dict(found.group_by("kind").len().rows())
    yield Measured(
        "personal_data",
        f"{rows.height} planted, {len(clean):,} comments of GoEmotions in {seconds:.2f} s",
        ("kind", "planted", "found whole", "tokens in the other comments"),
        [(kind, by_kind[kind][0], f"{by_kind[kind][1]:.1%}", alarms.get(kind, 0)) for kind in KINDS],
    )


def main() -> None:
    for table in measure(parser().parse_args()):
        show(table)


if __name__ == "__main__":
    main()
