"""What a plan lacks is found exactly, in memory or through files, whatever the keys look like."""

import random

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpusmith.work import packed

FIRST = "0123456789abcdef"
keys = st.lists(st.sampled_from([f"{FIRST}{n:016x}" for n in range(9)] + ["f" * 32, "0" * 32, "a", "", "A" * 32]))


def compared(plan: list[str], held: list[str]) -> tuple[list[bool], list[int]]:
    with packed.Parted() as wanted, packed.Parted() as there:
        wanted.add(packed.pack(pl.Series(plan, dtype=pl.String)))
        there.add(packed.pack(pl.Series(held, dtype=pl.String)))
        lacking, again = packed.compared(wanted, there)
    return lacking.tolist(), again.tolist()


def expected(plan: list[str], held: list[str]) -> tuple[list[bool], list[int]]:
    lacking = [key not in held and key not in plan[:place] for place, key in enumerate(plan)]
    return lacking, [place for place, key in enumerate(held) if key in held[:place]]


@given(keys, keys)
def test_keys_with_the_same_first_half_are_told_apart(plan: list[str], held: list[str]) -> None:
    assert compared(plan, held) == expected(plan, held)


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
