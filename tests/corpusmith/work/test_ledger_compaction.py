"""However many runs append to a shelf, it stays few segments of bounded size, and whoever reads it is not disturbed."""

import os
import threading
import time
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.fs as pafs
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from corpusmith.work import compaction, segments
from corpusmith.work.ledger import Ledger, Shelf
from corpusmith.work.store import Store

SCHEMA = pa.schema({"key": pa.string(), "n": pa.int64()})


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Ledger(tmp_path).shelf("rows", "rows:x@1", SCHEMA)


def append(shelf: Shelf, count: int, rows: int = 50, seed: int = 0) -> None:
    """So many small segments, of random keys."""
    draw = np.random.default_rng(seed)
    for number in range(count):
        keys = [row.tobytes().hex() for row in draw.integers(0, 256, (rows, 16), dtype=np.uint8)]
        shelf.append(pa.table({"key": keys, "n": range(number * rows, (number + 1) * rows)}, schema=SCHEMA))


def numbers(shelf: Shelf) -> list[int]:
    return sorted(shelf.scan().collect()["n"])


def test_large_segments_are_parted_by_the_digits_of_their_keys(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "LARGE_ROWS", 100)
    append(shelf, 40)
    shelf.compact()
    listed = shelf.listed().segments
    leads = [segments.lead(file.name) for file in listed]
    assert len(set(leads)) > 16
    for file, lead in zip(listed, leads, strict=True):
        keys = pl.read_parquet(file.path)["key"]
        assert len(keys) <= 100
        assert keys.str.starts_with(lead).all()
    assert numbers(shelf) == list(range(2000))
    assert max(leads.count(lead) for lead in leads) <= segments.AT_MOST


def test_a_table_that_was_opened_before_is_read_after(shelf: Shelf) -> None:
    append(shelf, 20)
    before = shelf.scan()
    shelf.compact()
    assert len(shelf.segments()) == 1
    assert sorted(before.collect()["n"]) == list(range(1000))
    compaction.sweep(shelf, grace=-60)
    assert len(list(Path(shelf.path, "segments").iterdir())) == 1
    assert numbers(shelf) == list(range(1000))


