"""Verbatim overlap with a training text, through a filter that never misses."""

from __future__ import annotations

import random

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from corpusmith.curate.memorised import ROWS_AT_ONCE, index_of, longest_overlap, shipped

TRAINED = pl.Series(
    [
        "one two three four five six seven eight nine ten eleven twelve thirteen",
        "Don't ask me, I only work here!",
        "",
        None,
    ]
)
SIZE = 4096


def overlap(*texts: str | None) -> list[int]:
    return longest_overlap(pl.Series(texts, dtype=pl.String), index_of(TRAINED, SIZE)).to_list()


def test_the_longest_verbatim_stretch_is_counted_in_words() -> None:
    assert overlap(
        "one two three four five six seven eight nine ten eleven twelve thirteen",
        "zero one two three four five six seven eight and more",
        "zero three four five six seven eight nine ten eleven zero",
        "two three four five six seven eight x two three four five six seven eight nine ten",
    ) == [13, 8, 9, 9]


def test_fewer_than_eight_words_are_a_turn_of_phrase_unless_they_are_a_whole_text() -> None:
    assert overlap("one two three four five six seven", "dont ask me I only work here", "ask me I only work here") == [
        0,
        7,
        0,
    ]


def test_a_short_text_is_not_found_inside_a_longer_one() -> None:
    assert overlap("well dont ask me I only work here today") == [0]


def test_case_and_punctuation_do_not_count() -> None:
    assert overlap("ONE, two; three-four... five? six! (seven) eight") == [8]


def test_empty_texts_have_no_overlap() -> None:
    assert overlap("", None, "?!", " ") == [0, 0, 0, 0]
    assert longest_overlap(pl.Series([], dtype=pl.String), index_of(TRAINED, SIZE)).to_list() == []


def test_a_stretch_ends_where_its_row_ends() -> None:
    first, second = "one two three four five six seven eight", "two three four five six seven eight nine"
    assert overlap(first, second) == [8, 8]


def test_order_and_name_are_kept_over_many_slices() -> None:
    texts = pl.Series("text", [f"a{n} b" for n in range(ROWS_AT_ONCE)] + [TRAINED[0]])
    found = longest_overlap(texts, index_of(TRAINED, SIZE))
    assert found.name == "text"
    assert found.dtype == pl.Int32
    assert found[-1] == 13


words = st.lists(st.sampled_from(["red", "green", "blue", "cyan", "pink", "gold", "grey"]), min_size=8, max_size=30)


@settings(max_examples=100, deadline=None)
@given(st.lists(words, min_size=1, max_size=5), words, st.data())
def test_no_trained_stretch_is_ever_missed(trained: list[list[str]], around: list[str], data: st.DataObject) -> None:
    source = data.draw(st.sampled_from(trained))
    start = data.draw(st.integers(0, len(source) - 8))
    stop = data.draw(st.integers(start + 8, len(source)))
    text = " ".join([*around, *source[start:stop], *around])
    index = index_of(pl.Series([" ".join(words) for words in trained]), SIZE)
    assert longest_overlap(pl.Series([text]), index)[0] >= stop - start


def test_the_shipped_filter_knows_little_of_what_was_never_read() -> None:
    draw = random.Random(1)
    vocabulary = [f"w{n}x" for n in range(500)]
    strange = pl.Series([" ".join(draw.choices(vocabulary, k=20)) for _ in range(2_000)])
    longest = longest_overlap(strange).to_numpy()
    assert shipped().nbytes < 2_000_000
    assert np.mean(longest >= 8) < 0.25  # one run in a hundred, thirteen runs in a text
    assert np.mean(longest > 8) < 0.01


def test_the_shipped_filter_knows_what_the_house_lm_has_read(shared_data: object) -> None:
    from pathlib import Path

    lines = (Path(str(shared_data)) / "goemotions" / "ekman" / "train.tsv").read_text(encoding="utf-8").split("\n")
    plain = [line.split("\t")[0] for line in lines[:2000]]
    long = [
        text for text in plain if text.isascii() and len(text.split()) > 9 and not set(text) & set("[]/<>^*&_#~=@|")
    ]
    assert (longest_overlap(pl.Series(long)) >= 8).mean() > 0.95
