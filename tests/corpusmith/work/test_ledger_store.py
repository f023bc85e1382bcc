"""A ledger on a real object store: every row is made once there too, whatever the store and the processes do."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest
from makers import Squares, plan_of

from corpusmith.errors import LedgerError, UserError
from corpusmith.work import store as stores
from corpusmith.work.ledger import FAILURE_SCHEMA, Ledger, Shelf
from corpusmith.work.produce import missing, produce, shelf_of
from tests.flaky_store import Fault, Flaky, flaky
from tests.object_store import object_store

HERE = Path(__file__).parent
ROOT = HERE.parents[2]


@pytest.fixture(scope="module")
def started() -> Iterator[Flaky]:
    with object_store() as store, flaky(store) as seen:
        yield seen


@pytest.fixture
def proxy(started: Flaky, monkeypatch: pytest.MonkeyPatch) -> Flaky:
    """The store through a proxy without faults; this process finds it by its environment, as people's do."""
    for name, value in started.store.environment().items():
        monkeypatch.setenv(name, value)
    started.faults.clear()
    started.asked.clear()
    return started


@pytest.fixture
def address(proxy: Flaky, request: pytest.FixtureRequest) -> str:
    return f"s3://{proxy.store.bucket}/{request.node.name.replace('[', '-').replace(']', '').replace(' ', '-')}"


def squares(address: str, count: int, batch_rows: int = 4) -> tuple[list[int], list[list[int]]]:
    """What a run gives out, and the batches that it made."""
    maker = Squares(batch_rows=batch_rows)
    made = produce(plan_of(range(count)), maker, Ledger(address)).collect()["square"].to_list()
    return made, maker.calls


def shelf_at(address: str) -> Shelf:
    return shelf_of(Squares(), Ledger(address))


def row(key: str, square: int) -> pa.Table:
    """A finished row that somebody else made."""
    schema = shelf_of(Squares(), Ledger("nowhere")).schema
    return pa.table({"key": [key], "square": [square], "seed": [0], "batch_rows": [1]}, schema=schema)


def objects(proxy: Flaky, address: str) -> list[str]:
    return proxy.store.filesystem().find(address.removeprefix("s3://"))


def test_a_second_run_makes_nothing_and_a_longer_one_only_what_is_new(address: str) -> None:
    assert squares(address, 10)[0] == [n * n for n in range(10)]
    assert squares(address, 10)[1] == []
    assert squares(address, 12)[1] == [[10, 11]]


def test_a_run_with_nothing_to_make_lists_twice_and_asks_twice_of_a_segment(proxy: Flaky, address: str) -> None:
    squares(address, 12)
    proxy.asked.clear()
    maker = Squares()
    made = produce(plan_of(range(12)), maker, Ledger(address))
    assert (proxy.count("GET", "list-type=2"), proxy.count("GET", "segments/")) == (2, 2 * 3)
    assert len(proxy.asked) == 8
    assert made.collect().height == 12


def test_no_object_is_put_but_rows_and_what_is_known_of_the_maker(proxy: Flaky, address: str) -> None:
    squares(address, 12)
    names = [path.rpartition("/")[2] for path in objects(proxy, address)]
    assert sorted(name for name in names if not name.startswith("any-")) == ["maker.json", "rate.json"]
    assert len(names) == 5
    assert proxy.count("PUT") == 5
    assert proxy.count("POST") == 0  # none in parts, of which one could be lost


def test_segments_that_cannot_hold_a_key_are_not_opened(proxy: Flaky, address: str) -> None:
    shelf = shelf_at(address)
    for first in "0123456789abcdef":
        shelf.write(f"{first}-{first * 24}", row(first * 32, 1))
    proxy.asked.clear()
    assert missing(pl.Series("key", ["a" * 32, "a" * 31 + "b"]), shelf).tolist() == [False, True]
    assert {path.rpartition("/")[2] for _, path in proxy.asked if ".parquet" in path} == {f"a-{'a' * 24}.parquet"}


def test_what_many_small_runs_appended_is_a_few_objects(proxy: Flaky, address: str) -> None:
    shelf = shelf_at(address)
    for count in range(40):
        shelf.append(row(f"{count:032x}", -count))
    squares(address, 20)
    assert len(shelf.segments()) <= 16
    assert sorted(shelf.scan().collect()["square"]) == [*range(-39, 1), *(n * n for n in range(20))]
    replaced = len(shelf.listed().replaced)
    assert replaced > 0
    from corpusmith.work import compaction

    compaction.sweep(shelf, grace=-60)
    assert len(objects(proxy, address)) <= 16 + 2
    assert squares(address, 20)[1] == []


