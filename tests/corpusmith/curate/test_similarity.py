"""How much of a source's content a rewrite keeps."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpusmith.curate.similarity import content_kept

SOURCE = "The train to Kyoto takes 3 hours and leaves at 9:30 from the old station."


def kept(source: str, rewrite: str) -> float:
    return content_kept(pl.Series([source]), pl.Series([rewrite])).item()


@given(st.lists(st.text(max_size=80), min_size=1, max_size=5))
def test_a_text_keeps_all_of_itself(texts):
    series = pl.Series(texts)
    assert content_kept(series, series).to_list() == [1.0] * len(texts)


@given(st.text(max_size=80), st.text(max_size=20), st.text(max_size=20))
def test_what_is_added_as_sentences_around_a_text_loses_nothing(text, before, after):
    assert kept(text, f"{before}\n{text}\n{after}") == 1.0


def test_case_and_curly_quotes_do_not_count():
    assert kept("I don't own Kyoto’s train", "i DON’T own kyoto's TRAIN") == 1.0


def test_lost_words_lower_the_share():
    assert kept(SOURCE, SOURCE.replace("old ", "").replace("leaves", "goes")) == pytest.approx(8 / 10)


@pytest.mark.parametrize(("fact", "other"), [("3 hours", "4 hours"), ("9:30", "9:45"), ("Kyoto", "Osaka")])
def test_a_lost_number_or_name_keeps_nothing(fact, other):
    assert kept(SOURCE, SOURCE.replace(fact, other)) == 0.0


def test_a_capital_at_the_start_of_a_sentence_is_no_name():
    assert kept("Cut the onions. Then simmer the rice slowly.", "Simmer the rice slowly, onions first, chop") > 0.5


def test_nothing_to_lose_is_nothing_lost():
    assert kept("it is what it is", "whatever") == 1.0
    assert content_kept(pl.Series([None], dtype=pl.String), pl.Series(["x"])).to_list() == [1.0]


def test_an_empty_table_has_no_shares():
    empty = pl.Series([], dtype=pl.String)
    assert content_kept(empty, empty).dtype == pl.Float64
