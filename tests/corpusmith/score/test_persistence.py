import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpusmith.emotions import EMOTIONS
from corpusmith.errors import BalanceError
from corpusmith.score import persistence, scores
from corpusmith.score.hidden_states import HiddenStates
from corpusmith.score.persistence import ReplyStates, drawn, grid
from corpusmith.score.probes import ProbeSettings
from corpusmith.work.ledger import Ledger
from corpusmith.work.produce import produce

TOLERANCE = 2e-3  # as of hidden states
REPLIES = [
    ("the cat was happy", "so we went home and then it rained", [0, 1, 3, 8, 16]),
    ("so sad", "it was", [0, 1, 2, 4]),
    ("the dog", "", [0, 1]),
]
THIS = scores.Measurement("persistence", "model", "model", "0", {}, "digest")


def batch(rows):
    text, reply, offsets = zip(*rows, strict=True)
    keys = [f"{n:032x}" for n in range(len(rows))]
    return pa.record_batch({"key": keys, "text": text, "reply": reply, "offsets": pa.array(offsets)})


def states(maker, rows):
    return [np.array(row, dtype=np.float16).reshape(-1, 32) for row in maker.make(batch(rows))["states"].to_pylist()]


@pytest.mark.parametrize("layer", [0, 2, 3])
def test_the_state_at_an_offset_is_that_of_a_plain_pass_over_so_many_tokens_of_the_reply(tiny_model, layer):
    import torch

    maker = ReplyStates(str(tiny_model), layer=layer)
    loaded = maker.loaded
    for (text, reply, offsets), ours in zip(REPLIES, states(maker, REPLIES), strict=True):
        (prompt,) = HiddenStates(str(tiny_model), "template").tokens([text])
        words = loaded.tokenizer(reply, add_special_tokens=False)["input_ids"]
        reached = [offset for offset in offsets if offset <= len(words)]
        assert len(ours) == len(reached)
        for offset, mine in zip(reached, ours, strict=True):
            with torch.inference_mode():
                ids = torch.tensor([[*prompt, *words[:offset]]])
                alone = loaded.model(input_ids=ids, output_hidden_states=True).hidden_states[layer][0, -1]
            np.testing.assert_allclose(mine, alone.numpy(), rtol=TOLERANCE, atol=TOLERANCE)


def test_where_the_reply_begins_the_state_is_that_of_the_comment_in_the_template(tiny_model):
    probed = HiddenStates(str(tiny_model), "template")
    texts = [text for text, *_ in REPLIES]
    made = probed.make(pa.record_batch({"key": [f"{n:032x}" for n in range(3)], "text": texts}))["states"]
    of_layer = made.flatten().to_numpy(zero_copy_only=False).reshape(3, 4, 32)[:, 2]
    ours = [each[0] for each in states(ReplyStates(str(tiny_model), layer=2), REPLIES)]
    np.testing.assert_allclose(ours, of_layer, rtol=TOLERANCE, atol=TOLERANCE)


def test_the_states_of_a_reply_do_not_depend_on_those_beside_it(tiny_model):
    maker = ReplyStates(str(tiny_model), layer=2)
    for row, together in zip(REPLIES, states(maker, REPLIES), strict=True):
        np.testing.assert_allclose(states(maker, [row])[0], together, rtol=TOLERANCE, atol=TOLERANCE)


def test_the_layer_decides_the_key_and_states_come_out_of_the_ledger_as_they_went_in(tiny_model, tmp_path):
    one, other = (ReplyStates(str(tiny_model), layer=layer) for layer in (1, 2))
    assert one.fingerprint != other.fingerprint
    text, reply, offsets = zip(*REPLIES, strict=True)
    plan = pl.LazyFrame({"text": text, "reply": reply, "offsets": offsets})
    made = produce(plan, one, Ledger(tmp_path)).collect()
    for ours, kept in zip(states(one, REPLIES), made["states"], strict=True):
        np.testing.assert_array_equal(kept.to_numpy().reshape(-1, 32), ours)