@pytest.mark.parametrize(
    "fault",
    [
        Fault("slow down", "PUT", "segments/", 2),
        Fault("cut upload", "PUT", "segments/", 2),
        Fault("lost answer", "PUT", "segments/", 1),
        Fault("slow down", "GET", "list-type", 2),
        Fault("cut download", "GET", "segments/", 2),
        Fault("hang", "GET", "segments/", 1, seconds=1),
    ],
    ids=lambda fault: f"{fault.kind} {fault.method} {fault.part.strip('/')}",
)
def test_a_store_that_stumbles_is_asked_again_and_nothing_is_lost(proxy: Flaky, address: str, fault: Fault) -> None:
    squares(address, 4)
    proxy.faults.append(fault)
    assert squares(address, 12) == ([n * n for n in range(12)], [[4, 5, 6, 7], [8, 9, 10, 11]])
    assert fault.times == 0
    assert squares(address, 12)[1] == []


@pytest.mark.parametrize("method", ["PUT", "GET"])
def test_a_store_that_is_down_ends_in_an_error_that_names_the_object_and_the_same_run_goes_on(
    proxy: Flaky, address: str, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores, "ATTEMPTS", 2)
    monkeypatch.setattr("s3fs.S3FileSystem.retries", 1)
    stores.clients.cache_clear()
    squares(address, 8)
    proxy.faults.append(Fault("slow down", method, "segments/any-", 10**6))
    with pytest.raises(LedgerError, match=r"s3://corpora/.*segments/any-\w+.parquet cannot be .* the same command"):
        squares(address, 12)
    proxy.faults.clear()
    assert shelf_at(address).keys().len() == 8  # none was taken for torn
    assert not [path for path in objects(proxy, address) if "set-aside" in path]
    assert squares(address, 12) == ([n * n for n in range(12)], [[8, 9, 10, 11]])
    stores.clients.cache_clear()


