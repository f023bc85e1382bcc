"""Trains the house language model: ``python -m corpusmith.assets.house.language --data ../shared/data``."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from corpusmith.assets.house import language_measures as measures
from corpusmith.assets.house import language_text as material
from corpusmith.assets.house.language_examples import CONTEXT, encoded, examples, packed, tokenizer_of
from corpusmith.assets.house.language_training import ROWS_PER_STEP, train, untrained
from corpusmith.curate.memorised import index_of

OUT = Path(__file__).parents[2] / "corpusmith" / "models" / "house" / "language"
RUNS_BYTES = 1_900_000  # of the filter over the training text: 9.4 bits for each run of words


def sources(data: Path) -> dict[str, pl.DataFrame]:
    """The texts to learn from, by source; ``goemotions`` with ``labels``, ``weak`` and ``bank`` with ``emotion``."""
    labelled = material.goemotions(data / "goemotions" / "ekman" / "train.tsv")
    posts = material.posts(data / "reddit_top_posts" / "data")
    weak = material.weakly_labelled(posts, labelled)
    return {"goemotions": labelled, "posts": posts, "weak": weak, "bank": material.bank()}


def tokens(texts: dict[str, pl.DataFrame], tokenizer: Any, share: float, cached: Path) -> dict[str, Any]:
    """The packed rows of the run, from the cache when they are there."""
    if not cached.exists():
        np.savez(cached, allow_pickle=False, **packed(*encoded(tokenizer, examples(texts, share))))
    with np.load(cached) as arrays:
        return {name: arrays[name] for name in arrays.files}


def ship(model: Any, tokenizer: Any, texts: dict[str, pl.DataFrame], out: Path) -> None:
    """Writes what the loader reads: float16 safetensors, tokenizer, and the filter over the training text's runs."""
    out.mkdir(parents=True, exist_ok=True)
    model.config._attn_implementation = "sdpa"
    model.half().save_pretrained(out)
    tokenizer.save_pretrained(out)
    stated = out / "tokenizer_config.json"
    settings = json.loads(stated.read_text()) | {"tokenizer_class": "PreTrainedTokenizerFast"}  # known to 4.x as well
    settings.pop("backend", None)
    stated.write_text(json.dumps(settings, indent=2) + "\n")
    read = pl.concat([texts["goemotions"]["text"], texts["posts"]["text"]])
    np.save(out / "runs.npy", index_of(read, RUNS_BYTES))
    for file in out.iterdir():
        file.chmod(0o644)


def train_and_ship(data: Path, work: Path, out: Path = OUT, share: float = 1.0, steps: int | None = None) -> None:
    """Write tokenizer, weights, measures and card to ``out``; what is in ``work`` already is gone on from.

    ``data`` holds goemotions/ and reddit_top_posts/. share: how often texts are read, as a share of the full run.
    steps: after which to stop; all rows once when None.
    """
    import torch

    torch.set_num_threads(1)
    work.mkdir(parents=True, exist_ok=True)

    texts = sources(data)
    tokenizer = tokenizer_of([text for name in ("goemotions", "posts", "bank") for text in texts[name]["text"]])
    rows = tokens(texts, tokenizer, share, work / "packed.npz")
    steps = steps or len(rows["ids"]) // ROWS_PER_STEP
    print(
        f"{steps} steps of {ROWS_PER_STEP} rows of {CONTEXT} tokens, {(rows['example'] > 0).mean():.1%} filled",
        flush=True,
    )
    model = untrained(tokenizer)
    train(model, rows, steps, work / "checkpoint.pt")
    ship(model, tokenizer, texts, out)

    held_out = material.goemotions(data / "goemotions" / "ekman" / "dev.tsv")
    measured = {
        "steps": steps,
        "tokens": steps * ROWS_PER_STEP * CONTEXT,
        **measures.measure(out, texts, held_out),
    }
    (out / "metrics.json").write_text(json.dumps(measured, indent=2) + "\n")
    (out / "README.md").write_text(measures.card(measured))


def main() -> None:
    """The recipe as a command, to run unattended."""
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--data", type=Path, required=True, help="folder with goemotions/ and reddit_top_posts/")
    ask.add_argument("--work", type=Path, default=Path("build/house-language"), help="checkpoint and cached tokens")
    ask.add_argument("--out", type=Path, default=OUT)
    ask.add_argument("--share", type=float, default=1.0, help="how often texts are read, as a share of the full run")
    ask.add_argument("--steps", type=int, help="stop after so many steps; default: all rows once")
    train_and_ship(**vars(ask.parse_args()))


if __name__ == "__main__":
    main()
