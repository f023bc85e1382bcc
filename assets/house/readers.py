"""How the house's models that look at drawings are trained and shipped, and one way to prepare pixels."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, TypeVar

import numpy as np

from corpusmith.assets.house.training import device, moved, train
from corpusmith.drawings.canvas import SIZE, Pixels
from corpusmith.hardware import one_thread

if TYPE_CHECKING:
    import torch

Shown = TypeVar("Shown")

SEEDS: Final = {
    "expression-cnn": 1_000_000,
    "expression-vit": 2_000_000,
    "object": 3_000_000,
    "clip": 4_000_000,
    "regions": 5_000_000,
    "held-out": 9_000_000,
}
"""The first seed of each model's drawings, a million for each: those of the generators lie below, so that no reader
ever sees a drawing that a generator learned from, nor one that it is measured on."""

ROWS: Final = 64  # of a batch
WARM_UP: Final = 0.1  # of the steps, in which the rate rises
RAMP: Final = 0.3  # of the steps, in which the faults grow to their full strength
MEAN, STD = 0.5, 0.25  # what pixels are normalised by, all channels alike


@dataclass(frozen=True)
class Seen:
    """Pictures (n, 3, 64, 64), 0–1, and what is to be seen in them: of each picture, or of each of its pixels."""

    pictures: torch.Tensor
    seen: torch.Tensor


def learn(recipe: ModuleType, out_dir: Path, work: Path, steps: int) -> None:
    """Write the model of a recipe under ``out_dir``: fp16 weights, config.json and preprocessor_config.json.

    recipe: a module with NAME, RATE, untrained(), batch(number, steps=…) and loss(network, batch).
    """
    with one_thread():
        network = recipe.untrained()
        shown = functools.partial(recipe.batch, steps=steps)
        fit(network, shown, recipe.loss, steps=steps, rate=recipe.RATE, checkpoint=work / f"{recipe.NAME}.pt")
    ship(network, out_dir / recipe.NAME)


def fit(
    network: Any,
    shown: Callable[[int], Shown],
    loss: Callable[[Any, Shown], torch.Tensor],
    *,
    steps: int,
    rate: float,
    checkpoint: Path,
) -> None:
    """Train on ``steps`` batches, shown(step) each, in bfloat16; goes on from ``checkpoint``.

    Batches are drawn on the CPU and learned from where ``device`` says; the network comes back to the CPU.
    """
    import torch

    where = device()

    def cost(step: int) -> torch.Tensor:
        batch = moved(shown(step), where)
        with torch.autocast(where, torch.bfloat16):
            return loss(network, batch)

    network.to(where, memory_format=torch.channels_last)
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    warm_up = max(1, round(WARM_UP * steps))
    weights, _ = train(network, cost, steps=steps, rate=rate, checkpoint=checkpoint, warm_up=warm_up)
    network.load_state_dict(weights)
    network.to("cpu")


def worst(step: int, steps: int) -> float:
    """How strong the faults of a step may be: a network first sees clean drawings."""
    return min(1.0, step / (RAMP * steps))


def tensor(pixels: Pixels) -> torch.Tensor:
    """(n, h, w, 3) uint8 as (n, 3, h, w) in 0–1."""
    import torch

    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))).float() / 255


def normalised(pictures: torch.Tensor) -> torch.Tensor:
    """Pictures (n, 3, h, w) in 0–1 as a network of the house is given them."""
    import torch

    return ((pictures - MEAN) / STD).contiguous(memory_format=torch.channels_last)


def ship(network: Any, folder: Path, **saved: Any) -> None:
    """Write fp16 safetensors, config.json, preprocessor_config.json, and what else is to be saved (a tokenizer)."""
    import torch
    from transformers import ViTImageProcessorPil

    folder.mkdir(parents=True, exist_ok=True)
    network.to(torch.float16).save_pretrained(folder)
    network.float()
    size = {"height": SIZE, "width": SIZE}
    ViTImageProcessorPil(size=size, image_mean=[MEAN] * 3, image_std=[STD] * 3, resample=3).save_pretrained(folder)
    for part in saved.values():
        part.save_pretrained(folder)


def describe(folder: Path, metrics: dict[str, Any], card: str) -> None:
    """Write what was measured of a model, and its card, beside its weights."""
    (folder / "metrics.json").write_text(json.dumps(metrics, indent=1) + "\n", encoding="utf-8")
    (folder / "README.md").write_text(card, encoding="utf-8")


def front_matter(task: str, tags: list[str]) -> str:
    """The head of a card, as the Hub reads it."""
    return f"---\nlicense: apache-2.0\npipeline_tag: {task}\ntags: [{', '.join((*tags, 'corpusmith'))}]\n---\n"


def size(metrics: dict[str, Any]) -> str:
    """What a card says of a model's size."""
    return f"{metrics['parameters']:,} parameters, {metrics['bytes'] / 1e6:.2f} MB in fp16."


def pixels(pictures: torch.Tensor) -> Pixels:
    """(n, 3, h, w) in 0–1 as (n, h, w, 3) uint8."""
    return (pictures.permute(0, 2, 3, 1) * 255).round().clamp(0, 255).byte().numpy()


def rounded(value: Any) -> float:
    """Four decimals: more would say nothing."""
    return round(float(value), 4)
