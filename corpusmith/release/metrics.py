"""The release's numbers for `dvc metrics` and `dvc plots`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl

from corpusmith.release.inputs import Release
from corpusmith.release.summary import Summary


def write(folder: Path, summary: Summary, release: Release) -> None:
    """metrics.json (nested numbers) and plots/*.csv (tidy tables)."""
    numbers = json.dumps(metrics(summary, release), indent=2, ensure_ascii=False)
    (folder / "metrics.json").write_text(numbers + "\n")
    plots = folder / "plots"
    plots.mkdir()
    by = ["label", "origin"]
    balance = summary.balance.group_by(by, maintain_order=True).agg(pl.col("rows").sum())
    balance.write_csv(plots / "balance.csv")
    summary.reasons.write_csv(plots / "rejected.csv")
    summary.depth.rename({"value": "accuracy"}).write_csv(plots / "depth.csv")
    summary.confusions.write_csv(plots / "confusions.csv")


def metrics(summary: Summary, release: Release) -> dict[str, Any]:
    """Rows by split, origin and label; rejected rows by reason; scores by task, subject, form and metric.

    Of a leaderboard it is what is of no single label, degree or pair.
    """
    reasons = summary.reasons.group_by("reason", maintain_order=True).agg(pl.col("rows").sum())
    return {
        "rows": summary.rows,
        "split": summary.count("split"),
        release.text.origin: summary.count("origin"),
        release.text.label: summary.count("label"),
        "rejected": {"rows": summary.rejected, **dict(reasons.rows())},
        "scores": _scores(pl.concat([summary.overall, whole(summary.boards)])),
    }


def whole(boards: pl.DataFrame) -> pl.DataFrame:
    """The scores of a leaderboard that are of no single label or degree, and of no pair."""
    return boards.filter(pl.all_horizontal(pl.col("label", "degree", "other").is_null()))


def _scores(overall: pl.DataFrame) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for task, subject, form, layer, metric, value in overall.select(
        "task", "subject", "form", "layer", "metric", "value"
    ).iter_rows():
        place = nested.setdefault(task, {}).setdefault(f"{subject} ({form})" if form else subject, {})
        place[metric] = None if value is None else round(value, 6)
        if layer is not None:
            place["best_layer"] = layer
    return nested
