"""A release is what a build would make only if nothing failed that another try may make."""

from types import SimpleNamespace

import polars as pl
import pytest

from corpusmith.assets.unchanged import Inputs, changes, every_row_made, remember


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


def test_what_changed_since_a_build_is_told_by_content(tmp_path):
    workshop = SimpleNamespace(home=tmp_path, release=lambda corpus: tmp_path)
    (tmp_path / "manifest.json").touch()
    parts = {
        "settings": {"words": {"rows": 1}},
        "sources": [["a.zst", "1"]],
        "makers": ["judge@1"],
        "inputs": {"x": "1"},
    }
    before = Inputs({**parts, "inputs": {"x": "1"}, "taken_down": "", "code": ""}, {})
    assert changes(workshop, "words", before) is None
    remember(workshop, "words", before)
    assert changes(workshop, "words", before) == []
    parts = {
        "settings": {"words": {"rows": 2}},
        "sources": [["b.zst", "2"]],
        "makers": ["judge@2"],
        "inputs": {"x": "2"},
    }
    assert changes(workshop, "words", Inputs({**parts, "inputs": {"x": "2"}, "taken_down": "1", "code": "1"}, {})) == [
        "setting words.rows: 1 → 2",
        "new source b.zst",
        "source a.zst is gone",
        "models changed: − judge@1, + judge@2",
        "x changed",
        "rows were taken down",
        "the code or a library changed",
    ]
