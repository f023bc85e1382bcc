"""Published figures stand beside scores of the same name, and how long an emotion lasts is drawn by emotion."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars as pl
from corpora import reddit

from corpusmith.assets.reddit.published import PUBLISHED
from corpusmith.release.inputs import Board
from corpusmith.release.report import boards
from corpusmith.release.summary import _beside
from corpusmith.release.write import write_release
from corpusmith.score.scores import table

HEADING = "Beside published figures"
BOARD = Board("persistence", "", "", {"accuracy": "", "recall": ""}, by_offset="recall", ranked=False)


def said(release: Path) -> list[str]:
    return [(release / "README.md").read_text(), (release / "report" / "index.html").read_text()]


def test_a_model_of_another_name_has_nothing_published_beside_it(release_dir: Path) -> None:
    assert not any(HEADING in text for text in said(release_dir))


def test_a_model_of_the_papers_has_its_figures_beside_it_marked_as_published(tmp_path: Path) -> None:
    release = reddit(4)
    named = release.scores.with_columns(pl.col("subject").replace("house/language", "Qwen/Qwen3-4B"))
    write_release(replace(release, scores=named), tmp_path / "reddit")
    for text in said(tmp_path / "reddit"):
        shown = text[text.index(HEADING) :]
        assert "arXiv 2510.04064" in shown
        assert "0.7643" in shown  # asked
        assert "0.7512" in shown  # its last layer, raw
        assert "0.7868" not in shown  # in the template, of which there is no score here


def test_what_is_beside_is_of_the_same_task_form_depth_and_metric() -> None:
    ours = {"subject": "Qwen/Qwen3-4B", "value": 0.5, "n": 7}
    scores = table(
        [
            {**ours, "task": "steering", "form": "calm", "metric": "accuracy"},
            {**ours, "task": "steering", "form": "calm", "metric": "coverage"},
            {**ours, "task": "probe", "form": "template", "metric": "accuracy", "depth": 0.75},
            {**ours, "task": "probe", "form": "template", "metric": "accuracy", "depth": 0.7},
            {**ours, "task": "probe", "form": "template", "metric": "accuracy", "depth": 0.75, "label": "joy"},
        ]
    )
    found = _beside(scores, PUBLISHED).select("task", "depth", "published", "where").rows()
    assert found == [("probe", 0.75, 0.7983, "table 3"), ("steering", None, 0.5428, "table 4")]


def test_curves_over_offsets_are_of_all_rows_and_of_each_label_in_the_order_of_the_tokens() -> None:
    score = {"task": "persistence", "subject": "model", "n": 7, "low": 0.2, "high": 0.9}
    rows = [
        {**score, "form": f"offset {offset}", "metric": metric, "label": label, "value": value}
        for offset, value in ((0, 0.8), (2, 0.6), (16, 0.4))
        for metric, label in (("accuracy", None), ("recall", "joy"), ("recall", "fear"))
    ]
    found = boards.by_offset(table([*rows, {**score, "form": "calm", "metric": "accuracy", "value": 0.1}]), BOARD)
    assert list(found["model"]) == [None, "joy", "fear"]
    assert [(row["offset"], row["value"]) for row in found["model"]["fear"]] == [(0, 0.8), (2, 0.6), (16, 0.4)]


def test_replies_have_a_table_by_emotion_for_each_prompt_and_charts_of_how_long_it_lasts(tmp_path: Path) -> None:
    release = reddit(4)
    score = {"subject": "house/language", "model": "house/language", "n": 7, "low": 0.1, "high": 0.9, "value": 0.5}
    steered = [
        {**score, "task": "steering", "form": form, "metric": metric, "label": label}
        for form in ("calm", "emotional")
        for metric, label in (("accuracy", None), ("recall", "joy"), ("precision", "joy"))
    ]
    lasting = [
        {**score, "task": "persistence", "form": f"offset {offset}", "layer": 3, "metric": metric, "label": label}
        for offset in (0, 8)
        for metric, label in (("accuracy", None), ("recall", "joy"))
    ]
    write_release(
        replace(release, scores=pl.concat([release.scores, table([*steered, *lasting])])), tmp_path / "reddit"
    )
    card, page = said(tmp_path / "reddit")
    assert "### Steering" in card
    assert "| calm | 0.500 |" in card
    assert "| offset 8 | 0.500 |" in card
    assert "house/language (emotional)" in page or "language (emotional)" in page
    assert page.count("0 to 8 tokens, logarithmic") >= 2
    assert "offset 8: 0.500 (0.100 – 0.900), 7 rows" in page
