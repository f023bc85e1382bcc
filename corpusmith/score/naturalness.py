"""How far written texts can be told from people's of the same label: by two models, and by what they repeat."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any, Final

import numpy as np
import polars as pl

from corpusmith.curate.memorised import WORDS as VERBATIM
from corpusmith.curate.memorised import longest_overlap
from corpusmith.curate.similarity import content_kept
from corpusmith.release.inputs import NATURAL
from corpusmith.score import baselines, bootstrap, readers, scores

Floats = np.ndarray[Any, np.dtype[np.float64]]
Sides = dict[str, tuple[list[str], list[str]]]
"""By label, the texts of people and of writers."""
Sureness = dict[str, tuple[Floats, Floats]]
"""By label, how surely each of these is taken for a written one."""

FOLDS: Final = 5
FEWEST: Final = 20
"""Rows of a label, written and natural ones alike, below which nothing is told apart."""
MOST: Final = 1000
"""Rows of a label that are looked at, of each origin, by the order of their keys, which are hashes."""
GRAM: Final = 4  # words
REPEATED_IN: Final = 3  # rows
OPENING: Final = 3  # words
READ: Final = 200
"""Rows of a label that are read by a network, of each origin: it learns anew for each half of them."""
HALVES: Final = 2
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
    "read": READ,
    "halves": HALVES,
    "verbatim": VERBATIM,
    "reader": [readers.READER, readers.EPOCHS, readers.RATE, readers.MOST_TOKENS],
    "ngrams": baselines.NGRAMS,
    "C": baselines.C,
}
METRICS: Final = {
    "detectability": "How well a linear model (TF-IDF of words and pairs, logistic regression, cross-validated) tells "
    "them from natural rows of the same emotion: the AUC, mean over the emotions; 0.5 is not at all",
    "detectability_network": "The same by a small language model (the project's own) that was fine-tuned to tell them",
    "repeated_4grams": "Share of all runs of four words that stand in three rows or more",
    "distinct_openings": "Different first three words, as a share of the rows",
    "median_words": "Words of the median row",
    "distinct_words": "Different words among two thousand running words",
    "verbatim": "Share of the rows with more than eight words in a row that stand in the house models' training text",
    "perplexity": "How much the median row surprises the project's own language model, a token; null of what it wrote",
    "content_kept": "Of rewrites: the share of the source's content words that the median one has",
}
"""Every metric, with what it says."""


def score(rows: pl.DataFrame, measured: scores.Measurement, draws: int) -> pl.DataFrame:
    """Scores (SCORES) of each origin among ``rows`` (key, text, emotion, origin, source_text, writer).

    Metrics are those of METRICS; detectability by both models, with a 95 % bootstrap interval over rows within each
    label, for each label as well, and null where there are fewer than FEWEST rows of either kind.
    """
    rows = rows.sort("key").filter(pl.int_range(pl.len()).over("origin", "emotion") < MOST)
    parts: list[dict[str, Any]] = []
    for (origin,), written in sorted(rows.group_by("origin"), key=lambda part: str(part[0][0])):
        began = time.perf_counter()
        this = replace(measured, subject=str(origin), model=str(origin))
        if origin != NATURAL:
            sides = _sides(rows.filter(origin=NATURAL), written)
            parts += _detected("detectability", _by_words(sides), this, draws)
            parts += _detected("detectability_network", _by_reader(sides, this), this, draws)
        described = describe(written)
        for part in parts:
            if part["subject"] == origin:
                part["seconds"] = time.perf_counter() - began
        parts += [
            {**this.row, "metric": name, "value": value, "n": written.height} for name, value in described.items()
        ]
    return scores.table(parts)


def describe(rows: pl.DataFrame) -> dict[str, float]:
    """What can be said of texts without others beside them: the metrics but detectability.

    rows: text, source_text and writer. content_kept only where there are sources, perplexity only of what the reader
    itself did not write.
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
    found["verbatim"] = _number((longest_overlap(rows["text"]) > VERBATIM).mean())
    others = rows.filter(~pl.col("writer").str.starts_with(readers.READER).fill_null(False))["text"].head(MOST)
    found["perplexity"] = float(np.median(readers.perplexities(others.to_list()))) if len(others) else float("nan")
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


def _sides(natural: pl.DataFrame, written: pl.DataFrame) -> Sides:
    """The texts of people and of writers, by label, where there are FEWEST of either."""
    labels = sorted(set(natural["emotion"]) & set(written["emotion"]))
    found = {
        label: (natural.filter(emotion=label)["text"].to_list(), written.filter(emotion=label)["text"].to_list())
        for label in labels
    }
    return {label: sides for label, sides in found.items() if min(map(len, sides)) >= FEWEST}


def _by_words(sides: Sides) -> Sureness:
    """How surely each text is taken for a written one by its words: a model for each label."""
    found = {}
    for label, (theirs, ours) in sides.items():
        seen, kind = told_apart(theirs, ours)
        found[label] = (seen[~kind], seen[kind])
    return found


def _by_reader(sides: Sides, this: scores.Measurement) -> Sureness:
    """The same by a fine-tuned network, one for all labels: it reads READ texts of each, and learns from every half."""
    some = {label: (theirs[:READ], ours[:READ]) for label, (theirs, ours) in sides.items()}
    parts = [(label, side, texts) for label, pair in some.items() for side, texts in enumerate(pair)]
    if not parts:
        return {}
    texts = [text for *_, part in parts for text in part]
    written = np.concatenate([np.full(len(part), bool(side)) for _, side, part in parts])
    folds = np.concatenate([np.arange(len(part)) % HALVES for *_, part in parts])
    seed = int(bootstrap.generator(this.key).integers(2**31))
    seen = np.split(readers.told_apart(texts, written, folds, seed), np.cumsum([len(part) for *_, part in parts])[:-1])
    rated = {(label, side): values for (label, side, _), values in zip(parts, seen, strict=True)}
    return {label: (rated[label, 0], rated[label, 1]) for label in some}


def _detected(metric: str, seen: Sureness, this: scores.Measurement, draws: int) -> list[dict[str, Any]]:
    """The AUC of each label and their mean, with bootstrap intervals."""
    resampled: dict[str, Floats] = {}
    rows: list[dict[str, Any]] = []
    for label, (theirs, ours) in seen.items():
        strata = np.array([0] * len(theirs) + [1] * len(ours))
        weights = bootstrap.weights(strata, f"{this.key}/{label}", draws=draws)
        split = len(theirs)
        resampled[label] = auc(ours, theirs, (weights[:, split:], weights[:, :split]))
        rows.append(scores.score(this, metric, float(auc(ours, theirs)[0]), resampled[label], len(ours), label=label))
    if not rows:
        return [scores.score(this, metric, float("nan"), np.full(1, np.nan), 0)]
    mean = float(np.mean([row["value"] for row in rows]))
    every = np.mean(list(resampled.values()), axis=0)
    return [scores.score(this, metric, mean, every, sum(row["n"] for row in rows)), *rows]


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
