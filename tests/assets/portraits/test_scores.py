"""Which requests a generator is scored on, and what the scores say of who was scored."""

import hashlib
import json

import polars as pl
import pytest

from corpusmith.assets.portraits import makers
from corpusmith.assets.portraits.annotations import SAID
from corpusmith.assets.portraits.scores import counted, of_perceivers
from corpusmith.assets.registry import load
from corpusmith.assets.resources import Workshop
from corpusmith.models.perceivers import VisionChat
from corpusmith.models.text.chat import ServerChat

CURATED = pl.LazyFrame(
    {
        "key": ["fit", "blank", "again", "copy", "before"],
        "generator": ["one", "one", "one", "two", "two"],
        "prompt_id": ["happy-000", "happy-001", "happy-002", "happy-000", "happy-001"],
        "ekman": ["joy"] * 5,
        "degree": [1, 2, 1, 1, 2],
        "verdict": ["kept", *["rejected"] * 4],
        "duplicate_of": [None, None, "fit", "fit", "key of another release"],
        "reasons": [[], ["contrast"], ["near_duplicate"], ["near_duplicate"], ["released_before"]],
    }
)


def test_what_counts_against_a_generator_are_unfit_images_and_copies_of_its_own():
    found = dict(counted(CURATED).select("key", "kept").collect().iter_rows())
    assert found == {"fit": True, "blank": False, "again": False}


def test_an_image_that_an_earlier_release_holds_is_left_out_though_its_maker_made_that_one_too():
    again = CURATED.with_columns(duplicate_of=pl.lit("blank"), reasons=pl.lit(["released_before"]))
    assert counted(again).collect().is_empty()


@pytest.fixture
def scored(tmp_path, monkeypatch):
    """Scores of one reader behind a server, whose answers stay the same at any revision."""
    workshop = Workshop(tmp_path, load(overrides=["portraits.perceivers=[qwen2.5-vl-3b]"]))
    image = {"bytes": b"pixels", "path": None}
    images = pl.LazyFrame(
        {"key": ["fit"], "image": [image], "image_sha256": [hashlib.sha256(image["bytes"]).hexdigest()]}
    )
    nobody = pl.LazyFrame(
        schema={"key": pl.String, "annotator": pl.String, "emotion": pl.String}
        | dict.fromkeys(SAID[1:], pl.Float32)
        | {"human": pl.Boolean}
    )

    def answered(self, conversations, *_):
        return ['{"emotion": "joy", "intensity": 0.5, "quality": 0.5, "faces": 1}'] * len(conversations)

    def at(revision: str) -> pl.DataFrame:
        reader = VisionChat(ServerChat("org/reader", "http://localhost/v1"))
        reader.chat.revision = revision
        monkeypatch.setattr(makers, "perceiver", lambda *_: reader)
        found = of_perceivers(images, CURATED, nobody, workshop.make, workshop.settings.portraits).collect()
        return found.filter(pl.col("subject") == "qwen2.5-vl-3b")

    monkeypatch.setattr(ServerChat, "answer", answered)
    return at


def test_a_reader_at_a_new_revision_that_answers_the_same_is_scored_as_what_it_is(scored):
    assert scored("first")["revision"].unique().to_list() == ["first"]
    second = scored("second")
    assert second["revision"].unique().to_list() == ["second"]
    assert "org/reader@second" in json.loads(second["settings"][0])["perceivers"]["qwen2.5-vl-3b"]


def test_of_a_reader_behind_a_server_nobody_says_what_it_ran_on(scored):
    assert set(scored("served").select("device", "dtype").iter_rows()) == {("server", "unknown")}
