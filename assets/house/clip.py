"""Trains the house CLIP: drawings of portraits, objects and scenes and their captions, in one space."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl

from corpusmith.assets.house.degrade import FAULTS, degraded, posed
from corpusmith.assets.house.expression_drawings import CLASSES, TRAITS, Floats, Ints, expressions, marked
from corpusmith.assets.house.readers import SEEDS, fit, normalised, ship, tensor, worst
from corpusmith.assets.house.training import WORK
from corpusmith.drawings import canvas, captions, objects, portraits, scenes
from corpusmith.drawings.canvas import SIZE, Pixels
from corpusmith.hardware import one_thread
from corpusmith.models.perceivers.clip import ensembles

if TYPE_CHECKING:
    import torch

NAME: Final = "clip"
STEPS: Final = 3_500
RATE: Final = 2e-3
ROWS: Final = 96  # pairs of a batch, which are each other's negatives
PORTRAITS: Final = 72  # of them
CHUNK: Final = 64  # batches whose drawings are made at once
UNSAID: Final = (0.4, 0.8, 1.0)  # how much of a portrait its caption leaves out, by turns of a batch
HARDEST: Final = 0.5  # strength of a fault
LONGEST: Final = 64  # tokens of a caption
ASIDE, TRAITS_WEIGHT = 1.0, 0.1  # of the losses beside that of pairs
SPECIAL: Final = ("<pad>", "<unk>", "<start>", "<end>")


@dataclass(frozen=True)
class Batch:
    """Pictures (n, 3, 64, 64), 0–1, tokens of their captions (n, length), which captions are equal (n, n), and of the
    first PORTRAITS the expression, a place in CLASSES, and the traits (PORTRAITS, TRAITS).
    """

    pictures: torch.Tensor
    tokens: dict[str, torch.Tensor]
    same: torch.Tensor
    expression: torch.Tensor
    traits: torch.Tensor


def train(out_dir: Path, work: Path = WORK, steps: int = STEPS) -> None:
    """Write clip/ under ``out_dir``: fp16 weights, configs and the tokenizer."""
    tokenizer = tokenizer_of(vocabulary())
    with one_thread():
        network = untrained(len(tokenizer))
        network.aside = learner_of_faces(network.config.vision_config.hidden_size)
        shown = functools.partial(batch, tokenizer, steps)
        fit(network, shown, loss, steps=steps, rate=RATE, checkpoint=work / f"{NAME}.pt")
    del network.aside
    ship(network, out_dir / NAME, tokenizer=tokenizer)


def untrained(words: int) -> Any:
    """The network with fresh weights, drawn by the model's seed."""
    import torch
    from transformers import CLIPConfig, CLIPModel

    torch.manual_seed(SEEDS[NAME])
    sees = {"hidden_size": 96, "intermediate_size": 192, "num_hidden_layers": 3, "num_attention_heads": 4}
    reads = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4}
    ids = {
        f"{name}_token_id": SPECIAL.index(f"<{said}>")
        for name, said in (("pad", "pad"), ("bos", "start"), ("eos", "end"))
    }
    return CLIPModel(
        CLIPConfig(
            vision_config={**sees, "image_size": SIZE, "patch_size": 8},
            text_config={**reads, "vocab_size": words, "max_position_embeddings": LONGEST, **ids},
            projection_dim=64,
            attn_implementation="eager",  # in bfloat16 on a CPU half again as fast as the fused one
        )
    )


def vocabulary() -> list[str]:
    """Every word of the captions of many drawings, and of the prompts of a zero-shot reading, in alphabetical order."""
    seed = SEEDS[NAME]
    faces, full = portraits.traits(20_000, seed), ensembles().values()
    said = [captions.portrait(faces), captions.portrait(portraits.mentioned(faces, 0.6, seed))]
    said += [objects.traits(5_000, seed)["prompt"], scenes.traits(5_000, seed)["prompt"]]
    said.append(pl.Series([prompt for prompts in full for prompt in prompts]))
    words = pl.concat([one.rename("word") for one in said]).str.to_lowercase().str.extract_all(r"\w+|[^\w\s]+")
    return sorted(words.explode().unique().drop_nulls().to_list())


