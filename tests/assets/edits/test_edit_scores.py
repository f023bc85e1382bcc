"""What is scored of edits: yields of what an editor did itself, and baselines measured as the field does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from edits_corpus import EDITORS, Finder, corpus, made_of, settings
from sklearn.metrics import roc_auc_score

from corpusmith.assets.edits import regions, scores
from corpusmith.curate import masks
from corpusmith.score.scores import Measurement, table


@pytest.fixture(scope="module")
def made():
    return corpus(30, lambda number: number % 4 == 1)


def test_an_edit_on_top_of_an_unfit_one_says_nothing_of_its_editor(made):
    found = scores.yields(made.curated, made.settings).filter(pl.col("form").is_null(), subject="all editors")
    alone = made.curated.filter(~pl.col("reasons").list.contains("after_failed")).collect()
    assert found["n"].item() == alone.height < made.turns.collect().height
    assert found["value"].item() == pytest.approx((alone["verdict"] == "kept").mean())
    assert found["low"].item() < found["value"].item() < found["high"].item()


def test_yields_are_told_by_editor_operation_and_size_of_the_region(made):
    found = scores.yields(made.curated, made.settings)
    assert set(found["subject"]) == {"all editors", *EDITORS}
    assert {form.split(":")[0] for form in found["form"].drop_nulls()} == {"operation", "region"}


def test_edited_images_are_told_from_their_bases_as_by_the_roc_curve():
    random = np.random.default_rng(0)
    edited, before = random.normal(0.6, 0.3, 80).round(1), random.normal(0.4, 0.3, 80).round(1)  # with ties
    of_it = Measurement(scores.WHOLE, "a", "m", "1", {}, "c")
    found = table(scores._told(of_it, edited, before, settings("edits.scores.bootstrap=200")))
    truth = np.repeat([1, 0], 80)
    auc = found.filter(metric="auc").row(0, named=True)
    assert auc["value"] == pytest.approx(roc_auc_score(truth, np.concatenate([edited, before])))
    assert auc["low"] < auc["value"] < auc["high"]


def test_images_and_label_maps_of_any_size_come_to_that_of_the_baselines(made):
    rows = made.rows.collect()
    small = scores.examples(rows, 32)
    assert small.images.shape == small.bases.shape == (rows.height, 32, 32, 3)
    assert small.labels.shape == (rows.height, 32, 32)
    assert set(np.unique(small.labels)) <= set(range(len(EDITORS) + 1))
    whole = scores.examples(rows, 64)
    assert np.array_equal(whole.labels[0], masks.opened(rows["mask"][0]["bytes"]))


def test_a_segmenter_finds_pixels_of_one_colour_where_the_majority_does_not(made):
    found = scores.examples(made.rows.collect(), 64)
    wanted = settings("edits.scores.seeds=1", "edits.scores.epochs=80", "edits.scores.bootstrap=50")
    of_it = Measurement(scores.LOCALISATION, scores.MAJORITY, "m", "1", {}, "c")
    by = {
        name: table(scores.segmenter(found, replace(of_it, subject=name), wanted))
        for name in (scores.MAJORITY, "fcn-8s")
    }
    best = {
        name: rows.filter(pl.col("label").is_null(), task="localisation", metric="miou") for name, rows in by.items()
    }
    assert best["fcn-8s"]["low"].item() > best[scores.MAJORITY]["high"].item()
    assert {"localisation", "attribution", "robustness", "parts", "whole image"} == set(by["fcn-8s"]["task"])


def test_an_editor_that_is_held_out_is_set_beside_itself_seen(made):
    found = scores.examples(made.rows.collect(), 64)
    wanted = settings("edits.scores.epochs=1", "edits.scores.bootstrap=10")
    of_it = Measurement(scores.LEFT_OUT, "fcn-8s", "m", "1", {}, "c")
    forms = set(table(scores.unseen(found, of_it, wanted))["form"])
    unseen = {form.removesuffix(", unseen") for form in forms if form.endswith(", unseen")}
    seen = {form.removesuffix(", seen") for form in forms if form.endswith(", seen")}
    assert unseen == seen
    assert unseen <= {f"editor {name}" for name in EDITORS}
    assert unseen


@pytest.mark.parametrize(
    ("rule", "fewer"), [("at_edge=false", True), ("max_overlap=0.0", True), ("max_overlap=1.0", False)]
)
def test_things_at_the_edge_or_under_others_are_left_out_where_it_is_asked(made, rule, fewer):
    few, all_of_them = (
        regions.regions(made.scenes, Finder(), made_of, settings(*rules).regions)
        .filter(pl.col("found_by") == "source")
        .collect()
        for rules in ((f"edits.regions.{rule}",), ("edits.regions.max_overlap=1.0",))
    )
    assert (few.height < all_of_them.height) is fewer
    if rule == "at_edge=false":
        opened = [masks.opened(mask) > 0 for mask in few["mask"]]
        assert not any(regions._at_edge(mask) for mask in opened)
