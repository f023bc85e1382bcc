"""The writer's recipe: pairs made from one side, batches that learn answers alone, and a training that goes on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from corpusmith.assets.house import writer, writer_examples, writer_training
from corpusmith.curate.similarity import content_kept
from corpusmith.models.text import language

MOVED = {
    "anger": ["hate", "damn", "idiots"],
    "joy": ["love", "great", "thanks"],
    "neutral": ["door", "table", "page"],
}
TOLD = ("the bus to the station was late", "they moved the meeting to monday", "the store opens at nine")


@pytest.fixture(scope="module")
def labelled() -> pl.DataFrame:
    """Comments in which one word, always another one's, carries the emotion."""
    rows = [
        (f"i {word} it, {told} for the {number}th time", emotion)
        for emotion, words in MOVED.items()
        for word in words
        for number, told in enumerate(TOLD * 3)
    ]
    return pl.DataFrame(rows, schema=["text", "emotion"], orient="row")


def test_the_words_that_carry_an_emotion_are_those_that_neutral_comments_lack(labelled, monkeypatch):
    monkeypatch.setattr(writer_examples, "EMOTIONS", ("anger", "joy", "neutral"))
    assert writer_examples.carriers(labelled) == {e: frozenset(MOVED[e]) for e in ("anger", "joy")}


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("I hate this, the bus was late again.", "The bus was late again."),
        ("The bus was late again. Damn idiots.", "The bus was late again."),
        ("the damn bus was late again", "the bus was late again"),
        ("The bus was late and I hate it, but we made it home.", "The bus was late but we made it home."),
        ("I hate idiots", None),
        ("The bus was late again.", None),
    ],
)
def test_what_is_left_of_a_comment_is_what_carries_no_emotion(text, left):
    assert writer_examples.rest(text, frozenset({"hate", "damn", "idiots"})) == left


def test_an_answer_holds_all_of_what_it_rewrites(labelled):
    texts = labelled.filter(emotion="anger")["text"].to_list()
    pairs = writer_examples.pairs(texts, "anger", frozenset(MOVED["anger"]))
    assert pairs
    sources, answers = (pl.Series(side) for side in zip(*pairs, strict=True))
    assert (content_kept(sources, answers) == 1.0).all()
    assert not sources.str.contains("hate|damn|idiots").any()


def test_examples_are_the_same_ones_every_time(labelled):
    carrying = {emotion: frozenset(MOVED.get(emotion, ())) for emotion in writer_examples.EMOTIONS}
    first, second = (writer_examples.examples(labelled, carrying) for _ in range(2))
    assert first.equals(second)
    assert set(first["kind"]) == {"write", "rewrite"}
    assert first.filter(kind="rewrite")["asked"].str.contains(r"^\w+, \d+ words, of: .+$").all()
    assert first.filter(kind="write")["asked"].str.contains(r"^\w+, \d+ words(, about [\w ]+)?:$").all()


@pytest.fixture(scope="module")
def examples():
    tokenizer = language.load("house/language").tokenizer
    asked = [f"joy, {n % 9} words:" for n in range(60)]
    return writer_training.encoded(
        tokenizer, writer.TEMPLATE, asked, [f"thanks {n} times" * (1 + n % 3) for n in range(60)]
    )


def test_only_answers_and_their_ends_are_learned(examples):
    seen = 0
    for ids, targets in writer_training.batches(examples, pad=0):
        for row, follows in zip(ids, targets, strict=True):
            counted = follows != writer_training.UNCOUNTED
            [example] = [e for e in examples if np.array_equal(e[0], row[: len(e[0])]) and not row[len(e[0]) :].any()]
            tokens, prompt = example
            assert follows[counted].tolist() == tokens[prompt:]
            assert np.flatnonzero(counted).tolist() == list(range(prompt - 1, len(tokens) - 1))
            seen += 1
    assert seen == len(examples)


def test_a_training_that_was_stopped_goes_on_to_the_same_adapters(examples, tmp_path, monkeypatch):
    import torch

    monkeypatch.setattr(writer_training, "FIRST_LAYER", 3)
    monkeypatch.setattr(writer_training, "SAVE_EVERY", 1)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    learned = writer_training.batches(examples, pad=0)

    def adapters(steps: int, checkpoint: Path) -> list[np.ndarray]:
        model = writer_training.with_adapters(language.load("house/language").model)
        writer_training.adapt(model, learned[:steps] if steps else learned, checkpoint)
        return [w.detach().numpy().copy() for w in model.parameters() if w.requires_grad]

    adapters(len(learned), tmp_path / "whole.pt")
    whole = adapters(len(learned), tmp_path / "whole.pt")
    assert any(weights.any() for weights in whole)

    losses = iter([writer_training.loss_of] * 2)
    with monkeypatch.context() as patch:
        patch.setattr(writer_training, "loss_of", lambda *batch: next(losses)(*batch))
        with pytest.raises(StopIteration):  # in step 2 of 3
            adapters(len(learned), tmp_path / "killed.pt")
    for one, other in zip(whole, adapters(len(learned), tmp_path / "killed.pt"), strict=True):
        assert np.allclose(one, other, atol=1e-6)


def test_what_is_shipped_opens_as_a_model_of_its_own(tmp_path):
    model = writer_training.with_adapters(language.load("house/language").model)
    writer.ship(model, "house/language", tmp_path / "shipped")
    loaded = language.load(str(tmp_path / "shipped"))
    assert loaded.tokenizer.chat_template == writer.TEMPLATE
    assert loaded.name == str(tmp_path / "shipped")
