"""One table for every score, whatever was measured: what, of whom, how well, how sure, on which machine."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import polars as pl

from corpusmith.emotions import EMOTIONS
from corpusmith.hardware import Machine, machine
from corpusmith.score import bootstrap, metrics

Floats = np.ndarray[Any, np.dtype[np.float64]]
Ints = np.ndarray[Any, np.dtype[np.int64]]

VERSION: Final = 3  # of how scores are computed: raise it when that changes

SCORES: Final = pl.Schema(
    {
        "task": pl.String,  # probe, zero-shot, baseline, generator, perceiver
        "subject": pl.String,  # what is scored, under the name that the settings give it
        "model": pl.String,  # the checkpoint that ran
        "revision": pl.String,
        "form": pl.String,  # how the model was shown a text; null: not a language model
        "layer": pl.Int32,  # 0: the embeddings; null: not of one layer
        "depth": pl.Float64,  # layer / layers, from 0 to 1
        "metric": pl.String,
        "label": pl.String,  # the emotion that a per-class metric is of
        "predicted": pl.String,  # of metric "count": what rows of the label were taken for; "": an unreadable answer
        "degree": pl.Int8,  # the asked intensity that a value is of, in thirds; null: of all
        "other": pl.String,  # of a comparison: the subject that this one is held against
        "value": pl.Float64,  # null: a share of nothing
        "low": pl.Float64,  # 95 % interval: bootstrap over the test rows; the metric says where it is another
        "high": pl.Float64,
        "n": pl.Int64,  # test rows behind the value
        "device": pl.String,
        "card": pl.String,
        "dtype": pl.String,
        "torch": pl.String,
        "driver": pl.String,  # of the GPU; null on a CPU
        "made_on": pl.String,  # what was scored was made there; null: by people, or it is not known
        "seconds": pl.Float64,  # of the whole measurement, all layers of a probe together; weights were loaded before
        "rows_per_second": pl.Float64,  # rows that went through the model in a second
        "settings": pl.String,  # JSON: all else that decides the value
    }
)

TIMES: Final = ("seconds", "rows_per_second")
"""The columns of SCORES that are facts of a run: they decide no release, which keeps them in a file of their own."""
ELSEWHERE: Final = "server"
"""The device of a model that somebody else runs, who keeps to himself what it runs on."""

SENTENCES: Final = {
    "subject": "What is scored, under the name that the settings give it.",
    "model": "The checkpoint that ran.",
    "revision": "Its resolved revision.",
    "predicted": "Of count: what rows of the label were taken for; empty for an unreadable answer.",
    "value": "The score; null for a share of nothing.",
    "low": "Lower end of its 95 % interval.",
    "high": "Upper end of its 95 % interval.",
    "n": "Rows behind the value.",
    "device": "Where it was measured: cpu or cuda.",
    "card": "The GPU, or the processor, that measured it.",
    "dtype": "The number type of the model's weights.",
    "torch": "The version of torch.",
    "driver": "The version of the GPU's driver; null on a CPU.",
    "made_on": "Where the rows that were scored were made, as their makers recorded it.",
    "settings": "Everything else that decides the value, as JSON.",
}
"""What the columns of SCORES hold that mean the same in every corpus; its card says the others."""

OVERALL: Final[Mapping[str, Callable[[Ints], Floats]]] = {"accuracy": metrics.accuracy, "macro_f1": metrics.macro_f1}
BY_CLASS: Final[Mapping[str, Callable[[Ints], Floats]]] = {
    "precision": metrics.precision,
    "recall": metrics.recall,
    "f1": metrics.f1,
}


@dataclass(frozen=True)
class Measurement:
    """What the scores of one measurement have in common."""

    task: str
    subject: str
    model: str
    revision: str
    settings: Mapping[str, Any]
    corpus: str
    form: str | None = None
    layer: int | None = None
    depth: float | None = None
    device: str = "cpu"
    dtype: str = "float64"
    made_on: str | None = None
    seconds: float | None = None
    rows_per_second: float | None = None

    def at(self, layer: int, layers: int) -> Measurement:
        """The same of one layer; ``layers`` is the number of the last."""
        return replace(self, layer=layer, depth=layer / layers)

    @property
    def key(self) -> str:
        """What seeds its intervals: subject and data, so that they do not depend on when or where it ran."""
        return f"{self.task}/{self.subject}/{self.model}/{self.form}/{self.layer}/{self.corpus}"

    @property
    def row(self) -> dict[str, Any]:
        """Its columns of SCORES."""
        columns = {name: getattr(self, name) for name in SCORES if hasattr(self, name)}
        computed = {} if self.device == ELSEWHERE else vars(machine(self.device))
        return {**columns, **computed, "settings": json.dumps(dict(self.settings), sort_keys=True, ensure_ascii=False)}


def machines(scores: pl.DataFrame) -> dict[str, list[str]]:
    """Where scores were measured, and where what they are of was made, each machine once, in a line.

    Keys: measured, made; a model that a server runs is "a server, which does not say".
    """
    columns = scores.select("device", "card", "dtype", "torch", "driver").unique().sort("device", "card", "dtype")
    measured = [
        Machine(row["device"], row["card"], row["torch"], row["driver"]).sentence(row["dtype"])
        if row["card"]
        else "a server, which does not say"
        for row in columns.to_dicts()
    ]
    made = scores["made_on"].drop_nulls().str.split("; ").explode().unique().sort()
    return {"measured": list(dict.fromkeys(measured)), "made": made.to_list()}


def table(rows: Iterable[Mapping[str, Any]]) -> pl.DataFrame:
    """Score rows as a table of SCORES; columns that a row lacks are null, and so is NaN."""
    frame = pl.DataFrame(list(rows), schema=SCORES)
    return frame.with_columns(pl.col(pl.Float64).fill_nan(None))


def numbers(emotions: pl.Series) -> Ints:
    """Places in EMOTIONS, -1 for null; shape (n,), int64. Raises polars' InvalidOperationError on another word."""
    places = emotions.cast(pl.Enum(EMOTIONS)).to_physical().cast(pl.Int64)
    return places.fill_null(-1).to_numpy()


