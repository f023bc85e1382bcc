"""A small language model tells written texts from people's, and says how much a text surprises it."""

from __future__ import annotations

import numpy as np
import pytest

from corpusmith.score import readers

SAID = ("the bus was late and it rained", "we had soup again and I slept well", "my phone died on the way to work")


def test_a_habit_of_the_writers_is_learned():
    texts = [f"{SAID[row % 3]}, {row} times" for row in range(80)]
    written = np.arange(80) % 2 == 1
    marked = [f"{text}, honestly" if own else text for text, own in zip(texts, written, strict=True)]
    seen = readers.told_apart(marked, written, np.arange(80) // 2 % 2, seed=1)
    assert seen[written].min() > seen[~written].max()


def test_a_text_is_rated_by_a_model_that_did_not_learn_from_it():
    texts = [f"{SAID[row % 3]}, {row} times" for row in range(24)]
    written, folds = np.arange(24) % 2 == 1, np.arange(24) // 2 % 2
    turned = written.copy()
    turned[folds == 0] = ~written[folds == 0]  # what fold 0 is rated by learns from fold 1 alone
    first, second = (readers.told_apart(texts, kind, folds, seed=1) for kind in (written, turned))
    assert np.array_equal(first[folds == 0], second[folds == 0])
    assert not np.allclose(first[folds == 1], second[folds == 1])


def test_perplexity_is_the_one_that_transformers_finds_for_a_text_alone():
    import torch

    from corpusmith.models.text.language import load

    language = load(readers.READER)
    texts = ["I love this song", "no", "we had soup again and I slept well, and then it rained"]
    found = readers.perplexities(texts)
    for text, value in zip(texts, found, strict=True):
        ids = torch.tensor([[*language.tokenizer.encode(text), language.tokenizer.eos_token_id]])
        with torch.inference_mode():
            assert value == pytest.approx(float(language.model(input_ids=ids, labels=ids).loss.exp()), rel=1e-4)


def test_what_nobody_would_say_surprises_more():
    said, jumbled = readers.perplexities(["I love this so much", "much so love this I"])
    assert said < jumbled
