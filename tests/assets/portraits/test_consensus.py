"""What annotators see together: the mean of machines, and people's word where they spoke."""

import polars as pl
import pytest

from assets.portraits.annotations import PROBABILITIES, SAID, consensus


def said(key: str, annotator: str, *, human: bool = False, intensity: float | None = None, **chances: float):
    row = dict.fromkeys(("emotion", *SAID)) | {"key": key, "annotator": annotator, "human": human}
    return row | dict.fromkeys(PROBABILITIES, 0.0) | chances | {"intensity": intensity}


def together(*rows) -> dict[str, dict]:
    schema = {"key": pl.String, "annotator": pl.String, "emotion": pl.String}
    schema |= dict.fromkeys((*PROBABILITIES, "intensity", "quality"), pl.Float32) | {"human": pl.Boolean}
    found = consensus(pl.LazyFrame(rows, schema=schema)).collect()
    return {row["key"]: row for row in found.to_dicts()}


def test_machines_are_averaged():
    seen = together(said("a", "x", p_joy=0.6, p_fear=0.4), said("a", "y", p_joy=0.2, p_fear=0.8))["a"]
    assert seen["emotion_seen"] == "fear"
    assert seen["p_joy"] == pytest.approx(0.4)
    assert seen["annotators"] == 2
    assert not seen["human"]


def test_people_override_machines_and_all_that_was_said_is_kept():
    seen = together(said("a", "x", p_joy=1.0), said("a", "anna", human=True, p_sadness=1.0))["a"]
    assert seen["emotion_seen"] == "sadness"
    assert seen["human"]
    assert seen["annotators"] == 1
    assert {one["annotator"] for one in seen["annotations"]} == {"anna", "x"}


def test_what_an_annotator_does_not_say_counts_for_nothing():
    seen = together(said("a", "x", p_joy=1.0, intensity=0.5), said("a", "y", p_joy=1.0))["a"]
    assert seen["intensity"] == pytest.approx(0.5)
    assert seen["quality"] is None


def test_an_answer_that_nobody_could_read_names_no_emotion():
    assert together(said("a", "x", **dict.fromkeys(PROBABILITIES)))["a"]["emotion_seen"] is None
