"""Comparisons in the report: lines over steps, published figures marked as such, and what an image was given."""

from __future__ import annotations

import polars as pl
import pytest

from corpusmith.release.inputs import Board
from corpusmith.release.report import boards, figures
from corpusmith.score.scores import table

BOARD = Board("shift", "Shift", "By shift.", {"accuracy": "share"}, ranked=False, curves=("net, real", "net, both"))


def rows(**values: float) -> pl.DataFrame:
    """Accuracies by ``subject | form``."""
    found = []
    for name, value in values.items():
        subject, _, form = name.partition(" | ")
        found.append({"task": "shift", "subject": subject, "form": form, "metric": "accuracy", "value": value, "n": 10})
    return table(found)


def charts(scores: pl.DataFrame) -> dict[str, str]:
    return {kind: str(chart) for kind, chart in figures._steps(boards.comparison(scores, BOARD), BOARD)}


def test_severities_of_one_shift_are_a_line_for_each_subject_of_the_board():
    drawn = charts(
        rows(
            **{"net, real | blur 1": 0.9, "net, real | blur 5": 0.4, "net, both | blur 1": 0.8},
            **{"net, both | blur 5": 0.6, "net, other | blur 1": 0.1, "net, other | blur 5": 0.1},
        )
    )
    assert list(drawn) == ["blur"]
    assert "severity 5: 0.400" in drawn["blur"]
    assert "net, other" not in drawn["blur"]


def test_a_subject_with_one_step_is_a_dashed_line_beside_the_others():
    drawn = charts(
        rows(**{"net, real | 0% of them": 0.5, "net, both | 25% of them": 0.6, "net, both | 100% of them": 0.7})
    )
    assert "25 %: 0.600" in drawn["them"]
    assert 'class="reference"' in drawn["them"]


def test_forms_that_are_no_steps_are_no_line():
    assert charts(rows(**{"net, real | sketch": 0.5, "net, both | sketch": 0.6})) == {}


@pytest.mark.parametrize("form", ["blur 0", "blur 6", "blur 12", "25 of them"])
def test_a_number_that_is_neither_a_severity_nor_a_share_is_no_step(form):
    assert figures._step(form) is None
