"""The prompts are distinct, balanced by design, and say what their columns say."""

import polars as pl
import pytest

from corpusmith.assets.portraits.prompts import ABSENT, NEVER, PROMPTS, balance, coverage, first, prompts
from corpusmith.drawings import captions
from corpusmith.emotions import VOCABULARIES

SIZES = (1, 2, 10, 23)


@pytest.fixture(scope="module")
def hundred() -> pl.DataFrame:
    return prompts("memo", 100, 0)


@pytest.mark.parametrize("vocabulary", VOCABULARIES)
@pytest.mark.parametrize("per_emotion", SIZES)
def test_every_emotion_has_as_many_distinct_prompts(vocabulary, per_emotion):
    made = prompts(vocabulary, per_emotion, 0)
    assert made.schema == PROMPTS
    assert made["emotion"].to_list() == [name for name in VOCABULARIES[vocabulary] for _ in range(per_emotion)]
    assert made["prompt"].n_unique() == made["prompt_id"].n_unique() == made.height


@pytest.mark.parametrize("per_emotion", SIZES)
def test_every_level_comes_equally_often_within_each_emotion(per_emotion):
    made = prompts("ekman", per_emotion, 7)
    counts = balance(made)
    for (_, factor), part in counts.group_by("emotion", "factor"):
        least = part["prompts"].min() if _levels(factor, part) == part.height else 0
        assert part["prompts"].max() - least <= 1


def _levels(factor: str, part: pl.DataFrame) -> int:
    if factor == "degree":
        return 1 if part["emotion"][0] == "neutral" else 3
    return 2 if factor in ("shown", "word") else len(captions.values(factor))


def test_a_hundred_prompts_hold_every_pair_that_may_be(hundred):
    forbidden = len(NEVER) + len(captions.values("hair_colour")) * len(ABSENT)
    assert coverage(hundred).group_by("emotion").agg(pl.col("missing").sum())["missing"].to_list() == [forbidden] * 6


def test_neutral_faces_have_no_degree_and_others_have_three(hundred):
    degrees = hundred.group_by("emotion", maintain_order=True).agg(pl.col("degree").unique().sort())
    assert dict(degrees.rows()) == {name: [0] if name == "neutral" else [1, 2, 3] for name in VOCABULARIES["memo"]}
    assert hundred["asked_intensity"].to_list() == pytest.approx((hundred["degree"] / 3).to_list())


def test_worry_is_called_worried_and_is_fear_to_ekman(hundred):
    worry = hundred.filter(emotion="worry")
    assert worry["ekman"].unique().to_list() == ["fear"]
    assert worry["polarity"].unique().to_list() == ["negative"]
    assert worry["prompt"].str.contains("worried").all()


def test_nobody_is_asked_to_be_a_bald_or_grey_child(hundred):
    children = hundred.filter(age="child")
    assert children.filter((pl.col("hair") == "bald") | (pl.col("hair_colour") == "grey")).is_empty()
    assert (hundred["hair_colour"].is_null() == (hundred["hair"] == "bald")).all()


def test_a_prompt_says_every_attribute(hundred):
    row = hundred.filter(prompt_id="angry-042").row(0, named=True)
    said = captions.words()
    for attribute in ("skin", "setting", "light", "framing", "pose"):
        assert said[attribute][row[attribute]] in row["prompt"]
    assert said["who"][row["who"]][row["age"]] in row["prompt"]
    assert said["shown"]["anger"][row["shown"]]["words"] in row["prompt"]
    assert ("glasses" in row["prompt"]) == (row["glasses"] == "glasses")


def test_the_same_arguments_give_the_same_prompts():
    assert prompts("memo", 5, 1).equals(prompts("memo", 5, 1))
    assert not prompts("memo", 5, 1).equals(prompts("memo", 5, 2))


def test_the_first_of_each_emotion_can_be_looked_at(hundred):
    assert first(hundred, 2)["prompt_id"].to_list()[:4] == ["happy-000", "happy-001", "sad-000", "sad-001"]
