"""Generated images: by blocks of classes, each beside the real one that it is drawn from, a failure alone."""

from __future__ import annotations

import polars as pl
import pytest
from imagenet_corpus import WNIDS, corpus

from corpusmith.assets.imagenet import classes, images
from corpusmith.errors import PlanError


def test_a_block_holds_the_same_classes_whichever_are_asked_for():
    few, every = images.blocks(classes.chosen("drawn"), 100), images.blocks(classes.chosen("all"), 100)
    assert list(every) == [f"{first:03d}-{first + 99:03d}" for first in range(0, 1000, 100)]
    assert all(set(wnids) <= set(every[block]) for block, wnids in few.items())
    assert sum(map(len, few.values())) == 20


def test_a_row_that_fails_keeps_its_place_without_an_image(tmp_path):
    real = corpus(tmp_path / "whole").sources.collect()
    broken = real["source"][4]
    made = corpus(tmp_path / "broken", "work.max_failure_rate=1.0", failing=(broken,))
    lost = made.images.filter(pl.col("image_sha256").is_null()).collect()
    assert set(lost["source"]) == {broken}
    assert lost.height == 5
    assert set(made.rejected.filter(pl.col("source") == broken).collect()["reasons"].explode()) == {"not_made"}


def test_conditions_of_other_sources_than_there_are_now_are_refused(tmp_path):
    made = corpus(tmp_path)
    shuffled = made.sources.reverse()
    with pytest.raises(PlanError, match="made from other sources than there are now"):
        images.generate(
            made.conditions, shuffled, list(WNIDS), lambda way: made.painters[-1], made.workshop.make
        ).collect()