@given(st.integers(1, 600))
def test_the_grid_goes_from_the_prompt_to_the_longest_reply_in_ascending_steps(longest):
    offsets = grid(longest)
    assert (offsets[0], offsets[-1]) == (0, longest)
    assert offsets == sorted(set(offsets))


@given(st.lists(st.integers(0, 40), min_size=1, max_size=5))
def test_offsets_are_drawn_within_each_reply_by_its_own_key(lengths):
    keys = [f"{n:032x}" for n in range(len(lengths))]
    offsets = drawn(keys, lengths)
    for mine, length, key in zip(offsets, lengths, keys, strict=True):
        assert mine == sorted(set(mine))
        assert len(mine) == min(length + 1, persistence.DRAWN)
        assert set(mine) <= set(range(length + 1))
        assert drawn([key], [length]) == [mine]


def replied(random, width=7, longest=4):
    """Rows whose state tells the emotion where the reply begins, and nothing after it."""
    rows = []
    for split, of_each in (("train", 40), ("test", 10)):
        for number in range(7 * of_each):
            emotion, length = EMOTIONS[number % 7], longest if number % 2 else 1
            offsets = [offset for offset in grid(longest) if offset <= length]
            told = 4 * np.eye(width)[number % 7] * (np.array(offsets) == 0)[:, None]
            noise = random.normal(size=(len(offsets), width))
            values = (told + noise).astype(np.float16).ravel()
            rows.append((f"{split}{number}", emotion, split, grid(longest), values.tolist(), 0.01))
    kinds = {"key": pl.String, "emotion": pl.String, "split": pl.String, "offsets": pl.List(pl.Int64)}
    return pl.DataFrame(rows, schema={**kinds, "states": pl.List(pl.Float16), "seconds": pl.Float32}, orient="row")


def test_an_emotion_that_is_gone_from_the_states_is_gone_from_the_curve():
    rows = replied(np.random.default_rng(0))
    found = persistence.score(rows, 7, 4, THIS, ProbeSettings(epochs=30, learning_rate=1e-2), draws=50)
    whole = {row["form"]: row for row in found.filter(metric="accuracy").to_dicts()}
    assert list(whole) == ["offset 0", "offset 1", "offset 2", "offset 4"]
    assert whole["offset 0"]["low"] > 0.6
    assert whole["offset 4"]["value"] < 0.45
    assert [row["n"] for row in whole.values()] == [70, 70, 35, 35]
    recall = found.filter(metric="recall", form="offset 0")
    assert recall["label"].to_list() == list(EMOTIONS)
    assert recall["n"].sum() == 70
    again = persistence.score(rows.reverse(), 7, 4, THIS, ProbeSettings(epochs=30, learning_rate=1e-2), draws=50)
    assert again.drop(scores.TIMES).equals(found.drop(scores.TIMES))


def test_an_offset_that_hardly_a_reply_gets_to_is_left_out():
    rows = replied(np.random.default_rng(0))
    long = rows.filter(split="test").filter(pl.col("states").list.len() == 4 * 7).head(6)
    found = persistence.score(
        pl.concat([rows.filter(pl.col("states").list.len() == 2 * 7), long]), 7, 4, THIS, ProbeSettings(), draws=50
    )
    assert set(found["form"]) == {"offset 0", "offset 1", "offset 2", "offset 4"}
    fewer = pl.concat([rows.filter(pl.col("states").list.len() == 2 * 7), long.head(3)])
    found = persistence.score(fewer, 7, 4, THIS, ProbeSettings(), draws=50)
    assert set(found["form"]) == {"offset 0", "offset 1"}


def test_without_replies_to_test_on_there_is_no_score():
    rows = replied(np.random.default_rng(0)).filter(split="train")
    with pytest.raises(BalanceError, match="no row in split test"):
        persistence.score(rows, 7, 4, THIS, ProbeSettings(), draws=50)
