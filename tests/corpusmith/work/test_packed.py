"""What a plan lacks is found exactly, in memory or through files, whatever the keys look like."""

import random
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpusmith.work import packed

FIRST = "0123456789abcdef"
keys = st.lists(st.sampled_from([f"{FIRST}{n:016x}" for n in range(9)] + ["f" * 32, "0" * 32, "a", "", "A" * 32]))


def compared(plan: list[str], held: list[str], on_disk: bool) -> tuple[list[bool], list[int]]:
    with packed.Parted() as wanted, packed.Parted() as there:
        wanted.add(packed.pack(pl.Series(plan, dtype=pl.String)))
        if on_disk:
            wanted.write()
        there.add(packed.pack(pl.Series(held, dtype=pl.String)))
        lacking, again = packed.compared(wanted, there)
    return lacking.tolist(), again.tolist()


def expected(plan: list[str], held: list[str]) -> tuple[list[bool], list[int]]:
    lacking = [key not in held and key not in plan[:place] for place, key in enumerate(plan)]
    return lacking, [place for place, key in enumerate(held) if key in held[:place]]


@given(keys, keys, st.booleans())
def test_keys_with_the_same_first_half_are_told_apart(plan: list[str], held: list[str], on_disk: bool) -> None:
    assert compared(plan, held, on_disk) == expected(plan, held)


@given(st.lists(keys, max_size=4), st.integers(0, 9), st.integers(0, 9))
def test_a_part_of_a_column_in_several_chunks_is_packed_as_its_keys_are(
    parts: list[list[str]], start: int, length: int
) -> None:
    every = [key for part in parts for key in part]
    column = pa.chunked_array([pa.array(part, pa.string()) for part in parts], pa.string())
    series = pl.Series(every, dtype=pl.String)
    wanted = [packed.pack(pl.Series([key])).tolist()[0] for key in every[start : start + length]]
    assert packed.pack(column.slice(start, length)).tolist() == wanted
    assert packed.pack(series.slice(start, length)).tolist() == wanted
    cut = pa.chunked_array([chunk.slice(1) for chunk in column.chunks], pa.string())
    assert packed.pack(cut).tolist() == [packed.pack(pl.Series([key])).tolist()[0] for p in parts for key in p[1:]]


def test_keys_that_wait_on_disk_have_no_name_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with packed.Parted() as wanted:
        wanted.add(packed.pack(pl.Series(["f" * 32])))
        wanted.write()
        assert wanted.is_written
        assert not list(tmp_path.iterdir()), "a killed process leaves nothing behind"
        assert wanted.part(255).shape == (1, 3)


def test_more_than_fits_in_memory_is_found_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed, "IN_MEMORY", 50)
    draw = random.Random(0)
    every = [f"{draw.getrandbits(128):032x}" for _ in range(1000)]
    plan, held = draw.choices(every, k=800), draw.choices(every, k=700)
    with packed.Parted() as wanted, packed.Parted() as there:
        for place in range(0, 800, 100):
            wanted.add(packed.pack(pl.Series(plan[place : place + 100])))
            there.add(packed.pack(pl.Series(held[place : place + 100], dtype=pl.String)))
        assert wanted.is_written
        lacking, again = packed.compared(wanted, there)
    assert (lacking.tolist(), again.tolist()) == expected(plan, held)


def test_a_key_is_its_128_bits() -> None:
    (row,) = packed.pack(pl.Series(["00000000000000ff0123456789abcdef"]))
    assert row.tolist() == [0xFF, 0x0123456789ABCDEF]
    assert packed.pack(pl.Series([], dtype=pl.String)).shape == (0, 2)
    assert packed.pack(pl.Series(["x", "x" * 32])).dtype == np.uint64
