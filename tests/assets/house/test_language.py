"""The house LM's recipe: its reading, its packing, and that training goes on where it stopped."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from corpusmith.assets.house import language_text, phrases
from corpusmith.assets.house.language_examples import CONTEXT, encoded, examples, packed, tokenizer_of
from corpusmith.emotions import EMOTIONS
from corpusmith.models import house
from corpusmith.models.text import prompts

HOUSE = house.folder("house/language")


@pytest.fixture(scope="module")
def texts() -> dict[str, pl.DataFrame]:
    """Project-written text in the place of every source: the recipe's shapes without third-party data."""
    rows = [(text, emotion) for emotion in EMOTIONS for text in phrases.comments(emotion, 60, 7)]
    bank = pl.DataFrame(rows, schema=["text", "emotion"], orient="row")
    labelled = bank.select("text", labels=pl.concat_list("emotion"))
    return {"goemotions": labelled, "posts": bank.select("text"), "weak": bank, "bank": bank}


def test_the_phrase_bank_fills_every_slot_and_repeats_for_a_seed() -> None:
    for emotion in EMOTIONS:
        written = phrases.comments(emotion, 300, 1)
        assert written == phrases.comments(emotion, 300, 1)
        assert written != phrases.comments(emotion, 300, 2)
        assert len(set(written)) == 300
        assert not [text for text in written if "{" in text or "  " in text or not text[0].isupper()]


def test_comments_with_addresses_names_or_slurs_are_left_out_and_masks_are_filled(tmp_path: Path) -> None:
    lines = [
        "[NAME] is a good [RELIGION] neighbor\t3\ta",
        "look at https://example.org\t4\tb",
        "ask /u/somebody about it\t4\tc",
        "call me at 5551234567 now\t4\td",
        "It\u2019s fine, \u201creally\u201d\t4,5\te",
    ]
    (tmp_path / "train.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    read = language_text.goemotions(tmp_path / "train.tsv")
    assert read["labels"].to_list() == [["joy"], ["neutral", "sadness"]]
    assert "[" not in read["text"][0]
    assert read["text"][1] == 'It\'s fine, "really"'


def test_every_example_is_packed_in_one_piece_and_counted_once(texts: dict[str, pl.DataFrame]) -> None:
    tokenizer = tokenizer_of(texts["bank"]["text"].to_list())
    order = examples(texts, 0.05)
    assert set(order["kind"]) == {"write", "classify", "plain"}
    ids, weights = encoded(tokenizer, order)
    assert all(len(one) == len(weight) for one, weight in zip(ids, weights, strict=True))
    rows = packed(ids, weights)
    assert rows["ids"].shape[1] == CONTEXT
    found = []
    for tokens, place, example in zip(rows["ids"], rows["place"], rows["example"], strict=True):
        for nth in range(1, example.max() + 1):
            at = np.flatnonzero(example == nth)
            assert (place[at] == np.arange(len(at))).all()
            assert (np.diff(at) == 1).all()
            found.append(tokens[at].tolist())
    assert sorted(found) == sorted(ids)


def test_the_answer_to_be_learned_is_the_one_that_is_asked_for(texts: dict[str, pl.DataFrame]) -> None:
    tokenizer = tokenizer_of(texts["bank"]["text"].to_list())
    rows = pl.DataFrame({"kind": ["write", "classify"], "emotion": ["fear", "joy"], "text": ["It is dark.", "I won!"]})
    ids, weights = encoded(tokenizer, rows)
    template = {"tokenize": False, "add_generation_prompt": True}
    asked = [
        tokenizer.apply_chat_template(prompts.write("fear"), **template),
        tokenizer.apply_chat_template(prompts.classify("I won!"), **template),
    ]
    answers = ["It is dark.<|end|>", json.dumps({"emotion": "joy"}) + "<|end|>"]
    for one, head, answer in zip(ids, asked, answers, strict=True):
        assert tokenizer.decode(one) == head + answer
    assert sum(weight == 2.0 for weight in weights[1]) >= 1


def test_training_goes_on_where_it_stopped(
    texts: dict[str, pl.DataFrame], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch = pytest.importorskip("torch")
    from corpusmith.assets.house import language_training

    monkeypatch.setattr(language_training, "ROWS_PER_STEP", 2)
    monkeypatch.setattr(language_training, "TARGETS_PER_STEP", 2 * CONTEXT * 3 // 4)
    tokenizer = tokenizer_of(texts["bank"]["text"].to_list())
    rows = packed(*encoded(tokenizer, examples(texts, 0.3)))
    straight, stopped, resumed = (language_training.untrained(tokenizer) for _ in range(3))
    with torch.compiler.set_stance("force_eager"):
        language_training.train(straight, rows, 2, tmp_path / "straight.pt")
        language_training.train(stopped, rows, 1, tmp_path / "stopped.pt")
        language_training.train(resumed, rows, 2, tmp_path / "stopped.pt")
    same = zip(straight.parameters(), resumed.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in same)
    assert not all(torch.equal(a, b) for a, b in zip(stopped.parameters(), resumed.parameters(), strict=True))


def test_the_card_s_numbers_are_those_that_were_measured() -> None:
    from corpusmith.assets.house.language_measures import card

    measured = json.loads((HOUSE / "metrics.json").read_text())
    assert (HOUSE / "README.md").read_text() == card(measured)
    assert measured["zero_shot"]["coverage"] > 0.95
    assert measured["perplexity"]["asked for by its emotion"] < measured["perplexity"]["asked for by another emotion"]
    assert measured["generated"]["read_as_asked_mean"] > 0.5
