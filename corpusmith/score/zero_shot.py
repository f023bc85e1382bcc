"""How well a language model names the emotion of a text when it is simply asked."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any, Final

import numpy as np
import polars as pl
import pyarrow as pa

from corpusmith.emotions import EMOTIONS
from corpusmith.models.text import prompts
from corpusmith.models.text.chat import Chat, LocalChat
from corpusmith.models.text.writers import ChatMaker, emotion_of
from corpusmith.score import metrics, scores

Ints = np.ndarray[Any, np.dtype[np.int64]]

MAX_TOKENS: Final = 32  # of an answer: the JSON that is asked for has about eight
ANSWER: Final = pa.schema([pa.field("answer", pa.string()), pa.field("seconds", pa.float32())])


class TimedChat(ChatMaker):
    """A ChatMaker whose schema has ``seconds``, float32: a row's share of its batch's time, weights loaded before."""

    @property
    def settings(self) -> dict[str, Any]:
        """All that decides an answer besides model and row."""
        return self._settings

    def make(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        """The answer to each row; one that the server refuses fails alone."""
        if isinstance(self.chat, LocalChat):
            _ = self.chat.language  # weights are loaded before the clock starts
        began = time.perf_counter()
        made = super().make(rows)
        share = (time.perf_counter() - began) / rows.num_rows
        seconds = pa.array(np.full(rows.num_rows, share, dtype=np.float32))
        place = self.schema.get_field_index("seconds")
        return made.set_column(place, self.schema.field(place), seconds)


class ZeroShot(TimedChat):
    """A maker of ``answer``, what the model says to the classification prompt; inputs text.

    Asked once and at temperature 0 (arXiv 2510.04064 does not say), without a grammar that would force valid JSON:
    coverage is a result here.
    """

    def __init__(self, chat: Chat) -> None:
        super().__init__(
            "zero-shot",
            chat,
            ("text",),
            ANSWER,
            lambda row: prompts.classify(row["text"]),
            lambda answer: {"answer": answer},
            max_tokens=MAX_TOKENS,
            rounds=1,
        )


def score(answers: pl.DataFrame, measured: scores.Measurement, draws: int) -> pl.DataFrame:
    """Accuracy on the readable answers, coverage (the share that is readable), macro-F1 of all, and each emotion's.

    answers: emotion (the truth) and answer. Readable is an answer whose first JSON object names, under "emotion", one
    of the seven (corpusmith.models.text.writers.emotion_of).
    """
    return scores.table(scored(confusion(answers), timed(answers, measured), draws))


def scored(matrix: Ints, measured: scores.Measurement, draws: int) -> list[dict[str, Any]]:
    """Rows of SCORES of what was named for each emotion, shape (7, 8), the last column counting what was not read."""
    of_all = {"coverage": metrics.coverage, "macro_f1": metrics.macro_f1}
    return [
        *scores.overall(measured, matrix[:, : len(EMOTIONS)], draws, {"accuracy": metrics.accuracy}),
        *scores.overall(measured, matrix, draws, of_all),
        *scores.by_class(measured, matrix, draws),
    ]


def timed(answers: pl.DataFrame, measured: scores.Measurement) -> scores.Measurement:
    """The same measurement with what its answers took, which their column ``seconds`` says."""
    spent = float(answers["seconds"].sum())
    return replace(measured, seconds=spent, rows_per_second=answers.height / spent if spent else None)


def confusion(answers: pl.DataFrame) -> Ints:
    """What was named for each emotion, shape (7, 8); the last column counts what could not be read."""
    named = answers["answer"].map_elements(emotion_of, return_dtype=pl.String)
    return metrics.confusion(scores.numbers(answers["emotion"]), scores.numbers(named), len(EMOTIONS))
