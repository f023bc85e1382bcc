"""Every row is made once: re-runs, crashes, bad rows, two processes, full disks."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.fs as pafs
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from hypothesis import given, settings
from hypothesis import strategies as st
from makers import Squares, plan_of

from corpusmith.errors import LedgerError, MakerError, ModelError, PlanError, TooManyFailures
from corpusmith.work.ledger import Ledger
from corpusmith.work.produce import produce, shelf_of

HERE = Path(__file__).parent


class Killed(BaseException):
    """Stands for a process that dies: nothing of ours may catch it."""


def squares_of(plan: pl.LazyFrame, maker: Squares, root: Path, **options) -> list[int]:
    return produce(plan, maker, Ledger(root), **options).collect()["square"].to_list()


def test_a_plan_comes_back_in_its_order_with_what_was_made(tmp_path):
    plan = plan_of([5, 3, 9]).with_columns(note=pl.Series(["a", "b", "c"]))
    made = produce(plan, Squares(), Ledger(tmp_path)).collect()
    assert made.select("n", "note", "square").rows() == [(5, "a", 25), (3, "b", 9), (9, "c", 81)]


def test_a_second_run_makes_nothing(tmp_path):
    squares_of(plan_of(range(20)), Squares(), tmp_path)
    again = Squares()
    assert squares_of(plan_of(range(20)), again, tmp_path) == [n * n for n in range(20)]
    assert again.calls == []


def test_a_longer_plan_makes_only_what_is_new(tmp_path):
    squares_of(plan_of(range(20)), Squares(), tmp_path)
    longer = Squares()
    squares_of(plan_of(range(23)), longer, tmp_path)
    assert longer.calls == [[20, 21, 22]]


def test_equal_rows_are_made_once_and_returned_each(tmp_path):
    maker = Squares()
    assert squares_of(plan_of([4, 4, 4]), maker, tmp_path) == [16, 16, 16]
    assert maker.calls == [[4]]


def test_a_column_that_the_maker_does_not_read_decides_nothing(tmp_path):
    squares_of(plan_of([1]).with_columns(note=pl.lit("old")), Squares(), tmp_path)
    again = Squares()
    squares_of(plan_of([1]).with_columns(note=pl.lit("new")), again, tmp_path)
    assert again.calls == []


def test_another_version_of_the_maker_makes_its_own_rows(tmp_path):
    squares_of(plan_of([1]), Squares(version="1"), tmp_path)
    newer = Squares(version="2")
    squares_of(plan_of([1]), newer, tmp_path)
    assert newer.calls == [[1]]


def test_a_seed_does_not_depend_on_the_batch_it_rode_in(tmp_path):
    by_one = produce(plan_of(range(9)), Squares(batch_rows=1), Ledger(tmp_path / "a")).collect()
    by_four = produce(plan_of(range(9)), Squares(batch_rows=4), Ledger(tmp_path / "b")).collect()
    assert by_one.equals(by_four)


def test_the_rows_of_the_batch_are_recorded_beside_each_row(tmp_path):
    maker = Squares(batch_rows=4)
    produce(plan_of(range(6)), maker, Ledger(tmp_path))
    shapes = shelf_of(maker, Ledger(tmp_path)).scan().collect()["batch_rows"].to_list()
    assert sorted(shapes) == [2, 2, 4, 4, 4, 4]


def test_an_empty_plan_makes_an_empty_table(tmp_path):
    made = produce(plan_of([]), Squares(), Ledger(tmp_path)).collect()
    assert made.columns == ["n", "key", "square", "seed"]
    assert made.height == 0


@settings(deadline=None, max_examples=30)
@given(
    steps=st.lists(st.tuples(st.integers(0, 40), st.integers(1, 9), st.none() | st.integers(0, 3)), max_size=6),
)
def test_any_interleaving_of_crashes_and_reruns_ends_in_the_same_rows(steps):
    with tempfile.TemporaryDirectory() as root:
        for rows, batch_rows, dies_after in steps:
            maker = Squares(batch_rows=batch_rows)
            if dies_after is not None:
                maker.make = dying(maker.make, dies_after)  # type: ignore[method-assign]
            with contextlib.suppress(Killed):
                produce(plan_of(range(rows)), maker, Ledger(root))
        final = produce(plan_of(range(40)), Squares(), Ledger(root)).collect()
        undisturbed = produce(plan_of(range(40)), Squares(), Ledger(f"{root}/other")).collect()
        assert final.equals(undisturbed)
        stored = shelf_of(Squares(), Ledger(root)).scan().collect()
        assert sorted(stored["square"]) == [n * n for n in range(40)]


def dying(make, after: int):
    left = [after]

    def make_or_die(rows: pa.RecordBatch) -> pa.RecordBatch:
        if not left[0]:
            raise Killed
        left[0] -= 1
        return make(rows)

    return make_or_die


PROGRAM = """
import sys; sys.path.insert(0, {here!r})
from pathlib import Path
from makers import Squares, plan_of
from corpusmith.work.ledger import Ledger
from corpusmith.work.produce import produce
maker = Squares(batch_rows=5, pause={pause}, journal=Path({journal!r}))
produce(plan_of(range({start}, {stop})), maker, Ledger({root!r}))
"""


def start_program(root: Path, journal: Path, start: int, stop: int, pause: float) -> subprocess.Popen[bytes]:
    program = PROGRAM.format(here=str(HERE), pause=pause, journal=str(journal), start=start, stop=stop, root=str(root))
    return subprocess.Popen([sys.executable, "-c", program])


@pytest.mark.parametrize("moment", [0.05, 0.4, 0.75])
def test_a_killed_run_makes_at_most_one_batch_twice(tmp_path, moment):
    journal = tmp_path / "journal"
    journal.touch()
    process = start_program(tmp_path / "ledger", journal, 0, 60, pause=0.1)
    while not journal.read_text():
        time.sleep(0.01)
    time.sleep(moment * random.Random(moment).uniform(0.5, 1.5))
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert start_program(tmp_path / "ledger", journal, 0, 60, pause=0).wait() == 0

    made = [int(n) for n in journal.read_text().split()]
    assert set(made) == set(range(60))
    assert len(made) - len(set(made)) <= 5
    killed = produce(plan_of(range(60)), Squares(), Ledger(tmp_path / "ledger")).collect()
    undisturbed = produce(plan_of(range(60)), Squares(), Ledger(tmp_path / "other")).collect()
    assert killed.equals(undisturbed)


def test_two_processes_at_once_lose_and_duplicate_nothing(tmp_path):
    journal, root = tmp_path / "journal", tmp_path / "ledger"
    both = [start_program(root, journal, 0, 40, pause=0.02), start_program(root, journal, 20, 60, pause=0.02)]
    assert [process.wait() for process in both] == [0, 0]
    stored = shelf_of(Squares(), Ledger(root)).scan().collect()
    assert sorted(stored["square"]) == [n * n for n in range(60)]


@pytest.mark.parametrize("damage", ["truncated", "zero-byte", "foreign file", "foreign columns"])
def test_a_damaged_segment_is_set_aside_and_its_rows_are_made_again(tmp_path, damage):
    maker = Squares(batch_rows=4)
    squares_of(plan_of(range(12)), maker, tmp_path)
    segment = Path(shelf_of(maker, Ledger(tmp_path)).segments()[0])
    match damage:
        case "truncated":
            segment.write_bytes(segment.read_bytes()[:-20])
        case "zero-byte":
            segment.write_bytes(b"")
        case "foreign file":
            segment.write_text("not a Parquet file at all")
        case "foreign columns":
            pl.DataFrame({"something": [1]}).write_parquet(segment)
    again = Squares(batch_rows=4)
    with pytest.warns(UserWarning, match="is set aside"):
        assert squares_of(plan_of(range(12)), again, tmp_path) == [n * n for n in range(12)]
    assert len(again.calls) == 1
    assert [path.name for path in segment.parents[1].glob("set-aside/*")] == [segment.name]


def test_what_a_crash_left_half_written_is_never_read(tmp_path):
    maker = Squares()
    squares_of(plan_of(range(4)), maker, tmp_path)
    segment = Path(shelf_of(maker, Ledger(tmp_path)).segments()[0])
    (segment.parent / f".{segment.name}.1-2.tmp").write_bytes(segment.read_bytes()[:50])
    assert squares_of(plan_of(range(4)), Squares(), tmp_path) == [0, 1, 4, 9]


def test_one_bad_row_fails_alone_and_says_why(tmp_path):
    maker = Squares(batch_rows=16, bad=frozenset({7}))
    assert squares_of(plan_of(range(16)), maker, tmp_path) == [n * n for n in range(16) if n != 7]
    failures = shelf_of(maker, Ledger(tmp_path)).failures()
    assert failures.select("plan", "error", "message").rows() == [('{"n":7}', "ValueError", "cannot square [7]")]


def test_a_row_that_failed_is_tried_again_and_leaves_the_failures(tmp_path):
    squares_of(plan_of(range(16)), Squares(bad=frozenset({7})), tmp_path)
    mended = Squares()
    squares_of(plan_of(range(16)), mended, tmp_path)
    assert mended.calls == [[7]]
    assert shelf_of(mended, Ledger(tmp_path)).failures().is_empty()


def test_too_many_failures_stop_the_step_and_keep_what_was_made(tmp_path):
    maker = Squares(batch_rows=10, bad=frozenset(range(0, 100, 2)))
    with pytest.raises(TooManyFailures, match=r"squares: \d+ of \d+ rows failed.*cannot square.*max_failure_rate"):
        squares_of(plan_of(range(100)), maker, tmp_path, max_failure_rate=0.2)
    assert shelf_of(maker, Ledger(tmp_path)).scan().collect().height > 0


def test_a_maker_that_fails_on_everything_is_given_up_soon(tmp_path):
    maker = Squares(batch_rows=1000, bad=frozenset(range(1000)))
    with pytest.raises(TooManyFailures, match=r"10 of 10 rows failed.*cannot square.*Nothing of the last batch went"):
        squares_of(plan_of(range(1000)), maker, tmp_path, max_failure_rate=1.0)
    assert len(maker.calls) < 50
    assert shelf_of(maker, Ledger(tmp_path)).failures().height == 10


def test_rows_elsewhere_in_a_batch_are_probed_once(tmp_path):
    maker = Squares(batch_rows=1000, bad=frozenset(range(400)))
    assert len(squares_of(plan_of(range(1000)), maker, tmp_path, max_failure_rate=0.5)) == 600
    assert maker.calls.count([999]) == 1


def test_a_cluster_of_bad_rows_is_not_taken_for_a_broken_maker(tmp_path):
    maker = Squares(batch_rows=1000, bad=frozenset(range(20)))
    assert len(squares_of(plan_of(range(1000)), maker, tmp_path)) == 980


def test_bad_rows_at_both_ends_of_a_batch_are_not_taken_for_a_broken_maker(tmp_path):
    maker = Squares(batch_rows=1000, bad=frozenset([*range(11), 999]))
    assert len(squares_of(plan_of(range(1000)), maker, tmp_path)) == 988


def test_an_error_of_ours_is_not_blamed_on_a_row(tmp_path):
    maker = Squares(bad=frozenset({3}), error=ModelError)
    with pytest.raises(ModelError):
        squares_of(plan_of(range(8)), maker, tmp_path)
    assert shelf_of(maker, Ledger(tmp_path)).failures().is_empty()


def test_a_maker_that_returns_too_few_rows_is_named(tmp_path):
    maker = Squares()
    make = maker.make
    maker.make = lambda rows: make(rows).slice(1)  # type: ignore[method-assign]
    with pytest.raises(MakerError, match="squares was given 4 rows and returned 3"):
        squares_of(plan_of(range(4)), maker, tmp_path)


def test_a_plan_without_the_columns_that_are_read_says_which(tmp_path):
    with pytest.raises(PlanError, match=r"squares reads the columns \['n'\]"):
        produce(pl.LazyFrame({"m": [1]}), Squares(), Ledger(tmp_path))


def test_a_plan_whose_columns_are_in_the_way_says_which(tmp_path):
    with pytest.raises(PlanError, match=r"\['square'\]"):
        produce(plan_of([1]).with_columns(square=1), Squares(), Ledger(tmp_path))


@pytest.fixture
def open_folder():
    """A folder into which another user can walk, as pytest's own are not, but not write."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def run_refused(root: Path, prepare: str) -> subprocess.CompletedProcess[str]:
    program = f"""
import os, signal, sys; sys.path.insert(0, {str(HERE)!r})
from makers import Squares, plan_of
from corpusmith.errors import LedgerError
from corpusmith.work.ledger import Ledger
from corpusmith.work.produce import produce
import polars as pl
produce(plan_of(range(8)), Squares(batch_rows=4), Ledger({str(root)!r})).collect()
{prepare}
try:
    produce(plan_of(range(4000)), Squares(batch_rows=4000), Ledger({str(root)!r}))
except LedgerError as error:
    print(error)
"""
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("prepare", "why"),
    [
        (
            "import resource; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
            "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))",
            "File too large",
        ),
        ("os.geteuid() or os.seteuid(65534)", "Permission denied"),
    ],
    ids=["no room left for the file", "read-only folder"],
)
def test_a_store_that_takes_nothing_ends_in_one_clear_error_and_an_intact_ledger(open_folder, prepare, why):
    root = open_folder / "ledger"
    if os.geteuid() and "Permission" in why:
        prepare = f"os.system('chmod -R a-w {root}')"
    run = run_refused(root, prepare)
    assert why in run.stdout, run.stderr
    assert "run the same command" in run.stdout
    again = Squares()
    assert squares_of(plan_of(range(8)), again, root) == [n * n for n in range(8)]
    assert again.calls == []
    assert not list(root.rglob("*.tmp"))


