"""How far written texts can be told from people's of the same label: by a linear model, and by what they repeat."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any, Final

import numpy as np
import polars as pl

from corpusmith.curate.similarity import content_kept
from corpusmith.release.inputs import NATURAL
from corpusmith.score import baselines, bootstrap, scores

Floats = np.ndarray[Any, np.dtype[np.float64]]

FOLDS: Final = 5
FEWEST: Final = 20
"""Rows of a label, written and natural ones alike, below which nothing is told apart."""
MOST: Final = 1000
"""Rows of a label that are looked at, of each origin, by the order of their keys, which are hashes."""
GRAM: Final = 4  # words
REPEATED_IN: Final = 3  # rows
OPENING: Final = 3  # words
SAMPLE_WORDS: Final = 2000
"""Words whose different ones are counted: a vocabulary grows with the text."""
WORD: Final = r"[\p{L}\p{N}]+(?:['’]\p{L}+)*"
SETTINGS: Final = {
    "folds": FOLDS,
    "fewest": FEWEST,
    "most": MOST,
    "gram": GRAM,
    "repeated_in": REPEATED_IN,
    "opening": OPENING,
    "sample_words": SAMPLE_WORDS,
    "ngrams": baselines.NGRAMS,
    "C": baselines.C,
}
METRICS: Final = {
    "detectability": "How well a linear model (TF-IDF of words and pairs, logistic regression, cross-validated) tells "
    "them from natural rows of the same emotion: the AUC, mean over the emotions; 0.5 is not at all",
    "repeated_4grams": "Share of all runs of four words that stand in three rows or more",
    "distinct_openings": "Different first three words, as a share of the rows",
    "median_words": "Words of the median row",
    "distinct_words": "Different words among two thousand running words",
    "content_kept": "Of rewrites: the share of the source's content words that the median one has",
}
"""Every metric, with what it says."""


def score(rows: pl.DataFrame, measured: scores.Measurement, draws: int) -> pl.DataFrame:
    """Scores (SCORES) of each origin among ``rows`` (key, text, emotion, origin, source_text).

    Metrics are those of METRICS; detectability, with a 95 % bootstrap interval over rows within each label, for each
    label as well, and null where there are fewer than FEWEST rows of either kind.
    """
    rows = rows.sort("key").filter(pl.int_range(pl.len()).over("origin", "emotion") < MOST)
    parts: list[dict[str, Any]] = []
    for (origin,), written in sorted(rows.group_by("origin"), key=lambda part: str(part[0][0])):
        began = time.perf_counter()
        this = replace(measured, subject=str(origin), model=str(origin))
        if origin != NATURAL:
            parts += _detected(rows.filter(origin=NATURAL), written, this, draws)
        described = describe(written)
        for part in parts:
            if part["subject"] == origin:
                part["seconds"] = time.perf_counter() - began
        parts += [
            {**this.row, "metric": name, "value": value, "n": written.height} for name, value in described.items()
        ]
    return scores.table(parts)


def describe(rows: pl.DataFrame) -> dict[str, float]:
    """What can be said of texts without others beside them: the metrics but detectability; columns text, source_text.

    content_kept only where there are sources.
    """
    words = rows["text"].str.to_lowercase().str.extract_all(WORD)
    running = words.explode().drop_nulls().head(SAMPLE_WORDS)
    openings = words.list.head(OPENING).list.join(" ")
    found = {
        "repeated_4grams": repeated(words),
        "distinct_openings": openings.n_unique() / max(len(openings), 1),
        "median_words": float(_number(words.list.len().median())),
        "distinct_words": float(running.n_unique()) if len(running) == SAMPLE_WORDS else float("nan"),
    }
    rewritten = rows.filter(pl.col("source_text").is_not_null())
    if rewritten.height:
        found["content_kept"] = _number(content_kept(rewritten["source_text"], rewritten["text"]).median())
    return found


def repeated(words: pl.Series) -> float:
    """The share of all runs of GRAM words (of lists of words) that stand in REPEATED_IN rows or more."""
    grams = (
        words.rename("words")
        .to_frame()
        .with_row_index("row")
        .explode("words")
        .with_columns(gram=pl.concat_str([pl.col("words").shift(-at).over("row") for at in range(GRAM)], separator=" "))
        .drop_nulls("gram")
    )
    if grams.is_empty():
        return float("nan")
    rows = grams.group_by("gram").agg(rows=pl.col("row").n_unique(), times=pl.len())
    return _number(rows.filter(pl.col("rows") >= REPEATED_IN)["times"].sum()) / grams.height


def auc(written: Floats, natural: Floats, weights: tuple[Floats, Floats] | None = None) -> Floats:
    """The area under the ROC curve of scores (n,) and (m,): how often a written row has the higher one; shape (b,).

    weights: how often each row is in each resample, (b, n) and (b, m); None: each once, and b is 1.
    """
    above = (written[:, None] > natural[None, :]) + 0.5 * (written[:, None] == natural[None, :])
    first, second = weights or (np.ones((1, len(written))), np.ones((1, len(natural))))
    won = ((first @ above) * second).sum(axis=1)
    return np.asarray(won / (first.sum(axis=1) * second.sum(axis=1)), dtype=np.float64)


def _detected(
    natural: pl.DataFrame, written: pl.DataFrame, this: scores.Measurement, draws: int
) -> list[dict[str, Any]]:
    labels = sorted(set(natural["emotion"]) & set(written["emotion"]))
    resampled: dict[str, Floats] = {}
    rows: list[dict[str, Any]] = []
    looked_at = 0
    for label in labels:
        theirs, ours = (part.filter(emotion=label)["text"].to_list() for part in (natural, written))
        if min(len(theirs), len(ours)) < FEWEST:
            continue
        seen, kind = told_apart(theirs, ours)
        strata = np.array([0] * len(theirs) + [1] * len(ours))
        weights = bootstrap.weights(strata, f"{this.key}/{label}", draws=draws)
        split = len(theirs)
        resampled[label] = auc(seen[kind], seen[~kind], (weights[:, split:], weights[:, :split]))
        value = float(auc(seen[kind], seen[~kind])[0])
        rows.append(scores.score(this, "detectability", value, resampled[label], len(ours), label=label))
        looked_at += len(ours)
    if not rows:
        return [scores.score(this, "detectability", float("nan"), np.full(1, np.nan), 0)]
    mean = float(np.mean([row["value"] for row in rows]))
    every = np.mean(list(resampled.values()), axis=0)
    return [scores.score(this, "detectability", mean, every, looked_at), *rows]


def told_apart(natural: list[str], written: list[str]) -> tuple[Floats, np.ndarray[Any, np.dtype[np.bool_]]]:
    """How surely each text, natural ones first, is taken for a written one by a model that never saw it; and which are.

    Out of FOLDS folds by place, each in turn is left out; (n + m,) both.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    texts = np.array([*natural, *written], dtype=object)
    kind = np.array([False] * len(natural) + [True] * len(written))
    folds = np.concatenate([np.arange(len(natural)) % FOLDS, np.arange(len(written)) % FOLDS])
    seen = np.empty(len(texts))
    for fold in range(FOLDS):
        left_out = folds == fold
        words = TfidfVectorizer(ngram_range=baselines.NGRAMS, sublinear_tf=True, token_pattern=baselines.WORD)
        model = LogisticRegression(C=baselines.C, max_iter=1000, class_weight="balanced")
        model.fit(words.fit_transform(texts[~left_out]), kind[~left_out])
        seen[left_out] = model.decision_function(words.transform(texts[left_out]))
    return seen, kind


def _number(value: Any) -> float:
    return float("nan") if value is None else float(value)
