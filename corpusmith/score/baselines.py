"""What a score must be held against: always the same emotion, and words counted (TF-IDF, logistic regression)."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any, Final

import numpy as np
import polars as pl

from corpusmith.emotions import EMOTIONS
from corpusmith.score import metrics, resample, scores

Ints = np.ndarray[Any, np.dtype[np.int64]]

MAJORITY: Final = "majority"
TFIDF: Final = "tf-idf + logistic regression"
NGRAMS: Final = (1, 2)
MIN_ROWS: Final = 2  # training texts that a word or word pair must occur in
WORD: Final = r"(?u)\b\w+\b|[^\w\s]"  # marks are words too: "!" tells much of a mood
C: Final = 4.0
SETTINGS: Final = {"ngrams": NGRAMS, "min_rows": MIN_ROWS, "word": WORD, "C": C, "sublinear_tf": True}


def majority(train: pl.DataFrame, test: pl.DataFrame) -> Ints:
    """The most frequent emotion of ``train`` (the first of EMOTIONS where several are) for each row of ``test``."""
    counts = np.bincount(scores.numbers(train["emotion"]), minlength=len(EMOTIONS))
    return np.full(test.height, int(counts.argmax()), dtype=np.int64)


def tfidf(train: pl.DataFrame, test: pl.DataFrame) -> Ints:
    """Emotions of ``test`` by logistic regression on TF-IDF of words and pairs, fitted on ``train``; shape (n,)."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    words = TfidfVectorizer(
        ngram_range=NGRAMS, min_df=min(MIN_ROWS, train.height), sublinear_tf=True, token_pattern=WORD
    )
    model = LogisticRegression(C=C, max_iter=1000, class_weight="balanced")  # the weights come to over-sampling
    model.fit(words.fit_transform(train["text"].to_list()), scores.numbers(train["emotion"]))
    return np.asarray(model.predict(words.transform(test["text"].to_list())), dtype=np.int64)


def score(rows: pl.DataFrame, measured: scores.Measurement, draws: int) -> pl.DataFrame:
    """Both baselines, fitted on split train, on the under-sampled test rows that the probes are tested on."""
    import sklearn.linear_model  # noqa: F401  (before the clock starts)

    train, _, held_out = resample.splits(rows)
    test = resample.under_sample(held_out)
    truth = scores.numbers(test["emotion"])
    parts = []
    for name, predict in ((MAJORITY, majority), (TFIDF, tfidf)):
        began = time.perf_counter()
        predicted = predict(train, test)
        seconds = time.perf_counter() - began
        this = replace(
            measured, subject=name, model=name, seconds=seconds, rows_per_second=(train.height + test.height) / seconds
        )
        matrix = metrics.confusion(truth, predicted, len(EMOTIONS))
        parts += scores.overall(this, matrix, draws) + scores.by_class(this, matrix, draws)
    return scores.table(parts)
