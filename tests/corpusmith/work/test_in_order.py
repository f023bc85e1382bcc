"""What was made of a plan stands beside its rows, as one join in memory would put it, in memory that does not grow."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from corpusmith.errors import PlanError
from corpusmith.work import in_order as module
from corpusmith.work.in_order import in_order

IMAGE = pl.Struct({"bytes": pl.Binary, "path": pl.String})
MADE = {"key": pl.String, "share": pl.Float32, "vector": pl.List(pl.Float64), "drawn": IMAGE}


@pytest.fixture(autouse=True)
def in_small_parts(monkeypatch):
    """So that a plan of a few rows has several parts, some of which wait in files."""
    monkeypatch.setattr(module, "ROWS", 3)
    monkeypatch.setattr(module, "HEAVY_ROWS", 2)
    monkeypatch.setattr(module, "PARTS", 4)


def key(number: int) -> str:
    return f"{number % 3:016x}{number:016x}"  # several keys share their first half


def plan_of(numbers: list[int]) -> pl.LazyFrame:
    rows = {"number": numbers, "photo": [{"bytes": bytes([n]), "path": f"{n}.png"} for n in numbers]}
    return pl.LazyFrame(rows, schema={"number": pl.Int64, "photo": IMAGE})


def keys_of(numbers: list[int]) -> pl.Series:
    return pl.Series("key", [key(n) for n in numbers], dtype=pl.String)


def finished_of(numbers: list[int]) -> pl.LazyFrame:
    rows = [(key(n), n / 7, [float(n), n + 0.5], {"bytes": b"*" * n, "path": None}) for n in numbers]
    return pl.LazyFrame(rows, schema=MADE, orient="row")


def joined(plan: pl.LazyFrame, keys: pl.Series, finished: pl.LazyFrame) -> pl.LazyFrame:
    keyed = pl.concat([plan, keys.to_frame().lazy()], how="horizontal")
    return keyed.join(finished, on="key", how="inner", maintain_order="left")


ASKED = {
    "all": lambda table: table,
    "the number of rows": lambda table: table.select(pl.len()),
    "keys": lambda table: table.select("key"),
    "nothing of the plan": lambda table: table.select("share", "key"),
    "nothing that was made": lambda table: table.select("number"),
    "another order of columns": lambda table: table.select("drawn", "key", "number"),
    "the first rows": lambda table: table.head(4),
    "the last rows": lambda table: table.tail(2),
    "a filter": lambda table: table.filter(pl.col("share") > 1).select("vector"),
    "twice in one query": lambda table: table.join(
        table.select("key", again="share").unique(), on="key", maintain_order="left"
    ),
}
NUMBERS = st.integers(min_value=0, max_value=20)


@given(plan=st.lists(NUMBERS, max_size=30), finished=st.lists(NUMBERS, unique=True), asked=st.sampled_from([*ASKED]))
@settings(max_examples=40, deadline=None)
def test_it_is_what_one_join_gives_with_copies_gaps_and_images(plan, finished, asked):
    tables = plan_of(plan), keys_of(plan), finished_of(finished)
    found = ASKED[asked](in_order(*tables))
    expected = ASKED[asked](joined(*tables))
    assert found.collect_schema() == expected.collect_schema()
    assert_frame_equal(found.collect(), expected.collect())


def test_what_was_made_of_what_was_made_is_read_in_one_stream(tmp_path):
    numbers = list(range(17))
    table = plan_of(numbers)
    for step in range(4):  # one stream within the other, on however many cores
        made = finished_of(numbers).select("key", **{f"share {step}": "share"})
        table = in_order(table, keys_of(numbers), made).rename({"key": f"key {step}"})
    table.sink_parquet(tmp_path / "table.parquet")
    assert pl.read_parquet(tmp_path / "table.parquet")["number"].to_list() == numbers


def test_an_image_that_nobody_asks_for_is_not_read():
    def refuse(values: pl.Series) -> pl.Series:
        raise AssertionError("the image was read")

    plan = plan_of([1, 2, 3]).with_columns(pl.col("photo").map_batches(refuse, return_dtype=IMAGE))
    finished = finished_of([1, 3]).with_columns(pl.col("drawn").map_batches(refuse, return_dtype=IMAGE))
    found = in_order(plan, keys_of([1, 2, 3]), finished).select("number", "share").collect()
    assert found["number"].to_list() == [1, 3]


def test_a_reader_that_stops_early_leaves_no_file(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    numbers = list(range(30))
    table = in_order(plan_of(numbers), keys_of(numbers), finished_of(numbers))
    assert table.head(1).collect()["number"].to_list() == [0]
    assert list(tmp_path.iterdir()) == []


FULL = """
import resource, signal, sys
import polars as pl
sys.path[:0] = {path!r}
import test_in_order as here
from corpusmith.errors import LedgerError
here.module.ROWS, here.module.HEAVY_ROWS = 3, 2
numbers = list(range(250))
table = here.in_order(here.plan_of(numbers), here.keys_of(numbers), here.finished_of(numbers))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (64, 64))
try:
    table.collect()
except LedgerError as error:
    print(error)
"""


def test_where_there_is_no_room_to_wait_the_folder_is_named_and_how_to_choose_another(tmp_path):
    program = FULL.format(path=[str(Path(__file__).parent), *sys.path])
    run = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, "TMPDIR": str(tmp_path)}, capture_output=True, text=True
    )
    assert run.stdout.startswith(f"{tmp_path}/corpusmith-"), run.stderr
    assert "File too large" in run.stdout
    assert "set TMPDIR to a folder with more room" in run.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("rows", [4, 6])
def test_a_plan_that_is_another_when_it_is_read_again_is_refused(rows):
    with pytest.raises(PlanError, match="the plan had 5 rows"):
        in_order(plan_of(list(range(rows))), keys_of(list(range(5))), finished_of([1])).collect()


PEAK = """
import sys
from pathlib import Path
import numpy as np, polars as pl
from corpusmith.work.in_order import in_order
folder, rows = Path(sys.argv[1]), int(sys.argv[2])
keys = pl.scan_parquet(folder / "plan.parquet").head(rows).select("key").collect().to_series()
plan = pl.scan_parquet(folder / "plan.parquet").head(rows).select(number="number")
table = in_order(plan, keys, pl.scan_parquet(folder / "made.parquet").filter(pl.col("number") < rows).drop("number"))
table.sink_parquet(folder / "out.parquet", row_group_size=1 << 12)
assert pl.scan_parquet(folder / "out.parquet").select(pl.len()).collect().item() == rows
status = Path("/proc/self/status").read_text()
print(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")
def test_memory_does_not_grow_with_what_was_made(tmp_path):
    """40,000 rows of 1.5 kB and four times as many, which are 160 MB more: one join takes 340 MB more."""
    count, random = 160_000, np.random.default_rng(0)
    numbers = np.arange(count)
    keys = pl.Series("key", [random.bytes(16).hex() for _ in range(count)])
    pl.DataFrame({"number": numbers, "key": keys}).write_parquet(tmp_path / "plan.parquet", row_group_size=1 << 12)
    order = random.permutation(count)
    made = pl.DataFrame({"number": numbers[order], "key": keys.gather(order)})
    said = pl.format("{} says {}", "key", pl.col("key").repeat_by(40).list.join(" "))
    made.lazy().with_columns(said=said).sink_parquet(tmp_path / "made.parquet", row_group_size=1 << 9)

    def peak(rows: int) -> float:
        command = [sys.executable, "-c", PEAK, str(tmp_path), str(rows)]
        return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout) / 1024

    assert peak(count) - peak(count // 4) < 220
