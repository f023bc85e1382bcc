"""Trains the house region finder, which says what is to be seen where in a drawing, on scenes with their masks."""

from __future__ import annotations

import functools
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from corpusmith.assets.house import readers
from corpusmith.assets.house.degrade import FAULTS, degraded
from corpusmith.assets.house.readers import SEEDS, Seen, normalised, tensor, worst
from corpusmith.assets.house.training import WORK
from corpusmith.drawings import objects, scenes
from corpusmith.drawings.canvas import SIZE, Pixels

if TYPE_CHECKING:
    import torch

Labels = np.ndarray[Any, np.dtype[np.uint8]]

NAME: Final = "regions"
STEPS: Final = 4_000
ROWS: Final = 32  # of a batch
RATE: Final = 2e-3
CHUNK: Final = 2_048  # scenes that are drawn at once
PASSES: Final = 2  # over them, before others are drawn
CLEAN: Final = 0.4  # of the drawings are left without a fault
HARDEST: Final = 0.6  # strength of a fault
STILL: Final = tuple(name for name in FAULTS if name not in ("warp", "ghost", "smear", "patches"))
"""Faults that leave everything where it is: a mask says where."""
NOTHING: Final = "nothing"


def train(out_dir: Path, work: Path = WORK, steps: int = STEPS) -> None:
    """Write regions/ under ``out_dir``: fp16 weights, config.json and preprocessor_config.json."""
    readers.learn(sys.modules[__name__], out_dir, work, steps)


def untrained() -> Any:
    """A SegFormer (Xie et al. 2021, arXiv 2105.15203) with fresh weights; its first stage halves the sides alone."""
    import torch
    from transformers import SegformerConfig, SegformerForSemanticSegmentation

    torch.manual_seed(SEEDS[NAME])
    labels = dict(enumerate((NOTHING, *objects.kinds())))
    return SegformerForSemanticSegmentation(
        SegformerConfig(
            depths=[1, 1, 2, 1],
            hidden_sizes=[16, 48, 96, 128],
            strides=[2, 2, 2, 2],
            patch_sizes=[5, 3, 3, 3],
            sr_ratios=[8, 4, 2, 1],
            num_attention_heads=[1, 2, 4, 4],
            mlp_ratios=[1, 2, 2, 2],
            decoder_hidden_size=48,
            drop_path_rate=0.0,
            classifier_dropout_prob=0.0,
            id2label=labels,
            label2id={label: place for place, label in labels.items()},
            attn_implementation="eager",
        )
    )


def drawn(rows: int, seed: int) -> tuple[Pixels, Labels]:
    """Scenes (rows, 64, 64, 3) and of each pixel what is there, (rows, 64, 64)."""
    names = {name: place for place, name in enumerate(objects.kinds(), start=1)}
    pixels, labels = np.empty((rows, SIZE, SIZE, 3), np.uint8), np.zeros((rows, SIZE, SIZE), np.uint8)
    for place, row in enumerate(scenes.traits(rows, seed).iter_rows(named=True)):
        image, masks = scenes.draw_with_masks(row)
        pixels[place] = np.asarray(image)
        for thing, mask in zip(row["objects"], masks, strict=True):
            labels[place][mask > 0] = names[thing["name"]]
    return pixels, labels


_drawn = functools.lru_cache(maxsize=1)(drawn)


def batch(number: int, steps: int) -> Seen:
    """The batch of a step, ROWS scenes, half of them mirrored; drawn anew all the time, by the model's seeds."""
    import torch

    draw = np.random.default_rng([SEEDS[NAME], number])
    pixels, labels = _drawn(CHUNK, SEEDS[NAME] + number - number % (PASSES * CHUNK // ROWS))
    rows = (number * ROWS + np.arange(ROWS)) % CHUNK
    mirrored = torch.from_numpy(draw.random(ROWS) < 0.5)
    ruined = HARDEST * worst(number, steps) * draw.random(ROWS)
    strength = np.where(draw.random(ROWS) < CLEAN, 0, ruined).astype(np.float32)
    pictures, seen = tensor(pixels[rows]), torch.from_numpy(labels[rows]).long()
    pictures = torch.where(mirrored[:, None, None, None], pictures.flip(3), pictures)
    seen = torch.where(mirrored[:, None, None], seen.flip(2), seen)
    return Seen(degraded(pictures, strength, draw, STILL), seen)


def loss(network: Any, shown: Seen) -> torch.Tensor:
    """Cross-entropy of every pixel; a scalar."""
    from torch.nn import functional

    logits = network(pixel_values=normalised(shown.pictures)).logits.float()
    whole = functional.interpolate(logits, size=shown.seen.shape[1:], mode="bilinear", align_corners=False)
    return functional.cross_entropy(whole, shown.seen)
