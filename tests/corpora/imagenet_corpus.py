"""A small corpus of generated ImageNet in seconds: real sources, conditions and judges, and generators that draw."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa

from corpusmith.assets.imagenet import conditions, curated, images, rows, sources
from corpusmith.assets.imagenet.ways import Way
from corpusmith.assets.registry import load
from corpusmith.assets.resources import Workshop
from corpusmith.drawings import objects
from corpusmith.ingest.photographs import kept
from corpusmith.models.images import IMAGES
from corpusmith.work.plan import fingerprint, seeds

NAMES = ("orange", "lemon", "umbrella")
WNIDS = ("n07747607", "n07749582", "n04507155")


class Painter:
    """Draws the class that its source is of, anew: a generator that does what it is asked for.

    astray: of these sources it draws a teapot. failing: at these it fails.
    """

    schema = IMAGES
    batch_rows = 8

    def __init__(self, way: Way, astray: tuple[str, ...] = (), failing: tuple[str, ...] = ()) -> None:
        self.from_image = way["strategy"] in ("image", "image_label")
        self.inputs = ("prompt", "before") if self.from_image else ("prompt", "source")
        self.carried = ("image_before", "source") if self.from_image else ()
        self.role = "image_to_image" if self.from_image else "text_to_image"
        self.name = f"painter-{way['generator'].replace('/', '-')}"
        settings = {name: way[name] for name in ("guidance", "steps", "strength")}
        self.fingerprint = fingerprint("painter", way["generator"], "1", settings)
        self.provenance = {
            "model": way["generator"], "revision": "1", "steps": way["steps"] or 1, "guidance": way["guidance"],
            "arguments": {"strength": way["strength"] or 0.5} if self.from_image else {}, "scheduler": None,
        }  # fmt: skip
        self.astray, self.failing, self.made = astray, failing, 0

    def make(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        painted = []
        for row, seed in zip(batch.to_pylist(), seeds(batch["key"].to_pylist()), strict=True):
            if row["source"] in self.failing:
                raise ValueError(f"{row['source']}: the brush broke")
            wnid = row["source"].split("/")[2]
            name = "teapot" if row["source"] in self.astray else NAMES[WNIDS.index(wnid)]
            drawing = kept(row["key"], objects.draw(sources.traits_of(name, int(seed))))
            said = {"mode": "RGB", "seed": int(seed), "batch": batch.num_rows, "made_on": "cpu (a test)"}
            painted.append({name: {**drawing, **said}[name] for name in IMAGES.names})
        self.made += batch.num_rows
        return pa.RecordBatch.from_pylist(painted, IMAGES)


@dataclass(frozen=True)
class Corpus:
    """The tables of the graph, and what a release holds of them."""

    workshop: Workshop
    sources: pl.LazyFrame
    conditions: pl.LazyFrame
    images: pl.LazyFrame
    curated: pl.LazyFrame
    rows: pl.LazyFrame
    rejected: pl.LazyFrame
    painters: list[Painter]


def settings(*overrides: str) -> Any:
    laid = [
        f"imagenet.classes=[{', '.join(WNIDS)}]",
        "imagenet.drawn={train: 5, validation: 1, test: 2, seed: 0}",
        "imagenet.finetuned.base=null",
        *overrides,
    ]
    return load(profile="house", overrides=laid)


def corpus(home: Path, *overrides: str, **painter: tuple[str, ...]) -> Corpus:
    """Every table of the graph up to the rows, with painters in the place of generators."""
    workshop = Workshop(home, settings(*overrides))
    asked = workshop.settings.imagenet
    real = sources.sources(workshop).collect().lazy()
    planned = conditions.conditions(real, {}, ("a photo of the {}.", "a drawing of a {}."), asked).collect().lazy()
    painters: dict[str, Painter] = {}

    def drawer(way: Way) -> Any:
        made = Painter(way, **painter)
        return painters.setdefault(f"{made.fingerprint} {made.from_image}", made)

    drawn = images.generate(planned, real, list(WNIDS), drawer, workshop.make).collect().lazy()
    judged = curated.curate(real, drawn, NAMES, workshop.make, asked).collect().lazy()
    kept_rows = rows.released(drawn, judged, real, asked.photographs).collect().lazy()
    refused = rows.rejected(drawn, judged, real).collect().lazy()
    return Corpus(workshop, real, planned, drawn, judged, kept_rows, refused, list(painters.values()))
