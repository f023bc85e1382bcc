"""One small picture of a table, as SVG in Markdown: what its materialisation shows in the Dagster UI."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape

import polars as pl

from corpusmith.emotions import EMOTIONS
from corpusmith.release.examples import SIDE, thumbnail
from corpusmith.release.report import boards

SHADES = {"natural": "#4f7cac", "rewritten": "#e0a458", "synthetic": "#7aa874"}
PLAIN, REJECTED, INK, FAINT = "#4f7cac", "#c0605a", "#555555", "#dddddd"
FONT = 'font-family="system-ui, sans-serif" font-size="12"'
ROW, LEFT, BAR = 22, 120, 380
THUMBNAIL, SHEET_COLUMNS = SIDE, 6


def markdown(name: str, drawn: Sequence[str]) -> str | None:
    """Pictures as images in Markdown; None where there is nothing to draw."""
    data = [base64.b64encode(svg.encode()).decode() for svg in drawn if svg]
    return "\n\n".join(f"![{name}](data:image/svg+xml;base64,{one})" for one in data) or None


def class_balance(table: pl.LazyFrame) -> str:
    """Bars: kept rows of each emotion, by origin."""
    kept = table.filter(pl.col("verdict") == "kept") if "verdict" in table.collect_schema() else table
    counted = dict(((e, o), n) for e, o, n in kept.group_by("emotion", "origin").len().collect().rows())
    return _bars({e: [(counted.get((e, o), 0), shade) for o, shade in SHADES.items()] for e in EMOTIONS}, SHADES)


def reasons(table: pl.LazyFrame) -> str:
    """Bars: rejected rows by reason, the commonest first."""
    found = table.select(reason=pl.col("reasons")).explode("reason").drop_nulls().group_by("reason").len().collect()
    ordered = found.sort("len", "reason", descending=[True, False]).rows()
    return _bars({reason: [(rows, REJECTED)] for reason, rows in ordered}) if ordered else ""


def fates(images: pl.LazyFrame, maker: str = "generator") -> str:
    """Bars: kept and rejected images of each maker."""
    counted = images.group_by(maker, "verdict").len().collect()
    rows = {(name, verdict): n for name, verdict, n in counted.rows()}
    shades = {"kept": PLAIN, "rejected": REJECTED}
    names = counted[maker].unique().sort()
    return _bars({name: [(rows.get((name, fate), 0), shades[fate]) for fate in shades] for name in names}, shades)


def leaderboard(table: pl.LazyFrame) -> str:
    """Scores with their 95 % intervals, the best first."""
    overall = pl.all_horizontal(pl.col("label", "degree", "other").is_null()) & (pl.col("metric") == "score")
    best = table.collect().filter(overall).sort("value", "subject", descending=[True, False], nulls_last=True)
    parts = [_text(LEFT + t * BAR, 14, f"{t:.1f}", "middle") for t in (0, 0.2, 0.4, 0.6, 0.8, 1)]
    parts += [_path(f"M{LEFT + t * BAR:.1f} 20v{best.height * ROW}", FAINT) for t in (0, 0.2, 0.4, 0.6, 0.8, 1)]
    for number, row in enumerate(best.drop_nulls("value").to_dicts()):
        y = 20 + number * ROW
        parts.append(_text(LEFT - 8, y + 15, row["subject"].removeprefix("house/"), "end"))
        parts.append(_path(f"M{LEFT + row['low'] * BAR:.1f} {y + 11}H{LEFT + row['high'] * BAR:.1f}", PLAIN, width=2))
        parts.append(_rect(LEFT + row["value"] * BAR - 3, y + 8, 6, 6, PLAIN))
        parts.append(_text(LEFT + BAR + 8, y + 15, f"{row['value']:.2f}"))
    return _svg(LEFT + BAR + 60, 28 + best.height * ROW, parts) if best.height else ""


def probe_curve(table: pl.LazyFrame) -> str:
    """Lines: accuracy of the probe by relative depth, one for each model and form, with the baselines dashed."""
    accuracy = table.collect().filter((pl.col("metric") == "accuracy") & pl.col("label").is_null()).drop_nulls("value")
    layers = accuracy.drop_nulls("depth").sort("subject", "form", "depth")
    lines = {
        f"{subject} ({form})": part.select("depth", "value").rows()
        for (subject, form), part in layers.group_by("subject", "form", maintain_order=True)
    }
    flat = accuracy.filter(pl.col("depth").is_null()).select("subject", "value").rows()
    return _curves(lines, flat, "accuracy of the probe by depth of the layer")


def persistence_curve(table: pl.LazyFrame) -> str:
    """Lines: accuracy of the probe by tokens into the reply, in powers of two, one for each model; dashed: chance."""
    accuracy = table.collect().filter((pl.col("metric") == "accuracy") & pl.col("label").is_null()).drop_nulls("value")
    if accuracy.is_empty():
        return ""
    at = boards.offset().log1p()
    placed = accuracy.select("subject", "value", at=at / at.max()).sort("subject", "at")
    lines = {
        str(subject): part.select("at", "value").rows()
        for (subject,), part in placed.group_by("subject", maintain_order=True)
    }
    longest = accuracy.select(boards.offset().max()).item()
    title = f"accuracy of the probe from 0 to {longest} tokens into the reply (logarithmic)"
    return _curves(lines, [("chance", 1 / len(EMOTIONS))], title)


def _curves(lines: dict[str, list[tuple[float, float]]], flat: Sequence[tuple[str, float]], title: str) -> str:
    """Lines of (x, y), from 0 to 1, and flat ones, dashed."""
    shades = [*SHADES.values(), "#8b6bb1", "#c0605a", "#5aa9a3", "#999999"]
    parts = [_text(LEFT - 8, 20 + 160 * (1 - t) + 4, f"{t:.1f}", "end") for t in (0, 0.2, 0.4, 0.6, 0.8, 1)]
    parts += [_path(f"M{LEFT} {20 + 160 * (1 - t)}h{BAR}", FAINT) for t in (0, 0.2, 0.4, 0.6, 0.8, 1)]
    for name, value in flat:
        y = 20 + 160 * (1 - value)
        parts += [_path(f"M{LEFT} {y:.1f}h{BAR}", INK, "4 3"), _text(LEFT + BAR + 6, y + 4, f"{name} {value:.2f}")]
    for number, (label, points) in enumerate(lines.items()):
        shade = shades[number % len(shades)]
        path = "L".join(f"{LEFT + x * BAR:.1f} {20 + 160 * (1 - y):.1f}" for x, y in points)
        parts.append(_path(f"M{path}", shade, width=2))
        parts += [_square(LEFT, 216 + number * 18, shade), _text(LEFT + 16, 226 + number * 18, label)]
    parts.append(_text(LEFT + BAR / 2, 202, title, "middle"))
    return _svg(LEFT + BAR + 200, 226 + len(lines) * 18, parts)


def confusion_matrix(table: pl.LazyFrame) -> str:
    """A matrix for each subject and form: rows are what a sample shows, columns what was answered, "?" unreadable."""
    counts = table.filter(pl.col("metric") == "count").collect()
    parts: list[str] = []
    top = width = 0.0
    for (subject, form), part in counts.group_by("subject", "form", maintain_order=True):
        cells = {(a, p): v for a, p, v in part.select("label", "predicted", "value").rows()}
        labels, columns = (part[name].unique(maintain_order=True).to_list() for name in ("label", "predicted"))
        parts.append(_text(LEFT, top + 16, str(subject) if form is None else f"{subject} ({form})"))
        parts += [_text(LEFT + i * 56 + 28, top + 36, p or "?", "middle") for i, p in enumerate(columns)]
        for row, actual in enumerate(labels):
            total = sum(cells.get((actual, p), 0) for p in columns) or 1
            y = top + 42 + row * ROW
            parts.append(_text(LEFT - 8, y + 15, actual, "end"))
            for column, predicted in enumerate(columns):
                n = cells.get((actual, predicted), 0)
                shade = PLAIN if actual == predicted else REJECTED
                parts.append(_rect(LEFT + column * 56, y, 54, ROW - 2, shade, 0.08 + 0.92 * n / total))
                ink = "white" if n > total / 2 else INK
                parts.append(_text(LEFT + column * 56 + 27, y + 15, f"{n:.0f}" if n else "", "middle", ink))
        top += 42 + len(labels) * ROW + 16
        width = max(width, LEFT + len(columns) * 56 + 10)
    return _svg(width, top, parts) if parts else ""


def contact_sheet(images: pl.LazyFrame, label: str = "emotion", key: str = "key") -> str:
    """The first images of each label, small."""
    images = images.select(key=key, label=label, image="image", image_sha256="image_sha256")
    made = images.select("key", "label", "image_sha256").drop_nulls("image_sha256").collect()
    shown = made.group_by("label", maintain_order=True).head(SHEET_COLUMNS)["key"]
    first = images.filter(pl.col("key").is_in(shown.implode())).select("label", "image").collect()
    parts: list[str] = []
    for row, ((said,), part) in enumerate(first.group_by("label", maintain_order=True)):
        y = row * (THUMBNAIL + 4)
        parts.append(_text(LEFT - 8, y + THUMBNAIL / 2, str(said).removeprefix("house/"), "end"))
        for column, image in enumerate(part["image"].struct.field("bytes")):
            source = base64.b64encode(thumbnail(image) or b"").decode()
            size = f'x="{LEFT + column * (THUMBNAIL + 4)}" y="{y}" width="{THUMBNAIL}" height="{THUMBNAIL}"'
            parts.append(f'<image {size} href="data:image/webp;base64,{source}"/>')
    rows = first["label"].n_unique()
    return _svg(LEFT + SHEET_COLUMNS * (THUMBNAIL + 4), rows * (THUMBNAIL + 4), parts) if parts else ""


def _bars(bars: dict[str, list[tuple[int, str]]], legend: dict[str, str] | None = None) -> str:
    most = max((sum(n for n, _ in parts) for parts in bars.values()), default=0) or 1
    drawn: list[str] = []
    for number, (label, parts) in enumerate(bars.items()):
        y, x = number * ROW, float(LEFT)
        drawn.append(_text(LEFT - 8, y + 15, label, "end"))
        for rows, shade in parts:
            drawn.append(_rect(x, y + 2, BAR * rows / most, ROW - 4, shade))
            x += BAR * rows / most
        drawn.append(_text(x + 6, y + 15, f"{sum(n for n, _ in parts):,}"))
    bottom = len(bars) * ROW + 8
    for number, (label, shade) in enumerate((legend or {}).items()):
        drawn += [_square(LEFT + number * 110, bottom, shade), _text(LEFT + number * 110 + 16, bottom + 10, label)]
    return _svg(LEFT + BAR + 80, bottom + (16 if legend else 0), drawn)


def _svg(width: float, height: float, parts: Sequence[str]) -> str:
    size = f'width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}"'
    ground = '<rect width="100%" height="100%" fill="white"/>'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} {FONT}>{ground}{"".join(parts)}</svg>'


def _text(x: float, y: float, text: str, anchor: str = "start", fill: str = INK) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{fill}">{escape(text)}</text>' if text else ""


def _rect(x: float, y: float, width: float, height: float, fill: str, opacity: float = 1) -> str:
    size = f'width="{width:.1f}" height="{height:.1f}"'
    return f'<rect x="{x:.1f}" y="{y:.1f}" {size} fill="{fill}" fill-opacity="{opacity:.2f}"/>'


def _square(x: float, y: float, fill: str) -> str:
    return _rect(x, y, 11, 11, fill)


def _path(d: str, stroke: str, dashes: str = "none", width: float = 1) -> str:
    return f'<path d="{d}" fill="none" stroke="{stroke}" stroke-width="{width}" stroke-dasharray="{dashes}"/>'
