"""A small release of each of the four corpora, with columns of every kind: texts, images, structs, lists of both."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
from corpora import reddit
from edits_corpus import corpus as chains
from edits_corpus import settings as chained
from portraits_corpus import portraits

from corpusmith.assets.edits.card import card as of_edits
from corpusmith.assets.edits.corpus import CORPUS as EDITS
from corpusmith.assets.imagenet import card as of_imagenet
from corpusmith.assets.imagenet.corpus import CORPUS as IMAGENET
from corpusmith.assets.portraits.corpus import CORPUS as PORTRAITS
from corpusmith.assets.reddit.corpus import CORPUS as REDDIT
from corpusmith.models.images import png
from corpusmith.release.inputs import Release
from corpusmith.score.scores import table
from corpusmith.validation import schema

WAYS = ("label", "template", "caption", "image", "image_label")
LABELS = ("orange", "lemon")


def releases() -> dict[str, Release]:
    """One of each corpus, by its name."""
    return {
        "reddit": reddit(12, lineage=REDDIT.lineage),
        "portraits": portraits(5, lineage=PORTRAITS.lineage),
        "edits": _edits(),
        "imagenet": _imagenet(),
    }


def _edits() -> Release:
    """Eight chains of up to three edits, of which none was rejected and nothing was scored."""
    made = chains(8)
    return Release(
        "edits", "1.0.0", of_edits(chained()), made.rows, made.rejected, table([]), {"drawn": 8}, {}, {},
        lineage=EDITS.lineage,
    )  # fmt: skip


def _imagenet() -> Release:
    """Ten images, each second without the real one that it is paired with."""
    made = "images:stabilityai/stable-diffusion-xl-base-1.0@462165984030+01234567"
    rows = [_generated(number) | {"model": "stabilityai/stable-diffusion-xl-base-1.0"} for number in range(10)]
    rows = [row | {"generator": "sdxl", "fingerprint": made} for row in rows]
    frame = pl.DataFrame(rows, schema.schema(schema.IMAGENET))
    return Release(
        "imagenet", "1.0.0", replace(of_imagenet.CARD, labels=LABELS, origins=WAYS), frame.lazy(),
        pl.LazyFrame(schema=schema.schema(schema.IMAGENET_REJECTED)), table([]), dict.fromkeys(WAYS, 2),
        {made: {"model": rows[0]["model"], "revision": "462165984030", "licence": "openrail++"}}, {},
        lineage=IMAGENET.lineage,
    )  # fmt: skip


def _generated(number: int) -> dict[str, Any]:
    image, real = _picture(number), _picture(100 + number)
    holds = {pl.String(): "x", pl.Boolean(): True}
    plain = {
        name: holds.get(column.dtype, number)
        for name, column in schema.IMAGENET.items()
        if not column.dtype.is_nested() and column.required
    }
    return plain | {
        "key": f"{number:032x}",
        "seed": 2**62 + number,
        "phash": 2**63 + number,
        "label": LABELS[number % 2],
        "seen": LABELS[number % 2],
        "strategy": WAYS[number % 5],
        "prompt": None if number % 5 == 3 else f"a photo, number {number}",
        "split": ("train", "validation", "test")[number % 3],
        "source": f"train/x/{number}.JPEG",
        "source_sha256": hashlib.sha256(real).hexdigest(),
        "image": {"bytes": image, "path": f"{number}.png"},
        "image_sha256": hashlib.sha256(image).hexdigest(),
        "source_image": {"bytes": real, "path": "real.png"} if number % 2 else None,
        "source_image_sha256": hashlib.sha256(real).hexdigest() if number % 2 else None,
        "tests": [{"test": "known", "value": 0.5, "threshold": None, "passed": True}] * (1 + number % 2),
    }


def _picture(number: int) -> bytes:
    return png(np.random.default_rng(number).integers(0, 256, (16, 16, 3), np.uint8))
