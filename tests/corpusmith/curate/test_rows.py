"""Texts that hold one of many literals are found, however many there are and whatever they are made of."""

import polars as pl
import pytest

from corpusmith.curate.rows import FAST, holds_any


@pytest.mark.parametrize("letter", ["a", "鵃"])
@pytest.mark.parametrize("many", [False, True])
def test_literals_are_found_as_they_stand_few_or_many(letter: str, many: bool) -> None:
    size = len(f"{letter}.00000".encode())
    count = FAST // size + (1 if many else 0)
    literals = [f"{letter}.{n:05d}" for n in range(count)]
    texts = pl.DataFrame({"t": [f"x{literals[-1]}y", f"{letter}x00000", "", None]})
    assert texts.select(holds_any(pl.col("t"), literals)).to_series().to_list() == [True, False, False, None]
