"""The runner writes what it measured between the markers of the page, and touches nothing else."""

import re
from pathlib import Path

import pytest

from benchmarks.__main__ import NAMES, PAGE
from benchmarks.tables import Measured, machine, written

TABLE = Measured("quick", "Medians of 3", ("system", "rows/s"), [("ours", 12345.6), ("theirs", 1.5)], ("someone",))
BLOCK = "Prose by hand.\n\n<!-- measured: quick -->\n| old |\n<!-- end -->\n\nMore prose, 1.0.\n"


def test_only_what_stands_between_the_markers_is_written():
    page = written(BLOCK, TABLE, "a machine")
    before, after = BLOCK.split("| old |\n")
    assert page.startswith(before)
    assert page.endswith(after)
    assert "| ours | 12,346 |\n| theirs | 1.50 |" in page
    assert "*a machine*" in page


def test_peers_that_are_not_installed_are_said_to_be_missing():
    assert "Not installed here: someone." in written(BLOCK, TABLE, "a machine")


def test_a_page_without_markers_is_an_error_that_names_them():
    with pytest.raises(ValueError, match="measured: quick"):
        written("Prose.", TABLE, "a machine")


def test_every_table_that_a_benchmark_yields_has_its_place_on_the_page():
    sources = "".join(Path(__file__).parents[1].joinpath("benchmarks", f"{name}.py").read_text() for name in NAMES)
    yielded = set(re.findall(r'Measured\(\s*"(\w+)"', sources))
    assert yielded == set(re.findall(r"<!-- measured: (\w+) -->", PAGE.read_text(encoding="utf-8")))


def test_the_machine_is_named_with_its_commit_and_versions():
    assert re.search(r"commit \w+\+?, \d+ cores .* GiB, .*polars \d", machine())
