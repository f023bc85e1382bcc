"""What a dry run says of the tokens and the cost of steps that ask a language model."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import polars as pl
import pytest

from corpusmith.assets.registry import corpora
from corpusmith.assets.resources import Workshop
from corpusmith.models.text.batch_api import BatchChat
from corpusmith.models.text.chat import ServerChat
from corpusmith.models.text.estimate import Expected
from corpusmith.models.text.usage import Price
from corpusmith.models.text.writers import LlmRewriter
from corpusmith.settings import load

PLAN = pl.LazyFrame({"text": ["The bus was late.", "It rained."], "target": ["joy", "fear"]})


class LackingError(Exception):
    """Rows are lacking."""


def stop(rows: int, rate: float | None) -> NoReturn:
    raise LackingError


def workshop(home: Path, told: list[Expected]) -> Workshop:
    settings = load({name: corpus.settings for name, corpus in corpora().items()}, profile="smoke")
    return Workshop(home, settings, on_lacking=stop, on_expected=told.append)


def test_the_tokens_and_the_cost_of_lacking_rows_are_told_before_anything_is_asked(tmp_path: Path) -> None:
    told: list[Expected] = []
    maker = LlmRewriter(ServerChat("org/nowhere", "http://127.0.0.1:9/v1", price=Price(input=1.0, output=2.0)))
    with pytest.raises(LackingError):
        workshop(tmp_path, told).make(PLAN, maker)
    (expected,) = told
    assert expected.completion_tokens == 2 * maker.max_tokens
    assert expected.cost == pytest.approx((expected.prompt_tokens + 2 * expected.completion_tokens) / 1e6)


def test_batches_are_noted_in_the_home_of_the_build(tmp_path: Path) -> None:
    maker = LlmRewriter(BatchChat("org/nowhere", "http://127.0.0.1:9/v1"))
    with pytest.raises(LackingError):
        workshop(tmp_path, []).make(PLAN, maker)
    assert maker.chat.notes == tmp_path / ".corpusmith" / "batches"
