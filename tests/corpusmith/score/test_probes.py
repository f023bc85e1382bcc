import json

import numpy as np
import polars as pl
import pytest

from corpusmith.emotions import EMOTIONS
from corpusmith.score import bootstrap, probes, scores

LAYERS, WIDTH, SPOKEN = 4, 16, 2  # the emotion is planted in layer 2 alone


@pytest.fixture(scope="module")
def rows():
    random = np.random.default_rng(0)
    n = 700
    emotions = random.integers(0, 7, n)
    states = random.normal(size=(n, LAYERS, WIDTH))
    states[:, SPOKEN, :7] += 4 * np.eye(7)[emotions]
    return pl.DataFrame(
        {
            "key": [f"{number:04d}" for number in range(n)],
            "text": [f"comment {number}" for number in range(n)],
            "emotion": [EMOTIONS[number] for number in emotions],
            "split": random.choice(["train", "validation", "test"], n, p=[0.7, 0.15, 0.15]),
            "states": pl.Series(states.reshape(n, -1).astype(np.float16), dtype=pl.Array(pl.Float16, LAYERS * WIDTH)),
            "states_key": [bootstrap.generator(f"{number}").bytes(16).hex() for number in range(n)],
            "seconds": np.full(n, 0.01, dtype=np.float32),
        }
    )


def measured(rows, **settings):
    this = scores.Measurement("probe", "planted", "planted", "0", {}, "digest", form="raw")
    chosen = probes.ProbeSettings(**{"epochs": 40, "learning_rate": 3e-3, **settings})
    return probes.score(rows.lazy(), LAYERS - 1, this, chosen, draws=100)


@pytest.fixture(scope="module")
def found(rows):
    return measured(rows)


def test_a_planted_emotion_is_found_in_its_layer_and_in_no_other(found):
    accuracy = dict(found.filter(pl.col("metric") == "accuracy").select("layer", "value").iter_rows())
    assert accuracy.pop(SPOKEN) > 0.9
    assert max(accuracy.values()) < 0.35
    assert json.loads(found["settings"][0])["chosen_layer"] == SPOKEN


def test_every_layer_has_its_depth_and_interval(found):
    layers = found.filter(pl.col("metric") == "accuracy")
    assert layers["depth"].to_list() == [0, 1 / 3, 2 / 3, 1]
    assert (layers["low"] <= layers["value"]).all()
    assert (layers["value"] <= layers["high"]).all()
    assert found.schema == scores.SCORES


def test_test_rows_are_as_many_of_each_emotion_as_the_rarest_has(rows, found):
    smallest = rows.filter(pl.col("split") == "test")["emotion"].value_counts()["count"].min()
    assert set(found.filter(pl.col("metric") == "accuracy")["n"]) == {7 * smallest}
    matrix = scores.confusion_of(found)
    assert matrix.sum(axis=1).tolist() == [smallest] * 7


def test_states_are_gathered_whole_however_little_is_read_at_once(rows, monkeypatch):
    monkeypatch.setattr(probes, "RANGE_BYTES", 5000)
    table, states = probes.gathered(rows.lazy(), LAYERS)
    assert states.shape == (rows.height, LAYERS, WIDTH)
    expected = rows.sort("key")["states"].to_numpy().reshape(states.shape)
    assert (states[table.sort("key")["row"].to_numpy()] == expected).all()


def test_a_layer_learns_the_same_whatever_the_others_hold(rows):
    states = rows["states"].to_numpy().reshape(-1, LAYERS, WIDTH)
    mixed = states.copy()
    mixed[:, 0] *= 50
    settings, emotions = probes.ProbeSettings(epochs=2, learning_rate=1e-3), scores.numbers(rows["emotion"])
    every = np.arange(len(states))
    one, other = (
        probes.predict(probes.fit(held, every, emotions, settings, bootstrap.generator("seed")), held, every)
        for held in (states, mixed)
    )
    assert (one[1:] == other[1:]).all()
    assert (one[0] != other[0]).any()


def test_probing_again_gives_the_same_scores(rows, found):
    clock = ("seconds", "rows_per_second")
    assert measured(rows).drop(clock).equals(found.drop(clock))
    assert measured(rows.reverse()).drop(clock).equals(found.drop(clock))


def test_the_defaults_are_the_papers():
    settings = probes.ProbeSettings()
    assert (settings.epochs, settings.learning_rate, settings.warmup) == (1, 1e-4, 0.1)


def test_the_rate_warms_up_and_falls_to_zero():
    rates = [probes._rate(step, 10, 100) for step in range(100)]
    assert rates[9] == max(rates) == 1.0
    assert rates[0] == pytest.approx(0.1)
    assert rates[-1] < 0.001
    assert rates[10:] == sorted(rates[10:], reverse=True)


def test_without_a_validation_split_the_layer_is_chosen_on_training_rows(rows):
    found = measured(rows.filter(pl.col("split") != "validation"))
    assert json.loads(found["settings"][0])["chosen_on"] == "train"
