"""What a language model will take for rows that are still to be made, before it is asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import polars as pl

from corpusmith.models.loading import cached, folder_of
from corpusmith.models.text.prompts import Conversation
from corpusmith.models.text.usage import Usage
from corpusmith.models.text.writers import ChatMaker
from corpusmith.work.produce import Maker

LOOKED_AT: Final = 1000  # rows whose prompts are counted; the others are taken to be like them
CHARACTERS: Final = 4  # of a token, where no tokenizer is at hand


@dataclass(frozen=True)
class Expected:
    """Tokens of all prompts and answers of a model, what they cost (None: no price), and how that was found out."""

    model: str
    prompt_tokens: int
    completion_tokens: int
    cost: float | None
    how: str


def expected(maker: Maker, lacking: pl.LazyFrame, rows: int, made: Callable[[], pl.LazyFrame]) -> Expected | None:
    """What ``rows`` lacking rows will take; None for a maker that asks no language model.

    As much a row as the rows took that were ``made`` before. Before the first, the prompts of some are counted, and
    answers taken to be as long as they may be, which they seldom are; a row that is asked again counts once. None also
    before the first row of a maker that is no ChatMaker: what it will ask is not known.
    """
    if "prompt_tokens" not in maker.schema.names:
        return None
    found = _measured(made()) or (_counted(maker, lacking, rows) if isinstance(maker, ChatMaker) else None)
    if found is None:
        return None
    asks: Any = maker  # all makers that count tokens have a chat
    tokens = Usage(*(round(mean * rows) for mean in found[:3]))
    cost = tokens.cost(getattr(asks.chat, "price", None))
    return Expected(asks.chat.name, tokens.prompt or 0, tokens.completion or 0, cost, found[3])


Means = tuple[float, float, float, str]
"""Tokens of a prompt, those of them that the server has at hand, and tokens of an answer; how that was found out."""


def _measured(made: pl.LazyFrame) -> Means | None:
    counted = made.filter(pl.col("prompt_tokens").is_not_null()).with_columns(pl.col("cached_tokens").fill_null(0))
    means = counted.select(pl.col("prompt_tokens", "cached_tokens", "completion_tokens").mean(), rows=pl.len())
    prompt, hit, completion, rows = means.collect().row(0)
    return None if completion is None else (prompt, hit, completion, f"as the {rows:,} rows before")


def _counted(maker: ChatMaker, lacking: pl.LazyFrame, rows: int) -> Means:
    """Of some prompts, and answers at the most."""
    looked_at = lacking.select(maker.inputs).gather_every(max(1, rows // LOOKED_AT)).head(LOOKED_AT).collect()
    texts = [_text(maker.ask(row)) for row in looked_at.iter_rows(named=True)]
    tokenizer = _tokenizer(maker.chat.name)
    if tokenizer is None:
        counts, how = [len(text) / CHARACTERS for text in texts], f"prompts at {CHARACTERS} characters a token"
    else:
        counts, how = [len(one.ids) for one in tokenizer.encode_batch(texts)], "prompts by the model's tokenizer"
    images = ", without images" if getattr(maker, "carried", ()) else ""
    how = f"{how}{images}; answers at their longest, {maker.max_tokens}"
    return sum(counts) / max(len(counts), 1), 0.0, float(maker.max_tokens), how


def _text(conversation: Conversation) -> str:
    parts = [
        content if isinstance(content, str) else "\n".join(part.get("text", "") for part in content)
        for content in (message["content"] for message in conversation)
    ]
    return "\n".join(parts)


def _tokenizer(model: str) -> Any:
    """The tokenizer of a model whose files are here already, else None: nothing is fetched to count tokens."""
    folder = folder_of(model) or cached(model, None)
    path = folder / "tokenizer.json" if folder else Path()
    if not path.is_file():
        return None
    from tokenizers import Tokenizer

    return Tokenizer.from_file(str(path))
