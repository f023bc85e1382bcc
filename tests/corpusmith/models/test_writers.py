"""Makers over a chat: what is asked, what is read, and what becomes of answers that cannot be read."""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpusmith.emotions import EMOTIONS
from corpusmith.models import loading
from corpusmith.models.text.chat import CutOffError, LocalChat, Schema, Seeds, UnansweredError
from corpusmith.models.text.classify import LABELS
from corpusmith.models.text.prompts import Conversation
from corpusmith.models.text.writers import (
    CUT_OFF,
    ChatMaker,
    HouseGenerator,
    LlmClassifier,
    LlmGenerator,
    LlmRewriter,
    emotion_of,
    parsed,
)
from corpusmith.work.ledger import Ledger
from corpusmith.work.plan import keys
from corpusmith.work.produce import produce


@dataclass
class Scripted:
    """A chat that answers by a function of the question and how often it was asked: the server's side of a test."""

    reply: Callable[[str, int], str | UnansweredError]
    name: str = "scripted"
    revision: str = "1"
    batch_rows: int = 8
    settings: dict[str, Any] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)
    seeds: list[int] = field(default_factory=list)
    limits: set[int] = field(default_factory=set)

    @property
    def provenance(self) -> dict[str, Any]:
        return {"model": self.name, "revision": self.revision}

    def answer(
        self, conversations: Sequence[Conversation], seeds: Seeds, max_tokens: int, schema: Schema | None
    ) -> list[str | UnansweredError]:
        answers = []
        for conversation in conversations:
            question = conversation[-1]["content"]
            answers.append(self.reply(question, self.asked[question]))
            self.asked[question] += 1
        self.seeds += seeds.tolist()
        self.limits.add(max_tokens)
        return answers


def batch(maker: ChatMaker, **columns: list[Any]) -> pa.RecordBatch:
    rows = pl.DataFrame(columns)
    rows = rows.insert_column(0, keys(rows, maker.fingerprint, maker.inputs))
    return rows.to_arrow(compat_level=pl.CompatLevel.oldest()).combine_chunks().to_batches()[0]


def test_the_house_generator_writes_whole_comments_of_each_emotion_again_and_again_the_same() -> None:
    maker = HouseGenerator()
    rows = batch(maker, emotion=[*EMOTIONS] * 2, number=[0] * 7 + [1] * 7)
    made = maker.make(rows)
    assert made.schema == maker.schema
    texts = made["text"].to_pylist()
    assert len(set(texts)) == len(texts)
    assert all(text.strip() == text and text for text in texts)
    assert all(0 < tokens < 64 for tokens in made["tokens"].to_pylist())
    assert HouseGenerator().make(rows.slice(3, 2)).to_pylist() == made.slice(3, 2).to_pylist()


def test_the_generator_shows_examples_and_reads_json() -> None:
    chat = Scripted(lambda question, before: json.dumps({"text": f" like {len(question)} "}))
    maker = LlmGenerator(chat)
    made = maker.make(batch(maker, emotion=["fear"], examples=[["It is dark.", "Who is there?"]], number=[3]))
    (question,) = chat.asked
    assert "fear" in question
    assert "- It is dark.\n- Who is there?" in question
    assert "in a similar style, tone, and length" in question
    assert made["text"].to_pylist() == [f"like {len(question)}"]


def test_the_rewriter_makes_a_column_of_its_own_beside_its_source() -> None:
    maker = LlmRewriter(Scripted(lambda question, before: '{"text": "I am furious that the bus was late."}'))
    made = maker.make(batch(maker, text=["The bus was late."], target=["anger"]))
    assert made.select(["rewrite"]).to_pylist() == [{"rewrite": "I am furious that the bus was late."}]


def test_a_malformed_answer_is_asked_for_again_with_another_seed() -> None:
    chat = Scripted(lambda question, before: "Sure! Here you go" if before < 2 else '{"text": "third time"}')
    maker = LlmRewriter(chat)
    made = maker.make(batch(maker, text=["a b c"], target=["joy"]))
    assert made["rewrite"].to_pylist() == ["third time"]
    assert len(set(chat.seeds)) == 3


def test_a_row_without_a_readable_answer_fails_alone_and_its_batch_mates_are_not_asked_again(tmp_path: Path) -> None:
    chat = Scripted(lambda question, before: "nonsense" if "bad" in question else '{"text": "fine"}')
    plan = pl.DataFrame({"text": ["one", "two", "bad", "four", "five"], "target": ["joy"] * 5})
    made = produce(plan.lazy(), LlmRewriter(chat), Ledger(tmp_path), max_failure_rate=0.5).collect()
    assert made["text"].to_list() == ["one", "two", "four", "five"]
    assert {times for question, times in chat.asked.items() if "bad" not in question} == {1}


def test_looking_whether_a_row_fails_too_costs_no_question_more() -> None:
    chat = Scripted(lambda question, before: UnansweredError("no") if "bad" in question else '{"text": "fine"}')
    maker = LlmRewriter(chat)
    rows = batch(maker, text=["one", "bad", "two", "three"], target=["joy"] * 4)
    for part in (rows, rows.slice(3), rows.slice(0, 2), rows.slice(0, 1), rows.slice(1, 1), rows.slice(2)):
        with contextlib.suppress(UnansweredError):
            assert maker.make(part)["rewrite"].to_pylist() == ["fine"] * part.num_rows
    assert set(chat.asked.values()) == {1}
    with pytest.raises(UnansweredError):  # the next build's
        maker.make(rows.slice(1, 1))
    assert sorted(chat.asked.values()) == [1, 1, 1, 2]


