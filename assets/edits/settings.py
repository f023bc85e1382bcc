"""The settings of the edits corpus: its table in params.yaml, as typed data."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from corpusmith.models.text.servers import CatalogServers
from corpusmith.settings import CorpusSettings, Count, Here, Model, Names, Share, Splits, Table

Operation = Literal["add", "remove", "change"]
Number = Annotated[int, Field(ge=0)]


class Scenes(Table):
    """The images that are edited: so many drawn, and so many generated from captions; with a source, its own alone."""

    drawn: Number
    generated: Number
    generator: Model[str]
    seed: int
    max_edge: Annotated[int, Field(ge=32)]


class Regions(Table):
    """What may be edited, and where.

    finder: of images without masks of their own. vision: names things instead, which ``segmenter`` then finds; it is
    asked through a server. margin: by how much a mask is widened, as a share of the image's longer edge. at_edge: may a
    thing touch the edge of its image?
    """

    finder: Model[str]
    vision: Model[str | None]
    segmenter: Model[str]
    min_area: Share
    max_area: Share
    max_overlap: Share
    margin: Share
    at_edge: bool


class Strength(Table):
    """How far an editor may go from what is there: 1 is all the way."""

    add: Share
    remove: Share
    change: Share


class Turns(Table):
    """How many edits follow one another, of what kind, and by whom.

    writer: a language model that writes the prompts; null: a grammar does.
    """

    most: Annotated[int, Field(ge=1, le=3)]
    operations: Annotated[list[Operation], Field(min_length=1)]
    editors_of_a_chain: Literal["one", "several"]
    strength: Strength
    writer: Model[str | None]
    seed: int


class Curated(Table):
    """When an edit has happened, is what was asked for, and what becomes of a chain with one that is not.

    min_change: mean absolute difference within the region, in grey levels. min_distance: cosine distance of what the
    embedder sees before and after. min_match: probability, by the judge, of what was asked for; or the least by which
    the image is nearer to the prompt than before, where it cannot say or there is none.
    """

    judge: Model[str | None]
    embedder: Model[str]
    min_change: Annotated[float, Field(ge=0, le=255)]
    min_distance: Annotated[float, Field(ge=0, le=2)]
    min_match: Share
    failed_turn: Literal["cut", "reject"]
    max_hash_distance: Annotated[int, Field(ge=0, le=16)]


class EditScores(Table):
    """How the segmentation baselines are trained and measured."""

    segmenters: Names
    seeds: Count
    epochs: Count
    width: Annotated[int, Field(ge=4)]
    size: Annotated[int, Field(ge=32)]
    left_out: bool
    bootstrap: Count


class Edits(CorpusSettings):
    """The corpus of multi-turn edits."""

    source: Here[list[str]]
    scenes: Scenes
    regions: Regions
    editors: Model[Names]
    servers: Here[CatalogServers]
    turns: Turns
    curated: Curated
    splits: Splits
    scores: EditScores