def test_a_row_that_was_merged_twice_is_read_once_and_merged_into_one(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    append(shelf, 20)
    with monkeypatch.context() as patch:
        patch.setattr(type(shelf.store), "put", _dies_at("replaced", type(shelf.store).put))
        with pytest.raises(KeyboardInterrupt):
            shelf.compact()
    assert shelf.keys().len() == 2000
    assert numbers(shelf) == list(range(1000))
    append(shelf, 20, seed=1)
    shelf.compact()
    assert shelf.keys().n_unique() == 2000


def _dies_at(part: str, put):
    def dying(self, path, data):
        if part in path:
            raise KeyboardInterrupt
        return put(self, path, data)

    return dying


def test_who_finds_that_another_was_quicker_leaves_its_work_alone(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    append(shelf, 20)
    merge = compaction._merge

    def slow(one, first, files):
        done = merge(one, first, files)
        monkeypatch.setattr(compaction, "_merge", merge)
        Ledger(Path(one.path).parent).shelf("rows", "rows:x@1", SCHEMA).compact()
        return done

    monkeypatch.setattr(compaction, "_merge", slow)
    shelf.compact()
    assert shelf.keys().len() == 1000
    assert numbers(shelf) == list(range(1000))


def test_finished_rows_stay_in_view_while_another_process_merges(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "LARGE_ROWS", 100)  # so that it merges a few at a time
    append(shelf, 40)
    keys = shelf.keys()
    is_listed, is_read = threading.Event(), threading.Event()
    put, read = Store.put, Store.read
    merging = threading.Thread(target=Ledger(Path(shelf.path).parent).shelf("rows", "rows:x@1", SCHEMA).compact)

    def put_and_wait(self: Store, path: str, data: bytes) -> None:
        put(self, path, data)
        if "replaced" in path and not is_listed.is_set():
            is_listed.set()
            assert is_read.wait(60)

    def read_late(self: Store, path: str) -> bytes:
        if "replaced" in path and not is_read.is_set():
            is_read.set()
            merging.join()
        return read(self, path)

    monkeypatch.setattr(Store, "put", put_and_wait)
    merging.start()
    assert is_listed.wait(60)
    monkeypatch.setattr(Store, "read", read_late)
    lacking = shelf.lacking(keys)
    assert is_read.is_set()
    assert not lacking.any()
    assert numbers(shelf) == list(range(2000))


def holders(shelf: Shelf, key: str) -> list[str]:
    """The files of a shelf that hold a key."""
    paths = Path(shelf.path).rglob("*.parquet")
    return [path.name for path in paths if key in pl.read_parquet(path, glob=False)["key"]]


def erased_while(shelf: Shelf, key: str, monkeypatch: pytest.MonkeyPatch, owner: object, name: str) -> None:
    """Compact the shelf, and erase a key at the moment when something is called first."""
    call = getattr(owner, name)

    def erase_first(*arguments: object) -> object:
        monkeypatch.setattr(owner, name, call)
        assert shelf.erase([key]) == 1
        return call(*arguments)

    monkeypatch.setattr(owner, name, erase_first)
    shelf.compact()
    assert getattr(owner, name) is call


def test_a_merge_in_flight_brings_no_erased_row_back(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    append(shelf, 20)
    key = shelf.keys()[500]
    gone = shelf.scan().filter(pl.col("key") == key).collect()["n"].item()
    erased_while(shelf, key, monkeypatch, segments, "parts")  # it has read all that it merges
    assert holders(shelf, key) == []
    assert numbers(shelf) == [n for n in range(1000) if n != gone]
    shelf.compact()
    assert len(shelf.segments()) <= segments.AT_MOST
    assert numbers(shelf) == [n for n in range(1000) if n != gone]


def add_failures(shelf: Shelf, count: int) -> None:
    for attempt in range(count):
        row = {"key": f"{attempt:032x}", "plan": "{}", "error": "E", "message": "no", "attempt": attempt}
        shelf.add_failures(pa.Table.from_pylist([row]))


def test_neither_does_a_merge_of_failures(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    add_failures(shelf, 70)
    erased_while(shelf, f"{3:032x}", monkeypatch, Shelf, "add_failures")
    assert holders(shelf, f"{3:032x}") == []
    assert sorted(shelf.failures()["key"]) == [f"{n:032x}" for n in range(70) if n != 3]


def test_large_files_of_failures_are_left_as_they_are(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    add_failures(shelf, 70)
    monkeypatch.setattr(compaction, "SMALL", 1)
    shelf.compact()
    assert len(shelf.listed().failures) == 70


def test_what_lines_were_erased_of_may_be_written_anew_under_their_name(shelf: Shelf) -> None:
    rows = pa.table({"key": ["a", "b"], "n": [1, 2]}, schema=SCHEMA)
    shelf.append(rows, "line-000000000001")
    shelf.erase(["a", "b"])
    shelf.append(rows, "line-000000000001")
    assert numbers(shelf) == [1, 2]


def test_what_was_set_aside_or_left_unfinished_goes_with_an_erased_row(shelf: Shelf) -> None:
    append(shelf, 1)
    aside, old, new = (Path(shelf.path, *name) for name in (("set-aside", "x"), ("segments", ".o.tmp"), (".n.tmp",)))
    for path in (aside, old, new):
        path.parent.mkdir(exist_ok=True)
        path.write_text("torn")
    os.utime(old, (0, 0))
    assert shelf.erase(["nobody's"]) == 0
    assert aside.exists()
    assert shelf.erase([shelf.keys()[0]]) == 1
    assert [path.exists() for path in (aside, old, new)] == [False, False, True]


def test_what_was_merged_goes_in_time_where_no_file_says_when_it_was_written(monkeypatch: pytest.MonkeyPatch) -> None:
    files = MemoryFileSystem()
    files.store.clear()
    shelf = Ledger("ledger", pafs.PyFileSystem(pafs.FSSpecHandler(files))).shelf("rows", "rows:x@1", SCHEMA)
    append(shelf, 20)
    shelf.compact()
    old = shelf.listed().lists[0]
    there = len(files.find("ledger"))
    shelf.compact()
    assert len(files.find("ledger")) == there, "somebody may be reading it"
    later = time.time() + compaction.GRACE_SECONDS + 60
    monkeypatch.setattr(time, "time", lambda: later)
    monkeypatch.setattr(time, "time_ns", lambda: int(later * 1e9))
    shelf.compact()
    assert not shelf.store.files(old.path)
    assert len(files.find("ledger")) == 1
    assert numbers(shelf) == list(range(1000))


def test_a_list_of_an_earlier_version_is_swept_by_when_it_was_written(shelf: Shelf) -> None:
    append(shelf, 20)
    shelf.compact()
    (path,) = Path(shelf.path, "replaced").iterdir()
    path = path.rename(path.with_name(path.name[13:]))
    compaction.sweep(shelf)
    assert path.exists()
    os.utime(path, (1e9, 1e9))
    compaction.sweep(shelf)
    assert not path.exists()
    assert len(list(Path(shelf.path, "segments").iterdir())) == 1


def test_many_failures_become_one_file_with_the_last_of_each_row(shelf: Shelf) -> None:
    for attempt in range(70):
        row = {"key": f"{attempt % 7:032x}", "plan": "{}", "error": "E", "message": str(attempt), "attempt": attempt}
        shelf.add_failures(pa.Table.from_pylist([row]))
    shelf.compact()
    assert len(shelf.listed().failures) == 1
    assert sorted(shelf.failures()["message"]) == [str(n) for n in range(63, 70)]