def overall(
    measured: Measurement,
    matrix: Ints,
    draws: int,
    measures: Mapping[str, Callable[[Ints], Floats]] = OVERALL,
) -> list[dict[str, Any]]:
    """A row for each measure of a confusion matrix, (k, k) or (k, k + 1), with its interval; null of an empty one."""
    if not matrix.sum():
        return [score(measured, name, float("nan"), np.full(1, np.nan), 0) for name in measures]
    return overall_of(measured, matrix, bootstrap.resampled(matrix, measured.key, draws=draws), measures)


def overall_of(
    measured: Measurement, matrix: Ints, resamples: Ints, measures: Mapping[str, Callable[[Ints], Floats]]
) -> list[dict[str, Any]]:
    """The same with resamples (draws, k, m) of one's own."""
    n = int(matrix.sum())
    return [score(measured, name, float(measure(matrix)), measure(resamples), n) for name, measure in measures.items()]


def by_class(measured: Measurement, matrix: Ints, draws: int) -> list[dict[str, Any]]:
    """Precision, recall and F1 of each emotion with their intervals, and the confusion matrix as rows of counts."""
    return by_class_of(measured, matrix, bootstrap.resampled(matrix, measured.key, draws=draws))


def by_class_of(measured: Measurement, matrix: Ints, resamples: Ints) -> list[dict[str, Any]]:
    """The same with resamples (draws, 7, 8) of one's own."""
    rows = matrix.sum(axis=1)
    scores = [
        score(measured, name, float(measure(matrix)[i]), measure(resamples)[:, i], int(rows[i]), label=label)
        for name, measure in BY_CLASS.items()
        for i, label in enumerate(EMOTIONS)
    ]
    counts = [
        {
            **measured.row,
            "metric": "count",
            "label": label,
            "predicted": predicted,
            "value": float(matrix[i, j]),
            "n": int(rows[i]),
        }
        for i, label in enumerate(EMOTIONS)
        for j, predicted in enumerate((*EMOTIONS, ""))
    ]
    return scores + counts


def confusion_of(scores: pl.DataFrame) -> Ints:
    """The confusion matrix (7, 8) in the count rows of one measurement, in the order of EMOTIONS; last: unreadable."""
    counts = scores.filter(pl.col("metric") == "count")
    matrix = np.zeros((len(EMOTIONS), len(EMOTIONS) + 1), dtype=np.int64)
    columns = (*EMOTIONS, "")
    for label, predicted, value in counts.select("label", "predicted", "value").iter_rows():
        matrix[EMOTIONS.index(label), columns.index(predicted)] += int(value)
    return matrix


def score(
    measured: Measurement, metric: str, value: float, resampled: Floats, n: int, **columns: Any
) -> dict[str, Any]:
    """A row of SCORES with the middle 95 % of ``resampled`` values, (draws,), for its interval."""
    low, high = bootstrap.percentiles(resampled)
    return {**measured.row, "metric": metric, "value": value, "low": low, "high": high, "n": n, **columns}
