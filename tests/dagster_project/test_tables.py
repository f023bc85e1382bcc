"""What is said of an asset's table once it is written: what language models took for its rows, each row once."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest
from chat_server import Reply, Server, chat, served
from rich.console import Console

from corpusmith.assets.asset import corpus_asset
from corpusmith.assets.registry import load
from corpusmith.assets.resources import Workshop
from corpusmith.dagster_project.console import Display
from corpusmith.dagster_project.tables import Tables
from corpusmith.models.text.usage import Price
from corpusmith.models.text.writers import LlmRewriter

PLAN = pl.DataFrame({"text": ["It rained.", "It was late.", "It rained."], "target": ["joy", "joy", "joy"]})


def counting(question: str, before: int) -> Reply:
    choice = {"message": {"role": "assistant", "content": '{"text": "What a day!"}'}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 1500, "completion_tokens": 10, "prompt_tokens_details": {"cached_tokens": 500}}
    return 200, json.dumps({"choices": [choice], "usage": usage}).encode(), {}


def silent(question: str, before: int) -> Reply:
    choice = {"message": {"role": "assistant", "content": '{"text": "What a day!"}'}, "finish_reason": "stop"}
    return 200, json.dumps({"choices": [choice]}).encode(), {}


def written(home: Path, server: Server, price: Price | None = None) -> tuple[dict[str, Any], str]:
    """The metadata of an asset that asks the server, for the same rows twice, and what the console says of it."""

    @corpus_asset(group="test", kinds={"python"})
    def rewrites(workshop: dg.ResourceParam[Workshop]) -> pl.LazyFrame:
        """Rewrites."""
        maker = LlmRewriter(chat(server, price=price))
        workshop.make(PLAN.lazy().head(1), maker)
        return workshop.make(PLAN.lazy(), maker).select("key", "rewrite")

    resources = {"workshop": Workshop(home, load(profile="smoke")), "tables": Tables(base_dir=str(home / "tables"))}
    ran = dg.materialize([rewrites], resources=resources)
    said = io.StringIO()
    display = Display(console=Console(file=said, width=200))
    for event in ran.all_events:
        display.on_event(event)
    (made,) = ran.asset_materializations_for_node("test__rewrites")
    return {name: value.value for name, value in made.metadata.items()}, said.getvalue()


def test_tokens_and_cost_of_a_step_are_beside_its_table_and_in_the_console(tmp_path: Path) -> None:
    with served(counting) as server:
        found, said = written(tmp_path, server, Price(input=1.0, output=4.0, cached=0.5))
        again, _ = written(tmp_path, server)
        assert len(server.requests) == 2
    assert {name: found[name] for name in ("prompt tokens", "cached tokens", "answer tokens")} == {
        "prompt tokens": 3000,
        "cached tokens": 1000,
        "answer tokens": 20,
    }
    assert found["cost"] == pytest.approx(2 * (1000 * 1.0 + 500 * 0.5 + 10 * 4.0) / 1e6)
    assert found["rows without a cost"] == 0
    assert "took 3,000 tokens of prompts (1,000 cached), 20 of answers, cost 0.00258\n" in said
    assert again["cost"] == found["cost"]  # of the rows, whenever they were made


def test_without_a_price_no_cost_is_said_and_without_counts_nothing(tmp_path: Path) -> None:
    with served(counting) as server:
        found, said = written(tmp_path / "counted", server)
    assert found["prompt tokens"] == 3000
    assert "cost" not in found
    assert "20 of answers\n" in said
    with served(silent) as server:
        found, said = written(tmp_path / "silent", server)
    assert "prompt tokens" not in found
    assert "tokens" not in said
