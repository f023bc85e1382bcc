"""How far two judges agree on the texts that both read, beyond what chance would have them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np
import polars as pl

from corpusmith.emotions import EMOTIONS
from corpusmith.score import bootstrap, metrics, scores
from corpusmith.score.agreement import of_two

METRICS: Final[Mapping[str, str]] = {
    "alpha": "Krippendorff's alpha (nominal) of the two judges' emotions: 1 is that they agree, 0 that they do as by "
    "chance",
    "agreed": "Share of the rows in which both see the same emotion",
}
"""Every metric, with what it says."""
EVERY: Final = "both judges"
"""The subject of the scores of all rows, whatever their origin."""


def score(rows: pl.DataFrame, measured: scores.Measurement, draws: int) -> pl.DataFrame:
    """Scores (SCORES) of all ``rows`` (key, origin, emotion, second_emotion; neither emotion null) and of each origin.

    Metrics are those of METRICS with 95 % bootstrap intervals over rows; ``agreed`` for each emotion of the first judge
    as well.
    """
    parts: list[dict[str, Any]] = []
    origins = [(str(origin), part) for (origin,), part in sorted(rows.group_by("origin"), key=lambda of: str(of[0][0]))]
    for subject, part in [(EVERY, rows), *origins]:
        this = replace(measured, subject=subject)
        parts += _of(_confusion(part), this, draws)
    return scores.table(parts)


def _of(matrix: scores.Ints, this: scores.Measurement, draws: int) -> list[dict[str, Any]]:
    resamples = bootstrap.resampled(matrix, this.key, draws=draws)
    overall = scores.overall_of(this, matrix, resamples, {"alpha": of_two, "agreed": metrics.accuracy})
    shares, drawn = metrics.recall(matrix), metrics.recall(resamples)
    said = matrix.sum(axis=1)
    return overall + [
        scores.score(this, "agreed", float(shares[i]), drawn[:, i], int(said[i]), label=label)
        for i, label in enumerate(EMOTIONS)
        if said[i]
    ]


def _confusion(rows: pl.DataFrame) -> scores.Ints:
    """Rows by what the first judge (row) and the second (column) said, (7, 7)."""
    size = len(EMOTIONS)
    cells = scores.numbers(rows["emotion"]) * size + scores.numbers(rows["second_emotion"])
    return np.bincount(cells, minlength=size * size).reshape(size, size)
