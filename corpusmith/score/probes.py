"""Which layers of a frozen language model tell the emotions apart: one small classifier for each layer, all at once.

The protocol is that of "Decoding Emotion in the Deep" (arXiv 2510.04064): on the last token's state of every layer an
independent two-layer ReLU network, trained on over-sampled rows and tested on under-sampled ones.
"""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import Any, Final

import numpy as np
import polars as pl

from corpusmith.emotions import EMOTIONS
from corpusmith.models.loading import hardware
from corpusmith.score import bootstrap, metrics, resample, scores

Ints = np.ndarray[Any, np.dtype[np.int64]]
Halves = np.ndarray[Any, np.dtype[np.float16]]

TEST_ROWS: Final = 1024
RANGE_BYTES: Final = 64 << 20  # of states read at once; a join holds a few times as much


@dataclass(frozen=True)
class ProbeSettings:
    """How probes are trained; the defaults are the paper's, where it says.

    It does not say hidden (None: as wide as the states) and batch_rows. One epoch is meant for its 390,000 rows: with
    few rows it teaches almost nothing.
    """

    hidden: int | None = None
    epochs: int = 1
    learning_rate: float = 1e-4
    warmup: float = 0.1
    batch_rows: int = 64


@dataclass(frozen=True)
class Probes:
    """A two-layer network for each of L layers; float32 w1 (L, d, h), b1 (L, 1, h), w2 (L, h, 7), b2 (L, 1, 7)."""

    w1: Any
    b1: Any
    w2: Any
    b2: Any

    @property
    def weights(self) -> list[Any]:
        """All that is learned."""
        return [self.w1, self.b1, self.w2, self.b2]

    def logits(self, states: Any) -> Any:
        """Shape (L, n, 7) from states (L, n, d), float32: each layer's network sees its own layer alone."""
        import torch

        return torch.baddbmm(self.b2, torch.relu(torch.baddbmm(self.b1, states, self.w1)), self.w2)


def score(
    rows: pl.LazyFrame, layers: int, measured: scores.Measurement, settings: ProbeSettings, draws: int
) -> pl.DataFrame:
    """Accuracy and macro-F1 of each layer on the test rows; of the layer that does best on validation, each emotion's.

    rows: key, text, emotion, split; states (layers + 1 states, float16), states_key and seconds (of making them). That
    layer is chosen on the training rows where no row is for validation, never on the test; ``settings`` names it.
    Raises BalanceError when there are no rows to train or to test on.
    """
    began = time.perf_counter()
    table, states = gathered(rows, layers + 1)
    train, validation, test = resample.splits(table)
    train, test = resample.over_sample(train), resample.under_sample(test)
    chosen_on = resample.under_sample(validation)
    probes = fit(
        states, train["row"].to_numpy(), scores.numbers(train["emotion"]), settings, bootstrap.generator(measured.key)
    )
    matrices = _confusions(probes, states, test)
    best = int(metrics.accuracy(_confusions(probes, states, chosen_on)).argmax())
    reading = float(table["seconds"].sum())
    done = replace(
        measured,
        seconds=reading + time.perf_counter() - began,
        rows_per_second=table.height / reading if reading else None,
        settings={**measured.settings, **asdict(settings), "chosen_layer": best, "chosen_on": chosen_on["split"][0]},
    )
    found = [
        row for layer in range(layers + 1) for row in scores.overall(done.at(layer, layers), matrices[layer], draws)
    ]
    return scores.table(found + scores.by_class(done.at(best, layers), matrices[best], draws))


