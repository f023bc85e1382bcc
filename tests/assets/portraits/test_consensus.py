"""What annotators see together: the mean of machines, and people's word where they spoke."""

import polars as pl
import pytest

from corpusmith.assets.portraits.annotations import PROBABILITIES, SAID, consensus
from corpusmith.score import perceivers, raters


def said(key: str, annotator: str, *, human: bool = False, intensity: float | None = None, **chances: float):
    row = dict.fromkeys(("emotion", *SAID)) | {"key": key, "annotator": annotator, "human": human}
    return row | dict.fromkeys(PROBABILITIES, 0.0) | chances | {"intensity": intensity}


def graded(key: str, annotator: str, **grades: float):
    """What a person says who names no emotion."""
    return said(key, annotator, human=True, **dict.fromkeys(PROBABILITIES)) | grades


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


def test_people_count_only_for_what_they_said():
    machine = said("a", "x", p_joy=1.0, intensity=0.5) | {"quality": 0.2}
    seen = together(machine, graded("a", "anna", quality=0.9), graded("a", "ben", quality=0.7))["a"]
    assert (seen["emotion_seen"], seen["p_joy"], seen["intensity"]) == ("joy", 1.0, 0.5)
    assert seen["quality"] == pytest.approx(0.8)
    assert (seen["human"], seen["annotators"]) == (False, 1)


def test_where_people_name_an_emotion_machines_still_say_what_they_left_out():
    machine = said("a", "x", p_joy=1.0, intensity=0.5) | {"quality": 0.2}
    seen = together(machine, said("a", "anna", human=True, p_fear=1.0, intensity=1.0))["a"]
    assert (seen["emotion_seen"], seen["intensity"]) == ("fear", 1.0)
    assert seen["quality"] == pytest.approx(0.2)
    assert (seen["human"], seen["annotators"]) == (True, 1)


def test_two_who_disagree_name_no_emotion():
    seen = together(said("a", "x", human=True, p_joy=1.0), said("a", "y", human=True, p_sadness=1.0))["a"]
    assert seen["emotion_seen"] is None
    assert (seen["p_joy"], seen["p_sadness"]) == (0.5, 0.5)
    assert seen["human"]


def test_means_that_rounding_alone_tells_apart_are_a_tie():
    shares = [(0.1, 0.7), (0.2, 0.1), (0.7, 0.2)]
    seen = together(*(said("a", str(n), p_joy=joy, p_fear=fear) for n, (joy, fear) in enumerate(shares)))["a"]
    assert seen["emotion_seen"] is None


def test_a_panel_that_is_split_leaves_the_truth_to_what_was_asked():
    votes = pl.DataFrame(
        [("anna", "a", "joy", 0.5, 0.5), ("ben", "a", "fear", 0.5, 0.5)], schema=raters.RATINGS, orient="row"
    )
    people = consensus(raters.as_annotations(raters.opinions(votes)).lazy())
    asked = people.select("key", "emotion_seen", "intensity", ekman=pl.lit("joy"), degree=pl.lit(3))
    (found,) = perceivers.truth(asked).collect().to_dicts()
    assert (found["truth"], found["truth_intensity"], found["human"]) == ("joy", 1.0, False)


def test_what_an_annotator_does_not_say_counts_for_nothing():
    seen = together(said("a", "x", p_joy=1.0, intensity=0.5), said("a", "y", p_joy=1.0))["a"]
    assert seen["intensity"] == pytest.approx(0.5)
    assert seen["quality"] is None


def test_an_answer_that_nobody_could_read_names_no_emotion():
    assert together(said("a", "x", **dict.fromkeys(PROBABILITIES)))["a"]["emotion_seen"] is None
