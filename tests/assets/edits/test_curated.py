"""Which edits are fit, what becomes of their chains, and what a release says of all of them."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from edits_corpus import EDITORS, corpus, made_of, settings

from corpusmith.assets.edits.curated import chained, split_of, verdicts
from corpusmith.assets.edits.curated import judged as look
from corpusmith.curate import masks
from corpusmith.models.perceivers import Embedder, Tagger
from corpusmith.models.perceivers.edits import EditJudge


def judged(**values: object) -> pl.DataFrame:
    seen = {"image_sha256": "x", "change": 50.0, "distance": 0.3, "match": 0.9, "nearer": 0.1, "outside": 0}
    kinds = {"image_sha256": pl.String, "match": pl.Float32, "change": pl.Float32, "outside": pl.Int32}
    return pl.DataFrame([seen | values], schema_overrides=kinds)


@pytest.mark.parametrize(
    ("values", "reasons"),
    [
        ({}, []),
        ({"change": 2.0}, ["unchanged"]),
        ({"distance": 0.001}, ["unchanged"]),
        ({"match": 0.2}, ["not_as_asked"]),
        ({"match": None}, []),
        ({"match": None, "nearer": -0.01}, ["not_as_asked"]),
        ({"outside": 1}, ["outside_changed"]),
        ({"image_sha256": None, "change": None, "match": None}, ["not_made"]),
        ({"change": None, "match": None}, ["not_judged"]),
        ({"change": 1.0, "match": 0.1}, ["unchanged", "not_as_asked"]),
    ],
)
def test_an_edit_is_unfit_for_what_is_seen_of_it(values, reasons):
    assert verdicts(judged(**values), settings().curated)["reasons"].to_list() == [reasons]


def chain(*fit: bool) -> pl.DataFrame:
    reasons = [[] if one else ["unchanged"] for one in fit]
    return pl.DataFrame(
        {"scene": ["s"] * len(fit), "turn": range(1, len(fit) + 1), "reasons": reasons},
        schema_overrides={"reasons": pl.List(pl.String)},
    )


@pytest.mark.parametrize(
    ("fit", "cut", "whole"),
    [
        ((True, True), [[], []], [[], []]),
        (
            (True, False, True),
            [[], ["unchanged"], ["after_failed"]],
            [["chain_failed"], ["unchanged"], ["chain_failed"]],
        ),
        ((False, True), [["unchanged"], ["after_failed"]], [["unchanged"], ["chain_failed"]]),
        ((False, False), [["unchanged"], ["unchanged"]], [["unchanged"], ["unchanged"]]),
    ],
)
def test_a_chain_ends_before_its_first_unfit_turn_or_is_left_out_as_a_whole(fit, cut, whole):
    assert chained(chain(*fit), "cut")["reasons"].to_list() == cut
    assert chained(chain(*fit), "reject")["reasons"].to_list() == whole


@pytest.fixture(scope="module")
def made():
    return corpus(24, lambda number: number % 4 == 1)


def test_every_scene_is_released_or_rejected_and_every_edit_is_in_one_of_them(made):
    kept, rejected = made.rows.collect(), made.rejected.collect()
    assert sorted([*kept["scene"], *rejected["scene"]]) == sorted(made.scenes.collect()["scene"])
    edits = sum(len(turns) + len(dropped) for turns, dropped in kept.select("turns", "dropped").rows())
    edits += sum(1 + len(dropped) for dropped in rejected["dropped"])
    assert edits == made.turns.collect().height


def test_the_label_map_is_that_of_the_regions_later_over_earlier(made):
    for row in made.rows.collect().iter_rows(named=True):
        expected = np.zeros((64, 64), np.uint8)
        for turn in row["turns"]:
            expected[masks.opened(turn["mask"]["bytes"]) > 0] = EDITORS.index(turn["editor"]) + 1
        assert np.array_equal(masks.opened(row["mask"]["bytes"]), expected)


def test_bases_that_look_alike_are_in_one_split():

    few = corpus(12)
    doubled = pl.concat([few.scenes, few.scenes.with_columns(scene="f" + pl.col("scene").str.slice(1))])
    split = split_of(doubled, made_of, few.settings)
    halves = split.with_columns(same=pl.col("scene").str.slice(1)).group_by("same").agg(pl.col("split").n_unique())
    assert halves["split"].to_list() == [1] * 12


def test_the_judge_sees_a_change_what_it_shows_and_that_nothing_else_changed():
    few = corpus(8)

    judge = EditJudge(Tagger(), Embedder())
    seen = look(few.scenes, few.turns, judge, made_of).collect()
    assert seen.height == few.turns.collect().height
    assert (seen["outside"] == 0).all()
    assert (seen["change"] > 0).all()
    assert seen["match"].is_between(0, 1).all()


def test_without_a_judge_what_is_nearer_to_the_prompt_counts():
    few = corpus(4)

    alone = EditJudge(None, Embedder())
    assert look(few.scenes, few.turns, alone, made_of).collect()["match"].null_count() == few.turns.collect().height
    assert alone.fingerprint != EditJudge(Tagger(), Embedder()).fingerprint
