"""Columns that wait in files are those that were written."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpusmith.curate import spilled
from corpusmith.curate.spilled import Keys, Numbers, in_bands, repeated

UNTIMED = settings(deadline=None, max_examples=50)
NUMBERS = st.lists(st.lists(st.integers(0, 2**64 - 1), max_size=9), max_size=6)


@UNTIMED
@given(NUMBERS, st.integers(1, 9), st.data())
def test_runs_of_numbers_are_read_as_they_were_written(
    parts: list[list[int]], window: int, data: st.DataObject
) -> None:
    whole = np.array([number for part in parts for number in part], np.uint64)
    starts = np.array(sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=9))), np.int64)
    lengths = np.array([data.draw(st.integers(0, len(whole) - start)) for start in starts.tolist()], np.int64)
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(spilled, "WINDOW", window)
        numbers = Numbers(Path(folder) / "numbers", np.uint64)
        for part in parts:
            numbers.append(np.array(part, np.uint64))
        assert len(numbers) == len(whole)
        assert numbers.read().tolist() == whole.tolist()
        expected = [number for a, n in zip(starts, lengths, strict=True) for number in whole[a : a + n].tolist()]
        assert numbers.runs(starts, lengths).tolist() == expected


@UNTIMED
@given(st.lists(st.lists(st.text(max_size=5), max_size=5), max_size=5), st.data())
def test_keys_are_found_by_their_row(parts: list[list[str]], data: st.DataObject) -> None:
    whole = [key for part in parts for key in part]
    rows = sorted(data.draw(st.sets(st.sampled_from(range(len(whole)))))) if whole else []
    with TemporaryDirectory() as folder:
        keys = Keys(Path(folder) / "keys", pl.String())
        for part in parts:
            keys.append(pl.Series(part, dtype=pl.String))
        for _ in range(2):
            assert keys.at(np.array(rows, np.int64)).to_list() == [whole[row] for row in rows]


@UNTIMED
@given(NUMBERS, st.integers(1, 5), st.integers(1, 4))
def test_bands_hold_all_numbers_in_ascending_order(parts: list[list[int]], band: int, bands: int) -> None:
    ascending = sorted(number for part in parts for number in part)
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(spilled, "BAND", band)
        patch.setattr(spilled, "MOST_BANDS", bands)
        sorted_parts = [np.sort(np.array(part, np.uint64)) for part in parts]
        found = list(in_bands(sorted_parts, len(ascending), Path(folder)))
        assert not any(Path(folder).iterdir())
    assert len(found) <= bands
    assert np.concatenate(found).tolist() == ascending


@pytest.mark.parametrize("bands", [2, 3, 5, 6, 7, 100])
def test_numbers_with_one_upper_half_are_never_in_two_bands(
    bands: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spilled, "BAND", 1)
    monkeypatch.setattr(spilled, "MOST_BANDS", bands)
    upper = [(band << 32) // bands + near for band in range(1, bands) for near in (-1, 0, 1)]
    part = np.array(sorted({half << 32 | low for half in upper for low in (0, 1, 2**31, 2**32 - 1)}), np.uint64)
    halves = [set((band >> np.uint64(32)).tolist()) for band in in_bands([part], len(part), tmp_path)]
    assert len(halves) == bands
    assert sum(map(len, halves)) == len(set().union(*halves))


def test_of_hashes_with_rows_those_are_repeated_that_occur_twice() -> None:
    band = np.array([1 << 32 | 5, 2 << 32 | 3, 2 << 32 | 4, 3 << 32 | 1, 9 << 32 | 7, 9 << 32 | 8], np.uint64)
    hashes, rows = repeated(band)
    assert hashes.tolist() == [2, 2, 9, 9]
    assert rows.tolist() == [3, 4, 7, 8]
