"""How pleasant a text is: VADER, a lexicon of English words with rules for what stands beside them."""

from __future__ import annotations

from functools import cache
from typing import Any

import polars as pl


def valence(texts: pl.Series) -> pl.Series:
    """From -1 (unpleasant) to 1 (pleasant), Float32, null for null: VADER's compound score.

    Hutto & Gilbert 2014, VADER: A parsimonious rule-based model for sentiment analysis of social media text. The
    people's ratings of its words are summed under rules of negation, degree, capitals and marks, and squashed by
    x / sqrt(x² + 15). Each text is read by itself, some 8,000 a second.
    """
    score = _reader().polarity_scores
    return pl.Series(
        texts.name, [None if text is None else score(text)["compound"] for text in texts], dtype=pl.Float32
    )


@cache
def _reader() -> Any:
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    return SentimentIntensityAnalyzer()
