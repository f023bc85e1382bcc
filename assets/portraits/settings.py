"""The settings of the portraits corpus: its table in params.yaml, as typed data."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from corpusmith.models.text.servers import CatalogServers
from corpusmith.settings import CorpusSettings, Count, Here, Model, Names, Share, Splits, Table


class Prompts(Table):
    """How many prompts of each emotion, and the seed of their design."""

    per_emotion: Count
    seed: int


class Curated(Table):
    """When an image is fit, and when two are one."""

    min_sharpness: Annotated[float, Field(ge=0)]
    min_contrast: Share
    max_dark_share: Share
    max_bright_share: Share
    one_face: bool
    min_safety: Share
    max_hash_distance: Annotated[int, Field(ge=0, le=16)]
    min_similarity: Share


class PortraitScores(Table):
    """How the leaderboards are measured."""

    bootstrap: Count


class Portraits(CorpusSettings):
    """The corpus of emotion portraits."""

    vocabulary: Literal["memo", "ekman"]
    prompts: Prompts
    generators: Model[Names]
    curated: Curated
    annotators: Model[Names]
    safety: Model[str | None]
    embedder: Model[str]
    perceivers: Model[Names]
    servers: Here[CatalogServers]
    splits: Splits
    scores: PortraitScores
