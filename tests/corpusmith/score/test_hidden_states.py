import json
import random
import time

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpusmith.errors import ModelError
from corpusmith.score import hidden_states
from corpusmith.score.hidden_states import HiddenStates, by_length, last_states
from corpusmith.work.ledger import Ledger
from corpusmith.work.produce import produce

TOLERANCE = (
    2e-3  # of float16 states near 1: two steps of its ten digits, as a batch's shape moves the last float32 ones
)


def batch(texts):
    return pa.record_batch({"key": [f"{n:032x}" for n in range(len(texts))], "text": texts})


def states(maker, texts):
    made = maker.make(batch(texts))
    return made["states"].flatten().to_numpy(zero_copy_only=False).reshape(len(texts), *maker.shape)


@pytest.fixture(scope="module")
def texts():
    words = ["the", "cat", "was", "very", "happy", "and", "then", "it", "rained", "so", "we", "went", "home"]
    draw = random.Random(0)
    return [" ".join(draw.choices(words, k=draw.randint(1, 30))) for _ in range(40)]


@pytest.fixture(scope="module")
def maker(tiny_model):
    return HiddenStates(str(tiny_model))


def test_each_state_is_what_transformers_says_of_the_text_alone(maker, texts):
    import torch

    ours = states(maker, texts)
    assert ours.shape == (40, 4, 32)
    assert ours.dtype == np.float16
    loaded = maker.loaded
    for text, mine in zip(texts, ours, strict=True):
        with torch.inference_mode():
            ids = loaded.tokenizer(text, return_tensors="pt")["input_ids"]
            alone = loaded.model(input_ids=ids, output_hidden_states=True).hidden_states
        expected = np.stack([layer[0, -1].numpy() for layer in alone])
        np.testing.assert_allclose(mine, expected, rtol=TOLERANCE, atol=TOLERANCE)


@pytest.mark.parametrize("budget", [1, 37, 10_000])
def test_states_do_not_depend_on_the_size_of_a_pass(tiny_model, maker, texts, budget):
    other = HiddenStates(str(tiny_model), token_budget=budget)
    np.testing.assert_allclose(states(other, texts), states(maker, texts), rtol=TOLERANCE, atol=TOLERANCE)


def test_on_an_accelerator_the_tokens_of_a_pass_are_searched_once(tiny_model, maker, texts, tmp_path, monkeypatch):
    expected, passes = states(maker, texts), []
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(hidden_states, "language_hardware", lambda _: {"device": "accelerator", "dtype": "float32"})
    monkeypatch.setattr(hidden_states.filling, "timed", lambda tried: lambda size: (tried(size), min(size, 16384))[1])
    monkeypatch.setattr(hidden_states, "last_states", lambda *given: (passes.append(given[2]), last_states(*given))[1])
    other = HiddenStates(str(tiny_model))
    assert other.provenance["token_budget"] is None
    np.testing.assert_allclose(states(other, texts), expected, rtol=TOLERANCE, atol=TOLERANCE)
    assert passes == [4096, 8192, 16384, 32768, 16384]
    assert other.provenance["token_budget"] == HiddenStates(str(tiny_model)).provenance["token_budget"] == 16384


def test_the_search_for_the_tokens_of_a_pass_is_no_part_of_a_row_s_seconds(tiny_model, texts, monkeypatch):
    searched, now = [], time.perf_counter

    def search(*_) -> int:
        searched.append(1000.0)
        return 4096

    monkeypatch.setattr(hidden_states, "language_hardware", lambda _: {"device": "accelerator", "dtype": "float32"})
    monkeypatch.setattr(hidden_states.filling, "known", lambda *_: None)
    monkeypatch.setattr(hidden_states.filling, "found_once", search)
    monkeypatch.setattr(time, "perf_counter", lambda: now() + sum(searched))
    seconds = HiddenStates(str(tiny_model)).make(batch(texts))["seconds"].to_numpy()
    assert searched
    assert 0 < seconds.sum() < 900


def test_states_do_not_depend_on_the_order_of_rows(maker, texts):
    back = states(maker, texts[::-1])[::-1]
    np.testing.assert_allclose(back, states(maker, texts), rtol=TOLERANCE, atol=TOLERANCE)


def test_a_short_text_beside_a_long_one_is_read_at_its_own_last_word(maker):
    together = states(maker, ["cat", "the cat was very happy and then it rained"])
    np.testing.assert_allclose(together[0], states(maker, ["cat"])[0], rtol=TOLERANCE, atol=TOLERANCE)
    embedded = maker.loaded.model.get_input_embeddings().weight.detach().numpy()
    cat = maker.loaded.tokenizer.convert_tokens_to_ids("cat")
    np.testing.assert_allclose(together[0, 0], embedded[cat], rtol=TOLERANCE, atol=TOLERANCE)


def test_in_the_template_the_last_token_is_where_the_answer_begins(tiny_model):
    maker = HiddenStates(str(tiny_model), "template")
    bot = maker.loaded.tokenizer.convert_tokens_to_ids("<bot>")
    assert [tokens[-1] for tokens in maker.tokens(["the cat", "so sad"])] == [bot, bot]
    at_depth_0 = states(maker, ["the cat", "so sad"])[:, 0]
    assert (at_depth_0[0] == at_depth_0[1]).all()


def test_the_form_decides_the_fingerprint_and_the_speed_does_not(tiny_model):
    raw, template = (HiddenStates(str(tiny_model), form) for form in ("raw", "template"))
    assert raw.fingerprint != template.fingerprint
    assert raw.fingerprint == HiddenStates(str(tiny_model), token_budget=7, batch_rows=3).fingerprint
    with pytest.raises(ModelError, match="unknown form"):
        HiddenStates(str(tiny_model), "spoken")


def test_layers_and_width_are_in_the_provenance(maker):
    assert {"layers": 3, "width": 32}.items() <= maker.provenance.items()
    json.dumps(maker.provenance)


def test_a_long_text_is_cut_at_the_same_token_in_every_form(tiny_model):
    long = "the cat " * 50
    for form in ("raw", "template"):
        maker = HiddenStates(str(tiny_model), form, max_tokens=6)
        assert maker.tokens([long]) == maker.tokens(["the cat the cat the cat"])


def test_a_text_without_a_token_fails_alone(tiny_model, tmp_path):
    plan = pl.LazyFrame({"text": ["the cat", "", "so sad"]})
    maker = HiddenStates(str(tiny_model))
    made = produce(plan, maker, Ledger(tmp_path)).collect()
    assert made["text"].to_list() == ["the cat", "so sad"]
    assert made.schema["states"] == pl.Array(pl.Float16, 4 * 32)


def test_states_that_are_there_are_not_made_again(tiny_model, tmp_path, texts, monkeypatch):
    plan = pl.LazyFrame({"text": texts})
    first = produce(plan, HiddenStates(str(tiny_model), batch_rows=7), Ledger(tmp_path)).collect()
    monkeypatch.setattr(HiddenStates, "make", lambda *_: pytest.fail("made again"))
    again = produce(plan, HiddenStates(str(tiny_model)), Ledger(tmp_path)).collect()
    assert again.equals(first)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, 60), min_size=1, max_size=80), st.integers(1, 400))
def test_every_row_is_in_one_pass_and_no_pass_is_over_the_budget(lengths, budget):
    lengths = np.array(lengths)
    passes = list(by_length(lengths, budget))
    assert sorted(np.concatenate(passes).tolist()) == list(range(len(lengths)))
    assert all(len(rows) == 1 or len(rows) * lengths[rows].max() <= budget for rows in passes)
