"""A prompt is in one split, whoever draws it; every emotion has its share; another version keeps most prompts."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpusmith.assets.portraits.prompts import prompts
from corpusmith.assets.portraits.splits import splits
from corpusmith.errors import SettingsError
from corpusmith.settings import Splits

TENTHS = Splits(validation=0.1, test=0.1)


@pytest.fixture(scope="module")
def asked() -> pl.DataFrame:
    return prompts("memo", 20, seed=0)


def test_every_emotion_has_the_same_share_of_its_prompts_in_each_split(asked):
    placed = asked.join(splits(asked, TENTHS), on="prompt_id")
    counted = placed.group_by("emotion", "split").len()
    expected = {"train": 16, "validation": 2, "test": 2}
    assert {(emotion, split): rows for emotion, split, rows in counted.rows()} == {
        (emotion, split): rows for emotion in asked["emotion"].unique() for split, rows in expected.items()
    }


@given(seed=st.integers(0, 1000))
def test_the_order_of_the_prompts_decides_nothing(asked, seed):
    shuffled = asked.sample(fraction=1, shuffle=True, seed=seed)
    assert splits(shuffled, TENTHS).sort("prompt_id").equals(splits(asked, TENTHS).sort("prompt_id"))


def test_a_version_with_more_prompts_moves_few_of_those_that_stay(asked):
    halved = asked.filter(pl.int_range(pl.len()).over("emotion") < 10)
    both = splits(halved, TENTHS).join(splits(asked, TENTHS), on="prompt_id")
    assert both.filter(pl.col("split") == pl.col("split_right")).height > 0.8 * both.height


def test_too_few_prompts_for_a_split_are_told_before_anything_is_made():
    with pytest.raises(SettingsError, match=r"4 prompts leave none for .*test"):
        splits(prompts("memo", 20, seed=0).head(4), TENTHS)
