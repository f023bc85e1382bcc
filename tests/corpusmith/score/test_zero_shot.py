import polars as pl
import pytest

from corpusmith.models.text.chat import LocalChat
from corpusmith.models.text.writers import emotion_of
from corpusmith.score import scores, zero_shot
from corpusmith.work.ledger import Ledger
from corpusmith.work.produce import produce

THIS = scores.Measurement("zero-shot", "model", "model", "0", {}, "digest", form="template")


@pytest.mark.parametrize(
    ("answer", "emotion"),
    [
        ('{"emotion": "joy"}', "joy"),
        ('```json\n{"emotion": "Anger"}\n```', "anger"),
        ('Sure! {"emotion": " fear ", "why": "dark"} There.', "fear"),
        ('<think>{"emotion": "joy"}?</think>{"emotion": "sadness"}', "sadness"),
        ('{"emotion": "happy"}', None),
        ('{"emotion": ["joy"]}', None),
        ('{"mood": "joy"}', None),
        ('{"emotion": "joy"', None),
        ("joy", None),
        ("", None),
    ],
)
def test_an_answer_counts_when_its_json_names_a_known_emotion(answer, emotion):
    assert emotion_of(answer) == emotion


def test_accuracy_is_of_readable_answers_and_coverage_of_all():
    answers = pl.DataFrame(
        {
            "emotion": ["joy", "joy", "fear", "fear"],
            "answer": ['{"emotion": "joy"}', "no idea", '{"emotion": "joy"}', None],
            "seconds": [0.5] * 4,
        }
    )
    found = zero_shot.score(answers, THIS, draws=50)
    value = {row["metric"]: (row["value"], row["n"]) for row in found.filter(pl.col("label").is_null()).to_dicts()}
    assert value["accuracy"] == (0.5, 2)
    assert value["coverage"] == (0.5, 4)
    assert found["rows_per_second"].unique().to_list() == [2.0]
    unreadable = found.filter(pl.col("predicted") == "", pl.col("value") > 0)
    assert dict(unreadable.select("label", "value").iter_rows()) == {"joy": 1, "fear": 1}


def test_no_readable_answer_at_all_is_no_accuracy_rather_than_zero():
    answers = pl.DataFrame({"emotion": ["joy"], "answer": ["?"], "seconds": [0.5]})
    found = zero_shot.score(answers, THIS, draws=50)
    assert found.filter(pl.col("metric") == "accuracy")["value"].to_list() == [None]
    assert found.filter(pl.col("metric") == "coverage")["value"].to_list() == [0.0]


def test_a_real_model_is_asked_each_text_once(tiny_model, tmp_path):
    plan = pl.LazyFrame({"text": ["the cat was happy", "so sad"]})
    maker = zero_shot.ZeroShot(LocalChat(str(tiny_model), temperature=0.0))
    made = produce(plan, maker, Ledger(tmp_path)).collect()
    assert made["answer"].null_count() == 0
    assert (made["seconds"] > 0).all()
    again = produce(plan, zero_shot.ZeroShot(LocalChat(str(tiny_model), temperature=0.0)), Ledger(tmp_path)).collect()
    assert again.equals(made)
