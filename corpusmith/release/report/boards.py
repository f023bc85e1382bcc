"""Leaderboards from the scores of a release: who is best, by how much, at what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl

from corpusmith.release.inputs import Board

SIGNIFICANT = 0.05
PAIRS = ("difference", "p_value")  # metrics of two subjects, of which `other` is the worse


@dataclass(frozen=True)
class Standing:
    """One subject's line: its rank (``first`` to ``last`` with 95 %), its score, and rows of SCORES by metric."""

    subject: str
    first: int
    last: int
    score: dict[str, Any]
    metrics: dict[str, dict[str, Any]]
    beats: list[str]


def standings(boards: pl.DataFrame, board: Board) -> list[Standing]:
    """The lines of a leaderboard, the best first; none where the task was not scored."""
    rows = boards.filter(pl.col("task") == board.task)
    whole = rows.filter(pl.all_horizontal(pl.col("label", "degree", "other").is_null()))
    by: dict[str, dict[str, dict[str, Any]]] = {}
    for row in whole.to_dicts():
        by.setdefault(row["subject"], {})[row["metric"]] = row
    better = rows.filter((pl.col("metric") == "p_value") & (pl.col("value") < SIGNIFICANT))
    beats = dict(better.group_by("subject").agg(pl.col("other").sort()).rows())
    ranked = [
        Standing(
            subject,
            int(of["rank"]["value"]),
            int(of["rank"]["high"]),
            of["score"],
            {metric: of[metric] for metric in columns(board) if metric in of},
            beats.get(subject, []),
        )
        for subject, of in by.items()
        if {"rank", "score"} <= of.keys()
    ]
    return sorted(ranked, key=lambda line: (-(line.score["value"] or 0.0), line.subject))


@dataclass(frozen=True)
class Comparison:
    """Subjects side by side: of each without a form its rows of SCORES by metric, of each form one row by subject."""

    lines: list[tuple[str, dict[str, dict[str, Any]]]]
    forms: list[tuple[str, dict[str, dict[str, Any]]]]
    subjects: list[str]

    def columns(self, board: Board) -> list[str]:
        """The metrics that some subject has by itself; the first always."""
        first, *others = board.metrics
        return [first, *(metric for metric in others if any(metric in of for _, of in self.lines))]


def comparison(boards: pl.DataFrame, board: Board) -> Comparison:
    """What a board without ranks shows, in the order of the scores."""
    rows = boards.filter(pl.col("task") == board.task, pl.all_horizontal(pl.col("label", "degree", "other").is_null()))
    lines: dict[str, dict[str, dict[str, Any]]] = {}
    forms: dict[str, dict[str, dict[str, Any]]] = {}
    first = next(iter(board.metrics))
    for row in rows.filter(pl.col("metric").is_in(list(board.metrics))).to_dicts():
        if row["form"] is None:
            lines.setdefault(row["subject"], {})[row["metric"]] = row
        elif row["metric"] == first:
            forms.setdefault(row["form"], {})[row["subject"]] = row
    scored = rows.filter(pl.col("form").is_not_null(), metric=first)
    subjects = scored["subject"].unique(maintain_order=True).to_list()
    return Comparison(list(lines.items()), list(forms.items()), subjects)


def columns(board: Board) -> list[str]:
    """The metrics that stand beside rank and score: those of one subject by itself, and not of its labels alone."""
    return [metric for metric in board.metrics if metric not in ("rank", "score", *PAIRS)]


def by_label(boards: pl.DataFrame, board: Board, metric: str) -> dict[tuple[str, str], dict[str, Any]]:
    """Rows of SCORES of a metric by subject (and form, where it has one: "subject (form)") and label."""
    rows = boards.filter((pl.col("task") == board.task) & (pl.col("metric") == metric) & pl.col("label").is_not_null())
    return {(named(row["subject"], row["form"]), row["label"]): row for row in rows.to_dicts()}


def named(subject: str, form: str | None) -> str:
    """A subject in a form, as a line of a table is called."""
    return subject if form is None else f"{subject} ({form})"


def by_offset(boards: pl.DataFrame, board: Board) -> dict[str, dict[str | None, list[dict[str, Any]]]]:
    """Rows of SCORES over offsets, by subject and label (None: the first metric, of all), with their ``offset``."""
    of_all = pl.col("label").is_null() & (pl.col("metric") == next(iter(board.metrics)))
    of_one = pl.col("label").is_not_null() & (pl.col("metric") == pl.lit(board.by_offset, pl.String))
    rows = boards.filter((pl.col("task") == board.task) & (of_all | of_one)).with_columns(offset=offset())
    found: dict[str, dict[str | None, list[dict[str, Any]]]] = {}
    for row in rows.drop_nulls(["offset", "value"]).sort("offset", maintain_order=True).to_dicts():
        found.setdefault(row["subject"], {}).setdefault(row["label"], []).append(row)
    return found


def offset() -> pl.Expr:
    """How many tokens into a reply a score is of, which its form says ("offset 16"); null where it says none."""
    return pl.col("form").str.extract(r"^offset (\d+)$").cast(pl.Int64)


def by_degree(boards: pl.DataFrame, board: Board) -> dict[str, list[dict[str, Any]]]:
    """Rows of SCORES of the metric that is drawn against the asked degree, by subject, in the order of the degrees."""
    rows = boards.filter((pl.col("task") == board.task) & (pl.col("metric") == pl.lit(board.by_degree, pl.String)))
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows.drop_nulls(["degree", "value"]).sort("subject", "degree").to_dicts():
        found.setdefault(row["subject"], []).append(row)
    return found


def pairs(boards: pl.DataFrame, board: Board) -> dict[tuple[str, str], tuple[float, float]]:
    """Of each two subjects, the better one first: by how much its score is higher, and the p-value of that."""
    rows = boards.filter((pl.col("task") == board.task) & pl.col("other").is_not_null())
    wide = rows.filter(pl.col("metric").is_in(PAIRS)).pivot("metric", index=["subject", "other"], values="value")
    if not set(PAIRS) <= set(wide.columns):
        return {}
    return {(subject, other): (gap, p) for subject, other, gap, p in wide.select("subject", "other", *PAIRS).rows()}
