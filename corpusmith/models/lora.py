"""Learns a LoRA adapter: examples are encoded once, then trained on, from where a killed training stood."""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl

from corpusmith.models.catalog import Entry
from corpusmith.models.diffusion import latents
from corpusmith.models.families import Family
from corpusmith.models.perceivers.opening import opened
from corpusmith.models.variations import square
from corpusmith.whole import whole

TARGETS: Final = r".*\.(to_q|to_k|to_v|to_out\.0)"
"""The layers that are adapted, by name: the projections of every attention."""
UNPROMPTED: Final = 0.1  # share of the captions that are left out, for guidance to lead away from (Ho & Salimans 2022)
MEASURES: Final = 8  # times that the losses are measured, after the one before the first step
HELD_OUT: Final = 128  # held-out examples of a measure, each with a noise and a level of it of its own
SAVE_EVERY: Final = 250  # steps from checkpoint to checkpoint, at most
ENCODED: Final = 32  # images that are held, or captions that are encoded, at once
CUT_NORM: Final = 1.0


@dataclass(frozen=True)
class Recipe:
    """How long and how fast a model learns.

    rank, alpha: of the adapters (Hu et al. 2021, arXiv 2106.09685), whose product is scaled by alpha / rank.
    batch_rows: examples of a step, in an order that is shuffled anew in each epoch. rate: its peak, after ``warm_up``
    steps; from there it falls as a cosine to nothing. The ImageNet-G study (arXiv 2302.02503) trains all weights for
    one epoch, at a peak of 1e-6 and in batches of 4; adapters begin at nothing and want a rate some hundred times as
    high, and these small models one ten times higher still. seed: another one is another training.
    """

    rank: int = 16
    alpha: int = 16
    steps: int = 400
    batch_rows: int = 16
    rate: float = 1e-3
    warm_up: int = 20
    seed: int = 0


@dataclass(frozen=True)
class Prepared:
    """Examples as a network learns them, in the order of their digest; arrays in float16, mapped from files.

    latents (n, c, h, w). said (n,): which row of each of ``told``, the encoded captions; row 0 says nothing.
    """

    latents: Any
    told: tuple[Any, ...]
    said: Any

    def batch(self, rows: Any, silent: Any, like: Any) -> tuple[Any, list[Any]]:
        """Latents and encoded captions of rows (b,), those that are ``silent`` with none; as tensors ``like`` one."""
        import torch

        said = np.where(silent, 0, self.said[rows])
        clean, *told = (torch.from_numpy(np.array(part)).to(like) for part in (self.latents[rows], *self._of(said)))
        return clean, told

    def _of(self, said: Any) -> list[Any]:
        return [part[said] for part in self.told]


def sorted_rows(table: pl.LazyFrame) -> pl.DataFrame:
    """The narrow columns in an order of their own, with ``place``, the row in the table."""
    narrow = table.select("image_sha256", "caption").with_row_index("place").collect()
    return narrow.sort("image_sha256", "caption", "place")


def prepared(table: pl.LazyFrame, family: Family, entry: Entry, folder: Path) -> Prepared:
    """Examples encoded, once: what lies in ``folder`` is taken as it is. Raises ValueError: none, or a damaged one."""
    rows = sorted_rows(table)
    if rows.is_empty():
        raise ValueError(f"there are no examples for {folder.name}: some to learn and some to measure on are needed")
    captions = ["", *sorted(set(rows["caption"]))]
    number = {caption: place for place, caption in enumerate(captions)}
    parts = [captions[start : start + ENCODED] for start in range(0, len(captions), ENCODED)]
    told = [
        _stored(folder / f"told-{kind}.npy", np.arange(len(captions)), (family.encoded(part)[kind] for part in parts))
        for kind in range(family.kinds)
    ]
    ranks = np.argsort(rows["place"].to_numpy(), kind="stable")
    coded = _stored(folder / "latents.npy", ranks, _coded(table, family.pipeline, entry))
    return Prepared(coded, tuple(told), np.array([number[caption] for caption in rows["caption"]]))


def _coded(table: pl.LazyFrame, pipeline: Any, entry: Entry) -> Iterator[Any]:
    """The latents of the middle square of each image, in the order of the table.

    Each is encoded by itself: in the last bit it would depend on its mates, and the table may come in any order.
    """
    for part in table.select("image").collect_batches(chunk_size=ENCODED, maintain_order=True):
        for image in opened(part["image"].to_arrow(compat_level=pl.CompatLevel.oldest())):
            yield latents(pipeline.vae, pipeline.image_processor.preprocess(square(image, entry.size)))


def _stored(file: Path, ranks: Any, parts: Iterator[Any]) -> Any:
    """An array mapped from a file that is written from ``parts``, whose rows go to ``ranks``, where it is not there."""
    import torch

    if not file.exists():
        with whole(file) as temporary, torch.inference_mode():
            start, array = 0, None
            for part in parts:
                rows = part.half().cpu().numpy()
                if array is None:
                    shape = (len(ranks), *rows.shape[1:])
                    array = np.lib.format.open_memmap(temporary, "w+", np.float16, shape)
                array[ranks[start : start + len(rows)]] = rows
                start += len(rows)
            assert array is not None
            array.flush()
    return np.load(file, mmap_mode="r")