def gathered(rows: pl.LazyFrame, layers: int) -> tuple[pl.DataFrame, Halves]:
    """The rows without their states and with their number (``row``), and the states, shape (n, layers, d), float16.

    The states may be more than memory holds: they are read a range of their keys at a time, which the ledger finds
    without reading the rest, and written to a temporary file that is mapped into memory.
    """
    size = rows.collect_schema()["states"].size  # type: ignore[attr-defined]
    ranges = -(-rows.select(pl.len()).collect().item() * size * 2 // RANGE_BYTES)
    bounds = [f"{place * 16**4 // ranges:04x}" for place in range(ranges)] + ["g"]  # "g": behind every hexadecimal key
    narrow = [rows.drop("states").head(0).collect()]
    with tempfile.TemporaryFile() as file:
        for low, high in pairwise(bounds):
            part = rows.filter(pl.col("states_key") >= low, pl.col("states_key") < high).collect()
            file.write(np.ascontiguousarray(part["states"].to_numpy()).data)
            narrow.append(part.drop("states"))
        file.flush()
        table = pl.concat(narrow).with_row_index("row")
        shape = (table.height, layers, size // layers)
        if not table.height:  # nothing can be mapped
            return table, np.empty(shape, dtype=np.float16)
        return table, np.memmap(file, dtype=np.float16, mode="r", shape=shape)


def fit(states: Halves, rows: Ints, emotions: Ints, settings: ProbeSettings, random: np.random.Generator) -> Probes:
    """Probes that tell ``emotions`` (n,) from ``states[rows]`` (n, L, d): Adam, linear warm-up, then cosine to zero."""
    import torch

    probes = _initial(states.shape[1], states.shape[2], settings.hidden or states.shape[2], random)
    optimizer = torch.optim.Adam(probes.weights, lr=settings.learning_rate)
    steps = settings.epochs * -(-len(rows) // settings.batch_rows)
    warmup = max(1, round(settings.warmup * steps))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, warmup, steps))
    for batch in _batches(len(rows), settings, random):
        truth = torch.from_numpy(emotions[batch]).to(probes.w1.device)
        logits = probes.logits(_tensor(states, rows[batch]))
        loss = torch.nn.functional.cross_entropy(
            logits.flatten(0, 1), truth.repeat(len(logits)), reduction="sum"
        ) / len(batch)  # a sum over layers, so that no layer's training feels another's
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    return probes


def predict(probes: Probes, states: Halves, rows: Ints) -> Ints:
    """The emotion that each layer's probe sees in ``states[rows]``, as its place in EMOTIONS; shape (L, n)."""
    import torch

    with torch.inference_mode():
        parts = [
            probes.logits(_tensor(states, rows[start : start + TEST_ROWS])).argmax(-1).cpu().numpy()
            for start in range(0, len(rows), TEST_ROWS)
        ]
    return np.concatenate(parts, axis=1)


def _confusions(probes: Probes, states: Halves, rows: pl.DataFrame) -> Ints:
    truth = scores.numbers(rows["emotion"])
    predicted = predict(probes, states, rows["row"].to_numpy())
    return np.stack([metrics.confusion(truth, layer, len(EMOTIONS)) for layer in predicted])


def _initial(layers: int, width: int, hidden: int, random: np.random.Generator) -> Probes:
    """Fresh weights, uniform within 1 / sqrt(inputs) as torch.nn.Linear draws them."""
    import torch

    def drawn(inputs: int, *shape: int) -> Any:
        bound = 1 / math.sqrt(inputs)
        values = random.uniform(-bound, bound, size=shape).astype(np.float32)
        return torch.from_numpy(values).to(hardware()["device"]).requires_grad_()

    classes = len(EMOTIONS)
    return Probes(
        drawn(width, layers, width, hidden),
        drawn(width, layers, 1, hidden),
        drawn(hidden, layers, hidden, classes),
        drawn(hidden, layers, 1, classes),
    )


def _batches(rows: int, settings: ProbeSettings, random: np.random.Generator) -> Iterator[Ints]:
    for _ in range(settings.epochs):
        order = random.permutation(rows)
        for start in range(0, rows, settings.batch_rows):
            yield order[start : start + settings.batch_rows]


def _rate(step: int, warmup: int, steps: int) -> float:
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))


def _tensor(states: Halves, rows: Ints) -> Any:
    """``states[rows]`` as (L, n, d), float32, where the probes are."""
    import torch

    return torch.from_numpy(states[rows]).to(hardware()["device"]).transpose(0, 1).float()
