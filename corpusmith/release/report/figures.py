"""What the report draws of images and leaderboards, as plain data for its template."""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Iterable
from typing import Any

from corpusmith.release.examples import COLOURS, GIVEN
from corpusmith.release.inputs import Board, Release
from corpusmith.release.report import boards
from corpusmith.release.report.charts import Curve, Point, histogram, line_chart, small_chart
from corpusmith.release.summary import Summary

HEAD = 24  # letters of a column's name that can be read
DEGREES = 3  # the strongest that is asked for
SEVERITY = re.compile(r"(.+) ([1-5])")
SHARE = re.compile(r"(\d+)% (?:of )?(.+)")
SEVERITIES = 5


def sheet(summary: Summary, release: Release) -> list[dict[str, Any]]:
    """For each label its lines: what was asked for, and each origin's image with the reason if it was rejected."""
    drawn = []
    origins = [*([GIVEN] if release.text.beside else []), *release.text.origins]
    for (label,), part in summary.sheet.group_by("label", maintain_order=True):
        lines = []
        for (group, says), row in part.group_by("group", "says", maintain_order=True):
            made = {cell["origin"]: cell for cell in row.to_dicts()}
            cells = [(origin, _cell(made.get(origin))) for origin in origins]
            lines.append({"group": group, "says": says, "cells": cells})
        drawn.append({"label": label, "lines": lines})
    return drawn


def source_of(image: bytes | None) -> str | None:
    """A WebP as the address of an image that lies in the page itself."""
    return None if image is None else f"data:image/webp;base64,{base64.b64encode(image).decode()}"


def spreads(summary: Summary) -> list[tuple[str, Any]]:
    """For each measure its name and its histogram."""
    return [
        (str(measure), histogram(part.select("low", "high", "kept", "rejected").rows()))
        for (measure,), part in summary.spreads.group_by("measure", maintain_order=True)
    ]


def leaderboards(summary: Summary, release: Release) -> list[dict[str, Any]]:
    """For each board that was scored its standings, shares by label, curves by degree, and pairs."""
    drawn = []
    for board in (board for board in release.text.boards if board.ranked):
        lines = boards.standings(summary.boards, board)
        if lines:
            names = [line.subject for line in lines]
            shown = [metric for metric in boards.columns(board) if any(metric in line.metrics for line in lines)]
            drawn.append(
                {
                    "board": board,
                    "lines": lines,
                    "columns": shown,
                    "by_label": [_by_label(summary, release, board, metric, names) for metric in board.by_label],
                    "curves": _curves(summary, board, names),
                    "pairs": _pairs(summary, board, names),
                }
            )
    return drawn


def comparisons(summary: Summary, release: Release) -> list[dict[str, Any]]:
    """For each board without ranks that was scored its lines, forms, and shares by label."""
    drawn = []
    for board in (board for board in release.text.boards if not board.ranked):
        found = boards.comparison(summary.boards, board)
        if found.lines or found.forms:
            by_label = [_by_label(summary, release, board, metric) for metric in board.by_label]
            shown = found.columns(board)
            published = list(dict.fromkeys(subject for cells in board.published.values() for subject in cells))
            drawn.append(
                {
                    "board": board,
                    "found": found,
                    "columns": shown,
                    "by_label": by_label,
                    "published": published,
                    "curves": _steps(found, board),
                    "lasting": _lasting(summary, release, board),
                    "turned": _longest(found.subjects) > max(HEAD, _longest(form for form, _ in found.forms)),
                }
            )
    return drawn


def strips(summary: Summary) -> list[dict[str, Any]]:
    """Chains of images: of each image its address, what was done, and by whom."""
    return [
        {"says": row["says"], "images": [{**image, "image": source_of(image["image"])} for image in row["images"]]}
        for row in summary.strips
    ]


def colours(release: Release) -> dict[str, str]:
    """The colour of each label in the chains."""
    return {label: COLOURS[place % len(COLOURS)] for place, label in enumerate(release.text.labels)}


def _cell(made: dict[str, Any] | None) -> dict[str, Any]:
    if made is None:
        return {"image": None, "reason": "absent"}
    return {"image": source_of(made["image"]), "reason": made["reason"]}


