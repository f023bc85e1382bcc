"""Adapters over a language model: known by both, merged on loading, asked in few words, the first fit answer kept."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpusmith.errors import ModelError
from corpusmith.models import loading
from corpusmith.models.text import adapted_writer, language
from corpusmith.models.text.chat import Answer, CutOffError
from corpusmith.models.text.writers import CUT_OFF
from corpusmith.score.hidden_states import HiddenStates

BASE = "house/language"
TEMPLATE = "{{ messages[-1]['content'] }}<|assistant|>"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Random adapters over the house language model, which is a small one."""
    import torch
    from peft import LoraConfig, get_peft_model

    place = tmp_path_factory.mktemp("adapters")
    torch.manual_seed(1)
    shape = LoraConfig(r=2, target_modules=["q_proj", "down_proj"], init_lora_weights=False, task_type="CAUSAL_LM")
    get_peft_model(language.load(BASE).model, shape).save_pretrained(place)
    stated = json.loads((place / "adapter_config.json").read_text()) | {"base_model_name_or_path": BASE}
    (place / "adapter_config.json").write_text(json.dumps(stated))
    (place / "chat_template.jinja").write_text(TEMPLATE)
    return place


def logits(model, ids=((5, 6, 7, 8),)):
    import torch

    with torch.inference_mode():
        return model(input_ids=torch.tensor(ids)).logits


def test_adapters_are_merged_into_their_base_with_a_template_of_their_own(folder):
    from peft import PeftModel

    loaded, base = language.load(str(folder)), language.load(BASE)
    assert not np.allclose(logits(loaded.model), logits(base.model), atol=1e-3)
    laid_over = PeftModel.from_pretrained(base.model, folder)
    assert np.allclose(logits(loaded.model), logits(laid_over), atol=1e-4)
    assert loaded.tokenizer.chat_template == TEMPLATE
    assert loaded.revision == loading.revision_of(str(folder)) != base.revision


def test_adapters_are_another_model_over_another_base(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(loading, "base_of", lambda name: "house/other" if name != "house/other" else name)
    monkeypatch.setattr(loading.house, "folder", lambda name: tmp_path)
    loading.revision_of.cache_clear()
    (tmp_path / "config.json").write_text("{}")
    first = loading.revision_of(str(folder))
    (tmp_path / "config.json").write_text('{"a": 1}')
    loading.revision_of.cache_clear()
    assert loading.revision_of(str(folder)) != first
    loading.revision_of.cache_clear()


def test_adapters_without_a_base_are_refused(tmp_path):
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(ModelError, match="names no base_model_name_or_path"):
        loading.base_of(str(tmp_path))


def test_adapters_are_probed_in_the_layers_of_their_base(folder):
    assert HiddenStates(str(folder)).shape == HiddenStates(BASE).shape


class Scripted:
    """A chat that gives each row's next line, by its seed's number of the try."""

    name, revision, batch_rows, settings, provenance = "scripted", "1", 64, {}, {"model": "scripted", "revision": "1"}

    def __init__(self, *tries: str | CutOffError) -> None:
        self.tries, self.asked = tries, []

    def answer(self, conversations, seeds, max_tokens, schema, against):
        assert all(other[0]["content"].startswith("neutral, ") for other in against)
        self.asked.append([conversation[0]["content"] for conversation in conversations])
        line = self.tries[min(len(self.asked), len(self.tries)) - 1]
        return [line if isinstance(line, CutOffError) else Answer(line) for _ in conversations]


def made(task, chat, **row):
    writer = adapted_writer.AdaptedWriter(BASE, task)
    writer.chat = chat
    rows = pa.RecordBatch.from_pylist([{"key": "0" * 32, **row}])
    return writer.make(rows).to_pylist()[0][task.made]


ABOUT = {"text": "The train to Boston leaves at 9.", "target": "anger"}


def test_the_first_answer_with_the_emotion_and_the_facts_is_taken():
    chat = Scripted(
        "The train to Boston leaves at 9.",
        "I hate this so fucking much!",
        "I hate this fucking train to Boston, it leaves at 9!",
        "I hate, hate, hate that the fucking train to Boston leaves at 9!",
    )
    assert made(adapted_writer.REWRITE, chat, **ABOUT) == "I hate this fucking train to Boston, it leaves at 9!"
    assert len(chat.asked) == 3


def test_where_no_answer_is_sure_the_best_is_taken():
    calm, lost = "The train to Boston leaves at 9, they say.", "I hate this so fucking much!"
    assert made(adapted_writer.REWRITE, Scripted(lost, calm, lost, calm), **ABOUT) in (calm, lost)
    assert made(adapted_writer.WRITE, Scripted("It is a table.", "Ugh, tables."), **write("anger")) == "Ugh, tables."


def test_answers_that_never_end_are_none():
    assert made(adapted_writer.WRITE, Scripted(CutOffError("and so on and")), **write("joy")) == CUT_OFF


def write(emotion: str) -> dict[str, object]:
    return {"emotion": emotion, "words": 12, "topic": "bus", "number": 0}


def test_a_row_does_not_depend_on_who_rides_along(folder):
    writer = adapted_writer.rewriter(str(folder))
    texts = ["The bus was late again.", "We met at the old bridge on Sunday morning.", "It has four doors."]
    rows = [{"key": f"{n}" * 32, "text": text, "target": "joy"} for n, text in enumerate(texts)]
    together = writer.make(pa.RecordBatch.from_pylist(rows)).to_pylist()
    alone = [writer.make(pa.RecordBatch.from_pylist([row])).to_pylist()[0] for row in reversed(rows)][::-1]
    assert [row["rewrite"] for row in together] == [row["rewrite"] for row in alone]


def test_what_decides_a_text_decides_its_key(folder):
    first, second = adapted_writer.rewriter(str(folder)), adapted_writer.rewriter(BASE)
    assert first.fingerprint != second.fingerprint
    assert adapted_writer.generator(BASE).fingerprint != second.fingerprint
    assert first.fingerprint == adapted_writer.rewriter(str(folder)).fingerprint


def test_nobody_says_the_same_four_words_twice():
    assert adapted_writer.stutters("I hate it, the bus was late and The bus was late")
    assert not adapted_writer.stutters("The bus was late, the bus was full")


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ('"My own.', "My own."),
        ('My own."', "My own."),
        ('He said "no".', 'He said "no".'),
        ('"No" he said', '"No" he said'),
    ],
)
def test_a_quotation_mark_without_a_partner_is_dropped(said, text):
    assert adapted_writer.unquoted(said) == text


