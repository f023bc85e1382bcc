"""Adapts a published language model to write as people do: ``python -m corpusmith.assets.house.writer --data …``."""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl

from corpusmith.assets.house import writer_measures as measures
from corpusmith.assets.house.writer_examples import carriers, examples, held_out, texts
from corpusmith.assets.house.writer_training import adapt, batches, encoded, loss_of, with_adapters
from corpusmith.models import catalog
from corpusmith.models.text.language import load

BASE: Final = "smollm2-135m"
OUT: Final = Path(__file__).parents[2] / "corpusmith" / "models" / "house" / "writer"
TEMPLATE: Final = "{{ messages[-1]['content'] }}<|im_start|>"
"""A question and where its answer begins: two tokens more than the question, where the base's own takes thirty."""
HELD_OUT: Final = 480  # examples of GoEmotions dev


def train_and_ship(data: Path, work: Path, out: Path = OUT, steps: int | None = None) -> None:
    """Write adapter, measures and card to ``out``; what is in ``work`` already is gone on from.

    ``data`` holds goemotions/ and reddit_top_posts/. steps: after which to stop; all examples once when None.
    """
    work.mkdir(parents=True, exist_ok=True)
    base = catalog.entry(BASE).repository
    language = load(base)
    for_training, for_measuring = _examples(data, work)
    learned = _batches(language.tokenizer, for_training)[:steps]
    counted = sum(int((targets >= 0).sum()) for _, targets in learned)
    print(f"{len(learned)} steps, {sum(ids.size for ids, _ in learned):,} tokens, {counted:,} to learn", flush=True)
    model = with_adapters(language.model)
    unseen = _batches(language.tokenizer, for_measuring)
    before = loss(model, unseen)
    adapt(model, learned, work / "checkpoint.pt")
    after = loss(model, unseen)
    ship(model, base, out)
    said = {"steps": len(learned), "tokens": counted, "held_out_loss": {"before": before, "after": after}}
    (out / "metrics.json").write_text(json.dumps(said | measures.measure(out, data), indent=1) + "\n")
    (out / "README.md").write_text(measures.card(json.loads((out / "metrics.json").read_text())))


def loss(model: Any, learned: list[tuple[Any, Any]]) -> float:
    """The mean loss of batches, in nats a token."""
    import torch

    with torch.inference_mode():
        return round(float(np.mean([float(loss_of(model, *batch)) for batch in learned])), 4)


def ship(model: Any, base: str, out: Path) -> None:
    """Writes what the loader reads: the adapter in float16, its configuration, and its chat template."""
    shutil.rmtree(out, ignore_errors=True)
    model.half().save_pretrained(out)
    model.float()
    stated = out / "adapter_config.json"
    settings = json.loads(stated.read_text()) | {"base_model_name_or_path": base, "revision": "main"}
    settings["target_modules"] = sorted(settings["target_modules"])  # a set: its order is nobody's
    stated.write_text(json.dumps({name: settings[name] for name in sorted(settings)}, indent=1) + "\n")
    (out / "chat_template.jinja").write_text(TEMPLATE)
    for file in out.iterdir():
        file.chmod(0o644)


def _examples(data: Path, work: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    """What is learned, and what the loss is measured on; from ``work`` when they are there."""
    files = work / "examples.parquet", work / "held-out.parquet"
    if not all(file.exists() for file in files):
        labelled = texts(data)
        carrying = carriers(labelled)
        examples(labelled, carrying).write_parquet(files[0])
        held_out(data, carrying).head(HELD_OUT).write_parquet(files[1])
    return pl.read_parquet(files[0]), pl.read_parquet(files[1])


def _batches(tokenizer: Any, rows: pl.DataFrame) -> list[tuple[Any, Any]]:
    learned = encoded(tokenizer, TEMPLATE, rows["asked"].to_list(), rows["answer"].to_list())
    return batches(learned, tokenizer.pad_token_id)


def main() -> None:
    """The recipe as a command, to run unattended."""
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--data", type=Path, required=True, help="folder with goemotions/ and reddit_top_posts/")
    ask.add_argument("--work", type=Path, default=Path("build/house-writer"), help="checkpoint and examples")
    ask.add_argument("--out", type=Path, default=OUT)
    ask.add_argument("--steps", type=int, help="stop after so many steps; default: all examples once")
    train_and_ship(**vars(ask.parse_args()))


if __name__ == "__main__":
    main()
