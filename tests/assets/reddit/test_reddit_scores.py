import json

import polars as pl
import pytest

from corpusmith.assets.reddit import scores
from corpusmith.assets.registry import load
from corpusmith.emotions import EMOTIONS
from corpusmith.score.hidden_states import HiddenStates
from corpusmith.score.scores import SCORES
from corpusmith.work.ledger import Ledger
from corpusmith.work.produce import produce

SETTINGS = load(profile="smoke").reddit
SAID = dict(zip(EMOTIONS, ["great", "cried", "furious", "scared", "wow", "gross", "table"], strict=True))


@pytest.fixture(scope="module")
def balanced():
    rows = [
        (f"{emotion}{number}", f"the {word} thing number {number}", emotion, split)
        for emotion, word in SAID.items()
        for number, split in enumerate(["train"] * 6 + ["validation"] * 2 + ["test"] * 2)
    ]
    return pl.LazyFrame(rows, schema=["key", "text", "emotion", "split"], orient="row")


@pytest.fixture(scope="module")
def made(balanced, tmp_path_factory):
    """Both tables, and what was run for them: first, and when asked again."""
    ledger, ran = Ledger(tmp_path_factory.mktemp("ledger")), []

    def make(plan, maker):
        return produce(plan, maker, ledger, on_progress=lambda at: ran.append(at.step))

    def both():
        return pl.concat(
            [scores.probes(balanced, make, SETTINGS), scores.zero_shot(balanced, make, SETTINGS)]
        ).collect()

    first = both()
    seen = list(ran)
    ran.clear()
    return first, seen, both(), ran


def test_all_scores_are_in_one_table(made):
    table, ran, *_ = made
    assert table.schema == SCORES
    assert set(table["task"]) == {"baseline", "probe", "zero-shot"}
    assert set(table.filter(pl.col("task") == "probe")["form"]) == {"raw", "template"}
    depths = table.filter(pl.col("task") == "probe", pl.col("form") == "raw", pl.col("metric") == "accuracy")["depth"]
    assert depths.to_list() == sorted(depths)
    assert (depths[0], depths[-1]) == (0.0, 1.0)
    assert "hidden-states" in ran
    assert "zero-shot" in ran


def test_every_score_says_on_what_machine_how_long_and_with_what_settings(made):
    table = made[0]
    assert (
        table.select("device", "dtype", "seconds", "rows_per_second", "settings", "n").null_count().sum_horizontal()[0]
        == 0
    )
    probe = json.loads(table.filter(pl.col("task") == "probe")["settings"][0])
    assert probe["epochs"] == SETTINGS.scores.epochs
    assert probe["learning_rate"] == SETTINGS.scores.learning_rate


def test_scoring_again_runs_nothing_and_says_the_same(made):
    first, _, again, ran = made
    assert ran == []
    assert again.equals(first)


def test_the_papers_models_are_probed_pre_trained_too():
    shown = scores.forms("meta-llama/Llama-3.2-1B")
    assert [(maker.model, maker.form) for maker in shown] == [
        ("meta-llama/Llama-3.2-1B", "pre-trained"),
        ("meta-llama/Llama-3.2-1B-Instruct", "raw"),
        ("meta-llama/Llama-3.2-1B-Instruct", "template"),
    ]
    assert [maker.form for maker in scores.forms("house/language")] == ["raw", "template"]
    assert all(isinstance(maker, HiddenStates) for maker in shown)
