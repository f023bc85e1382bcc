"""What the card of the house region finder says, every number of it measured on scenes that it never saw."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl

from corpusmith.assets.house.degrade import degraded
from corpusmith.assets.house.expression_card import said
from corpusmith.assets.house.readers import SEEDS, front_matter, pixels, rounded, size, tensor
from corpusmith.assets.house.regions import HARDEST, NAME, ROWS, STEPS, STILL, Labels, drawn
from corpusmith.curate import masks
from corpusmith.drawings import objects
from corpusmith.drawings.canvas import Pixels
from corpusmith.models.regions import RegionFinder
from corpusmith.score import segmentation

HELD_OUT: Final = 1_000
DRAWS: Final = 1_000


def measure(folder: Path, rows: int = HELD_OUT) -> dict[str, Any]:
    """The card's figures of a shipped model, on scenes from SEEDS["held-out"], with 95 % bootstrap intervals."""
    finder = RegionFinder(str(folder))
    images, truth = drawn(rows, SEEDS["held-out"])
    draw = np.random.default_rng(SEEDS["held-out"])
    strength = (HARDEST * draw.random(rows)).astype(np.float32)
    ruined = pixels(degraded(tensor(images), strength, draw, STILL))
    seen, worse = labels(finder, images), labels(finder, ruined)
    names = ("nothing", *objects.kinds())
    return {
        "held_out": rows,
        "parameters": sum(weights.numel() for weights in finder.network.parameters()),
        "bytes": (folder / "model.safetensors").stat().st_size,
        "clean": of(truth, seen, len(names)),
        "with_faults": of(truth, worse, len(names)),
        "apart_from_nothing": of(np.minimum(truth, 1), np.minimum(seen, 1), 2),
        "iou_by_name": by_name(truth, seen, names),
    }


def labels(finder: RegionFinder, images: Pixels) -> Labels:
    """Of each pixel which thing its regions say is there, (n, h, w); 0 is nothing."""
    from PIL import Image

    places = {name: place for place, name in enumerate(objects.kinds(), start=1)}
    found = finder.read([Image.fromarray(image) for image in images])["regions"].to_pylist()
    seen = np.zeros(images.shape[:3], np.uint8)
    for label_map, regions in zip(seen, found, strict=True):
        for region in regions:
            label_map[masks.opened(region["mask"]) > 0] = places[region["name"]]
    return seen


def of(truth: Labels, seen: Labels, classes: int) -> dict[str, Any]:
    """Means over the classes of IoU and of Boundary IoU, and the share of right pixels, with intervals."""
    found = segmentation.intervals(segmentation.counts(list(truth), list(seen), classes), DRAWS, "regions")
    whole = found.filter(pl.col("label").is_null())
    return {
        row["metric"]: {"value": rounded(row["value"]), "interval": [rounded(row["low"]), rounded(row["high"])]}
        for row in whole.to_dicts()
        if row["metric"] in ("miou", "boundary_miou", "pixel_accuracy")
    }


def by_name(truth: Labels, seen: Labels, names: tuple[str, ...]) -> dict[str, float]:
    """IoU of each class."""
    found = segmentation.metrics(segmentation.counts(list(truth), list(seen), len(names))).filter(metric="iou")
    return {names[label]: rounded(value) for label, value in found.select("label", "value").rows()}


def card(metrics: dict[str, Any]) -> str:
    """README.md of the model."""
    lines = {
        "every thing by its name, and nothing": metrics["clean"],
        f"the same with faults up to a strength of {HARDEST}": metrics["with_faults"],
        "whether there is something, whatever it is": metrics["apart_from_nothing"],
    }
    measured = "\n".join(
        f"| {what} | " + " | ".join(said(of_it[name]) for name in ("miou", "boundary_miou", "pixel_accuracy")) + " |"
        for what, of_it in lines.items()
    )
    rows = "\n".join(f"| {name} | {iou:.3f} |" for name, iou in metrics["iou_by_name"].items())
    return f"""{front_matter("image-segmentation", ["objects"])}
# {NAME}

Which of {len(objects.kinds())} things is where in a drawing of 64 by 64 pixels: a SegFormer
(`SegformerForSemanticSegmentation`) of one or two blocks a stage. {size(metrics)}
Made by `assets/house/regions.py`; every number below was measured by the project on scenes of other seeds.

## Data

Scenes that the project draws itself with the mask of each thing (`corpusmith/drawings/scenes.py`), drawn anew all
through the training: {STEPS:,} batches of {ROWS}, seeds from {SEEDS[NAME]:,}. Three in five carry faults that move
nothing, of strengths up to {HARDEST}.

## Measured on {metrics["held_out"]:,} scenes (95 % bootstrap intervals over scenes), as regions: parts of a class

| | mean IoU | Boundary IoU | pixels right |
|---|---|---|---|
{measured}

| thing | IoU |
|---|---|
{rows}
"""
