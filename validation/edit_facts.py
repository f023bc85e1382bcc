"""What the images, label maps and regions of edits really say, as plain columns: expectations never see an image."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
import polars as pl

from corpusmith.curate import masks
from corpusmith.curate.images import opened

BATCH: Final = 64  # chains that are in memory at once
WHOLE: Final = 1 << 20  # pixels a side: nothing is averaged down

FACTS: Final = pl.Schema(
    {
        "key": pl.String,
        "problem": pl.String,  # what cannot be opened, and why; null: all can, and the other facts are known
        "sizes": pl.Boolean,  # all images, regions and the label map are of the stated width and height
        "labels": pl.List(pl.Int16),  # values of the label map
        "composed": pl.Boolean,  # the label map is that of the regions, later over earlier
        "outside": pl.Int64,  # pixels beyond a turn's region that are not those of the image before it, over all turns
        "last": pl.Boolean,  # the image is that of the last turn
        "digests": pl.Boolean,  # every stated SHA-256 is that of its bytes
        "linked": pl.Boolean,  # each turn's plan names the turn before it, the first one the base, and its own region
        "areas": pl.List(pl.Float32),  # share of the image that each region covers
    }
)


def edit_facts(rows: pl.LazyFrame, editors: Sequence[str]) -> pl.DataFrame:
    """FACTS of chains (EDITS of validation.schema), which are read batch by batch; label k is the k-th editor's.

    Every pixel of every image is compared: a chain of four images of 512 pixels takes some 40 ms.
    """
    parts = [FACTS.to_frame(eager=True)]
    columns = ("key", "image", "image_sha256", "mask", "mask_sha256", "base", "base_sha256", "width", "height", "turns")
    for batch in rows.select(columns).collect_batches(chunk_size=BATCH, maintain_order=True):
        parts.append(pl.DataFrame([_facts(row, editors) for row in batch.iter_rows(named=True)], FACTS))
    return pl.concat(parts)


def _facts(row: Mapping[str, Any], editors: Sequence[str]) -> dict[str, Any]:
    turns = row["turns"] or []
    try:
        last = _pixels(row["image"], "image")
        base = _pixels(row["base"], "base") if row["base"] is not None else last  # of an import that has none
        label_map = _mask(row["mask"], "mask")
        after = [_pixels(turn["image"], f"image of turn {n}") for n, turn in enumerate(turns, 1)]
        regions = [_mask(turn["mask"], f"mask of turn {n}") > 0 for n, turn in enumerate(turns, 1)]
    except ValueError as error:
        return {"key": row["key"], "problem": str(error)}
    shape = (row["height"], row["width"])
    same = all(part.shape[:2] == shape for part in (base, last, label_map, *after, *regions))
    known = {"key": row["key"], "sizes": same, "labels": np.unique(label_map).tolist(), "digests": _digests(row)}
    if not same or not turns:
        return known
    numbers = [editors.index(turn["editor"]) + 1 if turn["editor"] in editors else 255 for turn in turns]
    before = [base, *after[:-1]]
    changed = ((a != b).any(axis=2) & ~region for a, b, region in zip(before, after, regions, strict=True))
    return {
        **known,
        "composed": bool(np.array_equal(masks.composed(regions, numbers), label_map)),
        "outside": sum(int(pixels.sum()) for pixels in changed),
        "last": bool(np.array_equal(after[-1], last)),
        "linked": _linked(row),
        "areas": [float(region.mean()) for region in regions],
    }


def _linked(row: Mapping[str, Any]) -> bool:
    before = [row["base_sha256"], *(turn["key"] for turn in row["turns"][:-1])]
    return all(_names(turn, link) for turn, link in zip(row["turns"], before, strict=True))


def _names(turn: Mapping[str, Any], before: str) -> bool:
    try:
        plan = json.loads(turn["plan"] or "")
    except ValueError:
        return False
    region = hashlib.sha256(turn["mask"]["bytes"]).hexdigest()
    return isinstance(plan, dict) and (plan.get("before"), plan.get("region")) == (before, region)


def _pixels(image: Mapping[str, Any] | None, what: str) -> Any:
    found = opened((image or {}).get("bytes"), WHOLE)
    if found.pixels is None:
        raise ValueError(f"{what}: {found.problem}")
    return np.asarray(found.pixels)


def _mask(image: Mapping[str, Any] | None, what: str) -> Any:
    try:
        return masks.opened((image or {}).get("bytes") or b"")
    except ValueError as error:
        raise ValueError(f"{what}: {error}") from None


def _digests(row: Mapping[str, Any]) -> bool:
    return all(hashlib.sha256(data).hexdigest() == stated for data, stated in _stated(row))


def _stated(row: Mapping[str, Any]) -> Iterator[tuple[bytes, str]]:
    for name in ("image", "mask", "base"):
        if row[name] is not None:
            yield row[name]["bytes"], row[f"{name}_sha256"]
    for turn in row["turns"] or []:
        yield turn["image"]["bytes"], turn["image_sha256"]
