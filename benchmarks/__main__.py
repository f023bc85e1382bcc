"""Run benchmarks, print their tables, and write those of full-size runs into docs/benchmarks.md.

python -m benchmarks                               what there is
python -m benchmarks produce drawings              print
python -m benchmarks all --write                   print, and write between the markers of docs/benchmarks.md
python -m benchmarks produce --small               a quick look, at sizes that prove nothing
python -m benchmarks.produce --rows 5000           one of them at sizes of one's own (--help says which)
"""

from __future__ import annotations

import argparse
import sys
from importlib import import_module

from benchmarks.tables import CHECKOUT, machine, reset_peak, show, written

PAGE = CHECKOUT / "docs" / "benchmarks.md"
# its arguments for the figures of the page, and for a quick look
NAMES = {
    "judges": ("", "--unlabelled 20"),
    "produce": ("--runs 3", "--rows 20000 --runs 1"),
    "ray_executor": ("", "--seconds 1 --batches 4 --runs 1"),
    "ledger": ("", "--keys 20000 --objects 30"),
    "ingest": ("--rows 100000", "--rows 5000 --runs 1"),
    "curation": ("--rows 100000 1000000 10000000", "--rows 2000 --runs 1"),
    "duplicates": ("--runs 3", "--documents 2000 --comments 5000 --runs 1"),
    "drawings": ("--runs 3", "--rows 200 --runs 1"),
    "generation": ("--images 128 --runs 3", "--images 8 --runs 1"),
    "image_curation": (
        "--images 4000 --runs 1 --earlier 1000000 30000000",
        "--images 100 --hashes 5000 --earlier 5000 --runs 1",
    ),
    "classify": ("", "--rows 2000 --runs 1"),
    "personal_data": ("", "--comments 500"),
    "hidden_states": ("", "--rows 100 --loop-rows 20 --runs 1"),
    "writing": ("", "--rows 16 --tokens 8 --runs 1"),
    "edits": ("--images 128 --runs 7", "--images 8 --runs 1"),
    "coco": ("", "--instances 2000 --masks 100"),
    "segmentation": ("", "--images 20 --loop-images 5 --runs 1"),
    "segmenters": ("", "--images 64 --epochs 1 --runs 1"),
    "training": ("", "--images 200 --runs 1"),
    "reading": ("", "--images 400 --runs 1"),
    "served": ("", "--rows 64 --runs 1"),
    "sharing": ("", "--megabytes 20 --runs 1"),
    "uploading": ("", "--megabytes 40 --comments 40000"),
}
WITH_PEERS = ("duplicates", "image_curation", "reading")


def arguments(name: str, small: bool, peers: str | None) -> list[str]:
    """What a benchmark is called with."""
    words = NAMES[name][small].split()
    return [*words, "--peers-python", peers] if peers and name in WITH_PEERS else words


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "names", nargs="*", choices=[*NAMES, "all", []], metavar="name", help=", ".join([*NAMES, "all"])
    )
    parser.add_argument("--small", action="store_true", help="sizes that only prove that it runs")
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md, between the markers")
    parser.add_argument("--peers-python", help="the interpreter of the peers' virtual environment (requirements.txt)")
    asked = parser.parse_args()
    if asked.write and asked.small:
        parser.error("small figures are not written: leave --small or --write out")
    if not asked.names:
        return parser.print_help()
    where = machine()
    print(where, end="\n\n")
    for name in NAMES if "all" in asked.names else dict.fromkeys(asked.names):
        module = import_module(f"benchmarks.{name}")
        reset_peak()
        try:
            for table in module.measure(module.parser().parse_args(arguments(name, asked.small, asked.peers_python))):
                show(table)
                if asked.write and table.missing:
                    print("not written: its peers' figures would go")
                elif asked.write:
                    PAGE.write_text(written(PAGE.read_text(encoding="utf-8"), table, where), encoding="utf-8")
        except FileNotFoundError as missing:
            print(f"{name}: {missing.filename} is not here: not measured", file=sys.stderr)


if __name__ == "__main__":
    main()
