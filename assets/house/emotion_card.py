"""What the card of a house emotion classifier says, every number of it measured."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from corpusmith.emotions import EMOTIONS
from corpusmith.models import house

BINS = 15
RESAMPLES = 1000
TIMED_ROWS = 50_000

Floats = np.ndarray[Any, np.dtype[np.float32]]
Ints = np.ndarray[Any, np.dtype[np.int64]]

ABOUT = {
    "emotion-judge": (
        "It judges every text of the corpus: a convolution over words, whose vectors are sums of hashed words and "
        "n-grams. Of a text with many words that it has hardly seen with a label it is less sure: its temperature "
        "rises with their share.",
        "The texts, not labels, of 32,000 top posts of Reddit (`umbrae/reddit-top-2.5-million`, **ODC PDDL 1.0**, "
        "public domain): its word vectors began as factorised mutual information there, and it learned from teachers "
        "of its own kind, trained on the same rows of GoEmotions, what they make of sentences of those posts.",
    ),
    "emotion-guide": (
        "It guides the edits of the house rewriter, so that the writer is never its own judge: a logistic "
        "regression on the TF-IDF of hashed words and word pairs, which shares no weights with the judge.",
        "Nothing else. It shares most of these comments with the judge; another fortieth of train was kept from each.",
    ),
}


TAUGHT = "It learned as well what {} ({}), of another kind and slower, makes of some of both."


def measure(
    predict: Callable[[pa.Array], Floats], texts: pa.Array, emotions: Floats, seed: int, timed: int | None = None
) -> dict[str, Any]:
    """The metrics of a classifier on single-label rows; speed is end to end, strings to probabilities.

    timed: rows that speed is measured on.
    """
    probabilities = predict(texts)
    truth, said = emotions.argmax(axis=1), probabilities.argmax(axis=1)
    low, high = _interval(truth, said, seed)
    return {
        "rows": len(texts),
        "macro_f1": float(f1(truth, said).mean()),
        "macro_f1_95": [low, high],
        "accuracy": float((truth == said).mean()),
        "f1": dict(zip(EMOTIONS, f1(truth, said).tolist(), strict=True)),
        "ece": calibration_error(probabilities, truth),
        "confusion": confusion(truth, said).tolist(),
        "rows_per_second_and_core": round(_speed(predict, texts, timed or TIMED_ROWS)),
    }


def confusion(truth: Ints, said: Ints) -> Ints:
    """Counts of rows by true (row) and said (column) emotion, (7, 7)."""
    size = len(EMOTIONS)
    return np.bincount(truth * size + said, minlength=size * size).reshape(size, size)


def f1(truth: Ints, said: Ints) -> np.ndarray[Any, np.dtype[np.float64]]:
    """F1 of each emotion, (7,); 0 where it neither occurs nor is said."""
    counts = confusion(truth, said)
    both = counts.sum(axis=0) + counts.sum(axis=1)
    return np.asarray(2 * np.diag(counts) / np.maximum(both, 1))


def calibration_error(probabilities: Floats, truth: Ints) -> float:
    """Expected calibration error of the top label over BINS equal bins of confidence (Guo et al. 2017, equation 3)."""
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == truth
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    gaps = np.bincount(bins, right - confidence, minlength=BINS)
    return float(np.abs(gaps).sum() / len(truth))


def _interval(truth: Ints, said: Ints, seed: int) -> tuple[float, float]:
    draw = np.random.default_rng(seed)
    picks = (draw.integers(0, len(truth), len(truth)) for _ in range(RESAMPLES))
    low, high = np.percentile([f1(truth[pick], said[pick]).mean() for pick in picks], [2.5, 97.5])
    return float(low), float(high)


def _speed(predict: Callable[[pa.Array], Floats], texts: pa.Array, rows: int, batch: int = 4096) -> float:
    """Rows a second of processor time, so that what else runs on the machine does not count."""
    many = texts.take(pa.array(np.arange(rows) % len(texts)))
    began = time.process_time()
    for start in range(0, len(many), batch):
        predict(many.slice(start, batch))
    return len(many) / (time.process_time() - began)


def write_card(folder: Path, metrics: dict[str, Any], trained_rows: int, teacher: Path | None = None) -> None:
    """Write metrics.json and README.md beside the weights; ``teacher``: the adapted judge that it learned from."""
    name = folder.name
    size = (folder / "model.safetensors").stat().st_size
    metrics = {**metrics, "trained_rows": trained_rows, "bytes": size}
    (folder / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n", encoding="utf-8")
    low, high = metrics["macro_f1_95"]
    what, more_data = ABOUT[name]
    if teacher is not None:
        more_data += f" {TAUGHT.format(house.PREFIX + teacher.name, house.revision(teacher)[:12])}"
    card = f"""---
license: apache-2.0
language: en
pipeline_tag: text-classification
tags: [emotion, reddit, corpusmith]
---

# {name}

The probabilities of {", ".join(EMOTIONS[:-1])} and {EMOTIONS[-1]} for an English comment.
{what}
Made by `assets/house/emotion.py`, which also wrote this card: every number below was measured by it.

## Data

GoEmotions train, {trained_rows:,} comments of it (Demszky et al. 2020, google-research; **CC BY 4.0**), its 27 emotions
grouped into Ekman's six by the authors' own mapping; rows with several labels count in parts. One row in forty, by hash
of the comment id, was kept back to fit the temperature. {more_data}

## Measured on GoEmotions dev, the {metrics["rows"]:,} rows with one of the seven labels

| | |
|---|---|
| macro-F1 | **{metrics["macro_f1"]:.3f}** (95 % bootstrap interval {low:.3f}-{high:.3f}) |
| accuracy | {metrics["accuracy"]:.3f} |
| expected calibration error, {BINS} bins | {metrics["ece"]:.3f} |
| comments a second and core, from strings to probabilities | {metrics["rows_per_second_and_core"]:,} |
| size | {size / 1e6:.2f} MB, fp16 |

{per_class(metrics)}

## Limits

- Labels of single comments without their thread, by raters who often disagreed; English, Reddit of 2005-2019.
- Sizes and rates were chosen on dev, so expect a little less on other comments, and less again on other kinds of text.
- It reads words close to each other: irony, context and long-range negation escape it.
- Rare emotions (fear, disgust) are known from a few hundred comments; the prior is evened out in part in their favour,
  so confidence is that of a set somewhat more balanced than GoEmotions.
- Not for judging people: it labels text for corpora.
"""
    (folder / "README.md").write_text(card, encoding="utf-8")


def per_class(metrics: dict[str, Any]) -> str:
    """F1 and confusion of each emotion, as a card has them."""
    lines = [
        f"| {emotion} | {metrics['f1'][emotion]:.3f} | " + " | ".join(map(str, counts)) + " |"
        for emotion, counts in zip(EMOTIONS, metrics["confusion"], strict=True)
    ]
    head = [f"| | F1 | {' | '.join(EMOTIONS)} |", f"|---|---|{'---|' * len(EMOTIONS)}"]
    return "\n".join(["F1 and confusion, a row for each true emotion:", "", *head, *lines])
