"""What a release holds: chains of fit edits with every image, region and prompt, and the scenes without one."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from corpusmith.curate import masks
from corpusmith.validation.schema import DROPPED, EDITS, EDITS_REJECTED, TURN, schema

SCENE = ("scene", "kind", "caption", "source", "licence", "width", "height")


def released(scenes: pl.LazyFrame, turns: pl.LazyFrame, curated: pl.LazyFrame, editors: Sequence[str]) -> pl.LazyFrame:
    """The rows of a release (EDITS): a chain of fit edits of each scene that has some."""
    fit = curated.filter(pl.col("verdict") == "kept").collect()
    judged = fit.select("key", *(name for name in fit.columns if name not in turns.collect_schema()))
    made = turns.filter(pl.col("key").is_in(fit["key"].implode())).collect()
    edits = made.join(judged, on="key").sort("scene", "turn")
    of_scene = scenes.select(*SCENE, base="image", base_sha256="image_sha256")
    base = of_scene.filter(pl.col("scene").is_in(edits["scene"].unique().implode())).collect()
    dropped = _dropped(curated)
    known = {row["scene"]: row for row in base.iter_rows(named=True)}
    rows = [
        _chain(known[scene], part.to_dicts(), dropped.get(scene, []), editors)
        for (scene,), part in edits.group_by("scene", maintain_order=True)
    ]
    return pl.DataFrame(rows, schema(EDITS)).lazy()


def rejected(scenes: pl.LazyFrame, turns: pl.LazyFrame, curated: pl.LazyFrame) -> pl.LazyFrame:
    """The rejected rows (EDITS_REJECTED) with the images of their edits, which a release shows in its report."""
    verdicts = curated.collect()
    lost = verdicts.filter((pl.col("verdict") == "rejected").all().over("scene"))
    first = lost.filter(~pl.col("reasons").list.contains("chain_failed")).unique(
        "scene", keep="first", maintain_order=True
    )
    dropped = pl.DataFrame(
        [{"scene": scene, "dropped": rows} for scene, rows in _dropped(curated, but=set(first["key"])).items()],
        {"scene": pl.String, "dropped": pl.List(DROPPED)},
    )
    said = scenes.select(*SCENE, "image_sha256", plan="scene_plan", fingerprint="scene_fingerprint").collect()
    images = turns.filter(pl.col("key").is_in(first["key"].implode())).select("key", "image", "plan", "fingerprint")
    of_edits = first.join(said.drop("plan", "fingerprint", "image_sha256"), on="scene", maintain_order="left")
    of_edits = of_edits.join(images.collect(), on="key", maintain_order="left").join(dropped, on="scene", how="left")
    nothing = said.filter(~pl.col("scene").is_in(verdicts["scene"].implode())).with_columns(
        key="scene",
        reasons=pl.when(pl.col("image_sha256").is_null()).then(pl.lit(["not_made"])).otherwise(pl.lit(["no_region"])),
        image=pl.lit(None, EDITS["image"].dtype),
    )
    kinds = schema(EDITS_REJECTED) | {"image": EDITS["image"].dtype}
    return pl.concat([_typed(table, kinds) for table in (of_edits, nothing)]).lazy()


def made(scenes: pl.LazyFrame) -> dict[str, int]:
    """How many scenes there were of each kind."""
    return dict(scenes.group_by("kind").len().sort("kind").collect().rows())


def _typed(table: pl.DataFrame, kinds: Mapping[str, Any]) -> pl.DataFrame:
    there = set(table.columns)
    filled = [(pl.col(name) if name in there else pl.lit(None)).cast(kind).alias(name) for name, kind in kinds.items()]
    return table.select(filled).with_columns(pl.col("dropped").fill_null([]))


def _chain(
    scene: Mapping[str, Any], edits: list[dict[str, Any]], dropped: list[dict[str, Any]], editors: Sequence[str]
) -> dict[str, Any]:
    regions = [masks.opened(edit["mask"]) > 0 for edit in edits]
    label_map = masks.png(masks.composed(regions, [editors.index(edit["editor"]) + 1 for edit in edits]))
    last = edits[-1]
    return {
        **{
            name: last[name]
            for name in ("key", "editor", "operation", "plan", "fingerprint", "split", "image", "image_sha256")
        },
        **scene,
        "mask": {"bytes": label_map, "path": f"{last['key']}.mask.png"},
        "mask_sha256": hashlib.sha256(label_map).hexdigest(),
        "turn_count": len(edits),
        "editors": [edit["editor"] for edit in edits],
        "operations": [edit["operation"] for edit in edits],
        "leak": max(edit["leak"] for edit in edits),
        "turns": [_turn(edit) for edit in edits],
        "dropped": dropped,
    }


def _turn(edit: Mapping[str, Any]) -> dict[str, Any]:
    known = {field.name: edit.get(field.name) for field in TURN.fields}
    return {**known, "mask": {"bytes": edit["mask"], "path": f"{edit['key']}.region.png"}}


def _dropped(curated: pl.LazyFrame, but: set[str] = frozenset()) -> dict[str, list[dict[str, Any]]]:  # type: ignore[assignment]
    """The unfit edits of each scene, in their order."""
    names = [field.name for field in DROPPED.fields]
    found: dict[str, list[dict[str, Any]]] = {}
    unfit = curated.filter(pl.col("verdict") == "rejected").select("scene", *names).collect()
    for row in unfit.iter_rows(named=True):
        if row["key"] not in but:
            found.setdefault(row["scene"], []).append({name: row[name] for name in names})
    return found
