"""The dataset card: README.md with the front matter that the Hub and `load_dataset` read, and the LICENSE beside it."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import yaml

from corpusmith.release import hub_terms
from corpusmith.release.columns import IMAGE, images_of
from corpusmith.release.inputs import NATURAL, Board, CardText, Release
from corpusmith.release.report.boards import Comparison, comparison, standings
from corpusmith.release.shards import features, splits_of
from corpusmith.release.summary import JUDGED, Summary
from corpusmith.score.scores import machines

LICENCE = "LICENSE"
FEW = 4  # origins, up to which each is spoken of by itself


def write(folder: Path, summary: Summary, release: Release, shards: Mapping[str, str]) -> None:
    """README.md, from the release's words and the counts of its rows, and LICENSE, where the Hub looks for terms."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    # Markdown, not HTML: cells are escaped by `cell`, nothing else comes from the rows.
    environment = Environment(
        loader=PackageLoader("corpusmith.release", "."),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"cell": cell, "linked": linked, "number": number}
    rows = pl.scan_parquet(sorted((folder / "data").iterdir()), glob=False)
    front = front_matter(folder, summary, release, splits_of(rows), shards)
    text = environment.get_template("card.md.jinja").render(
        front_matter=yaml.safe_dump(front, sort_keys=False, allow_unicode=True),
        configs=[config["config_name"] for config in front["configs"]],
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
        beside=summary.beside.to_dicts(),
        machines=machines(release.scores),
        boards=[(board, standings(summary.boards, board)) for board in release.text.boards if board.ranked],
        comparisons=_comparisons(summary, release),
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
    said = (f"{release.text.title}, version {release.version}", release.text.licence_short, release.text.licence_text)
    (folder / LICENCE).write_text("\n\n".join(part for part in said if part) + "\n")


def front_matter(
    folder: Path, summary: Summary, release: Release, splits: list[str], shards: Mapping[str, str]
) -> dict[str, Any]:
    """The card's metadata as the Hub documents it (huggingface.co/docs/hub/datasets-cards).

    Each config's description has a digest of its rows: `load_dataset` (5.2) keeps what it prepared by this front matter
    alone, and would go on showing the rows of a release that was since replaced. It also counts the rows of each split,
    and raises an error where ``num_examples`` says otherwise. A config without rows, which it cannot open, is left out.
    """
    text = release.text
    configs = {"data": splits, **{name: [name] for name in ("rejected", "scores") if _rows(folder / name)}}
    return {
        "pretty_name": text.title,
        **_licence(text, release.corpus),
        "language": list(text.language),
        "task_categories": list(text.task_categories),
        "tags": list(text.tags),
        "size_categories": [hub_terms.size(summary.rows)],
        "dataset_info": [
            {"config_name": name, **_info(folder / name, of, text if name == "data" else None)}
            for name, of in configs.items()
        ],
        "configs": [
            {
                "config_name": name,
                **({"default": True} if name == "data" else {}),
                **_said(release, name, shards),
                "data_files": [{"split": split, "path": f"{name}/{split}-*.parquet"} for split in of],
            }
            for name, of in configs.items()
        ],
    }


def _comparisons(summary: Summary, release: Release) -> list[tuple[Board, Comparison]]:
    """The boards without ranks that were scored."""
    every = [(board, comparison(summary.boards, board)) for board in release.text.boards if not board.ranked]
    return [(board, found) for board, found in every if found.lines or found.forms]


def _licence(text: CardText, corpus: str) -> dict[str, str]:
    """One of the Hub's licences, or ``other`` with a name, and the file that has the terms."""
    if text.licence in hub_terms.LICENCES:
        return {"license": text.licence}
    name = f"{corpus}-terms" if text.licence == "other" else text.licence
    return {"license": "other", "license_name": name, "license_link": LICENCE}


def _info(folder: Path, splits: list[str], text: CardText | None) -> dict[str, Any]:
    """Columns, rows and bytes of a config, as `datasets` writes cards; ``num_bytes`` are those of the decoded pages."""
    files = {split: sorted(folder.glob(f"{split}-*.parquet")) for split in splits}
    counted = [{"name": split, **_counted(paths)} for split, paths in files.items()]
    every = [path for paths in files.values() for path in paths]
    return {
        "features": features(every[0], text.classes if text else {})._to_yaml_list(),
        "splits": counted,
        "download_size": sum(path.stat().st_size for path in every),
        "dataset_size": sum(split["num_bytes"] for split in counted),
    }


def _rows(folder: Path) -> int:
    return sum(pq.read_metadata(path).num_rows for path in folder.iterdir())


def _counted(paths: list[Path]) -> dict[str, int]:
    footers = [pq.read_metadata(path) for path in paths]
    groups = [footer.row_group(number) for footer in footers for number in range(footer.num_row_groups)]
    return {
        "num_bytes": sum(group.total_byte_size for group in groups),
        "num_examples": sum(footer.num_rows for footer in footers),
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


def linked(name: object) -> str:
    """A cell in which the models of the Hub are links to their pages.

    A name may be of several things ("caption, sdxl"), and of a model with its revision (model@revision).
    """
    return ", ".join(_linked(part) for part in ("" if name is None else str(name)).split(", "))


def _linked(name: str) -> str:
    model, _, revision = name.partition("@")
    page = hub_terms.page(model)
    if page is None:
        return cell(name)
    return f"[{cell(model)}]({page})" + (f"@{cell(revision)}" if revision else "")


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
    """Fingerprint, model as a cell (and the name that it goes by, where that is another), revision."""
    found = []
    for fingerprint, made in sorted(release.makers.items()):
        model = str(made.get("model", ""))
        name = made.get("generator", model)
        said = linked(model) if name == model else f"{linked(model)} as {cell(name)}"
        found.append((fingerprint, said, str(made.get("revision", ""))))
    return found


def _roles(rows: pl.LazyFrame, column: str) -> list[str]:
    """Who wrote or judged the rows, as the rows say it."""
    if column not in rows.collect_schema():
        return []
    return rows.select(pl.col(column).drop_nulls().unique().sort()).collect().to_series().to_list()
