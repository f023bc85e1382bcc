"""What answers took, as servers say it, in the ledger, and what is said of it before anything is asked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from chat_server import Reply, Server, served
from pydantic import TypeAdapter, ValidationError

from corpusmith.models.text.batch_api import BatchChat
from corpusmith.models.text.chat import LocalChat, ServerChat
from corpusmith.models.text.estimate import expected
from corpusmith.models.text.rewrite import HouseRewriter
from corpusmith.models.text.servers import Servers
from corpusmith.models.text.servers import served as served_by
from corpusmith.models.text.usage import COLUMNS, Price, Usage, counted
from corpusmith.models.text.writers import HouseGenerator, LlmClassifier, LlmRewriter
from corpusmith.work.ledger import Ledger
from corpusmith.work.produce import produce, shelf_of

PRICE = Price(input=0.5, output=2.0)
PLAN = pl.LazyFrame({"text": [f"The bus number {n} was late." for n in range(20)], "target": ["joy"] * 20})


def saying(text: str, **usage: Any) -> Reply:
    choice = {"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    return 200, json.dumps({"choices": [choice], "usage": usage}).encode(), {}


def made_by(maker: LlmRewriter, folder: Path) -> pl.DataFrame:
    return produce(PLAN, maker, Ledger(folder)).collect()


def rewriter(server: Server, price: Price | None = PRICE) -> LlmRewriter:
    return LlmRewriter(ServerChat("a-model", server.url, first_wait=0.01, price=price))


def test_what_a_row_took_over_all_its_rounds_is_in_the_ledger_with_its_cost(tmp_path: Path) -> None:
    def behave(question: str, before: int) -> Reply:
        malformed = question.endswith("number 3 was late.") and before == 0
        return saying("hm" if malformed else '{"text": "fine"}', prompt_tokens=100, completion_tokens=10)

    with served(behave) as server:
        made = made_by(rewriter(server), tmp_path)
    assert made["prompt_tokens"].to_list() == [100] * 3 + [200] + [100] * 16
    assert made["completion_tokens"].sum() == 210
    assert made["cached_tokens"].null_count() == 20
    assert made["cost"].sum() == pytest.approx((2100 * 0.5 + 210 * 2.0) / 1e6)


@pytest.mark.parametrize(
    ("said", "usage"),
    [
        ({"prompt_tokens": 5, "completion_tokens": 2}, Usage(5, None, 2)),
        ({"prompt_tokens": 5, "prompt_tokens_details": {"cached_tokens": 4}}, Usage(5, 4, None)),
        ({"prompt_tokens": 5, "prompt_tokens_details": None, "prompt_cache_hit_tokens": 3}, Usage(5, 3, None)),
        ({"prompt_tokens": -5, "completion_tokens": "2"}, None),
        ({"prompt_tokens": True, "completion_tokens": 2**40}, None),
        ("many", None),
        (None, None),
    ],
)
def test_only_counts_are_taken_for_counts(said: object, usage: Usage | None) -> None:
    assert counted(said) == usage


def test_a_server_that_counts_nothing_leaves_nulls(tmp_path: Path) -> None:
    with served(lambda question, before: saying('{"text": "fine"}')) as server:
        made = made_by(rewriter(server), tmp_path)
    assert made.select(COLUMNS.names).null_count().row(0) == (20,) * 4


def test_a_model_in_this_process_counts_its_tokens(tmp_path: Path) -> None:
    maker = LlmClassifier(LocalChat("house/language", temperature=0.0))
    made = produce(PLAN.select("text").head(2), maker, Ledger(tmp_path)).collect()
    assert all(0 < tokens <= maker.max_tokens for tokens in made["completion_tokens"])
    assert made["prompt_tokens"].null_count() == 0
    assert made["cost"].null_count() == 2


def test_house_makers_make_what_they_made_before() -> None:
    assert HouseGenerator().schema.names == ["text", "tokens"]
    assert "usage" not in HouseGenerator().provenance
    assert "cost" not in HouseRewriter().schema.names


def test_a_price_decides_no_key() -> None:
    dear, free = (ServerChat("m", "http://a/v1", price=price) for price in (PRICE, None))
    assert LlmRewriter(dear).fingerprint == LlmRewriter(free).fingerprint
    assert LlmRewriter(dear).provenance == LlmRewriter(free).provenance


def test_before_the_first_row_prompts_are_counted_and_answers_are_taken_to_be_long() -> None:
    maker = LlmRewriter(ServerChat("org/nowhere", "http://127.0.0.1:9/v1", price=PRICE))
    told = expected(maker, PLAN, 20, lambda: pl.LazyFrame(schema=pl.Schema(COLUMNS)))
    assert told is not None
    asked = sum(len(maker.ask(row)[0]["content"]) for row in PLAN.collect().iter_rows(named=True))
    assert told.prompt_tokens == pytest.approx(asked / 4, abs=1)
    assert told.completion_tokens == 20 * maker.max_tokens
    assert told.cost == pytest.approx((told.prompt_tokens * 0.5 + told.completion_tokens * 2.0) / 1e6)
    assert "4 characters a token" in told.how


def test_a_tokenizer_that_is_here_counts_the_prompts() -> None:
    maker = LlmRewriter(ServerChat("house/language", "http://127.0.0.1:9/v1"))
    told = expected(maker, PLAN, 20, lambda: pl.LazyFrame(schema=pl.Schema(COLUMNS)))
    assert told is not None
    assert "the model's tokenizer" in told.how
    assert told.prompt_tokens > 20
    assert told.cost is None


def test_what_the_server_has_at_hand_is_counted_at_its_price(tmp_path: Path) -> None:
    took = {"prompt_tokens": 100, "completion_tokens": 7, "prompt_tokens_details": {"cached_tokens": 80}}
    with served(lambda question, before: saying('{"text": "x"}', **took)) as server:
        maker = rewriter(server, Price(input=1.0, output=2.0, cached=0.25))
        made_by(maker, tmp_path)
    told = expected(maker, PLAN, 1000, shelf_of(maker, Ledger(tmp_path)).scan)
    assert told is not None
    assert told.cost == pytest.approx(1000 * (20 * 1.0 + 80 * 0.25 + 7 * 2.0) / 1e6)


def test_once_rows_are_there_the_next_ones_are_taken_to_be_like_them(tmp_path: Path) -> None:
    with served(lambda question, before: saying('{"text": "x"}', prompt_tokens=100, completion_tokens=7)) as server:
        maker = rewriter(server)
        made_by(maker, tmp_path)
    told = expected(maker, PLAN, 1000, shelf_of(maker, Ledger(tmp_path)).scan)
    assert told is not None
    assert (told.prompt_tokens, told.completion_tokens) == (100_000, 7_000)
    assert told.how == "as the 20 rows before"
    assert told.model == "a-model"


def test_a_maker_without_a_language_model_takes_no_tokens() -> None:
    assert expected(HouseRewriter(), PLAN, 20, lambda: PLAN) is None
    assert expected(HouseGenerator(), PLAN, 20, lambda: PLAN) is None


def test_a_server_is_an_address_several_or_a_table() -> None:
    adapter: TypeAdapter[Any] = TypeAdapter(Servers)
    price = {"input": 0.1, "output": 0.4}
    servers = adapter.validate_python(
        {
            "one": "http://a/v1",
            "two": ["http://a/v1", "http://b/v1"],
            "batch": {"urls": "batch+https://c/v1", "price": price},
            "few": {"urls": ["http://d/v1"], "concurrency": 4},
            "many": {"urls": ["http://e/v1", "http://f/v1"], "concurrency": 500, "key": "OTHER_KEY"},
        },
        strict=True,
    )
    chats = {name: served_by(name, server) for name, server in servers.items()}
    assert chats["two"].url == ["http://a/v1", "http://b/v1"]
    assert isinstance(chats["batch"], BatchChat)
    assert (chats["batch"].url, chats["batch"].price) == ("https://c/v1", Price(input=0.1, output=0.4))
    assert (chats["few"].concurrency, chats["few"].batch_rows, chats["few"].key) == (4, 256, "OPENAI_API_KEY")
    assert (chats["many"].batch_rows, chats["many"].key) == (1000, "OTHER_KEY")
    assert adapter.validate_python(adapter.dump_python(servers)) == servers


@pytest.mark.parametrize(
    "wrong",
    [
        3,
        [],
        {"url": "http://a/v1"},
        ["batch+http://a/v1", "http://b/v1"],
        {"urls": "http://a/v1", "concurrency": 0},
        ["a", "a"],
        {"urls": "http://a/v1", "key": "sk-very-secret"},
        "https://a/v1?api-version=1",
        "batch+https://a/v1?api-version=1",
    ],
)
def test_what_is_no_server_is_refused(wrong: object) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Servers).validate_python({"m": wrong}, strict=True)
