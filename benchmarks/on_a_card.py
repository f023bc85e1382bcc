"""All that is measured on a GPU, one after the other: some ten minutes, nothing downloaded, nothing on the page.

python -m benchmarks.on_a_card [--only generation] [--limit 200] [--small]

Each is a process of its own, since a card's memory is its process's, and is ended after --limit seconds. With --small
the same runs on a CPU at sizes that only prove that it runs.
"""

from __future__ import annotations

import argparse
import subprocess
import sys

from benchmarks.tables import machine

CARD, CPU = "--device cuda --dtype bfloat16", "--device cpu --dtype float32"
RUNS = {  # on a card, and as a proof that it runs
    "generation": [
        ("--model house/epsilon --images 4096 --runs 2", "--model house/epsilon --images 8 --runs 1"),
        (
            f"--architecture sd15 --random-weights --images 512 --steps 20 --runs 2 {CARD}",
            f"--architecture tiny --random-weights --images 8 --steps 2 --runs 1 {CPU}",
        ),
        (f"--architecture sdxl --random-weights --images 64 --steps 10 --batch 8 --runs 2 {CARD}", None),
    ],
    "hidden_states": [
        (f"--shape qwen3-0.6b --rows 20000 --runs 2 {CARD}", f"--shape tiny --rows 50 --loop-rows 5 --runs 1 {CPU}"),
        (f"--shape qwen3-4b --rows 10000 --loop-rows 200 --runs 2 {CARD}", None),
    ],
    "writing": [
        (f"--shape qwen3-0.6b --runs 2 {CARD}", f"--shape tiny --rows 8 --tokens 4 --runs 1 {CPU}"),
        (f"--shape qwen3-4b --runs 1 {CARD}", None),
    ],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", choices=RUNS, default=[*RUNS])
    parser.add_argument("--limit", type=float, default=200, help="seconds that one of them may take")
    parser.add_argument("--small", action="store_true", help="on a CPU")
    asked = parser.parse_args()
    print(machine(), end="\n\n", flush=True)
    for name in asked.only:
        for sizes in RUNS[name]:
            if (words := sizes[asked.small]) is None:
                continue
            print(f"$ python -m benchmarks.{name} {words}", flush=True)
            try:
                subprocess.run([sys.executable, "-m", f"benchmarks.{name}", *words.split()], timeout=asked.limit)
            except subprocess.TimeoutExpired:
                print(f"ended after {asked.limit:.0f} s", flush=True)


if __name__ == "__main__":
    main()
