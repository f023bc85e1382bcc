"""What the image generators learn from: drawings of portraits, objects and scenes with their captions."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl

from corpusmith.drawings import canvas, captions, objects, portraits, scenes
from corpusmith.drawings.canvas import render

SHARES: Final = {"portraits": 0.6, "objects": 0.25, "scenes": 0.15}
"""Portraits are more than half: an emotion is a few pixels, a teapot is many."""
UNMENTIONED: Final = 0.15
"""Share of the attributes that a portrait's caption leaves out."""
SAID: Final = 4
"""Captions for each portrait: which attributes they mention differs."""


@dataclass(frozen=True)
class Drawings:
    """pixels: (n, 64, 64, 3) uint8. prompts: n lists of captions, of which any says what is drawn. kind: of SHARES."""

    pixels: np.ndarray[Any, np.dtype[np.uint8]]
    prompts: list[list[str]]
    kind: np.ndarray[Any, np.dtype[np.str_]]


def drawings(rows: int, seed: int, processes: int = 1) -> Drawings:
    """So many drawings in the proportions of SHARES, kind after kind; the same arguments draw the same."""
    counts = {kind: round(rows * share) for kind, share in SHARES.items()}
    people = portraits.traits(counts["portraits"], seed)
    things = objects.traits(counts["objects"], seed)
    places = scenes.traits(counts["scenes"], seed)
    pixels = [
        render(people, portraits.draw, processes),
        render(things, objects.draw, processes),
        render(places, scenes.draw, processes),
    ]
    prompts = [*_said(people, seed), *([said] for said in things["prompt"]), *([said] for said in places["prompt"])]
    return Drawings(np.concatenate(pixels), prompts, np.repeat(list(counts), list(counts.values())))


def kept(rows: int, seed: int, work: Path, processes: int = 1) -> Drawings:
    """The same, from ``work`` when this code drew them before."""
    stem = work / f"drawings-{rows}-{seed}-{_code()}"
    if not stem.with_suffix(".parquet").exists():
        work.mkdir(parents=True, exist_ok=True)
        made = drawings(rows, seed, processes)
        np.save(stem.with_suffix(".npy"), made.pixels)
        pl.DataFrame({"prompts": made.prompts, "kind": made.kind}).write_parquet(stem.with_suffix(".parquet"))
    table = pl.read_parquet(stem.with_suffix(".parquet"))
    pixels = np.load(stem.with_suffix(".npy"), mmap_mode="r")
    return Drawings(pixels, table["prompts"].to_list(), table["kind"].to_numpy())


def _code() -> str:
    """Eight digits that change with what draws."""
    files = sorted(file for file in Path(canvas.__file__).parent.iterdir() if file.suffix in (".py", ".yaml"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in (*files, Path(__file__)))).hexdigest()[:8]


def _said(people: pl.DataFrame, seed: int) -> list[list[str]]:
    ways = [captions.portrait(portraits.mentioned(people, UNMENTIONED * way, seed + way)) for way in range(SAID)]
    return [list(said) for said in zip(*ways, strict=True)]
