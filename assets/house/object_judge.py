"""Trains the house judge of objects, which says what is to be seen in a drawing, on drawings of its own."""

from __future__ import annotations

import functools
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl

from corpusmith.assets.house import readers
from corpusmith.assets.house.degrade import FAULTS, degraded, posed
from corpusmith.assets.house.readers import ROWS, SEEDS, Seen, normalised, tensor, worst
from corpusmith.assets.house.training import WORK
from corpusmith.drawings import canvas, objects, scenes
from corpusmith.drawings.canvas import Pixels

if TYPE_CHECKING:
    import torch

Marks = np.ndarray[Any, np.dtype[np.float32]]

NAME: Final = "object"
STEPS: Final = 6_000
RATE: Final = 3e-3
CHUNK: Final = 4_096  # objects that are drawn at once, and as many scenes
PASSES: Final = 2  # over them, before others are drawn
CLEAN: Final = 0.4  # of the drawings are left without a fault
HARDEST: Final = 0.8  # strength of a fault: past it nothing can be told


def train(out_dir: Path, work: Path = WORK, steps: int = STEPS) -> None:
    """Write object/ under ``out_dir``: fp16 weights, config.json and preprocessor_config.json."""
    readers.learn(sys.modules[__name__], out_dir, work, steps)


def untrained() -> Any:
    """The network with fresh weights, drawn by the model's seed; a sigmoid for each name."""
    import torch
    from transformers import ResNetConfig, ResNetForImageClassification

    torch.manual_seed(SEEDS[NAME])
    labels = {place: label for place, label in enumerate(objects.kinds())}
    return ResNetForImageClassification(
        ResNetConfig(
            embedding_size=32,
            hidden_sizes=[32, 48, 72, 96],
            depths=[1, 1, 1, 1],
            layer_type="basic",
            problem_type="multi_label_classification",
            id2label=labels,
            label2id={label: place for place, label in labels.items()},
        )
    )


def drawn(rows: int, seed: int) -> tuple[Pixels, Marks]:
    """Single objects and scenes by turns, (2 * rows, 64, 64, 3), and what is in each, (2 * rows, names)."""
    single, several = objects.traits(rows, seed), scenes.traits(rows, seed)
    pixels = np.stack([canvas.render(single, objects.draw), canvas.render(several, scenes.draw)], axis=1)
    named = several.select(pl.col("objects").list.eval(pl.element().struct.field("name"))).to_series()
    marks = np.stack([marked(single["name"].reshape((-1, 1)).arr.to_list()), marked(named)], axis=1)
    return pixels.reshape(-1, *pixels.shape[2:]), marks.reshape(-1, marks.shape[-1])


def marked(names: pl.Series) -> Marks:
    """Which of objects.kinds() each list of names holds, (n, names)."""
    return np.stack([names.list.contains(name).to_numpy() for name in objects.kinds()], axis=1).astype(np.float32)


_drawn = functools.lru_cache(maxsize=1)(drawn)


def batch(number: int, steps: int) -> Seen:
    """The batch of a step, ROWS pictures; the drawings are made anew all the time, by the model's own seeds."""
    import torch

    draw = np.random.default_rng([SEEDS[NAME], number])
    pixels, marks = _drawn(CHUNK, SEEDS[NAME] + number - number % (PASSES * 2 * CHUNK // ROWS))
    rows = (number * ROWS + np.arange(ROWS)) % len(pixels)
    ruined = HARDEST * worst(number, steps) * draw.random(ROWS)
    strength = np.where(draw.random(ROWS) < CLEAN, 0, ruined).astype(np.float32)
    pictures = degraded(posed(tensor(pixels[rows]), draw), strength, draw, tuple(FAULTS))
    return Seen(pictures, torch.from_numpy(marks[rows]))


def loss(network: Any, shown: Seen) -> torch.Tensor:
    """Binary cross-entropy of every name, summed over names; a scalar."""
    from torch.nn import functional

    logits = network(pixel_values=normalised(shown.pictures)).logits.float()
    return functional.binary_cross_entropy_with_logits(logits, shown.seen, reduction="sum") / len(shown.seen)
