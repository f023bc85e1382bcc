"""The release as one page for people: balance, what became of every row, examples, scores, provenance."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
from markupsafe import Markup

from corpusmith.emotions import EMOTIONS
from corpusmith.release.inputs import Release
from corpusmith.release.manifest import code_of, redacted
from corpusmith.release.report import figures
from corpusmith.release.report.charts import Curve, Point, line_chart
from corpusmith.release.summary import JUDGED, Summary
from corpusmith.score.scores import machines

FEW = 4  # origins, up to which each has a colour, a tile and a flow of its own


def write(folder: Path, summary: Summary, release: Release) -> None:
    """report/index.html: one file that needs nothing else, readable in a light and a dark setting."""
    page = folder / "report" / "index.html"
    page.parent.mkdir()
    page.write_text(render(summary, release))


def render(summary: Summary, release: Release) -> str:
    """The page's HTML; every text that comes from the corpus is escaped."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("corpusmith.release.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html.jinja").render(
        release=release,
        text=release.text,
        few=len(release.text.origins) <= FEW,
        asked_evenly=len(set(release.made.values())) == 1,
        rows=summary.rows,
        rejected=summary.rejected,
        commit=code_of(release.code)["commit"],
        origins=summary.count("origin"),
        splits=summary.count("split"),
        balance=_balance(summary, release),
        flow=_flow(summary, release),
        reasons=_reasons(summary, release),
        examples=_examples(summary, release),
        sheet=figures.sheet(summary, release),
        spreads=figures.spreads(summary),
        boards=figures.leaderboards(summary, release),
        comparisons=figures.comparisons(summary, release),
        strips=figures.strips(summary),
        colours=figures.colours(release),
        charts=_charts(summary),
        overall=_overall(summary),
        beside=summary.beside.to_dicts(),
        machines=machines(release.scores),
        confusions=_confusions(summary, release),
        makers=[(name, redacted(dict(made))) for name, made in sorted(release.makers.items())],
        sources=sorted(release.sources, key=lambda source: source.name),
    )


def _balance(summary: Summary, release: Release) -> list[dict[str, Any]]:
    """For each label its rows by origin, and how wide each is drawn."""
    counted = dict(
        ((label, origin), rows)
        for label, origin, rows in summary.balance.group_by("label", "origin").agg(pl.col("rows").sum()).rows()
    )
    totals = {
        label: sum(counted.get((label, origin), 0) for origin in release.text.origins) for label in release.text.labels
    }
    most = max(totals.values(), default=0) or 1
    return [
        {
            "label": label,
            "rows": totals[label],
            "parts": [
                (origin, counted.get((label, origin), 0), 100 * counted.get((label, origin), 0) / most)
                for origin in release.text.origins
            ],
        }
        for label in release.text.labels
    ]


def _flow(summary: Summary, release: Release) -> list[dict[str, Any]]:
    """For each origin its stages, drawn against the rows that came in."""
    drawn = []
    for origin in release.text.origins:
        stages = summary.flow.filter(pl.col("origin") == origin).to_dicts()
        made = release.made.get(origin, 0)
        if made:
            for stage in stages:
                stage |= {"out_width": 100 * stage["rows_out"] / made, "rejected_width": 100 * stage["rejected"] / made}
            drawn.append({"origin": origin, "made": made, "kept": stages[-1]["rows_out"], "stages": stages})
    return drawn


def _reasons(summary: Summary, release: Release) -> list[dict[str, Any]]:
    totals = (
        summary.reasons.group_by("reason", maintain_order=True)
        .agg(pl.col("rows").sum())
        .sort("rows", descending=True, maintain_order=True)
    )
    most = totals["rows"].max() or 1
    by = dict(((reason, origin), rows) for reason, origin, rows in summary.reasons.rows())
    return [
        {
            "code": reason,
            "sentence": release.text.reasons[reason],
            "rows": rows,
            "parts": [(o, by.get((reason, o), 0), 100 * by.get((reason, o), 0) / most) for o in release.text.origins],
            "texts": refused["text"].drop_nulls().to_list(),
            "images": [figures.source_of(image) for image in refused["image"].drop_nulls()],
        }
        for reason, rows in totals.rows()
        for refused in [summary.refused.filter(pl.col("reason") == reason)]
    ]


def _examples(summary: Summary, release: Release) -> list[dict[str, Any]]:
    """Examples by label and origin; the label that has the most of them stands open."""
    drawn: list[dict[str, Any]] = []
    if summary.texts.is_empty():
        return drawn
    for label in release.text.labels:
        part = summary.texts.filter(pl.col("label") == label)
        origins = [(origin, part.filter(pl.col("origin") == origin).to_dicts()) for origin in release.text.origins]
        drawn.append({"label": label, "origins": origins, "shown": part.height, "open": False})
    max(drawn, key=lambda row: int(row["shown"]))["open"] = True
    return drawn


def _charts(summary: Summary) -> list[tuple[str, Markup]]:
    """For each probed subject its accuracy by depth, one line for each form, held against what is of no layer."""
    flat = summary.overall.filter((pl.col("metric") == "accuracy") & pl.col("layer").is_null())
    baselines = flat.filter(pl.col("task") != "zero-shot")
    charts = []
    for (subject,), part in summary.depth.group_by("subject", maintain_order=True):
        curves = [
            Curve(str(form or "probe"), [_point(row) for row in rows.sort("layer").to_dicts()])
            for (form,), rows in part.group_by("form", maintain_order=True)
        ]
        asked = flat.filter((pl.col("task") == "zero-shot") & (pl.col("subject") == subject))
        named = [*baselines.select("subject", "value").rows(), *asked.select("task", "value").rows()]
        references = [(name, value) for name, value in named if value is not None]
        charts.append((str(subject), line_chart(curves, references, "depth of the probed layer", "accuracy")))
    return charts


def _point(row: dict[str, Any]) -> Point:
    says = f"layer {row['layer']}: {row['value']:.3f} ({row['low']:.3f} – {row['high']:.3f})"
    return Point(row["depth"], row["value"], row["low"], row["high"], says)


def _overall(summary: Summary) -> list[dict[str, Any]]:
    return summary.overall.drop_nulls("value").to_dicts()


def _confusions(summary: Summary, release: Release) -> list[dict[str, Any]]:
    """Each matrix as rows of (count, share of its row); what could not be read comes last, if anything."""
    drawn = []
    for (name,), part in summary.confusions.group_by("name", maintain_order=True):
        cells = dict(((actual, predicted), rows) for _, actual, predicted, rows in part.rows())
        there = {word for pair in cells for word in pair}
        order = EMOTIONS if there <= {*EMOTIONS, ""} else tuple(dict.fromkeys((*release.text.labels, *EMOTIONS)))
        columns = [*(word for word in order if word in there), *([""] if "" in there else [])]
        lines = []
        for actual in order:
            counts = [cells.get((actual, predicted), 0) for predicted in columns]
            if total := sum(counts):
                shares = [n / total for n in counts]
                lines.append(
                    {"actual": actual, "rows": total, "cells": list(zip(columns, counts, shares, strict=True))}
                )
        hits = sum(cells.get((label, label), 0) for label in order)
        apart = str(name).startswith(JUDGED) and len(release.text.origins) > FEW
        drawn.append(
            {"name": name, "apart": apart, "columns": columns, "lines": lines, "rows": part["rows"].sum(), "hits": hits}
        )
    return sorted(drawn, key=lambda matrix: bool(matrix["apart"]))
