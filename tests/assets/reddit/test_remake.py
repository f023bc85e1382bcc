"""Rows are made anew only by what made them, and the user is told what is missing."""

import polars as pl
import pytest

from corpusmith.assets.reddit.remake import remaker
from corpusmith.assets.registry import load
from corpusmith.assets.resources import Workshop
from corpusmith.errors import SourceError, UserError


def test_a_row_of_another_model_is_refused_with_the_makers_that_are_here(tmp_path):
    rows = pl.DataFrame(
        {"key": ["k"], "origin": ["synthetic"], "fingerprint": ["house-generator:other@1"], "plan": ["{}"]}
    )
    with pytest.raises(UserError, match="house-generator:other@1"):
        remaker(Workshop(tmp_path, load(profile="smoke")))(rows)


def test_a_natural_row_whose_dump_is_not_here_names_it(tmp_path):
    plan = '{"digest":"d","line":1,"source":"RC_1999-01.zst"}'
    rows = pl.DataFrame({"key": ["k"], "origin": ["natural"], "fingerprint": ["comments"], "plan": [plan]})
    with pytest.raises(SourceError, match=r"RC_1999-01\.zst"):
        remaker(Workshop(tmp_path, load(profile="smoke")))(rows)
