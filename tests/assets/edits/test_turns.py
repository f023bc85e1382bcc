"""Chains of edits: planned in balance, each turn on top of the one before, made once."""

from __future__ import annotations

import chat_server
import polars as pl
import pytest
from edits_corpus import EDITORS, Finder, corpus, editor, made_of, settings

from corpusmith.assets.edits import makers, turns
from corpusmith.assets.registry import load
from corpusmith.assets.resources import Workshop
from corpusmith.curate import masks
from corpusmith.errors import ModelError, SettingsError
from corpusmith.models.text.edit_prompts import EditPromptWriter
from corpusmith.work.produce import shelf_of


@pytest.fixture(scope="module")
def made():
    return corpus(36)


def test_editors_operations_and_lengths_are_balanced_by_design(made):
    planned = made.planned
    by_editor = planned.group_by("editor").len()["len"]
    assert by_editor.max() - by_editor.min() <= 1
    named = planned.filter(pl.col("operation") != "add").group_by("operation").len()["len"]
    assert named.max() - named.min() <= 1
    lengths = planned.group_by("scene").len().group_by("len").len(name="chains").sort("len")
    assert lengths["len"].to_list() == [1, 2, 3]
    assert lengths["chains"].max() - lengths["chains"].min() <= 2  # but for scenes with fewer regions than turns


def test_a_chain_has_another_region_for_each_turn_and_adds_only_where_nothing_is(made):
    planned = made.planned
    assert planned.group_by("scene").agg(pl.col("number").is_duplicated().any())["number"].sum() == 0
    assert (planned["name"].is_null() == (planned["operation"] == "add")).all()
    assert planned.filter(operation="change").filter(pl.col("thing") != pl.col("name")).is_empty()


def test_every_region_is_of_the_size_that_is_asked_for(made):
    bounds = made.settings.regions
    assert made.regions.select(pl.col("area").is_between(bounds.min_area, bounds.max_area).all()).collect().item()


def test_each_turn_paints_on_what_the_turn_before_it_left(made):
    edits = made.turns.collect().sort("scene", "turn")
    bases = dict(made.scenes.select("scene", "image_sha256").collect().rows())
    for (scene,), chain in edits.group_by("scene"):
        assert chain["before"].to_list() == [bases[scene], *chain["key"][:-1]]


def test_more_scenes_leave_the_first_ones_edits_as_they_are():
    few, more = corpus(12).planned, corpus(13).planned
    assert more.filter(pl.col("scene").is_in(few["scene"].implode())).equals(few)
    assert more.height > few.height


def test_one_editor_for_all_turns_of_a_chain_is_a_setting():
    planned = corpus(18, None, "edits.turns.editors_of_a_chain=one").planned
    assert planned.group_by("scene").agg(pl.col("editor").n_unique())["editor"].max() == 1
    chains = planned.unique("scene").group_by("editor").len()["len"]
    assert chains.max() - chains.min() <= 1


def test_a_change_to_the_third_turns_prompt_makes_the_third_alone(made, tmp_path):
    workshop = Workshop(tmp_path, load(profile="house"))
    editors = [editor(name) for name in EDITORS]
    first = turns.turns(made.planned, made.scenes, editor, workshop.make).collect()
    before = {maker.name: shelf_of(maker, workshop.ledger).keys().len() for maker in editors}
    third = pl.col("turn") == 3
    changed = made.planned.with_columns(prompt=pl.when(third).then(pl.lit("a pink teapot")).otherwise("prompt"))
    second = turns.turns(changed, made.scenes, editor, workshop.make).collect()
    after = {maker.name: shelf_of(maker, workshop.ledger).keys().len() for maker in editors}
    same = first.join(second, on="key")
    assert set(same["turn"]) == {1, 2}
    assert sum(after.values()) - sum(before.values()) == second.filter(turn=3).height


def test_a_chain_that_was_interrupted_between_turns_goes_on_at_the_turn(made, tmp_path):
    workshop = Workshop(tmp_path, load(profile="house"))
    turns.turns(made.planned.filter(pl.col("turn") <= 2), made.scenes, editor, workshop.make)
    lacking = []
    watched = Workshop(tmp_path, workshop.settings, on_lacking=lambda rows, rate: lacking.append(rows))
    turns.turns(made.planned, made.scenes, editor, watched.make)
    assert sum(lacking) == made.planned.filter(turn=3).height


def test_after_a_turn_that_failed_nothing_is_made_and_the_others_go_on(made, tmp_path):
    workshop = Workshop(tmp_path, load(profile="house", overrides=["work.max_failure_rate=1.0"]))
    broken = made.planned.filter(pl.col("turn") == 1)["scene"][0]
    empty = pl.when((pl.col("scene") == broken) & (pl.col("turn") == 1)).then(pl.lit(" ")).otherwise("prompt")
    edits = turns.turns(made.planned.with_columns(prompt=empty), made.scenes, editor, workshop.make).collect()
    lost = edits.filter(scene=broken)
    assert lost["image_sha256"].to_list() == [None]
    assert edits.filter(pl.col("scene") != broken)["image_sha256"].null_count() == 0


def test_a_scene_without_regions_has_no_chain():
    wanted = settings("edits.regions.min_area=0.45")
    from corpusmith.assets.edits import regions

    few = corpus(6)
    found = regions.regions(few.scenes, Finder(), made_of, wanted.regions)
    planned = turns.plan(few.scenes, found, wanted.editors, wanted.turns)
    assert set(planned["scene"]) == set(found.select("scene").collect().to_series())


def test_a_free_place_touches_nothing(made):
    for row in made.regions.filter(pl.col("found_by") == "free").collect().head(20).iter_rows(named=True):
        free = masks.opened(row["mask"]) > 0
        things = made.regions.filter(pl.col("scene") == row["scene"], pl.col("found_by") == "source").collect()
        assert not any((free & (masks.opened(mask) > 0)).any() for mask in things["mask"])


def test_a_language_model_writes_the_prompts_and_where_it_fails_the_grammar_s_stay(made, tmp_path):
    def says(question: str, before: int) -> chat_server.Reply:
        return chat_server.said("no JSON" if "to be gone" in question else '{"prompt": "seen: a thing"}')

    workshop = Workshop(tmp_path, load(profile="house", overrides=["work.max_failure_rate=1.0"]))
    with chat_server.served(says) as server:
        writer = EditPromptWriter(chat_server.chat(server))
        few = made.planned.head(18)  # where ten fail and none is answered, the step stops
        worded = turns.worded(few, made.scenes, writer, workshop.make)
        asked = len(server.requests)
        again = turns.worded(few, made.scenes, writer, workshop.make)
    removed = pl.col("operation") == "remove"
    assert worded.filter(removed)["prompt"].to_list() == few.filter(removed)["prompt"].to_list()
    assert worded.filter(~removed)["prompt"].str.starts_with("seen: ").all()
    assert worded.equals(again)
    assert asked >= few.height


def test_a_vision_language_model_without_a_server_is_one_line():
    wanted = settings("edits.regions.vision=qwen2.5-vl-7b")
    with pytest.raises(ModelError, match=r"edits\.regions\.vision: qwen2\.5-vl-7b needs a server"):
        makers.finder(wanted)


def test_scenes_of_which_none_can_be_edited_are_one_line(made):
    with pytest.raises(SettingsError, match="no scene has a region"):
        turns.turns(made.planned.clear(), made.scenes, editor, made_of)