def test_a_full_disk_is_a_ledger_error(tmp_path, monkeypatch):
    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    ledger = Ledger(tmp_path)
    produce(plan_of(range(8)), Squares(), ledger)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(LedgerError, match="No space left on device"):
        produce(plan_of(range(20)), Squares(), ledger)
    assert not list(tmp_path.rglob("*.tmp"))


def test_the_same_code_serves_an_object_store():
    store = pafs.PyFileSystem(pafs.FSSpecHandler(MemoryFileSystem()))
    ledger = Ledger("bucket/ledger", store)
    assert produce(plan_of(range(12)), Squares(batch_rows=5), ledger).collect()["square"].sum() == 506
    again = Squares()
    produce(plan_of(range(12)), again, ledger)
    assert again.calls == []


def test_many_small_segments_are_compacted_and_nothing_is_lost(tmp_path):
    maker = Squares(batch_rows=1)
    made = squares_of(plan_of(range(100)), maker, tmp_path)
    assert len(shelf_of(maker, Ledger(tmp_path)).segments()) <= 64
    assert made == [n * n for n in range(100)]


def test_a_crash_between_compaction_s_two_halves_shows_no_row_twice(tmp_path, monkeypatch):
    maker = Squares(batch_rows=1)
    with monkeypatch.context() as patch:
        patch.setattr("corpusmith.work.compaction._lists", lambda shelf, known: (_ for _ in ()).throw(Killed))
        with pytest.raises(Killed):
            produce(plan_of(range(100)), maker, Ledger(tmp_path))
    assert len(shelf_of(maker, Ledger(tmp_path)).keys()) > 100
    assert squares_of(plan_of(range(100)), Squares(), tmp_path) == [n * n for n in range(100)]


