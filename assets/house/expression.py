"""Trains the two house readers of expressions, a convolutional network and a transformer, on drawings of its own."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from corpusmith.assets.house.expression_drawings import CLASSES, LABELS, TRAITS, UNKNOWN, Batch, batch, drawn, empty
from corpusmith.assets.house.readers import ROWS, SEEDS, fit, normalised, ship, worst
from corpusmith.assets.house.training import WORK
from corpusmith.drawings.canvas import SIZE
from corpusmith.hardware import one_thread

if TYPE_CHECKING:
    import torch

CHUNK: Final = 8_192  # portraits that are drawn at once
PASSES: Final = 2  # over them, before others are drawn
OTHERS: Final = 2_048  # pictures without a face
TRAITS_WEIGHT, FACES_WEIGHT, QUALITY_WEIGHT = 0.1, 0.3, 1.0  # of their losses, beside that of the expression
FADING: Final = 0.8  # how much less the expression of a ruined picture counts


@dataclass(frozen=True)
class Recipe:
    """How one reader is made: steps of ROWS pictures, peak rate, how far faces are moved and turned, 0 to 1, and the
    faults that it learns to look through.
    """

    steps: int
    rate: float
    moved: float
    faults: tuple[str, ...]


RECIPES: Final = {
    "expression-cnn": Recipe(3_000, 3e-3, 1.0, ("blur", "soften", "noise", "jpeg", "warp", "ghost", "smear")),
    "expression-vit": Recipe(4_000, 1e-3, 0.3, ("soften", "blotches", "jpeg", "warp", "wash", "patches", "smear")),
}


def train(name: str, out_dir: Path, work: Path = WORK, steps: int | None = None) -> None:
    """Write the model ``name`` of RECIPES under ``out_dir``: fp16 weights, config.json and preprocessor_config.json.

    One thread: the same machine makes the same weights each time.
    """
    recipe = RECIPES[name]
    steps = steps or recipe.steps
    with one_thread():
        network = untrained(name)
        network.aside = learner_of_traits(network)
        shown = functools.partial(batch_of, name, steps)
        fit(network, shown, loss, steps=steps, rate=recipe.rate, checkpoint=work / f"{name}.pt")
    del network.aside
    ship(network, out_dir / name)


def untrained(name: str) -> Any:
    """The network with fresh weights, drawn by the model's seed."""
    import torch
    from transformers import ResNetConfig, ResNetForImageClassification, ViTConfig, ViTForImageClassification

    torch.manual_seed(SEEDS[name])
    labels = {"id2label": dict(enumerate(LABELS)), "label2id": {label: place for place, label in enumerate(LABELS)}}
    if name == "expression-cnn":
        shape = {"embedding_size": 32, "hidden_sizes": [32, 64, 96, 128], "depths": [1, 1, 1, 1], "layer_type": "basic"}
        return ResNetForImageClassification(ResNetConfig(**shape, **labels))
    transformer = ViTConfig(
        image_size=SIZE,
        patch_size=8,
        hidden_size=96,
        num_hidden_layers=4,
        num_attention_heads=4,
        intermediate_size=256,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        initializer_range=0.05,
        attn_implementation="eager",  # in bfloat16 on a CPU half again as fast as the fused one
        **labels,
    )
    return ViTForImageClassification(transformer)


_drawn, _empty = functools.lru_cache(maxsize=1)(drawn), functools.lru_cache(maxsize=1)(empty)


def batch_of(name: str, steps: int, number: int) -> Batch:
    """The batch of a step, ROWS pictures; the portraits are drawn anew all the time, by the model's own seeds."""
    recipe = RECIPES[name]
    draw = np.random.default_rng([SEEDS[name], number])
    faces = _drawn(CHUNK, SEEDS[name] + number - number % (PASSES * CHUNK // ROWS))
    rows = (number * ROWS + np.arange(ROWS)) % CHUNK
    share = worst(number, steps)
    return batch(faces[rows], _empty(OTHERS, SEEDS[name]), draw, recipe.faults, share, recipe.moved * share)


def learner_of_traits(network: Any) -> Any:
    """A layer beside the labels that must tell what a face was drawn from: learned along, then left out.

    A class is one number of nineteen; the traits say much more about each drawing, and what they need is what the
    classes need (multi-task learning, Caruana 1997).
    """
    import torch

    width = getattr(network.config, "hidden_size", None) or network.config.hidden_sizes[-1]
    return torch.nn.Linear(width, TRAITS)


def loss(network: Any, shown: Batch) -> torch.Tensor:
    """Cross-entropy of expression (less where the picture is ruined) and of faces, binary of quality and traits."""
    from torch.nn import functional

    seen = network.base_model(pixel_values=normalised(shown.pictures))
    features = seen.last_hidden_state[:, 0] if seen.pooler_output is None else seen.pooler_output.flatten(1)
    logits = network.classifier(features).float()
    classes = len(CLASSES)
    single = shown.expression != UNKNOWN
    weight = (1 - FADING * (1 - shown.quality)) * single
    given = {"ignore_index": UNKNOWN, "reduction": "none"}
    expression = functional.cross_entropy(logits[:, :classes], shown.expression, **given)
    traits = functional.binary_cross_entropy_with_logits(
        network.aside(features).float(), shown.traits, reduction="none"
    ).sum(dim=1)
    faces = functional.cross_entropy(logits[:, classes : classes + 3], shown.faces)
    quality = functional.binary_cross_entropy_with_logits(logits[:, -1], shown.quality)
    of_face = ((expression + TRAITS_WEIGHT * traits) * weight).sum() / weight.sum()
    return of_face + FACES_WEIGHT * faces + QUALITY_WEIGHT * quality
