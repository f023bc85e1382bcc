"""However many runs append to a shelf, it stays few segments of bounded size, and whoever reads it is not disturbed."""

from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from corpusmith.work import compaction, segments
from corpusmith.work.ledger import Ledger, Shelf

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


def test_many_failures_become_one_file_with_the_last_of_each_row(shelf: Shelf) -> None:
    for attempt in range(70):
        row = {"key": f"{attempt % 7:032x}", "plan": "{}", "error": "E", "message": str(attempt), "attempt": attempt}
        shelf.add_failures(pa.Table.from_pylist([row]))
    shelf.compact()
    assert len(shelf.listed().failures) == 1
    assert sorted(shelf.failures()["message"]) == [str(n) for n in range(63, 70)]
