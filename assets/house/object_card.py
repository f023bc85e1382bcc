"""What the card of the house judge of objects says, every number of it measured on drawings that it never saw."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image

from corpusmith.assets.house.degrade import FAULTS, degraded
from corpusmith.assets.house.expression_card import said, share
from corpusmith.assets.house.object_judge import HARDEST, NAME, STEPS, Marks, drawn
from corpusmith.assets.house.readers import SEEDS, front_matter, pixels, rounded, size, tensor
from corpusmith.drawings import objects
from corpusmith.drawings.canvas import Pixels
from corpusmith.models.perceivers.classifiers import Tagger

HELD_OUT: Final = 2_000  # single objects, and as many scenes
SEEN: Final = 0.5


def measure(folder: Path, rows: int = HELD_OUT) -> dict[str, Any]:
    """The card's figures of a shipped model, on drawings from SEEDS["held-out"], with 95 % bootstrap intervals."""
    tagger = Tagger(str(folder))
    images, marks = drawn(rows, SEEDS["held-out"])
    draw = np.random.default_rng(SEEDS["held-out"])
    strength = (HARDEST * draw.random(rows)).astype(np.float32)
    ruined = pixels(degraded(tensor(images[0::2]), strength, draw, tuple(FAULTS)))
    single, several = believed(tagger, images[0::2]), believed(tagger, images[1::2])
    found, present = several >= SEEN, marks[1::2] == 1
    return {
        "held_out": rows,
        "parameters": sum(weights.numel() for weights in tagger.network.parameters()),
        "bytes": (folder / "model.safetensors").stat().st_size,
        "objects": {
            "accuracy": share(_named(single) == marks[0::2].argmax(axis=1), "objects"),
            "accuracy_with_faults": share(_named(believed(tagger, ruined)) == marks[0::2].argmax(axis=1), "faults"),
        },
        "scenes": {
            "recall": share(found[present], "recall"),
            "precision": share(present[found], "precision"),
            "all_right": share((found == present).all(axis=1), "scenes"),
            "recall_by_name": {
                name: rounded(found[present[:, place], place].mean()) for place, name in enumerate(objects.kinds())
            },
        },
    }


def believed(tagger: Tagger, images: Pixels) -> Marks:
    """The probability of each name of objects.kinds(), (n, names)."""
    return tagger.probabilities([Image.fromarray(image) for image in images])


def _named(chances: Marks) -> Any:
    """The likeliest of the classes that single objects have."""
    return chances[:, : len(objects.classes())].argmax(axis=1)


def card(metrics: dict[str, Any]) -> str:
    """README.md of the model."""
    single, several = metrics["objects"], metrics["scenes"]
    by_name = "\n".join(f"| {name} | {recall:.3f} |" for name, recall in several["recall_by_name"].items())
    return f"""{front_matter("image-classification", ["objects"])}
# {NAME}

Which of {len(objects.kinds())} things are to be seen in a drawing of 64 by 64 pixels: a probability for each, by a
ResNet (`ResNetForImageClassification`, multi-label). {size(metrics)}
Made by `assets/house/object_judge.py`; every number below was measured by the project on drawings of other seeds.

## Data

Objects and scenes that the project draws itself (`corpusmith/drawings/objects.py`, `scenes.py`), drawn anew all
through the training: {STEPS:,} batches of 64, seeds from {SEEDS[NAME]:,}, none of which a house generator learns from
or is measured on. Three pictures in five carry faults as generation and storage leave them, of strengths up to
{HARDEST}.

## Measured on {metrics["held_out"]:,} objects and {metrics["held_out"]:,} scenes (95 % bootstrap intervals)

| | |
|---|---|
| single objects, one of {len(objects.classes())} classes, clean | **{said(single["accuracy"])}** |
| the same with faults up to a strength of {HARDEST} | {said(single["accuracy_with_faults"])} |
| scenes: share of the things in them that are seen (at {SEEN}) | {said(several["recall"])} |
| scenes: share of the things seen that are in them | {said(several["precision"])} |
| scenes: every thing right | {said(several["all_right"])} |

| in scenes | seen |
|---|---|
{by_name}

## Limits

- It knows drawings of one style, 64 by 64 pixels; of photographs nothing is claimed.
- In scenes a thing may hide behind another: what is there is then not always to be seen.
"""
