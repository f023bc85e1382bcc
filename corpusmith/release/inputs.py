"""What a release is written from: its tables, who made them, and what its corpus says about itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from corpusmith.release.lineage import Lineage

NATURAL = "natural"
"""The origin of rows that no model made."""


@dataclass(frozen=True)
class Stage:
    """One step of a recipe: what it does, to the rows of which origins (all, if none), for which reasons it rejects."""

    name: str
    sentence: str
    origins: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class Board:
    """How the scores of a task are shown: as a leaderboard, the best subject first, with ``rank`` and ``score``.

    metrics: a sentence for each, in the order of the columns. by_label: those that are shown for each label as well.
    by_degree: the one that is drawn against the asked degree, which is in thirds. by_offset: the one of a label that is
    drawn over offsets into a reply (forms "offset 16"), beside the first metric of all labels. ranked: false where
    subjects are only set side by side, a line for each, and the first metric of each ``form`` in a table of forms and
    subjects.
    curves: the subjects that are drawn as lines over forms that are steps of one kind ("blur 3", "25% of them").
    published: the same of others, by form and subject, shown beneath and marked as theirs; published_by: who, where.
    """

    task: str
    title: str
    sentence: str
    metrics: Mapping[str, str]
    by_label: tuple[str, ...] = ()
    by_degree: str | None = None
    by_offset: str | None = None
    ranked: bool = True
    curves: tuple[str, ...] = ()
    published: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    published_by: str = ""


@dataclass(frozen=True)
class Published:
    """A figure that others published, and what of our scores it stands beside: the columns are those of SCORES.

    where: the table or figure of theirs that has it.
    """

    task: str
    subject: str
    metric: str
    value: float
    where: str
    form: str | None = None
    depth: float | None = None


@dataclass(frozen=True)
class CardText:
    """What a corpus says about itself, in words; every number comes from the release.

    label: the column that the corpus is balanced by; labels: its values, in the order of tables and plots.
    origin: the column that says who or what a row comes from; origins: its values, in order.
    columns: a sentence for each column. reasons: a sentence for each reason's code.
    asked, seen: the columns of what a maker was asked for, and of what the judges saw (none: the label).
    group: the column of what several origins were given alike: a line of the contact sheet. beside: the column of the
    image that they were given, which stands before theirs. measures: number columns
    whose spread is drawn. boards: the tasks of the scores that are leaderboards. published: figures of others that are
    laid beside ours, where what was scored has the same name; published_by: whose, in sentences. strips: the columns
    of an image and of what followed it, a list of structs with image and mask: shown side by side. label_columns: other
    columns that hold one of a few words, with these in order. order: columns, or expressions of them, by which rows
    belong together: those of one value change together from version to version, so they lie side by side in the shards.
    """

    title: str
    tagline: str
    description: str
    licence: str
    label: str
    labels: tuple[str, ...]
    origins: tuple[str, ...]
    stages: tuple[Stage, ...]
    columns: Mapping[str, str]
    reasons: Mapping[str, str]
    licence_short: str = ""
    licence_text: str = ""
    personal_data: str = ""
    language: tuple[str, ...] = ("en",)
    task_categories: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    limits: tuple[str, ...] = ()
    origin: str = "origin"
    asked: str = "target"
    seen: str | None = None
    group: str | None = None
    beside: str | None = None
    measures: tuple[str, ...] = ()
    boards: tuple[Board, ...] = ()
    published: tuple[Published, ...] = ()
    published_by: str = ""
    strips: tuple[str, str] | None = None
    label_columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    order: tuple[str | pl.Expr, ...] = ()

    @property
    def classes(self) -> dict[str, list[str]]:
        """Every column that holds one of a few words, with these in order: the label, and the others."""
        return {self.label: list(self.labels), **{name: list(words) for name, words in self.label_columns.items()}}


@dataclass(frozen=True)
class Source:
    """One input file: its name, SHA-256 and bytes, and how it was read, damage included, in sentences."""

    name: str
    sha256: str
    bytes: int
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Release:
    """Everything that a release says.

    rows: the fit rows, with key, plan, fingerprint, split, and the columns of label and origin. What they hold goes by
    type: texts are the column ``text``; images are structs of bytes and path, beside the SHA-256 of the bytes
    (``image`` and ``image_sha256``). rejected: the others, with reasons (a list of codes); their images are shown in
    the report, but released only with ``rejected_images``. scores: corpusmith.score.scores.SCORES. made: rows that
    came in of each origin. makers: provenance by fingerprint. changelog: the text of CHANGELOG.md;
    that of a first release, if it is empty. lineage: the columns that name what a row was made from.
    code: the folder of the corpus's code, where that is none of corpusmith's own.
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
    rejected_images: bool = False
    changelog: str = ""
    lineage: Lineage = field(default_factory=Lineage)
    code: Path | None = None
