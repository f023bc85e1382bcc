import polars as pl

from corpusmith.models.text.chat import LocalChat
from corpusmith.score import scores, steering
from corpusmith.work.ledger import Ledger
from corpusmith.work.produce import produce

THIS = scores.Measurement("steering", "model", "model", "0", {}, "digest", form="calm")


def test_a_reply_counts_when_it_shows_the_emotion_of_the_comment():
    replies = pl.DataFrame(
        {
            "emotion": ["joy", "joy", "joy", "fear", "fear"],
            "seen": ["joy", "joy", "fear", "joy", None],
            "completion_tokens": pl.Series([2, 4, 6, 8, 0], dtype=pl.Int32),
            "seconds": [0.5] * 5,
        }
    )
    found = steering.score(replies, THIS, draws=50)
    whole = {row["metric"]: row for row in found.filter(pl.col("label").is_null()).to_dicts()}
    assert (whole["accuracy"]["value"], whole["accuracy"]["n"]) == (0.5, 4)
    assert (whole["coverage"]["value"], whole["coverage"]["n"]) == (0.8, 5)
    assert whole["reply_tokens"]["value"] == 4.0
    assert whole["reply_tokens"]["low"] < 4.0 < whole["reply_tokens"]["high"]
    assert whole["accuracy"]["rows_per_second"] == 2.0
    of = {(row["metric"], row["label"]): row["value"] for row in found.filter(pl.col("label").is_not_null()).to_dicts()}
    assert of["recall", "joy"] == 2 / 3
    assert of["precision", "joy"] == 2 / 3
    assert of["recall", "fear"] == of["precision", "fear"] == 0.0
    assert of["precision", "anger"] is None


def test_each_system_prompt_is_a_row_of_its_own_and_none_says_nothing(tiny_model, tmp_path):
    maker = steering.Replies(LocalChat(str(tiny_model)), max_tokens=4)
    asked = {form: maker.ask({"system": words, "text": "so sad"}) for form, words in steering.SYSTEMS.items()}
    assert [message["role"] for message in asked[steering.NONE]] == ["user"]
    assert [message["content"] for message in asked["calm"]] == [steering.SYSTEMS["calm"], "so sad"]
    plan = pl.LazyFrame({"system": list(steering.SYSTEMS.values()), "text": ["so sad"] * 3})
    made = produce(plan, maker, Ledger(tmp_path)).collect()
    assert made["key"].n_unique() == 3
    assert (made["seconds"] > 0).all()


def test_a_reply_that_stops_at_the_limit_keeps_its_text(tiny_model, tmp_path):
    words = ["so", "very", "happy", "sad", "it", "we", "and", "the"]
    plan = pl.LazyFrame({"system": [""] * 8, "text": [f"the cat was {word}" for word in words]})
    made = produce(plan, steering.Replies(LocalChat(str(tiny_model)), max_tokens=2), Ledger(tmp_path)).collect()
    cut = made.filter(completion_tokens=2)
    assert made.height == 8
    assert cut.height > 0
    assert (cut["reply"] != "").any()
