"""What a dry run says of steps that ask a language model, and where those of a batch API are made."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import polars as pl
import pytest
from batch_server import batched

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


def test_the_batches_of_a_provider_are_asked_for_where_their_notes_lie_and_not_on_a_cluster(tmp_path: Path) -> None:
    tables = {name: corpus.settings for name, corpus in corpora().items()}
    settings = load(tables, profile="smoke", overrides=["work.executor=ray", "work.ray.address=127.0.0.1:9"])
    with batched() as server:
        maker = LlmRewriter(BatchChat("a-model", server.url, first_wait=0.01))
        maker.read = lambda answer: {"rewrite": answer}
        made = Workshop(tmp_path, settings).make(PLAN, maker).collect()
    assert made.height == 2
    assert list((tmp_path / ".corpusmith" / "batches").glob("*.json"))


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
