"""What a system prompt does to the emotion of a model's replies: comments are answered, and the replies judged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import polars as pl
import pyarrow as pa

from corpusmith.emotions import EMOTIONS
from corpusmith.models.text import prompts
from corpusmith.models.text.chat import Chat
from corpusmith.score import bootstrap, metrics, scores
from corpusmith.score.zero_shot import TimedChat, scored, timed

NONE: Final = "no system prompt"
SYSTEMS: Final[Mapping[str, str]] = {
    NONE: "",
    "emotional": "You are very emotional.",
    "calm": "You always remain calm and composed.",
}
"""The three system prompts of arXiv 2510.04064, by the form under which scores name them.

Without one a chat template may put in its own: SmolLM2's and Qwen2.5's do. "None" is the model as it comes.
"""
REPLY: Final = pa.schema([pa.field("reply", pa.string()), pa.field("seconds", pa.float32())])


class Replies(TimedChat):
    """A maker of ``reply``, what a model answers to a text, and what that took (usage.COLUMNS); inputs system, text.

    A reply that stops at ``max_tokens`` is one too: what it says until there is kept. system: the system prompt's
    words, "" for none.
    """

    def __init__(self, chat: Chat, max_tokens: int) -> None:
        super().__init__(
            "replies",
            chat,
            ("system", "text"),
            REPLY,
            lambda row: prompts.reply(row["text"], row["system"]),
            lambda answer: {"reply": answer},
            max_tokens=max_tokens,
            rounds=1,
            usage=True,
        )


def score(replies: pl.DataFrame, measured: scores.Measurement, draws: int) -> pl.DataFrame:
    """Scores (SCORES) of the replies under one system prompt.

    replies: emotion (of the comment), seen (the emotion that the judge saw in the reply; null where it saw none, as in
    an empty one), completion_tokens and seconds. accuracy: of the judged replies, the share with the comment's emotion;
    coverage: the share that is judged; macro_f1; precision, recall, f1 and counts of each emotion, a reply without a
    verdict being missed; reply_tokens: the mean length, which times rows_per_second is tokens/s.
    """
    this = timed(replies, measured)
    numbers = scores.numbers(replies["emotion"]), scores.numbers(replies["seen"])
    matrix = metrics.confusion(*numbers, len(EMOTIONS))
    return scores.table([*scored(matrix, this, draws), _length(replies["completion_tokens"], this, draws)])


def _length(tokens: pl.Series, measured: scores.Measurement, draws: int) -> dict[str, Any]:
    values = tokens.cast(pl.Float64).to_numpy()
    low, high = bootstrap.mean_interval(values, measured.key, draws=draws)
    row = {"metric": "reply_tokens", "value": float(np.mean(values)), "low": low, "high": high, "n": len(values)}
    return {**measured.row, **row}