def test_guidance_leads_away_from_what_another_question_would_be_answered():
    import torch

    from corpusmith.models.text.sampling import sample

    model = language.load(BASE)
    asked, other = ([model.tokenizer.encode(text) for text in side] for side in (["I love", "What a"], ["It is", "no"]))
    seeds, drawn = np.arange(2, dtype=np.uint64), {"max_tokens": 1, "temperature": 0.0, "top_p": 1.0}
    plain = sample(model, asked, seeds, **drawn)
    assert sample(model, asked, seeds, **drawn, against=other, guidance=0.0) == plain
    led = sample(model, asked, seeds, **drawn, against=other, guidance=3.0)
    with torch.inference_mode():
        sides = [
            torch.stack([model.model(input_ids=torch.tensor([ids])).logits[0, -1].log_softmax(-1) for ids in side])
            for side in (asked, other)
        ]
    assert led == [[int(token)] for token in (4 * sides[0] - 3 * sides[1]).argmax(-1)]
    assert led != plain


def test_rows_that_end_leave_with_their_other_side():
    from corpusmith.models.text.sampling import sample

    model = language.load(BASE)
    asked = [model.tokenizer.encode(text) for text in ("I love", "What a day it was, and then", "no")]
    seeds, drawn = np.arange(3, dtype=np.uint64), {"max_tokens": 24, "temperature": 1.0, "top_p": 0.95}
    together = sample(model, asked, seeds, **drawn, against=asked[::-1], guidance=1.0)
    for row, tokens in enumerate(together):
        against = [asked[::-1][row]]
        assert sample(model, [asked[row]], seeds[[row]], **drawn, against=against, guidance=1.0) == [tokens]


def test_topics_are_words_that_say_what_a_text_is_about():
    found = adapted_writer.topics(
        pl.Series(["The train to [EMAIL]'s house, the Train!", "I would have been 12345", ""])
    )
    assert found.to_list() == [["train", "house"], [], []]


@given(st.text())
def test_any_text_has_topics_or_none(text):
    assert all(len(word) > 3 for word in adapted_writer.topics(pl.Series([text]))[0])
