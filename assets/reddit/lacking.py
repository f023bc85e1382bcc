"""How many rows each emotion lacks, and asking for them in rounds until enough come out fit."""

from __future__ import annotations

import math
from collections.abc import Callable

import polars as pl

from corpusmith.assets.reddit.settings import Balanced
from corpusmith.emotions import EMOTIONS

LEAST_GUESS = 0.1  # share of the asked rows that turn out fit, so that a round stays bounded

Quota = dict[str, tuple[int, int]]
"""For each emotion: how many were asked for before, and how many to ask for now."""


def wanted(natural: dict[str, int], settings: Balanced) -> int:
    """Rows for each emotion: as set, else the median of the natural counts (half the emotions are filled up to it)."""
    return settings.rows_per_emotion or sorted(natural.values())[len(natural) // 2]


def counts(*samples: pl.LazyFrame) -> dict[str, int]:
    """Kept rows of each emotion over several tables."""
    kept = [table.filter(pl.col("verdict") == "kept").select("emotion") for table in samples]
    found = pl.concat(kept).group_by("emotion").len().collect()
    return dict.fromkeys(EMOTIONS, 0) | dict(found.rows())


def lacking(have: dict[str, int], want: int) -> dict[str, int]:
    """Rows that each emotion lacks; those that lack none are absent."""
    return {emotion: want - have[emotion] for emotion in EMOTIONS if have[emotion] < want}


def fill(lack: dict[str, int], rounds: int, ask: Callable[[Quota, list[pl.DataFrame]], pl.DataFrame]) -> pl.DataFrame:
    """Every row that was asked for, kept or rejected, until no emotion (``target``) lacks any or the rounds are over.

    ``ask`` turns a quota, and what earlier rounds made, into samples with a verdict. Each round asks for as many as the
    share that came out fit so far says are needed.
    """
    made = [ask({}, [])]
    asked = dict.fromkeys(lack, 0)
    for _ in range(rounds):
        kept = counts(*(rows.lazy().with_columns(emotion="target") for rows in made))
        quota = {e: (asked[e], to_ask(lack[e] - kept[e], kept[e], asked[e])) for e in lack}
        if not any(rows for _, rows in quota.values()):
            break
        made.append(ask(quota, made))
        asked = {emotion: start + rows for emotion, (start, rows) in quota.items()}
    return pl.concat(made)


def to_ask(lack: int, kept: int, asked: int) -> int:
    """How many rows to ask for so that ``lack`` more come out fit, if the share that did so far holds."""
    share = max(LEAST_GUESS, kept / asked) if asked else 1.0
    return math.ceil(max(0, lack) / share)