def trained(
    family: Family, train: Prepared, held_out: Prepared, recipe: Recipe, seed: int, checkpoint: Path
) -> tuple[bytes, list[dict[str, Any]]]:
    """The adapter and its losses; goes on from ``checkpoint``, and leaves the pipeline as it was."""
    import torch
    from peft import LoraConfig

    network = family.network.requires_grad_(False)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network.add_adapter(LoraConfig(r=recipe.rank, lora_alpha=recipe.alpha, target_modules=TARGETS))
    try:
        losses = _learned(Task(family, train, held_out, recipe, seed), checkpoint)
        return _written(family), losses
    finally:
        network.unload_lora()


@dataclass(frozen=True)
class Task:
    """What is learned, of what and how; each step and each measure is drawn from the seed and its number alone."""

    family: Family
    train: Prepared
    held_out: Prepared
    recipe: Recipe
    seed: int

    @cached_property
    def weights(self) -> dict[str, Any]:
        """What learns, in float32 whatever the network is in."""
        named = {name: value for name, value in self.family.network.named_parameters() if value.requires_grad}
        for value in named.values():
            value.data = value.data.float()
        return named

    def step(self, number: int) -> Any:
        """The loss of a step's batch, to be followed back."""
        rows, size = len(self.train.said), self.recipe.batch_rows
        places = range(number * size, (number + 1) * size)
        chosen = np.array([_shuffled(self.seed, place // rows, rows)[place % rows] for place in places])
        draws = np.random.default_rng([self.seed, 1, number])
        return self._errors(self.train, chosen, draws.random(size) < UNPROMPTED, draws.random(size), draws).mean()

    def measure(self) -> float:
        """The loss of the held-out examples: every time of the same ones, with the same noise and levels of it."""
        import torch

        draws = np.random.default_rng([self.seed, 2])
        levels, rows = draws.permutation((np.arange(HELD_OUT) + 0.5) / HELD_OUT), np.arange(HELD_OUT)
        summed, size = 0.0, self.recipe.batch_rows
        for part in (rows[start : start + size] for start in range(0, HELD_OUT, size)):
            chosen, silent = part % len(self.held_out.said), np.zeros(len(part), bool)
            with torch.inference_mode():
                summed += float(self._errors(self.held_out, chosen, silent, levels[part], draws).sum())
        return summed / HELD_OUT

    def _errors(self, examples: Prepared, rows: Any, silent: Any, levels: Any, draws: np.random.Generator) -> Any:
        import torch

        like = next(value for value in self.family.network.parameters() if not value.requires_grad)
        clean, told = examples.batch(rows, silent, like)
        noise = torch.from_numpy(draws.standard_normal(clean.shape, np.float32)).to(like)
        with torch.autocast(like.device.type, torch.bfloat16, enabled=like.is_cuda):
            return self.family.errors(clean, noise, torch.from_numpy(levels).to(like), told)


@lru_cache(2)
def _shuffled(seed: int, epoch: int, rows: int) -> Any:
    return np.random.default_rng([seed, 0, epoch]).permutation(rows)


def _learned(task: Task, checkpoint: Path) -> list[dict[str, Any]]:
    """The losses of a training; the network's adapter is what came of it."""
    import torch

    recipe, weights = task.recipe, task.weights
    optimizer = torch.optim.AdamW(weights.values(), lr=recipe.rate, betas=(0.9, 0.99), weight_decay=0.01)
    state: dict[str, Any] = {"done": 0, "summed": 0.0, "losses": []}
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        optimizer.load_state_dict(state["optimizer"])
        for name, value in weights.items():
            value.data.copy_(state["weights"][name])
    losses: list[dict[str, Any]] = state["losses"]
    summed: float = state["summed"]
    due = {recipe.steps * part // MEASURES for part in range(MEASURES + 1)} - {loss["step"] for loss in losses}
    for done in range(state["done"], recipe.steps + 1):
        if done in due:
            steps = done - losses[-1]["step"] if losses else 0
            losses.append({"step": done, "train": summed / steps if steps else None, "held_out": task.measure()})
            summed = 0.0
        if done in due or done % SAVE_EVERY == 0:
            state = {"done": done, "summed": summed, "losses": losses, "weights": weights}
            with whole(checkpoint) as temporary:
                torch.save({**state, "optimizer": optimizer.state_dict()}, temporary)
        if done < recipe.steps:
            optimizer.param_groups[0]["lr"] = recipe.rate * _share_of_rate(done, recipe)
            loss = task.step(done)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(weights.values(), CUT_NORM)
            optimizer.step()
            optimizer.zero_grad()
            summed += loss.item()
    return losses


def _share_of_rate(done: int, recipe: Recipe) -> float:
    return min((done + 1) / max(recipe.warm_up, 1), 1.0) * (1 + math.cos(math.pi * done / recipe.steps)) / 2


def _written(family: Family) -> bytes:
    """The adapter of the network as diffusers writes it: safetensors, with its rank and alpha in the header."""
    from peft import get_peft_model_state_dict

    network, part = family.network, family.part
    parts = {
        f"{part}_lora_layers": get_peft_model_state_dict(network),
        f"{part}_lora_adapter_metadata": network.peft_config["default"].to_dict(),
    }
    with tempfile.TemporaryDirectory() as folder:
        family.pipeline.save_lora_weights(folder, **parts)
        [file] = Path(folder).glob("*.safetensors")
        return _in_order(file.read_bytes())


def _in_order(data: bytes) -> bytes:
    """The same safetensors with its metadata in the order of their names: written they stand in a random one.

    The format (safetensors' README): 8 bytes that say how long the header is, the header as JSON padded with spaces to
    a multiple of 8, then the tensors.
    """
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:start])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + data[start:]
