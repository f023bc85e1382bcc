"""The dataset card: README.md with the front matter that the Hub and `load_dataset` read."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from corpusmith.release.columns import IMAGE, images_of
from corpusmith.release.inputs import NATURAL, Release
from corpusmith.release.report.boards import comparison, standings
from corpusmith.release.shards import features, splits_of
from corpusmith.release.summary import JUDGED, Summary
from corpusmith.score.scores import machines

FEW = 4  # origins, up to which each is spoken of by itself
SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"), (10**7, "1M<n<10M"))


def write(folder: Path, summary: Summary, release: Release, shards: Mapping[str, str]) -> None:
    """README.md, from the release's words and the counts of its rows."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    # Markdown, not HTML: cells are escaped by `cell`, nothing else comes from the rows.
    environment = Environment(
        loader=PackageLoader("corpusmith.release", "."),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"cell": cell, "number": number}
    files = sorted((folder / "data").iterdir())
    rows = pl.scan_parquet(files, glob=False)
    columns = features(files[0], release.text.classes)._to_yaml_list()  # as `datasets` writes cards
    text = environment.get_template("card.md.jinja").render(
        front_matter=yaml.safe_dump(
            front_matter(summary, release, splits_of(rows), shards, columns), sort_keys=False, allow_unicode=True
        ),
        corpus=release.corpus,
        version=release.version,
        text=release.text,
        summary=summary,
        stages=_stages(summary, release),
        splits=summary.count("split"),
        balance=_balance(summary, release),
        many=len(release.text.origins) > FEW,
        columns=_columns(rows.collect_schema(), release),
        reasons=_reasons(summary, release),
        overall=summary.overall.to_dicts(),
        machines=machines(release.scores),
        boards=[(board, standings(summary.boards, board)) for board in release.text.boards if board.ranked],
        comparisons=[(board, comparison(summary.boards, board)) for board in release.text.boards if not board.ranked],
        has_images=bool(images_of(rows)),
        rejected_images=release.rejected_images,
        limits=[*release.text.limits, *measured_limits(summary, release)],
        sources=sorted(release.sources, key=lambda source: source.name),
        makers=_makers(release),
        house=any(str(made.get("model", "")).startswith("house/") for made in release.makers.values()),
        writers=_roles(rows, "writer"),
        judges=_roles(rows, "judge"),
    )
    (folder / "README.md").write_text(text)


def front_matter(
    summary: Summary, release: Release, splits: list[str], shards: Mapping[str, str], columns: list[dict[str, Any]]
) -> dict[str, Any]:
    """The card's metadata as the Hub documents it (huggingface.co/docs/hub/datasets-cards).

    Each config's description has a digest of its rows: `load_dataset` (5.2) keeps what it prepared by this front matter
    alone, and would go on showing the rows of a release that was since replaced. columns: of the data, as it has them.
    """
    text = release.text
    size = next((name for bound, name in SIZES if summary.rows < bound), "n>10M")
    data = [{"split": split, "path": f"data/{split}-*.parquet"} for split in splits]
    return {
        "pretty_name": text.title,
        "license": text.licence,
        "language": list(text.language),
        "task_categories": list(text.task_categories),
        "tags": list(text.tags),
        "size_categories": [size],
        "dataset_info": [{"config_name": "data", "features": columns}],
        "configs": [
            {"config_name": "data", "default": True, **_said(release, "data", shards), "data_files": data},
            *(
                {
                    "config_name": name,
                    **_said(release, name, shards),
                    "data_files": [{"split": name, "path": f"{name}/{name}-*.parquet"}],
                }
                for name in ("rejected", "scores")
            ),
        ],
    }


def _said(release: Release, config: str, shards: Mapping[str, str]) -> dict[str, str]:
    lines = "".join(f"{digest}  {name}\n" for name, digest in shards.items() if name.startswith(f"{config}/"))
    return {"version": release.version, "description": f"rows {sha256(lines.encode()).hexdigest()[:16]}"}


