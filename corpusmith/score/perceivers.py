"""How well perceivers read portraits, from coarse to fine: polarity, then emotion, then intensity."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np
import polars as pl

from corpusmith.emotions import EMOTIONS, POLARITY, VOCABULARIES
from corpusmith.score import bootstrap, correlation, leaderboard, metrics
from corpusmith.score.scores import Measurement, by_class_of, numbers, overall_of, score, table

Floats = np.ndarray[Any, np.dtype[np.float64]]
Ints = np.ndarray[Any, np.dtype[np.int64]]

TASK: Final = "perceiver"
POLARITIES: Final = tuple(dict.fromkeys(POLARITY.values()))

ANSWERS: Final = pl.Schema(
    {
        "perceiver": pl.String,
        "key": pl.String,  # of the portrait
        "prompt_id": pl.String,
        "ekman": pl.String,  # the emotion asked for, in Ekman's words
        "truth": pl.String,  # in Ekman's words
        "truth_intensity": pl.Float32,  # 0 to 1; null: unknown
        "human": pl.Boolean,  # who says the truth: people, or the prompt
        "emotion": pl.String,  # what the perceiver says, in Ekman's words; null: its answer cannot be read
        "intensity": pl.Float32,  # 0 to 1; null: it does not say
    }
)

METRICS: Final = {
    "score": "share of all portraits that are read right; an unreadable answer is wrong",
    "rank": "one more than the perceivers that are significantly better; high: the last rank it may have",
    "difference": "of the scores of this perceiver and the worse one in `other`, paired by portrait",
    "p_value": "that the two are equally good: sign-flip permutation test by prompt, Holm's correction",
    "coverage": "share of portraits with an answer that can be read",
    "polarity_accuracy": "share of answers of the right polarity: positive, negative, ambiguous or neutral",
    "polarity_macro_f1": "mean F1 of the polarities that are there",
    "accuracy": "share of answers that name the right emotion",
    "macro_f1": "mean F1 of the emotions that are there; an unreadable answer is a miss",
    "srcc": "Spearman's correlation of true and perceived intensity, neutral portraits left out",
    "plcc": "Pearson's, without the logistic mapping that studies of image quality put before it",
    "mae": "mean absolute error of the intensity, on its scale from 0 to 1",
    "intensity_coverage": "share of these portraits with an intensity",
}
"""What each metric of the table is, besides those of each emotion."""


def truth(portraits: pl.LazyFrame) -> pl.LazyFrame:
    """Portraits with ``truth``, ``truth_intensity`` and ``human``: what people saw where they did, else what was asked.

    portraits: ekman, degree, and what people saw: emotion_seen, intensity (both null where nobody looked). What
    annotators that are models saw is never the truth here: they are perceivers too, and would agree with themselves.
    """
    people = pl.col("emotion_seen").is_not_null()
    asked = (pl.col("degree") / 3).cast(pl.Float32)
    return portraits.with_columns(
        truth=pl.coalesce("emotion_seen", "ekman"),
        truth_intensity=pl.when(people).then("intensity").otherwise(asked),
        human=people,
    ).drop("emotion_seen", "intensity")


def perceiver_scores(
    answers: pl.DataFrame, measured: Mapping[str, Measurement], vocabulary: str, draws: int
) -> pl.DataFrame:
    """SCORES of every perceiver (METRICS), precision, recall and F1 of each emotion, and confusions as counts.

    answers: ANSWERS, the same portraits for every perceiver. measured: by perceiver. Labels are the vocabulary's words;
    an answer that it has no word for (disgust, in MEMO-Bench's) keeps its own, and is wrong. 95 % intervals by
    ``draws`` bootstrap resamples of prompts within their emotion: portraits of one prompt go together. ``settings``
    says how many portraits have which truth.
    """
    words = {ekman: word for word, ekman in VOCABULARIES[vocabulary].items()}
    prompts = answers.select("prompt_id", "ekman").unique().sort("prompt_id")
    strata = prompts["ekman"].rank("dense").to_numpy().astype(np.int64)
    weights = bootstrap.weights(strata, _key(prompts), draws=draws)
    found: list[dict[str, Any]] = []
    told = {}
    for (name,), rows in answers.sort("perceiver", "key").group_by("perceiver", maintain_order=True):
        people = int(rows["human"].sum())
        this = measured[str(name)]
        told[str(name)] = replace(
            this, settings={**this.settings, "truth": {"asked": rows.height - people, "human": people}}
        )
        found += _of_one(rows, prompts["prompt_id"], weights, told[str(name)], words)
    board = leaderboard.leaderboard(_right(answers), _key(prompts), draws)
    return table([*leaderboard.rows(board, told), *found])


def polarity(matrix: Ints) -> Ints:
    """A confusion matrix of emotions (…, 7, 8) as one of POLARITIES (…, 4, 5)."""
    fold = np.array([[POLARITY[emotion] == side for emotion in EMOTIONS] for side in POLARITIES], dtype=matrix.dtype)
    answered, unread = fold @ matrix[..., :-1] @ fold.T, fold @ matrix[..., -1:]
    return np.concatenate([answered, unread], axis=-1)


def macro_f1(matrix: Ints) -> Floats:
    """The mean F1 of the classes that occur as truth, shape (…,)."""
    return np.asarray(np.nanmean(np.where(matrix.sum(axis=-1) > 0, metrics.f1(matrix), np.nan), axis=-1))


def _of_one(
    rows: pl.DataFrame, prompts: pl.Series, weights: Floats, measured: Measurement, words: Mapping[str, str]
) -> Iterator[dict[str, Any]]:
    clusters = prompts.search_sorted(rows["prompt_id"]).to_numpy().astype(np.int64)
    yield from _categories(rows, clusters, weights, measured, words)
    yield from _intensities(rows, clusters, weights, measured)


def _categories(
    rows: pl.DataFrame, clusters: Ints, weights: Floats, measured: Measurement, words: Mapping[str, str]
) -> Iterator[dict[str, Any]]:
    matrices = _confusions(numbers(rows["truth"]), numbers(rows["emotion"]), clusters, weights.shape[1])
    matrix = matrices.sum(axis=0)
    resamples: Any = (weights @ matrices.reshape(len(matrices), -1)).reshape(-1, *matrix.shape)
    coarse = {"polarity_accuracy": metrics.accuracy, "polarity_macro_f1": macro_f1}
    fine = {"coverage": metrics.coverage, "accuracy": metrics.accuracy, "macro_f1": macro_f1}
    yield from overall_of(measured, polarity(matrix), polarity(resamples), coarse)
    yield from overall_of(measured, matrix, resamples, fine)
    there = {emotion for emotion, n in zip(EMOTIONS, matrix.sum(axis=1), strict=True) if n}
    for row in by_class_of(measured, matrix, resamples):
        if row["label"] in there:
            said = {"predicted": words.get(row["predicted"], row["predicted"])} if "predicted" in row else {}
            yield row | said | {"label": words.get(row["label"], row["label"])}


def _intensities(
    rows: pl.DataFrame, clusters: Ints, weights: Floats, measured: Measurement
) -> Iterator[dict[str, Any]]:
    true = rows["truth_intensity"].cast(pl.Float64).to_numpy()
    said = rows["intensity"].cast(pl.Float64).to_numpy()
    there = (rows["truth"] != "neutral").to_numpy() & ~np.isnan(true)
    known = there & ~np.isnan(said)
    x, y, groups, n = true[known], said[known], clusters[known], int(known.sum())
    measures: dict[str, correlation.Measure] = {"srcc": correlation.spearman, "plcc": correlation.pearson}
    for metric, measure in measures.items():
        yield score(measured, metric, correlation.whole(measure, x, y), measure(x, y, groups, weights), n)
    yield _mean(measured, "mae", np.abs(x - y), groups, weights)
    yield _mean(measured, "intensity_coverage", known[there].astype(np.float64), clusters[there], weights)


def _mean(measured: Measurement, metric: str, values: Floats, clusters: Ints, weights: Floats) -> dict[str, Any]:
    sums, rows = (np.bincount(clusters, each, minlength=weights.shape[1]) for each in (values, np.ones(len(values))))
    drawn = weights @ rows
    resampled = np.divide(weights @ sums, drawn, out=np.full(len(weights), np.nan), where=drawn > 0)
    return score(measured, metric, float(values.mean()) if len(values) else float("nan"), resampled, len(values))


def _confusions(truth: Ints, said: Ints, clusters: Ints, n: int) -> Ints:
    """The confusion matrix of each cluster, (n, 7, 8)."""
    k = len(EMOTIONS)
    columns = np.where(said < 0, k, said)
    cells = (clusters * k + truth) * (k + 1) + columns
    return np.bincount(cells, minlength=n * k * (k + 1)).reshape(n, k, k + 1).astype(np.int64)


def _right(answers: pl.DataFrame) -> pl.DataFrame:
    right = (pl.col("emotion") == pl.col("truth")).fill_null(False)
    return answers.select(subject="perceiver", item="prompt_id", stratum="ekman", value=right.cast(pl.Float64))


def _key(prompts: pl.DataFrame) -> str:
    return f"{TASK}/{'/'.join(prompts['prompt_id'])}"