def test_progress_counts_rows_to_the_end(tmp_path):
    seen = []
    produce(plan_of(range(10)), Squares(batch_rows=4), Ledger(tmp_path), on_progress=seen.append)
    assert [(p.done, p.total) for p in seen] == [(4, 10), (8, 10), (10, 10)]


def test_the_last_rate_is_remembered_for_the_next_estimate(tmp_path):
    maker = Squares(pause=0.01)
    produce(plan_of(range(8)), maker, Ledger(tmp_path))
    assert 0 < shelf_of(maker, Ledger(tmp_path)).rate() < 800


def test_what_is_carried_reaches_the_maker_and_decides_no_key(tmp_path):
    class Carrying(Squares):
        carried = ("image",)

        def make(self, rows):
            assert rows.schema.names == ["key", "n", "image"]
            assert rows["image"].to_pylist() == [{"bytes": str(n).encode(), "path": ""} for n in rows["n"].to_pylist()]
            return super().make(rows)

    image = pl.struct(bytes=pl.col("n").cast(pl.String).cast(pl.Binary), path=pl.lit(""))
    plan = plan_of(range(20)).with_columns(image=image)
    made = produce(plan, Carrying(), Ledger(tmp_path)).collect()
    assert made["image"].struct["bytes"].to_list() == [str(n).encode() for n in range(20)]
    renamed = plan.with_columns(image=pl.struct(bytes=pl.lit(b"other"), path=pl.lit("elsewhere")))
    again = Carrying()
    produce(renamed, again, Ledger(tmp_path)).collect()
    assert again.calls == []
    with pytest.raises(PlanError, match="image"):
        produce(plan_of([1]), again, Ledger(tmp_path))
