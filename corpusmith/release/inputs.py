"""What a release is written from: its tables, who made them, and what its corpus says about itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl


@dataclass(frozen=True)
class Stage:
    """One step of a recipe: what it does, to the rows of which origins, and for which reasons it rejects."""

    name: str
    sentence: str
    origins: tuple[str, ...]
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class CardText:
    """What a corpus says about itself, in words; every number comes from the release.

    label: the column that the corpus is balanced by; labels: its values, in the order of tables and plots.
    columns: a sentence for each column. reasons: a sentence for each reason's code.
    """

    title: str
    tagline: str
    description: str
    licence: str
    licence_short: str
    licence_text: str
    personal_data: str
    language: tuple[str, ...]
    task_categories: tuple[str, ...]
    tags: tuple[str, ...]
    label: str
    labels: tuple[str, ...]
    origins: tuple[str, ...]
    stages: tuple[Stage, ...]
    columns: Mapping[str, str]
    reasons: Mapping[str, str]
    limits: tuple[str, ...]


@dataclass(frozen=True)
class Source:
    """One input file: its name, SHA-256 and bytes."""

    name: str
    sha256: str
    bytes: int


@dataclass(frozen=True)
class Release:
    """Everything that a release says.

    rows: the fit rows, with key, text, origin, split and the label's column. rejected: the others, with reasons (a list
    of codes). scores: corpusmith.score.scores.SCORES. made: rows that came in of each origin. makers: provenance by
    fingerprint.
    """

    corpus: str
    version: str
    text: CardText
    rows: pl.LazyFrame
    rejected: pl.LazyFrame
    scores: pl.DataFrame
    made: Mapping[str, int]
    makers: Mapping[str, Mapping[str, Any]]
    params: Mapping[str, Any]
    sources: Sequence[Source] = ()
