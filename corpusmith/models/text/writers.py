"""Makers that write, rewrite and label text with a language model."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from functools import cached_property
from pathlib import Path
from typing import Any, Final, TypeGuard

import numpy as np
import pyarrow as pa

from corpusmith.curate.markup import plain
from corpusmith.emotions import EMOTIONS
from corpusmith.models.text import prompts
from corpusmith.models.text.batch_api import BatchChat
from corpusmith.models.text.batch_notes import notes_of
from corpusmith.models.text.chat import Chat, CutOffError, LocalChat, Schema, UnansweredError
from corpusmith.models.text.classify import LABELS
from corpusmith.models.text.prompts import Conversation
from corpusmith.models.text.usage import COLUMNS, USAGE, Usage, usage_of
from corpusmith.work.plan import fingerprint, seeds

VERSION: Final = 2  # of how answers are asked for and read: raise it when that changes
HOUSE_MODEL: Final = "house/language"
LONGEST_TOKENS: Final = 64  # of a house comment
CUT_OFF: Final = ""  # the text of a row whose answers were all cut off; a whole answer is never empty
LONGEST_ANSWER: Final = 512  # tokens of a JSON answer with a text

Row = dict[str, Any]
TEXT: Final = pa.schema([pa.field("text", pa.string())])
REWRITE: Final = pa.schema([pa.field("rewrite", pa.string())])
TEXT_AND_TOKENS: Final = pa.schema([pa.field("text", pa.string()), pa.field("tokens", pa.int32())])


class ChatMaker:
    """A maker that asks a chat one question for each row, and asks again where the answer is malformed.

    ask: a row (a dict of inputs) to a conversation. read: an answer to the made columns, or None if it is malformed.
    rounds: how often a row is asked at most, each time with another seed. otherwise: what a row is made that stays
    malformed; without it such a row fails, alone: what its batch-mates got is kept for when the batch is split.
    cut_off: what a row is made whose answers all stop at their limit, each round's twice as long as the last one's; for
    makers of texts. Without it such an answer is read for what it says: a label may stand whole in it.
    usage: whether what a row took (usage.COLUMNS) is made too, beside ``schema``.
    """

    ahead = 2
    """Batches that it may begin before the one is made that is asked for: a server's stragglers keep nobody waiting."""

    def __init__(
        self,
        name: str,
        chat: Chat,
        inputs: tuple[str, ...],
        schema: pa.Schema,
        ask: Callable[[Row], Conversation],
        read: Callable[[str], Row | None],
        *,
        answer_schema: Schema | None = None,
        max_tokens: int = LONGEST_ANSWER,
        rounds: int = 3,
        otherwise: Row | None = None,
        cut_off: Row | None = None,
        usage: bool = False,
    ) -> None:
        self.name, self.chat, self.inputs, self.usage = name, chat, inputs, usage
        self.schema = pa.schema([*schema, *COLUMNS]) if usage else schema
        self.ask, self.read, self.otherwise, self.cut_off = ask, read, otherwise, cut_off
        self.answer_schema, self.max_tokens, self.rounds = answer_schema, max_tokens, rounds
        self.batch_rows = chat.batch_rows
        self._kept: dict[str, Row | UnansweredError] = {}
        self._begun: dict[tuple[str, ...], Future[list[Any]]] = {}

    def __getstate__(self) -> dict[str, Any]:
        """What another process needs: it begins by itself."""
        return {**self.__dict__, "_kept": {}, "_begun": {}}

    @cached_property
    def fingerprint(self) -> str:
        """Model, revision, prompt and sampling settings."""
        return fingerprint(self.name, self.chat.name, self.chat.revision, self._settings)

    @property
    def provenance(self) -> dict[str, Any]:
        """The same for people, with device and dtype or the server's address."""
        return {**self.chat.provenance, **self._settings}

    @property
    def _settings(self) -> dict[str, Any]:
        blank = {name: [f"<{name}>"] if name == "examples" else f"<{name}>" for name in self.inputs}
        limits = {"max_tokens": self.max_tokens, "rounds": self.rounds, "version": VERSION}
        counts = {"usage": USAGE} if self.usage else {}
        return {"prompt": self.ask(blank), **limits, **counts, **self.chat.settings}

    def at_home(self, home: Path) -> None:
        """Where its chat is to note what it must find again after a crash: batches that were paid for."""
        if isinstance(self.chat, BatchChat) and self.chat.notes is None:
            self.chat.notes = notes_of(home)

    def begin(self, rows: pa.RecordBatch) -> None:
        """Start asking what ``make`` will be asked for soon, where the chat is a server's."""
        start = getattr(self.chat, "start", None)
        if start is None or not rows.num_rows:
            return
        try:
            questions = self._questions(rows)
        except Exception:  # a bad row's, which `make` will find
            return
        asked = list(questions)
        if tuple(asked) not in self._begun:
            answers = start(list(questions.values()), seeds(asked), self.max_tokens, self.answer_schema)
            self._begun[tuple(asked)] = answers

    def make(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        """One row of ``schema`` for each row; raises UnansweredError when a row has no answer that can be read."""
        questions = self._questions(rows)
        results = {key: self._kept[key] for key in questions if key in self._kept}
        if not results:  # of a batch that is done with
            self._kept.clear()
        results |= self._asked({key: question for key, question in questions.items() if key not in results})
        failures = [result for result in results.values() if _failed(result)]
        if failures:
            if len(questions) > 1:
                self._kept |= results
            else:  # this row is done with: the next build asks again
                self._kept.pop(next(iter(questions)), None)
            raise failures[0]
        made = [results[key] for key in rows["key"].to_pylist()]
        return pa.RecordBatch.from_pylist(made, schema=self.schema)

    def _questions(self, rows: pa.RecordBatch) -> dict[str, Conversation]:
        return {row["key"]: self.ask(row) for row in rows.to_pylist()}

    def _asked(self, questions: Mapping[str, Conversation]) -> dict[str, Row | UnansweredError]:
        """What is read of each question's answer, by key; malformed ones are asked again, ``rounds`` times in all."""
        results: dict[str, Row | UnansweredError] = {}
        took: dict[str, Usage] = {}
        waiting = list(questions)
        for number in range(self.rounds):
            if not waiting:
                break
            answered = dict(zip(waiting, self._answers(questions, waiting, number), strict=True))
            for key, answer in answered.items():
                results[key] = self._result(answer, number)
                took[key] = took.get(key, Usage()) + (usage_of(answer) or Usage())
            # only what was malformed or cut off: where the chat itself gave up, it has tried often enough
            waiting = [key for key in waiting if _failed(results[key]) and not _gave_up(answered[key])]
        return {key: self._counted(result, took[key]) for key, result in results.items()}

    def _answers(
        self, questions: Mapping[str, Conversation], asked: Sequence[str], number: int
    ) -> Sequence[str | UnansweredError]:
        """What the chat says to some of the questions in a round; the first may have been begun."""
        if number == 0 and (begun := self._begun.pop(tuple(asked), None)):
            return begun.result()
        room = self.max_tokens << number if self.cut_off is not None else self.max_tokens
        drawn = seeds(asked) + np.uint64(number)
        return self.chat.answer([questions[key] for key in asked], drawn, room, self.answer_schema)

    def _counted(self, result: Row | UnansweredError, took: Usage) -> Row | UnansweredError:
        """A row with what it took, where that is made too."""
        if not self.usage or isinstance(result, UnansweredError):
            return result
        return {**result, **took.columns(getattr(self.chat, "price", None))}

    def _result(self, answer: str | UnansweredError, number: int) -> Row | UnansweredError:
        if isinstance(answer, CutOffError):
            if self.cut_off is not None:
                return self.cut_off if number + 1 == self.rounds else answer
            answer = answer.text
        if isinstance(answer, UnansweredError):
            return answer
        read = self.read(answer)
        if read is not None:
            return read
        if self.otherwise is not None and number + 1 == self.rounds:
            return self.otherwise
        return UnansweredError(f"{self.chat.name} gave a malformed answer: {answer[:200]!r}")


class HouseGenerator(ChatMaker):
    """Writes a comment of an emotion with the house LM: inputs emotion and number, makes text and its tokens."""

    def __init__(
        self, model: str = HOUSE_MODEL, temperature: float = 0.8, top_p: float = 0.9, batch_rows: int = 256
    ) -> None:
        chat = LocalChat(model, temperature=temperature, top_p=top_p, batch_rows=batch_rows)

        def read(answer: str) -> Row | None:
            text = plain(answer)
            return {"text": text, "tokens": len(chat.language.tokenizer.encode(answer))} if text else None

        super().__init__(
            "house-generator",
            chat,
            ("emotion", "number"),
            TEXT_AND_TOKENS,
            lambda row: prompts.write(row["emotion"]),
            read,
            max_tokens=LONGEST_TOKENS,
            cut_off={"text": CUT_OFF, "tokens": 0},
        )


class LlmGenerator(ChatMaker):
    """Writes a comment like the given ones: inputs emotion, examples (list of texts) and number, makes text."""

    def __init__(self, chat: Chat) -> None:
        super().__init__(
            "llm-generator",
            chat,
            ("emotion", "examples", "number"),
            TEXT,
            lambda row: prompts.write_like(row["emotion"], row["examples"]),
            _text,
            answer_schema=prompts.TEXT_ANSWER,
            cut_off={"text": CUT_OFF},
            usage=True,
        )


class LlmRewriter(ChatMaker):
    """Puts a text into another emotion: inputs text and target, makes rewrite."""

    def __init__(self, chat: Chat) -> None:
        super().__init__(
            "llm-rewriter",
            chat,
            ("text", "target"),
            REWRITE,
            lambda row: prompts.rewrite(row["text"], row["target"]),
            _rewrite,
            answer_schema=prompts.TEXT_ANSWER,
            cut_off={"rewrite": CUT_OFF},
            usage=True,
        )


class LlmClassifier(ChatMaker):
    """Labels a text: makes emotion, confidence and p_<emotion>; all null where the answer cannot be read (coverage).

    An LLM's answer has no probabilities: the emotion it names gets 1.
    """

    def __init__(self, chat: Chat, rounds: int = 1) -> None:
        super().__init__(
            "llm-classifier",
            chat,
            ("text",),
            LABELS,
            lambda row: prompts.classify(row["text"]),
            _label,
            answer_schema=prompts.EMOTION_ANSWER,
            max_tokens=32,
            rounds=rounds,
            otherwise=dict.fromkeys(LABELS.names),
            usage=True,
        )


def parsed(answer: str) -> dict[str, Any] | None:
    """The first JSON object in an answer, whatever stands around it (thinking, code fences); None if there is none."""
    answer = answer.rpartition("</think>")[2]
    decoder = json.JSONDecoder()
    start = answer.find("{")
    while start >= 0:
        try:
            found, _ = decoder.raw_decode(answer, start)
        except (json.JSONDecodeError, RecursionError):
            start = answer.find("{", start + 1)
        else:
            return found if isinstance(found, dict) else None
    return None


def emotion_of(answer: str) -> str | None:
    """The emotion that an answer names in its JSON, or None where it names none of the seven."""
    named = (parsed(answer) or {}).get("emotion")
    named = named.strip().lower() if isinstance(named, str) else None
    return named if named in EMOTIONS else None


def _failed(result: object) -> TypeGuard[UnansweredError]:
    return isinstance(result, UnansweredError)


def _gave_up(answer: object) -> bool:
    return isinstance(answer, UnansweredError) and not isinstance(answer, CutOffError)


def _text(answer: str) -> Row | None:
    text = (parsed(answer) or {}).get("text")
    if not isinstance(text, str):
        return None
    text = plain(text.encode("utf-8", "ignore").decode())  # an escaped lone surrogate in the answer's JSON is no text
    return {"text": text} if text else None


def _rewrite(answer: str) -> Row | None:
    read = _text(answer)
    return read and {"rewrite": read["text"]}


def _label(answer: str) -> Row | None:
    emotion = emotion_of(answer)
    if emotion is None:
        return None
    return {"emotion": emotion, "confidence": 1.0} | {f"p_{other}": float(other == emotion) for other in EMOTIONS}