def _by_label(
    summary: Summary, release: Release, board: Board, metric: str, names: list[str] | None = None
) -> dict[str, Any]:
    """A table of a metric: a line for each subject (those of names, else all), a column for each label, 0 to 1."""
    found = boards.by_label(summary.boards, board, metric)
    names = list(dict.fromkeys(name for name, _ in found)) if names is None else names
    labels = [label for label in release.text.labels if any((name, label) in found for name in names)]
    return {
        "metric": metric,
        "labels": labels,
        "lines": [(name, [found.get((name, label)) for label in labels]) for name in names],
    }


def _longest(names: Iterable[str]) -> int:
    return max(map(len, names), default=0)


def _steps(found: boards.Comparison, board: Board) -> list[tuple[str, Any]]:
    """For each kind of steps its chart: the curves of the board's subjects, and as a dashed line what has one step."""
    kinds: dict[str, dict[str, list[Point]]] = {}
    for form, row in found.forms:
        if step := _step(form):
            kind, at, says = step
            for subject in (subject for subject in board.curves if row.get(subject, {}).get("value") is not None):
                held = row[subject]
                low, high = (held["value"] if held[side] is None else held[side] for side in ("low", "high"))
                told = f"{subject}, {says}: {held['value']:.3f} ({low:.3f} – {high:.3f})"
                kinds.setdefault(kind, {}).setdefault(subject, []).append(Point(at, held["value"], low, high, told))
    first = next(iter(board.metrics)).replace("_", " ")
    drawn = []
    for kind, of in kinds.items():
        curves = [Curve(subject, points) for subject, points in of.items() if len(points) > 1]
        alone = [(subject, points[0].value) for subject, points in of.items() if len(points) == 1]
        if curves:
            drawn.append((kind, line_chart(curves, alone, kind, first)))
    return drawn


def _step(form: str) -> tuple[str, float, str] | None:
    """What a form is a step of, how far along it is (of a severity in fifths), and how that is said."""
    if severity := SEVERITY.fullmatch(form):
        return severity[1], int(severity[2]) / SEVERITIES, f"severity {severity[2]}"
    if share := SHARE.fullmatch(form):
        return share[2], int(share[1]) / 100, f"{share[1]} %"
    return None


def _curves(summary: Summary, board: Board, names: list[str]) -> list[tuple[str, Any]]:
    found = boards.by_degree(summary.boards, board)
    return [
        (name, small_chart([_degree(row) for row in found[name]], "asked", f"{board.by_degree} seen"))
        for name in names
        if name in found
    ]


def _lasting(summary: Summary, release: Release, board: Board) -> list[tuple[str, list[tuple[str, Any]]]]:
    """For each subject its charts over offsets: of all labels, then of each; dashed: chance."""
    chance, drawn = 1 / len(release.text.labels), []
    for subject, of in boards.by_offset(summary.boards, board).items():
        longest = max(row["offset"] for rows in of.values() for row in rows) or 1
        charts = []
        for label in (label for label in (None, *release.text.labels) if label in of):
            points = [_point(row, math.log1p(row["offset"]) / math.log1p(longest), row["form"]) for row in of[label]]
            title = f"0 to {longest} tokens, logarithmic"
            metric = next(iter(board.metrics)) if label is None else str(board.by_offset)
            charts.append(
                (label or f"every {release.text.label}", small_chart(points, title, metric, (chance, chance)))
            )
        drawn.append((subject, charts))
    return drawn


def _point(row: dict[str, Any], x: float, says: str) -> Point:
    low, high = (row["value"] if row[side] is None else row[side] for side in ("low", "high"))
    return Point(x, row["value"], low, high, f"{says}: {row['value']:.3f} ({low:.3f} – {high:.3f}), {row['n']:,} rows")


def _degree(row: dict[str, Any]) -> Point:
    return _point(row, row["degree"] / DEGREES, f"asked degree {row['degree']}")


def _pairs(summary: Summary, board: Board, names: list[str]) -> list[dict[str, Any]]:
    """A line for each subject: how much its score is higher than each other's, and the p-value of that."""
    found = boards.pairs(summary.boards, board)
    turned = {(other, subject): (-gap, p) for (subject, other), (gap, p) in found.items()}
    every = {**turned, **found}
    return [
        {"subject": name, "cells": [(other, every.get((name, other))) for other in names]} for name in names if every
    ]