@pytest.fixture
def impatient(proxy: Flaky, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Clients that ask twice and wait for a second."""
    monkeypatch.setattr(stores, "ATTEMPTS", 2)
    monkeypatch.setattr(stores, "READ_SECONDS", 1.0)
    monkeypatch.setattr("s3fs.S3FileSystem.retries", 2)
    stores.clients.cache_clear()
    yield
    stores.clients.cache_clear()


@pytest.mark.usefixtures("impatient")
def test_a_store_that_stumbles_at_every_try_for_a_footer_has_no_torn_object(proxy: Flaky, address: str) -> None:
    squares(address, 4)
    fault = Fault("slow down", "GET", "segments/", 3)
    proxy.faults.append(fault)
    assert squares(address, 4) == ([n * n for n in range(4)], [])
    assert fault.times == 0
    assert not [path for path in objects(proxy, address) if "set-aside" in path]


@pytest.mark.usefixtures("impatient")
def test_a_store_that_hangs_while_it_is_written_to_is_asked_again(proxy: Flaky, address: str) -> None:
    fault = Fault("hang", "PUT", "segments/", 1, seconds=3)
    proxy.faults.append(fault)
    assert squares(address, 4) == ([n * n for n in range(4)], [[0, 1, 2, 3]])
    assert fault.times == 0


def test_a_table_that_was_opened_is_read_although_the_store_stumbles(proxy: Flaky, address: str) -> None:
    table = produce(plan_of(range(8)), Squares(batch_rows=4), Ledger(address))
    fault = Fault("slow down", "GET", "segments/", 2)
    proxy.faults.append(fault)
    assert table.collect()["square"].to_list() == [n * n for n in range(8)]
    assert fault.times == 0


@pytest.mark.usefixtures("impatient")
def test_an_erasure_that_the_store_refuses_ends_in_an_error_that_names_the_object(proxy: Flaky, address: str) -> None:
    squares(address, 8)
    shelf = shelf_at(address)
    key = shelf.keys()[0]
    proxy.faults += [Fault("slow down", method, "", 10**6) for method in ("DELETE", "POST")]
    with pytest.raises(LedgerError, match=r"s3://corpora/.*segments/any-\w+.parquet cannot be deleted"):
        shelf.erase([key])
    proxy.faults.clear()
    shelf.erase([key])
    held = [path for path in objects(proxy, address) if "segments/" in path]
    assert len(held) == 2
    files = proxy.store.filesystem()
    assert key not in pl.concat(pl.read_parquet(files.cat_file(path)) for path in held)["key"]
    assert shelf.keys().len() == 7


def test_a_filesystem_of_ones_own_is_read_with_its_own_keys(
    proxy: Flaky, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in proxy.store.environment():
        monkeypatch.delenv(name)
    ledger = Ledger(address.removeprefix("s3://"), proxy.store.arrow())
    made = [produce(plan_of(range(8)), Squares(), ledger).collect()["square"].to_list() for _ in range(2)]
    assert made == [[n * n for n in range(8)]] * 2


def test_a_torn_object_is_set_aside_and_its_rows_are_made_again(proxy: Flaky, address: str) -> None:
    squares(address, 12)
    torn = shelf_at(address).segments()[0]
    files = proxy.store.filesystem()
    files.pipe_file(torn, files.cat_file(torn)[:-20])
    with pytest.warns(UserWarning, match="is set aside"):
        made, calls = squares(address, 12)
    assert (made, len(calls)) == ([n * n for n in range(12)], 1)
    assert [path for path in objects(proxy, address) if "set-aside" in path]


PROGRAM = """
import sys; sys.path.insert(0, {here!r})
from pathlib import Path
from makers import Squares, plan_of
from corpusmith.work.ledger import Ledger
from corpusmith.work.produce import produce, shelf_of
maker, ledger = Squares(batch_rows=5, pause={pause}, journal=Path({journal!r})), Ledger({address!r})
{what}
"""
MAKE = "produce(plan_of(range({start}, {stop})), maker, ledger)"
COMPACT = "for _ in range(20): shelf_of(maker, ledger).compact()"


def start(proxy: Flaky, address: str, journal: Path, what: str, pause: float = 0) -> subprocess.Popen[bytes]:
    journal.touch()
    program = PROGRAM.format(here=str(HERE), pause=pause, journal=str(journal), address=address, what=what)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, "-c", program], env=environment)


def test_a_killed_run_makes_only_the_batch_in_flight_again(proxy: Flaky, address: str, tmp_path: Path) -> None:
    journal, what = tmp_path / "journal", MAKE.format(start=0, stop=40)
    process = start(proxy, address, journal, what, pause=0.2)
    while journal.read_text().count("\n") < 3:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert start(proxy, address, journal, what).wait() == 0
    made = [int(n) for n in journal.read_text().split()]
    assert set(made) == set(range(40))
    assert len(made) - len(set(made)) <= 5
    assert squares(address, 40) == ([n * n for n in range(40)], [])


def test_two_machines_append_at_once_while_a_third_compacts(proxy: Flaky, address: str, tmp_path: Path) -> None:
    for count in range(1, 25):  # enough that there is something to merge from the start
        shelf_at(address).append(row(f"{count:032x}", -count))
    both = [(0, 40), (20, 60)]
    running = [
        start(proxy, address, tmp_path / str(first), MAKE.format(start=first, stop=last), 0.02) for first, last in both
    ]
    running.append(start(proxy, address, tmp_path / "none", COMPACT))
    table = shelf_at(address).scan()  # opened before, read after
    assert [process.wait() for process in running] == [0, 0, 0]
    assert table.collect().height >= 24
    assert shelf_at(address).listed().lists, "something was merged"
    stored = shelf_at(address).scan().collect()["square"].to_list()
    assert sorted(stored) == sorted([-count for count in range(1, 25)] + [n * n for n in range(60)])


def test_failures_and_erasure_work_there_too(proxy: Flaky, address: str) -> None:
    squares(address, 8)
    shelf = shelf_at(address)
    keys = shelf.keys().to_list()
    failed = {"key": "f" * 32, "plan": "{}", "error": "ValueError", "message": "no", "attempt": 1}
    shelf.add_failures(pa.Table.from_pylist([failed], schema=FAILURE_SCHEMA))
    assert shelf.failures()["key"].to_list() == ["f" * 32]
    assert shelf.erase([keys[0], "f" * 32]) == 2
    assert sorted(shelf.keys()) == sorted(keys[1:])
    assert shelf.failures().is_empty()
    shelf.remove()
    assert objects(proxy, address) == []


@pytest.mark.parametrize("wrong", ["s3://", "s3:///prefix"])
def test_an_address_without_a_bucket_says_what_was_expected(wrong: str) -> None:
    with pytest.raises(UserError, match="names no bucket: expected s3://bucket/prefix"):
        Ledger(wrong)
