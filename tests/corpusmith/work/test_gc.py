"""What is freed of a shelf is counted first, is exactly what was named, and no other row is lost on the way."""

import os
import tempfile
import time
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

from corpusmith.work import gc
from corpusmith.work.ledger import FAILURE_SCHEMA, Ledger

SCHEMA = pa.schema([("key", pa.string()), ("text", pa.string())])


@pytest.fixture
def shelf(tmp_path):
    """Two segments of three rows and one failure."""
    made = Ledger(tmp_path).shelf("writer", "writer:x@1", SCHEMA)
    made.describe({})
    for keys in ("abc", "def"):
        made.append(pa.table({"key": list(keys), "text": ["some text"] * 3}, schema=SCHEMA))
    failure = {"key": "z", "plan": "{}", "error": "ValueError", "message": "no", "attempt": 1}
    made.add_failures(pa.Table.from_pylist([failure], schema=FAILURE_SCHEMA))
    return made


def test_what_is_counted_is_what_is_freed(shelf):
    garbage = pl.Series(["a", "d", "e", "not here"])
    counted = gc.count(shelf, garbage)
    assert (counted.rows, counted.left) == (3, 4)
    assert counted.bytes > 0
    gc.free(shelf, garbage)
    assert sorted(shelf.keys()) == ["b", "c", "f"]
    assert shelf.failures()["key"].to_list() == ["z"]


def test_counting_changes_nothing(shelf):
    before = [(path, path.stat().st_mtime_ns) for path in sorted(_files(shelf))]
    gc.count(shelf, pl.Series(["a"]))
    assert before == [(path, path.stat().st_mtime_ns) for path in sorted(_files(shelf))]


def test_a_shelf_of_which_nothing_is_left_goes_as_a_whole(shelf, tmp_path):
    everything = pl.Series([*"abcdefz"])
    counted = gc.count(shelf, everything)
    assert counted.bytes == sum(path.stat().st_size for path in _files(shelf))
    gc.free(shelf, everything)
    assert not list(tmp_path.iterdir())


def test_killed_at_any_file_no_other_row_is_lost_and_the_same_call_completes_it(shelf, monkeypatch):
    garbage = pl.Series(["a", "d"])
    delete = type(shelf)._delete

    def killed(self, paths):
        monkeypatch.setattr(type(shelf), "_delete", delete)
        raise KeyboardInterrupt

    monkeypatch.setattr(type(shelf), "_delete", killed)
    with pytest.raises(KeyboardInterrupt):
        gc.free(shelf, garbage)
    assert {"b", "c", "e", "f"} <= set(shelf.keys())
    gc.free(shelf, garbage)
    assert sorted(shelf.keys()) == ["b", "c", "e", "f"]


def test_a_temporary_file_is_a_leftover_only_when_nobody_can_be_writing_it(tmp_path):
    old, new = (tmp_path / "writer-1" / "segments" / f".{name}.parquet.tmp" for name in ("old", "new"))
    aside = tmp_path / "writer-1" / "set-aside" / "torn.parquet"
    for path in (old, new, aside):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("torn")
    for path in (old, aside):
        os.utime(path, (0, 0))
    assert gc.leftovers(tmp_path, time.time()) == [old, aside]


def test_temporary_folders_of_killed_processes_are_leftovers_and_nothing_else_there_is(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    left, fresh = (Path(tempfile.mkdtemp(prefix="corpusmith-")) for _ in range(2))
    for folder in (left, fresh):
        (folder / "17").write_text("rows")
    home, opened, other = tmp_path / "corpusmith-imagenet", tmp_path / "corpusmith-demohome", tmp_path / "corpusmith-x"
    for folder in (home, opened, other):
        folder.mkdir(mode=0o700)
    (home / "params.yaml").write_text("")
    opened.chmod(0o755)
    for path in (left / "17", left, home / "params.yaml", home, opened, other):
        os.utime(path, (0, 0))
    assert gc.temporary(time.time()) == [left]


def _files(shelf):
    return [path for path in Path(shelf.path).rglob("*") if path.is_file()]