def test_a_server_s_failure_on_one_row_is_that_row_s(tmp_path: Path) -> None:
    chat = Scripted(lambda question, before: UnansweredError("500") if "bad" in question else '{"emotion": "joy"}')
    plan = pl.DataFrame({"text": ["one", "bad", "three"]})
    made = produce(plan.lazy(), LlmClassifier(chat), Ledger(tmp_path), max_failure_rate=0.5).collect()
    assert made["text"].to_list() == ["one", "three"]


def test_an_unreadable_label_is_null_so_that_coverage_can_be_counted() -> None:
    answers = {
        "a": '{"emotion": "Anger"}',
        "b": "I cannot say",
        "c": '{"emotion": "rage"}',
        "d": '{"emotion": ["joy"]}',
    }
    maker = LlmClassifier(Scripted(lambda question, before: answers[question[-1]]))
    made = maker.make(batch(maker, text=list(answers)))
    assert made.select(LABELS.names).schema == LABELS
    assert made["emotion"].to_pylist() == ["anger", None, None, None]
    assert made["p_anger"].to_pylist() == [1.0, None, None, None]
    assert made["confidence"].null_count == 3


def test_a_cut_off_answer_is_asked_for_again_with_more_room() -> None:
    whole = '{"text": "All of it."}'
    chat = Scripted(lambda question, before: whole if before else CutOffError('{"text": "All"}'))
    maker = LlmGenerator(chat)
    made = maker.make(batch(maker, emotion=["joy"], examples=[["a"]], number=[0]))
    assert made["text"].to_pylist() == ["All of it."]
    assert chat.limits == {maker.max_tokens, 2 * maker.max_tokens}


def test_what_stays_cut_off_is_a_row_without_text_even_where_its_json_is_whole() -> None:
    chat = Scripted(lambda question, before: CutOffError('{"text": "I am terrified of the oven, my"}'))
    maker = LlmRewriter(chat)
    made = maker.make(batch(maker, text=["The oven is on."], target=["fear"]))
    assert made["rewrite"].to_pylist() == [CUT_OFF]
    assert max(chat.asked.values()) == maker.rounds


def test_a_label_that_stands_whole_in_a_cut_off_answer_is_a_label() -> None:
    maker = LlmClassifier(Scripted(lambda question, before: CutOffError('{"emotion": "joy"} because')))
    assert maker.make(batch(maker, text=["Yes!"]))["emotion"].to_pylist() == ["joy"]


def test_control_characters_of_an_answer_are_taken_out() -> None:
    chat = Scripted(lambda question, before: json.dumps({"text": "so\x1b[2J \x00 gl\u200bad\ud800"}))
    maker = LlmGenerator(chat)
    made = maker.make(batch(maker, emotion=["joy"], examples=[["a"]], number=[0]))
    assert made["text"].to_pylist() == ["so[2J glad"]


def test_another_dtype_writes_other_texts_so_its_fingerprint_is_another(monkeypatch: pytest.MonkeyPatch) -> None:
    here = LlmGenerator(LocalChat("house/language")).fingerprint
    monkeypatch.setattr(loading, "hardware", lambda: {"device": "cuda", "dtype": "bfloat16"})
    assert LlmGenerator(LocalChat("house/language")).fingerprint != here


def test_equal_rows_are_asked_once() -> None:
    chat = Scripted(lambda question, before: '{"emotion": "joy"}')
    maker = LlmClassifier(chat)
    assert maker.make(batch(maker, text=["same", "same"]))["emotion"].to_pylist() == ["joy", "joy"]
    assert chat.asked.total() == 1


def test_the_fingerprint_follows_model_revision_and_settings() -> None:
    def reply(question: str, before: int) -> str:
        return ""

    chats = [
        Scripted(reply),
        Scripted(reply, name="b"),
        Scripted(reply, revision="2"),
        Scripted(reply, settings={"t": 1}),
    ]
    assert len({LlmRewriter(chat).fingerprint for chat in chats}) == 4
    assert LlmRewriter(chats[0]).fingerprint == LlmRewriter(Scripted(reply)).fingerprint
    assert json.dumps(LlmRewriter(chats[0]).provenance)


@pytest.mark.parametrize(
    ("answer", "emotion"),
    [
        ('{"emotion": "joy"}', "joy"),
        ('```json\n{"emotion": "fear"}\n```', "fear"),
        ('<think>{"emotion": "joy"}? no</think>\n{"emotion": " Sadness "}', "sadness"),
        ('Set {x}: {"emotion": "disgust"} as asked', "disgust"),
        ('{"emotion": "joy"', None),
        ("joy", None),
        ('["joy"]', None),
        ('{"emotion": null}', None),
        ("{" * 5000, None),
        ("", None),
    ],
)
def test_an_answer_is_read_for_its_first_json_object(answer: str, emotion: str | None) -> None:
    assert emotion_of(answer) == emotion


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet='{}[]":,\\ abctruefalsn0', max_size=60))
def test_reading_an_answer_never_raises(answer: str) -> None:
    assert parsed(answer) is None or isinstance(parsed(answer), dict)
