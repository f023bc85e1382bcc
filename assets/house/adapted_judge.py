"""Adapts a language model to judge: ``python -m corpusmith.assets.house.adapted_judge --data ../shared/data``.

The lower layers of the base read GoEmotions train through LoRA matrices and a head, which are all that is trained and
shipped. The base is fetched before: ``corpusmith models fetch smollm2-135m``.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from corpusmith.assets.house import emotion
from corpusmith.assets.house.emotion_card import BINS, measure, per_class
from corpusmith.assets.house.training import device
from corpusmith.emotions import EMOTIONS
from corpusmith.models.house import HOUSE
from corpusmith.models.text.adapted_judge import base_revision

if TYPE_CHECKING:
    from corpusmith.models.adapted_network import AdaptedLanguageModel

NAME = "adapted-judge"
BASE = "HuggingFaceTB/SmolLM2-135M-Instruct"
LAYERS = 16  # of its 30: linear probes told emotions apart best at layer 13
RANK = 8
ROWS_PER_STEP = 32
POOL = 64  # batches whose rows are sorted by length together
EPOCHS = 2
RATE = 1e-3
WARM_UP = 0.05  # of the steps, in which the rate rises
DROPPED = 0.1  # of what the head reads
CUT_NORM = 1.0
SAVE_SECONDS = 180
TIMED_ROWS = 500

Ints = np.ndarray[Any, np.dtype[np.int64]]


def make(
    data: Path,
    work: Path,
    out: Path = HOUSE / NAME,
    base: str = BASE,
    layers: int = LAYERS,
    rows: int | None = None,
    steps: int | None = None,
    seed: int = 0,
) -> None:
    """Write weights, config.json, metrics.json and README.md to ``out``; goes on from a checkpoint in ``work``.

    ``data`` holds goemotions/original/ (labels.txt, train.tsv, dev.tsv). All of train is learned from but fold 0, which
    calibrates. rows: so many of them, drawn at random, are learned from; None: all. steps: of ROWS_PER_STEP rows; None:
    EPOCHS times all. The same seed on as many threads gives the same weights, stopped in between or not.
    """
    from corpusmith.models import adapted_network

    names, groups = emotion.fine_labels(data)
    every = emotion.examples(data / "goemotions/original/train.tsv", groups)
    seen, kept_back = every.where(every.folds != 0), every.where(every.folds == 0).single
    if rows is not None:
        drawn = np.random.default_rng(seed).permutation(len(seen.texts))[:rows]
        seen = seen.where(np.isin(np.arange(len(seen.texts)), drawn))
    steps = steps or EPOCHS * math.ceil(len(seen.texts) / ROWS_PER_STEP)
    network = adapted_network.untrained(base, layers, RANK, names, groups, seed)
    work.mkdir(parents=True, exist_ok=True)
    train(network, seen, steps, work / "checkpoint.pt", seed)
    emotion.even_out(network, seen.emotions.mean(axis=0))
    emotion.calibrate(network, network.logits(kept_back.texts), kept_back.emotions)
    config = {"base": base, "base_revision": base_revision(base), "layers": layers, "rank": RANK}
    adapted_network.save(network, out, config)
    describe(out, data, {"trained_rows": len(seen.texts), "steps": steps}, seed)


def train(network: AdaptedLanguageModel, rows: emotion.Examples, steps: int, checkpoint: Path, seed: int) -> None:
    """Train what is not the base's, in place, by AdamW; goes on from ``checkpoint`` when it is there.

    A step's rows are decided by its number, and so is what is dropped in it.
    """
    import torch

    from corpusmith.models.adapted_network import trained

    ids = network.encoded(rows.texts)
    lengths = np.array([len(own) for own in ids])
    where, dealt = device(), cache(lambda epoch: batches(lengths, seed, epoch))
    network.to(where)
    parameters = [weights for weights in network.parameters() if weights.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=RATE, betas=(0.9, 0.98), weight_decay=0.01)
    first = 0
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True, map_location=where)
        network.load_state_dict(state["network"], strict=False)
        optimizer.load_state_dict(state["optimizer"])
        first = state["step"]
    network.dropped = DROPPED
    network.train()
    began = saved = time.monotonic()
    running, read = math.nan, 0
    print(f"{len(ids):,} rows, {lengths.sum():,} tokens; steps {first} to {steps} of {ROWS_PER_STEP} rows", flush=True)
    for step in range(first, steps):
        torch.manual_seed(seed * 1_000_003 + step)
        part = dealt(step // len(dealt(0)))[step % len(dealt(0))]
        optimizer.param_groups[0]["lr"] = RATE * _schedule(step, steps)
        fine = network.fine(network.tokens([ids[i] for i in part])).cpu()
        loss = emotion.loss_of(network, fine, rows.emotions[part], rows.fine[part])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, CUT_NORM)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        read += int(lengths[part].sum())
        running = loss.item() if math.isnan(running) else 0.95 * running + 0.05 * loss.item()
        if step % 20 == 0 or step == steps - 1:
            pace = read / (time.monotonic() - began)
            print(f"step {step}/{steps} loss {running:.3f} {pace:,.0f} tokens/s", flush=True)
        if time.monotonic() - saved > SAVE_SECONDS or step == steps - 1:
            state = {"network": trained(network), "optimizer": optimizer.state_dict(), "step": step + 1}
            torch.save(state, checkpoint.with_suffix(".part"))
            checkpoint.with_suffix(".part").replace(checkpoint)
            saved = time.monotonic()
    network.to("cpu").eval()


def batches(lengths: Ints, seed: int, epoch: int) -> list[Ints]:
    """All rows once, in batches of ROWS_PER_STEP rows of like length, in an order that seed and epoch decide."""
    draw = np.random.default_rng((seed, epoch))
    order = draw.permutation(len(lengths))
    pool = POOL * ROWS_PER_STEP
    pools = [order[start : start + pool] for start in range(0, len(order), pool)]
    sorted_rows = np.concatenate([rows[np.argsort(lengths[rows], kind="stable")] for rows in pools])
    cut = [sorted_rows[start : start + ROWS_PER_STEP] for start in range(0, len(order), ROWS_PER_STEP)]
    return [cut[i] for i in draw.permutation(len(cut))]


def _schedule(step: int, steps: int) -> float:
    rise = min((step + 1) / max(1, WARM_UP * steps), 1.0)
    return rise * (0.01 + 0.99 * (1 + math.cos(math.pi * step / steps)) / 2)


def describe(folder: Path, data: Path, said: dict[str, Any], seed: int = 0) -> None:
    """Measure the judge as it was written, on the rows of GoEmotions dev with one emotion; write metrics and card."""
    from corpusmith.models.adapted_network import load

    _, groups = emotion.fine_labels(data)
    dev = emotion.examples(data / "goemotions/original/dev.tsv", groups).single
    network = load(folder)
    metrics = measure(network.predict, dev.texts, dev.emotions, seed, timed=TIMED_ROWS)
    metrics |= {**said, "bytes": (folder / "model.safetensors").stat().st_size}
    (folder / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n", encoding="utf-8")
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "README.md").write_text(card(config, metrics), encoding="utf-8")


def card(config: dict[str, Any], metrics: dict[str, Any]) -> str:
    """What the judge's card says, every number measured."""
    low, high = metrics["macro_f1_95"]
    return f"""---
license: apache-2.0
language: en
pipeline_tag: text-classification
base_model: {config["base"]}
library_name: corpusmith
tags: [emotion, reddit, lora, corpusmith]
---

# {NAME}

The probabilities of {", ".join(EMOTIONS[:-1])} and {EMOTIONS[-1]} for an English comment. It judges a second time what
may be released, and is of another kind than the fast judge: the lower {config["layers"]} layers of
[{config["base"]}](https://huggingface.co/{config["base"]}) (Apache-2.0), with LoRA
of rank {config["rank"]} over their linear maps and a linear head on the mean and the last of their states. Here lie
only the LoRA matrices and the head; the base is your own copy (`corpusmith models fetch smollm2-135m`), at the revision
that it has there, which is in every fingerprint. These were trained on {config["base_revision"][:12]}.
Made by `assets/house/adapted_judge.py`, which also wrote this card: every number below was measured by it.

## Data

GoEmotions train, {metrics["trained_rows"]:,} comments of it (Demszky et al. 2020, google-research; **CC BY 4.0**), its
27 emotions grouped into Ekman's six by the authors' own mapping; rows with several labels count in parts;
{metrics["steps"]:,} steps of {ROWS_PER_STEP} comments. One row in forty, by hash of the comment id, was kept back to
fit the temperature.

## Measured on GoEmotions dev, the {metrics["rows"]:,} rows with one of the seven labels

| | |
|---|---|
| macro-F1 | **{metrics["macro_f1"]:.3f}** (95 % bootstrap interval {low:.3f}-{high:.3f}) |
| accuracy | {metrics["accuracy"]:.3f} |
| expected calibration error, {BINS} bins | {metrics["ece"]:.3f} |
| comments a second and core, from strings to probabilities | {metrics["rows_per_second_and_core"]:,} |
| size | {metrics["bytes"] / 1e6:.2f} MB, fp16, without the base |

{per_class(metrics)}

## Limits

- Labels of single comments without their thread, by raters who often disagreed; English, Reddit of 2005-2019.
- It learned from the same comments as the fast judge: where the two agree, both may be wrong in the same way.
- Rare emotions (fear, disgust) are known from a few hundred comments; the prior is evened out in part in their favour,
  so confidence is that of a set somewhat more balanced than GoEmotions.
- Not for judging people: it labels text for corpora.
"""


def main() -> None:
    """The recipe as a command, to run unattended."""
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--data", type=Path, required=True, help="folder with goemotions/original/")
    ask.add_argument(
        "--work", type=Path, default=Path("build/house-adapted-judge"), help="where its checkpoint is kept"
    )
    ask.add_argument("--out", type=Path, default=HOUSE / NAME)
    ask.add_argument("--base", default=BASE, help="a causal language model of the Hub or a folder")
    ask.add_argument("--layers", type=int, default=LAYERS, help="how many of its layers are kept, from below")
    ask.add_argument("--rows", type=int, help="so many comments are learned from; default: all")
    ask.add_argument("--steps", type=int, help=f"of {ROWS_PER_STEP} comments; default: all of them {EPOCHS} times")
    ask.add_argument("--seed", type=int, default=0)
    make(**vars(ask.parse_args()))


if __name__ == "__main__":
    main()
