"""The release's headline figures for `dvc metrics`, and its tables for `dvc plots`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import polars as pl

from corpusmith.release.inputs import CardText, Release
from corpusmith.release.summary import Summary

MAJORITY: Final = "majority"
"""Begins the name of a subject that answers with the most frequent class, whatever it is shown."""


def write(folder: Path, summary: Summary, release: Release) -> None:
    """metrics.json (a dozen numbers) and plots/*.csv (tidy tables)."""
    numbers = json.dumps(metrics(summary, release.text), indent=2, ensure_ascii=False)
    (folder / "metrics.json").write_text(numbers + "\n")
    plots = folder / "plots"
    plots.mkdir()
    by = ["label", "origin"]
    counts = summary.balance.group_by(by, maintain_order=True).agg(pl.col("rows").sum())
    counts.write_csv(plots / "balance.csv")
    summary.reasons.write_csv(plots / "rejected.csv")
    summary.depth.rename({"value": "accuracy"}).write_csv(plots / "depth.csv")
    summary.confusions.write_csv(plots / "confusions.csv")


def metrics(summary: Summary, text: CardText) -> dict[str, Any]:
    """The headline figures of a release, under the same names for every corpus; all others are in scores/.

    rows: the fit rows. balance: see balance(). rejected_share: rejected rows / all rows, 0 to 1. scores: by task; see
    headlines().
    """
    return {
        "rows": summary.rows,
        "balance": round(balance(summary, text), 6),
        "rejected_share": round(summary.rejected / (summary.rows + summary.rejected), 6),
        "scores": headlines(pl.concat([summary.overall, summary.boards]), text),
    }


def balance(summary: Summary, text: CardText) -> float:
    """Rows of the rarest label / rows of the most frequent one: the inverse of the imbalance ratio.

    1: all labels have as many rows; 0: a label that the card names has none.
    """
    counts = summary.count("label")
    return min(counts.get(label, 0) for label in {*text.labels, *counts}) / max(counts.values())


def headlines(scores: pl.DataFrame, text: CardText) -> dict[str, dict[str, float]]:
    """Of each task the value of its ``best`` subject, and that of ``majority``, the majority-class baseline, if any.

    The value is of the first metric of the task's leaderboard; without one it is the accuracy, or the first metric of
    its scores. A subject in several forms counts with its mean over those of a leaderboard, which are conditions of a
    test, and with its best one elsewhere, where they are ways to ask.
    """
    whole = scores.filter(pl.all_horizontal(pl.col("label", "degree", "other").is_null())).drop_nulls("value")
    shown = {board.task: next(iter(board.metrics)) for board in reversed(text.boards)}
    found = {}
    for task, rows in whole.group_by("task", maintain_order=True):
        name = str(task[0])
        metrics = rows["metric"].unique(maintain_order=True).to_list()
        metric = shown.get(name) or ("accuracy" if "accuracy" in metrics else metrics[0])
        over_forms = pl.col("value").mean() if name in shown else pl.col("value").max()
        subjects = rows.filter(pl.col("metric") == metric).group_by("subject").agg(over_forms)
        trivial = subjects.filter(pl.col("subject").str.starts_with(MAJORITY))
        values = {"best": subjects["value"].to_list(), "majority": trivial["value"].to_list()}
        found[name] = {figure: round(max(every), 6) for figure, every in values.items() if every}
    return {task: figures for task, figures in found.items() if figures}