def measured_limits(summary: Summary, release: Release) -> list[str]:
    """What the counts themselves say against the corpus."""
    label, origins = release.text.label, release.text.origins
    counted = summary.balance.group_by("origin", "label").agg(pl.col("rows").sum())
    made_up = pl.col("origin") != NATURAL
    said = []
    if NATURAL in origins and counted.filter(made_up).height:
        made = pl.col("rows").filter(made_up).sum() / pl.col("rows").sum()
        by_label = counted.group_by("label").agg(made).sort("rows", "label", descending=[True, False])
        most, share = by_label.row(0)
        guessed = counted.group_by("origin").agg(pl.col("rows").max())["rows"].sum() / summary.rows
        said += [
            f"{counted.select(made).item():.0%} of the rows are not {NATURAL}; the most among {most}: {share:.0%}.",
            f"Origin and {label} are tied: whoever knows only the origin of a row and guesses its commonest {label} is "
            f"right for {guessed:.0%} (by chance: {1 / by_label.height:.0%}).",
        ]
    hit = pl.col("rows").filter(pl.col("actual") == pl.col("predicted")).sum() / pl.col("rows").sum()
    asked = summary.confusions.filter(pl.col("name").str.starts_with(JUDGED))
    shares = asked.group_by("name", maintain_order=True).agg(hit).rows()
    if len(shares) > FEW:
        named = [(share, name.removeprefix(JUDGED)) for name, share in shares]
        (least, worst), (most, best) = min(named), max(named)
        said.append(f"The judges saw the asked {label} in {least:.0%} ({worst}) to {most:.0%} ({best}) of the rows.")
    else:
        for name, share in shares:
            made_as = name.removeprefix(JUDGED)
            said.append(f"The judge saw the asked {label} in {share:.0%} of what was made as {made_as}.")
    return said


def cell(value: object) -> str:
    """A value that cannot break out of a Markdown table's cell, or be read as HTML."""
    text = "" if value is None else str(value)
    for mark, harmless in (("&", "&amp;"), ("<", "&lt;"), ("|", "\\|"), ("\r", " "), ("\n", " ")):
        text = text.replace(mark, harmless)
    return text


def number(value: float | None, digits: int = 3) -> str:
    """A number for people: thousands with a comma, shares with three digits, nothing for null."""
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) else f"{value:.{digits}f}"


def _stages(summary: Summary, release: Release) -> list[dict[str, Any]]:
    flow = summary.flow.group_by("stage").agg(pl.col("rows_in", "rejected", "rows_out").sum())
    counted = {row["stage"]: row for row in flow.to_dicts()}
    return [
        {"name": s.name, "sentence": s.sentence, **counted[s.name]} for s in release.text.stages if s.name in counted
    ]


def _balance(summary: Summary, release: Release) -> list[dict[str, Any]]:
    """For each label: rows by origin, by split, and in all."""
    rows = []
    for label in [*release.text.labels, None]:
        part = summary.balance if label is None else summary.balance.filter(pl.col("label") == label)
        by = {column: dict(part.group_by(column).agg(pl.col("rows").sum()).rows()) for column in ("origin", "split")}
        rows.append({"label": label or "all", **by, "rows": part["rows"].sum()})
    return rows


def _columns(schema: pl.Schema, release: Release) -> list[tuple[str, str, str]]:
    return [(name, _kind(kind), release.text.columns.get(name, "")) for name, kind in schema.items()]


def _kind(kind: Any) -> str:
    if kind == IMAGE:
        return "image"
    if isinstance(kind, pl.List):
        return f"list of {_kind(kind.inner)}"
    return "struct" if isinstance(kind, pl.Struct) else str(kind).lower()


def _reasons(summary: Summary, release: Release) -> list[tuple[str, str, int]]:
    counted = summary.reasons.group_by("reason", maintain_order=True).agg(pl.col("rows").sum())
    return [(code, release.text.reasons[code], rows) for code, rows in counted.rows()]


def _makers(release: Release) -> list[tuple[str, str, str]]:
    """Fingerprint, model (and the name that it goes by, where that is another), revision."""
    found = []
    for fingerprint, made in sorted(release.makers.items()):
        model = str(made.get("model", ""))
        name = made.get("generator", model)
        found.append((fingerprint, model if name == model else f"{model} as {name}", str(made.get("revision", ""))))
    return found


def _roles(rows: pl.LazyFrame, column: str) -> list[str]:
    """Who wrote or judged the rows, as the rows say it."""
    if column not in rows.collect_schema():
        return []
    return rows.select(pl.col(column).drop_nulls().unique().sort()).collect().to_series().to_list()
