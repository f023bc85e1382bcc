"""What was taken down is neither made, nor given out, nor kept in the ledger."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from makers import Squares, plan_of

from corpusmith.work.ledger import FAILURE_SCHEMA, Ledger, Shelf
from corpusmith.work.produce import keys_of, produce, shelf_of, with_failed

KEYS = keys_of(plan_of(range(40)), Squares()).to_list()


def made(root: Path, numbers: range = range(40), batch_rows: int = 8) -> Shelf:
    produce(plan_of(numbers), Squares(batch_rows=batch_rows), Ledger(root)).collect()
    return shelf_of(Squares(), Ledger(root))


def test_a_row_that_was_taken_down_is_never_handed_to_a_maker(tmp_path):
    maker = Squares()
    gone = Ledger(tmp_path, taken_down=frozenset({KEYS[3]}))
    found = produce(plan_of(range(8)), maker, gone).collect()
    assert found["n"].to_list() == [0, 1, 2, 4, 5, 6, 7]
    assert maker.calls == [[0, 1, 2, 4, 5, 6, 7]]


def test_a_row_that_was_made_before_is_not_given_out_either(tmp_path):
    made(tmp_path)
    gone, maker = Ledger(tmp_path, taken_down=frozenset(KEYS[:2])), Squares()
    assert produce(plan_of(range(5)), maker, gone).collect()["n"].to_list() == [2, 3, 4]
    assert maker.calls == []


def test_a_ledger_does_not_take_in_what_was_taken_down(tmp_path):
    rows = shelf_of(Squares(), Ledger(tmp_path)).schema.empty_table()
    rows = pa.concat_tables([rows, made(tmp_path / "other").scan().collect().head(3).to_arrow().cast(rows.schema)])
    shelf = shelf_of(Squares(), Ledger(tmp_path, taken_down=frozenset(rows["key"].to_pylist()[:2])))
    shelf.append(rows, "some")
    shelf.append(rows.slice(0, 2), "nothing")
    assert [Path(path).stem for path in shelf.segments()] == ["some"]
    assert Ledger(tmp_path).shelf(Squares.name, Squares().fingerprint, shelf.schema).keys().len() == 1


def test_a_plan_row_that_was_taken_down_is_accounted_for_with_nothing_in_it(tmp_path):
    gone, plan = Ledger(tmp_path, taken_down=frozenset({KEYS[3]})), plan_of(range(5))
    every = with_failed(produce(plan, Squares(), gone), plan, Squares()).collect()
    assert every.filter(pl.col("square").is_null())["key"].to_list() == [KEYS[3]]


@given(st.sets(st.integers(0, 39)), st.integers(1, 40))
def test_erasing_takes_exactly_the_rows_that_are_named(tmp_path_factory, numbers, batch_rows):
    shelf = made(tmp_path_factory.mktemp("ledger"), batch_rows=batch_rows)
    assert shelf.erase({KEYS[n] for n in numbers}) == len(numbers)
    assert sorted(shelf.keys()) == sorted(set(KEYS) - {KEYS[n] for n in numbers})
    assert shelf.erase({KEYS[n] for n in numbers}) == 0


def test_a_segment_keeps_its_place_in_the_order(tmp_path):
    shelf = shelf_of(Squares(), Ledger(tmp_path))
    rows = made(tmp_path / "other").scan().collect().sort("square").to_arrow().cast(shelf.schema)
    for start in range(0, 40, 10):
        shelf.append(rows.slice(start, 10), f"line-{start + 1:012d}")
    for gone in (1, 12, 13, 25):
        shelf.erase({rows["key"][gone].as_py()})
    assert shelf.scan().collect()["square"].to_list() == [n * n for n in range(40) if n not in (1, 12, 13, 25)]


def test_a_failure_goes_by_its_key_and_by_the_text_that_it_shows(tmp_path):
    shelf = shelf_of(Squares(), Ledger(tmp_path))
    failed = [
        (KEYS[0], "{}", ""),
        (KEYS[1], '{"text":"a secret"}', ""),
        (KEYS[2], "{}", "it said a secret"),
        (KEYS[3], "{}", "no"),
    ]
    rows = [{"key": k, "plan": p, "error": "E", "message": m, "attempt": 1} for k, p, m in failed]
    shelf.add_failures(pa.Table.from_pylist(rows, FAILURE_SCHEMA))
    assert shelf.erase({KEYS[0]}, ['"a secret"', "a secret"]) == 3
    assert shelf.failures()["key"].to_list() == [KEYS[3]]


def test_a_ledger_knows_its_shelves_and_who_holds_a_key(tmp_path):
    made(tmp_path)
    (shelf,) = Ledger(tmp_path).shelves()
    assert shelf.fingerprint == Squares().fingerprint
    assert shelf.holding([KEYS[5], "0" * 32]) == {KEYS[5]}
    assert Ledger(tmp_path / "nothing").shelves() == []


def test_a_torn_segment_is_passed_over_and_left_for_the_next_run(tmp_path):
    shelf = made(tmp_path)
    torn = Path(shelf.segments()[0])
    torn.write_bytes(torn.read_bytes()[:-20])
    shelf.erase(set(KEYS))
    assert [path.name for path in torn.parent.iterdir()] == [torn.name]


class StoppedError(Exception):
    """In the middle."""


@pytest.mark.parametrize("moment", ["before it is written", "before the old one goes"])
def test_what_stops_in_between_loses_nothing_else_and_the_same_call_completes_it(tmp_path, monkeypatch, moment):
    shelf, gone = made(tmp_path), set(KEYS[::5])

    def stop(*_):
        raise StoppedError

    with monkeypatch.context() as patch:
        patch.setattr(Shelf, "_write" if moment == "before it is written" else "_delete", stop)
        with pytest.raises(StoppedError):
            shelf.erase(gone)
    assert set(shelf.keys()) >= set(KEYS) - gone
    hidden = shelf_of(Squares(), Ledger(tmp_path, taken_down=frozenset(gone)))
    assert sorted(hidden.scan().collect()["key"]) == sorted(set(KEYS) - gone)
    shelf.erase(gone)
    assert sorted(shelf.keys()) == sorted(set(KEYS) - gone)


KILLED = """
import os, signal, sys
from corpusmith.work.ledger import Ledger, Shelf
def die(shelf, paths):
    os.kill(os.getpid(), signal.SIGKILL)
Shelf._delete = die
(shelf,) = Ledger(sys.argv[1]).shelves()
shelf.erase(set(sys.argv[2:]))
"""


def test_a_kill_between_the_new_file_and_the_old_one_loses_nothing_else(tmp_path):
    shelf, gone = made(tmp_path), KEYS[::5]
    paths = os.pathsep.join(path for path in sys.path if path)
    ran = subprocess.run([sys.executable, "-c", KILLED, tmp_path, *gone], env={**os.environ, "PYTHONPATH": paths})
    assert ran.returncode == -signal.SIGKILL
    assert set(shelf.scan().collect()["key"]) >= set(KEYS) - set(gone)
    shelf.erase(gone)
    assert sorted(shelf.keys()) == sorted(set(KEYS) - set(gone))
