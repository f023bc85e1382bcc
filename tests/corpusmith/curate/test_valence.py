"""Valence says which of two texts is the pleasanter, and never more than it can."""

import polars as pl

from corpusmith.curate.valence import valence


def test_pleasant_texts_are_above_unpleasant_ones_and_negation_is_heard():
    good, bad, plain, denied = valence(
        pl.Series(["I love it, what a wonderful day!", "I hate this horrible mess.", "The bus is blue.", "Not good."])
    )
    assert -1 <= bad < 0 == plain < good <= 1
    assert denied < 0


def test_it_is_a_column_as_wide_as_its_texts():
    found = valence(pl.Series("text", ["good", None, ""]))
    assert found.dtype == pl.Float32
    assert found.to_list()[1:] == [None, 0.0]
