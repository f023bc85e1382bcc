"""What the card of the house CLIP says, every number of it measured on drawings that it never saw."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
from PIL import Image

from corpusmith.assets.house.clip import NAME, PORTRAITS, ROWS, STEPS, pairs
from corpusmith.assets.house.expression_card import ASKED, OF_CLASS, rank, said, share
from corpusmith.assets.house.expression_drawings import drawn
from corpusmith.assets.house.readers import SEEDS, front_matter, size
from corpusmith.drawings import canvas, objects
from corpusmith.emotions import EMOTIONS
from corpusmith.models.perceivers import ZeroShot

HELD_OUT: Final = 2_000
RETRIEVED: Final = 10  # batches of pairs in which each picture's caption is looked for
CHANCE: Final = 1 / len(EMOTIONS)


def measure(folder: Path, rows: int = HELD_OUT) -> dict[str, Any]:
    """The card's figures of a shipped model, on drawings from SEEDS["held-out"], with 95 % bootstrap intervals."""
    model = ZeroShot(str(folder))
    seed = SEEDS["held-out"]
    faces, things = drawn(rows, seed), objects.traits(rows, seed)
    read = model.read([Image.fromarray(image) for image in faces.pixels])
    classes = model.texts([f"a {name}" for name in objects.classes()])
    seen = model.images([Image.fromarray(image) for image in canvas.render(things, objects.draw)])
    named = np.array(objects.classes())[(seen @ classes.T).argmax(axis=1)]
    truth = np.array(EMOTIONS)[OF_CLASS[faces.expression]]
    return {
        "held_out": rows,
        "parameters": sum(weights.numel() for weights in model.network.parameters()),
        "bytes": (folder / "model.safetensors").stat().st_size,
        "zero_shot": {
            "emotion_accuracy": share(np.array(read["emotion"].to_pylist()) == truth, "emotion"),
            "intensity_srcc": rank(_floats(read["intensity"]), ASKED[faces.expression], "intensity"),
            "object_accuracy": share(named == things["name"].to_numpy(), "object"),
        },
        "retrieval_at_1": share(_retrieved(model, seed), "retrieval"),
    }


def _floats(column: pa.Array) -> Any:
    return column.to_numpy(zero_copy_only=False)


def _retrieved(model: ZeroShot, seed: int) -> Any:
    """Whether each picture is nearest to its own caption among those of its batch; equal captions count as its own."""
    made = pairs(RETRIEVED, seed)
    seen = model.images([Image.fromarray(image) for image in made.pixels]).reshape(RETRIEVED, ROWS, -1)
    written = model.texts(made.texts).reshape(RETRIEVED, ROWS, -1)
    nearest = (seen @ written.transpose(0, 2, 1)).argmax(axis=2)
    said_of = np.array(made.texts).reshape(RETRIEVED, ROWS)
    return (np.take_along_axis(said_of, nearest, axis=1) == said_of).ravel()


def card(metrics: dict[str, Any]) -> str:
    """README.md of the model."""
    found = metrics["zero_shot"]
    return f"""{front_matter("zero-shot-image-classification", ["clip", "emotion"])}
# {NAME}

Drawings of 64 by 64 pixels and their captions in one space (`CLIPModel`: a vision transformer of three layers, a text
transformer of two, whole words as tokens). {size(metrics)}
Made by `assets/house/clip.py`; every number below was measured by the project on drawings of other seeds.

## Data

Portraits, objects and scenes that the project draws itself, with their captions, drawn anew all through the training:
{STEPS:,} batches of {ROWS} pairs, {PORTRAITS} of them portraits, seeds from {SEEDS[NAME]:,}, none of which a house
generator learns from or is measured on. A caption leaves out 40, 80 or 100 % of a portrait's attributes.
A layer that does not ship had to tell each portrait's expression and traits: captions alone taught few emotions.

## Measured on {metrics["held_out"]:,} portraits and {metrics["held_out"]:,} objects (95 % bootstrap intervals)

| | |
|---|---|
| zero-shot emotion, one of seven (chance {CHANCE:.3f}) | **{said(found["emotion_accuracy"])}** |
| zero-shot intensity, rank correlation | {said(found["intensity_srcc"])} |
| zero-shot object, one of {len(objects.classes())} | {said(found["object_accuracy"])} |
| own caption nearest among {ROWS} | {said(metrics["retrieval_at_1"])} |

Zero-shot readings compare a picture with the prompts of `corpusmith/models/perceivers/clip.yaml`, which say emotions in
the words of the captions that it learned.

## Limits

- It knows the words of the captions and drawings of one style; of other words and pictures nothing is claimed.
- As a reader of emotions it is the weakest of the house's: it is there for embeddings, and as a perceiver to compare.
"""
