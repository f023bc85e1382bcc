import json

import polars as pl
import pytest

from corpusmith.assets.reddit import replies
from corpusmith.assets.reddit.settings import Persistence, Steering
from corpusmith.assets.registry import load
from corpusmith.emotions import EMOTIONS
from corpusmith.errors import SettingsError
from corpusmith.score import steering
from corpusmith.score.scores import SCORES, table
from corpusmith.work.ledger import Ledger
from corpusmith.work.produce import produce

SMOKE = load(profile="smoke").reddit
PROBED = table(
    [
        {"task": "probe", "subject": "house/language", "form": form, "metric": "f1", "label": "joy", "layer": layer}
        for form, layer in (("raw", 5), ("template", 3))
    ]
)
SAID = dict(zip(EMOTIONS, ["great", "cried", "furious", "scared", "wow", "gross", "table"], strict=True))


def wanting(rows: int, training: int):
    wanted = {"steering": Steering(rows=rows, reply_tokens=5), "persistence": Persistence(rows=training)}
    return SMOKE.model_copy(update={"scores": SMOKE.scores.model_copy(update=wanted)})


@pytest.fixture(scope="module")
def balanced():
    rows = [
        (f"{emotion}{number}", f"the {word} thing number {number}", emotion, split)
        for emotion, word in SAID.items()
        for number, split in enumerate(["train"] * 4 + ["validation"] + ["test"] * 2)
    ]
    return pl.LazyFrame(rows, schema=["key", "text", "emotion", "split"], orient="row")


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """A ledger to make in, and how many rows of what each call made."""
    ledger, made = Ledger(tmp_path_factory.mktemp("ledger")), {}

    def make(plan, maker):
        counted = []
        found = produce(plan, maker, ledger, on_progress=lambda at: counted.append(at.done))
        made[maker.name] = made.get(maker.name, 0) + max(counted, default=0)
        return found

    return make, made


@pytest.fixture(scope="module")
def found(balanced, workplace):
    """The scores of replies to a comment of each emotion, and what was made for each table."""
    make, made = workplace
    steered = replies.steering(balanced, make, wanting(7, 14)).collect()
    first = dict(made)
    made.clear()
    lasting = replies.persistence(balanced, PROBED.lazy(), make, wanting(7, 14)).collect()
    return steered, first, lasting, dict(made)


def test_every_comment_is_answered_under_every_system_prompt(found):
    steered, made, *_ = found
    assert made["replies"] == 7 * 3
    assert steered.schema == SCORES
    accuracy = steered.filter(metric="accuracy")
    assert accuracy["form"].to_list() == list(steering.SYSTEMS)
    assert steered.filter(metric="recall")["label"].to_list() == [*EMOTIONS] * 3
    settings = [json.loads(said) for said in accuracy["settings"]]
    assert [said["system"] for said in settings] == list(steering.SYSTEMS.values())
    assert {said["judge"].partition(":")[0] for said in settings} == {"emotion-judge"}
    assert accuracy.select("device", "card", "seconds", "rows_per_second").null_count().sum_horizontal()[0] == 0


def test_the_replies_that_were_judged_are_those_that_are_probed(found):
    *_, lasting, made = found
    assert made["replies"] == 14  # those to training comments alone
    assert made["reply-states"] == 14 + 7
    assert lasting.schema == SCORES
    assert lasting["form"][0] == "offset 0"
    assert lasting["layer"].unique().to_list() == [3]  # where the probe in the template did best


def test_a_run_that_was_stopped_goes_on_with_what_is_missing(balanced, workplace, found):
    make, made = workplace
    made.clear()
    replies.steering(balanced, make, wanting(14, 0)).collect()
    assert made["replies"] == 7 * 3
    made.clear()
    again = replies.steering(balanced, make, wanting(7, 14)).collect()
    assert sum(made.values()) == 0
    assert again.equals(found[0])


def test_where_no_rows_are_asked_for_nothing_is_answered(balanced):
    def make(*_):
        raise AssertionError("something was made")

    for settings in (SMOKE, wanting(0, 14), wanting(7, 0)):
        assert replies.persistence(balanced, pl.LazyFrame(schema=SCORES), make, settings).collect().is_empty()
    assert replies.steering(balanced, make, SMOKE).collect_schema() == SCORES


@pytest.mark.parametrize(
    ("judge", "probed"),
    [
        ("llm:Qwen/Qwen3-4B", "Qwen/Qwen3-4B"),
        ("llm:meta-llama/Llama-3.2-1B-Instruct", "meta-llama/Llama-3.2-1B"),
    ],
)
def test_nobody_judges_his_own_replies(judge, probed):
    models = SMOKE.models.model_copy(update={"judge": judge, "probed": ["house/language", probed]})
    with pytest.raises(SettingsError, match="would judge its own replies"):
        replies.independent(wanting(7, 0).model_copy(update={"models": models}))
    replies.independent(SMOKE.model_copy(update={"models": models}))
