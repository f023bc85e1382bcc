"""Drawings a second of each kind that the house models learn from, at 64 px, on so many processes.

python benchmarks/drawings.py [--rows 4000] [--processes 2] [--runs 3]
"""

from __future__ import annotations

import argparse
import statistics
import time

from assets.house.drawings import SHARES
from corpusmith.drawings import objects, portraits, scenes
from corpusmith.drawings.canvas import render

KINDS = {"portraits": portraits, "objects": objects, "scenes": scenes}


def rate(kind: str, rows: int, processes: int, runs: int) -> float:
    """Drawings a second: the median of so many runs, the start of the processes included."""
    traits, seconds = KINDS[kind].traits(rows, 1), []
    for _ in range(runs):
        began = time.perf_counter()
        render(traits, KINDS[kind].draw, processes)
        seconds.append(time.perf_counter() - began)
    return rows / statistics.median(seconds)


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--rows", type=int, default=4000)
    ask.add_argument("--processes", type=int, default=2)
    ask.add_argument("--runs", type=int, default=3)
    asked = ask.parse_args()
    rates = {kind: rate(kind, asked.rows, asked.processes, asked.runs) for kind in KINDS}
    for kind, found in rates.items():
        print(f"{kind:<28}{found:8,.0f} images/s")
    mixed = 1 / sum(share / rates[kind] for kind, share in SHARES.items())
    print(f"{'in the shares of the recipes':<28}{mixed:8,.0f} images/s   aim >= 1,000")


if __name__ == "__main__":
    main()
