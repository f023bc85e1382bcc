"""Makers that write and rewrite with an adapted language model: asked in few words, and the first fit answer is taken.

The model is a folder of adapters (LoRA) over a published one: ``house/writer``, or one of your own that was trained on
the same questions (corpusmith.models.text.prompts.control, control_rewrite).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
import polars as pl
import pyarrow as pa

from corpusmith.curate.markup import plain
from corpusmith.curate.similarity import FUNCTION_WORDS, content_kept
from corpusmith.emotions import EMOTIONS
from corpusmith.models import house
from corpusmith.models.text import prompts
from corpusmith.models.text.chat import CutOffError, LocalChat
from corpusmith.models.text.classify import predict
from corpusmith.models.text.prompts import Conversation
from corpusmith.models.text.writers import CUT_OFF, Row
from corpusmith.work.draws import Seeds, below, mix
from corpusmith.work.plan import fingerprint, seeds

VERSION: Final = 1  # of how answers are asked for and chosen: raise it when that changes
MOST_WORDS: Final = 45  # of a comment: what the house writer learned from has no more
LONGEST_TOKENS: Final = 96
ADDED_WORDS: Final = (3, 9)  # by a rewrite
TRIES: Final = 4  # answers that are drawn for a row, at most
SURE: Final = 0.5  # that the guide must be of the emotion, for an answer to be taken at once
KEPT: Final = 0.8  # of the source's content words, likewise
FAULTY: Final = 0.1  # what a text counts that loses more, or stutters
STUTTER: Final = 4  # words that nobody says twice in one comment
GUIDE: Final = "house/emotion-guide"
TEMPERATURE: Final = 0.9
GUIDANCE: Final = 1.0  # away from what the same question would be answered with if it were calm
CALM: Final = "neutral"
TOP_P: Final = 0.95
WORDS: Final = r"[\p{L}\p{N}]+(?:'\p{L}+)*"


@dataclass(frozen=True)
class Task:
    """What a writer is asked to do: its inputs, the emotion and the source among them, and how a row is asked.

    made: the column of the text. source: the column of what must be kept; None where there is nothing to keep.
    ask: a row and a draw of its own to a conversation.
    """

    name: str
    inputs: tuple[str, ...]
    made: str
    emotion: str
    source: str | None
    ask: Callable[[Row, np.uint64], Conversation]


def _rewrite(row: Row, draw: np.uint64) -> Conversation:
    least, most = ADDED_WORDS
    added = least + int(below(np.array([draw]), most - least + 1)[0])
    return _asked(prompts.control_rewrite(row["text"], row["target"], len(row["text"].split()) + added))


def _write(row: Row, draw: np.uint64) -> Conversation:
    return _asked(prompts.control(row["emotion"], row["words"], row["topic"]))


def _asked(content: str) -> Conversation:
    return [{"role": "user", "content": content}]


REWRITE: Final = Task("adapted-rewriter", ("text", "target"), "rewrite", "target", "text", _rewrite)
WRITE: Final = Task("adapted-generator", ("emotion", "words", "topic", "number"), "text", "emotion", None, _write)


class AdaptedWriter:
    """Does one task with an adapted model: makes the text, and ``guide``, the guide's probability of the emotion.

    Up to TRIES answers are drawn for a row, each with a seed of its own, until the guide is SURE of one that keeps
    what is to be kept; else the best is taken. The guide should not be who judges the result.
    """

    most_words = MOST_WORDS
    """Of a text that it rewrites."""

    def __init__(self, model: str, task: Task, guide: str = GUIDE, batch_rows: int = 128) -> None:
        self.chat = LocalChat(model, temperature=TEMPERATURE, top_p=TOP_P, batch_rows=batch_rows, guidance=GUIDANCE)
        self.task, self.guide, self.batch_rows = task, guide, batch_rows
        self.name, self.inputs = task.name, task.inputs
        self.schema = pa.schema([pa.field(task.made, pa.string()), pa.field("guide", pa.float32())])

    @cached_property
    def fingerprint(self) -> str:
        """Model and its base, guide, revisions of both, question and settings."""
        return fingerprint(self.name, self.chat.name, self.chat.revision, self._settings)

    @property
    def provenance(self) -> dict[str, Any]:
        """The same for people, with device and dtype."""
        return {**self.chat.provenance, **self._settings}

    @property
    def _settings(self) -> dict[str, Any]:
        blank = dict.fromkeys(self.inputs, "<text>") | {"words": "<words>"}
        chosen = {
            "tries": TRIES,
            "sure": SURE,
            "kept": KEPT,
            "faulty": FAULTY,
            "guide": f"{self.guide}@{self._guide_revision[:12]}",
        }
        asked = {"prompt": self.task.ask(blank, np.uint64(0)), "added_words": ADDED_WORDS, "max_tokens": LONGEST_TOKENS}
        return {**asked, **chosen, "version": VERSION, **self.chat.settings}

    @cached_property
    def _guide_revision(self) -> str:
        return house.revision(house.folder(self.guide))

    def make(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        """One text for each row, CUT_OFF where no answer came to its end. Raises ValueError: a text that is missing."""
        asked = rows.to_pylist()
        drawn = seeds([row["key"] for row in asked])
        calm = [{**row, self.task.emotion: CALM} for row in asked]
        questions, others = (
            [self.task.ask(row, draw) for row, draw in zip(side, mix(drawn), strict=True)] for side in (asked, calm)
        )
        texts, scores = [CUT_OFF] * len(asked), np.full(len(asked), -1.0)
        waiting = np.arange(len(asked))
        for number in range(TRIES):
            said, calmly = ([side[row] for row in waiting] for side in (questions, others))
            tried = self._tried(said, calmly, drawn[waiting] + np.uint64(number))
            found = self._scores([asked[row] for row in waiting], tried)
            for row, text, score in zip(waiting.tolist(), tried, found.tolist(), strict=True):
                if score > scores[row]:
                    texts[row], scores[row] = text, score
            waiting = waiting[scores[waiting] < SURE]
            if not len(waiting):
                break
        return pa.record_batch([pa.array(texts, pa.string()), pa.array(scores, pa.float32())], schema=self.schema)

    def _tried(self, questions: Sequence[Conversation], others: Sequence[Conversation], drawn: Seeds) -> list[str]:
        answers = self.chat.answer(questions, drawn, LONGEST_TOKENS, None, others)
        return [CUT_OFF if isinstance(answer, CutOffError) else unquoted(plain(str(answer))) for answer in answers]

    def _scores(self, asked: Sequence[Row], texts: Sequence[str]) -> np.ndarray[Any, np.dtype[np.float64]]:
        """How fit each text is, 0 to 1: what the guide sees of the emotion, and next to nothing for what is faulty.

        Faulty is what loses a fact, or says the same four words twice.
        """
        column = [EMOTIONS.index(row[self.task.emotion]) for row in asked]
        seen = predict(self.guide, list(texts))[np.arange(len(texts)), column].astype(np.float64)
        seen *= np.where([stutters(text) for text in texts], FAULTY, 1.0)
        if self.task.source is not None:
            sources = pl.Series([row[self.task.source] for row in asked], dtype=pl.String)
            kept = content_kept(sources, pl.Series(texts)).to_numpy()
            seen *= np.where(kept >= KEPT, 1.0, FAULTY * kept)
        seen[[text == CUT_OFF for text in texts]] = -1.0
        return seen


def rewriter(model: str) -> AdaptedWriter:
    """Puts ``text`` into the emotion ``target``: makes ``rewrite``."""
    return AdaptedWriter(model, REWRITE)


def generator(model: str) -> AdaptedWriter:
    """Writes a comment of an ``emotion``, of about so many ``words``, about a ``topic`` or none: makes ``text``."""
    return AdaptedWriter(model, WRITE)


def stutters(text: str) -> bool:
    """Whether a text says the same STUTTER words in a row twice."""
    words = text.lower().split()
    runs = [tuple(words[start : start + STUTTER]) for start in range(len(words) - STUTTER + 1)]
    return len(set(runs)) < len(runs)


def unquoted(text: str) -> str:
    """A text without a quotation mark at its ends that has no partner: GoEmotions has many of these."""
    return text if text.count('"') % 2 == 0 else text.removeprefix('"').removesuffix('"').strip()


def topics(texts: pl.Series) -> pl.Series:
    """The words of each text that may say what it is about, once each: longer than three letters, in lower case."""
    said = texts.str.replace_all(r"\[[A-Z_]+\]", " ")  # what stands for personal data
    words = said.str.to_lowercase().str.extract_all(WORDS)
    fit = (pl.element().str.len_chars() > 3) & pl.element().str.contains(r"^\p{L}+$")
    return words.list.eval(pl.element().filter(fit & ~pl.element().is_in(FUNCTION_WORDS.split()))).list.unique(
        maintain_order=True
    )