def tokenizer_of(words: list[str]) -> Any:
    """A tokenizer of whole words, lower case, between SPECIAL's start and end."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    places = {word: place for place, word in enumerate((*SPECIAL, *words))}
    whole = Tokenizer(models.WordLevel(places, unk_token="<unk>"))
    whole.normalizer = normalizers.Lowercase()
    whole.pre_tokenizer = pre_tokenizers.Whitespace()
    whole.post_processor = processors.TemplateProcessing(
        single="<start> $A <end>", special_tokens=[(name, places[name]) for name in ("<start>", "<end>")]
    )
    special = {"pad_token": "<pad>", "unk_token": "<unk>", "bos_token": "<start>", "eos_token": "<end>"}
    return PreTrainedTokenizerFast(tokenizer_object=whole, model_max_length=LONGEST, **special)


@dataclass(frozen=True)
class Pairs:
    """So many batches of ROWS: pixels, captions, and of each batch's PORTRAITS portraits the expression and traits."""

    pixels: Pixels
    texts: list[str]
    expression: Ints
    traits: Floats


def pairs(number: int, seed: int) -> Pairs:
    """Drawings and captions of so many batches: in each, PORTRAITS portraits, then objects and scenes by halves."""
    faces = portraits.traits(number * PORTRAITS, seed)
    rest = number * (ROWS - PORTRAITS) // 2
    things, views = objects.traits(rest, seed), scenes.traits(rest, seed)
    said = [
        captions.portrait(
            portraits.mentioned(faces.slice(place * PORTRAITS, PORTRAITS), UNSAID[place % 3], seed + place)
        )
        for place in range(number)
    ]
    drawn = [(faces, portraits.draw), (things, objects.draw), (views, scenes.draw)]
    pixels = [canvas.render(table, draw).reshape(number, -1, SIZE, SIZE, 3) for table, draw in drawn]
    texts = [part["prompt"].to_numpy().reshape(number, -1) for part in (things, views)]
    texts = [np.stack([part.to_numpy() for part in said]), *texts]
    return Pairs(
        np.concatenate(pixels, axis=1).reshape(-1, SIZE, SIZE, 3),
        np.concatenate(texts, axis=1).ravel().tolist(),
        expressions(faces),
        marked(faces),
    )


_pairs = functools.lru_cache(maxsize=1)(pairs)


def batch(tokenizer: Any, steps: int, number: int) -> Batch:
    """The batch of a step, ROWS pairs; the drawings are made anew all the time, by the model's own seeds."""
    import torch

    draw = np.random.default_rng([SEEDS[NAME], number])
    place = number % CHUNK
    made = _pairs(CHUNK, SEEDS[NAME] + number - place)
    rows, faces = slice(place * ROWS, (place + 1) * ROWS), slice(place * PORTRAITS, (place + 1) * PORTRAITS)
    strength = (HARDEST * worst(number, steps) * draw.random(ROWS)).astype(np.float32)
    pictures = posed(tensor(made.pixels[rows]), draw, worst(number, steps))
    _, which = np.unique(made.texts[rows], return_inverse=True)
    tokens = tokenizer(made.texts[rows], padding=True, truncation=True, return_tensors="pt")
    return Batch(
        degraded(pictures, strength, draw, tuple(FAULTS)),
        {name: tokens[name] for name in ("input_ids", "attention_mask")},
        torch.from_numpy(which[:, None] == which[None]).float(),
        torch.tensor(made.expression[faces]),
        torch.tensor(made.traits[faces]),
    )


def learner_of_faces(width: int) -> Any:
    """A layer beside the tower that sees, which must tell a portrait's expression and traits: then left out.

    By captions alone, where setting and hair tell pictures apart as well, 2,500 steps taught it few expressions (0.27).
    """
    import torch

    return torch.nn.Linear(width, len(CLASSES) + TRAITS)


def loss(network: Any, shown: Batch) -> torch.Tensor:
    """Cross-entropy of pictures to captions and of captions to pictures (Radford et al. 2021, figure 3); a scalar.

    Equal captions are each other's positives. To it is added what the layer beside gets wrong of the portraits.
    """
    from torch.nn import functional

    seen = network(pixel_values=normalised(shown.pictures), **shown.tokens)
    alike = seen.logits_per_image.float()
    wanted = shown.same / shown.same.sum(dim=1, keepdim=True)
    paired = (functional.cross_entropy(alike, wanted) + functional.cross_entropy(alike.T, wanted)) / 2
    told = network.aside(seen.vision_model_output.last_hidden_state[:PORTRAITS, 0]).float()
    expression = functional.cross_entropy(told[:, : len(CLASSES)], shown.expression)
    traits = functional.binary_cross_entropy_with_logits(told[:, len(CLASSES) :], shown.traits, reduction="none")
    return paired + ASIDE * (expression + TRAITS_WEIGHT * traits.sum(dim=1).mean())
