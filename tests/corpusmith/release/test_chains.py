"""A report shows chains of images with outlines, and sets subjects side by side where there is no rank."""

from __future__ import annotations

import io

import numpy as np
import polars as pl
from edits_corpus import corpus, settings
from PIL import Image

from corpusmith.assets.edits.card import card
from corpusmith.release import examples
from corpusmith.release.inputs import Board
from corpusmith.release.report.boards import comparison
from corpusmith.score.scores import Measurement, table


def test_chains_of_every_length_are_shown_with_what_was_asked_and_by_whom():
    rows = corpus(24).rows.with_columns(origin=pl.col("kind"))
    found = examples.strips(rows, card(settings()))
    lengths = {len(strip["images"]) for strip in found}
    assert lengths == {2, 3, 4}
    assert all(strip["images"][0]["label"] is None for strip in found)
    assert all(image["label"] and image["says"] for strip in found for image in strip["images"][1:])


def test_an_outline_lies_around_the_region_in_the_colour_that_is_asked_for():
    from corpusmith.curate import masks
    from corpusmith.models.images import png

    mask = np.zeros((64, 64), bool)
    mask[20:40, 20:40] = True
    grey = png(np.full((64, 64, 3), 128, np.uint8))
    drawn = np.asarray(Image.open(io.BytesIO(examples.outlined(grey, masks.png(mask), "#ff0000")))).astype(int)
    red = (drawn[..., 0] - drawn[..., 1]) > 60
    assert drawn.shape == (128, 128, 3)
    assert red[39, 60]
    assert not red[60, 60]
    assert not red[10, 10]


def test_subjects_are_set_side_by_side_in_the_order_of_the_scores():
    board = Board("task", "Title", "Sentence.", {"miou": "how much", "f1": "of each"}, ranked=False)
    of = {name: Measurement("task", name, "m", "1", {}, "c") for name in ("b", "a")}
    rows = [{**of[name].row, "metric": "miou", "value": 0.5, "n": 3} for name in ("b", "a")]
    rows += [{**of["a"].row, "metric": "miou", "value": 0.2, "n": 3, "form": "blur"}]
    rows += [{**of["a"].row, "metric": "f1", "value": 0.1, "n": 3, "label": "x"}]
    found = comparison(table(rows), board)
    assert [subject for subject, _ in found.lines] == ["b", "a"]
    assert [(form, list(by)) for form, by in found.forms] == [("blur", ["a"])]
    assert found.columns(board) == ["miou"]
