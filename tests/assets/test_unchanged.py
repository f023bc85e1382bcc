"""A release is what a build would make only if nothing failed that another try may make."""

import polars as pl
import pytest

from corpusmith.assets.unchanged import every_row_made


@pytest.mark.parametrize(
    ("reasons", "whole"),
    [([["blurred"], ["blank", "no_face"]], True), ([["blurred"], ["not_made"]], False), ([["not_judged"]], False)],
)
def test_a_row_that_a_model_failed_at_is_worth_another_try(reasons, whole, tmp_path):
    (tmp_path / "rejected").mkdir()
    pl.DataFrame({"reasons": reasons}).write_parquet(tmp_path / "rejected" / "rejected.parquet")
    assert every_row_made(tmp_path) == whole


def test_a_release_that_rejected_nothing_is_whole(tmp_path):
    assert every_row_made(tmp_path)
