"""The settings of the imagenet corpus: its table in params.yaml, as typed data."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from corpusmith.models.text.servers import CatalogServers
from corpusmith.settings import CorpusSettings, Count, Here, Model, Names, Share, Splits, Table, distinct

Strategy = Literal["label", "template", "caption", "image", "image_label"]
Text = Literal["label", "template", "caption"]
Number = Annotated[int, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
Cosine = Annotated[float, Field(ge=-1, le=1)]
Words = Annotated[str, Field(pattern=r"\S")]


def _a_choice(said: list[str] | str) -> list[str] | str:
    if isinstance(said, str) and said not in CHOICES:
        raise ValueError(f"expected one of {', '.join(CHOICES)}, or a list of wnids such as [n07747607]")
    return said if isinstance(said, str) else distinct(said)


CHOICES = ("all", "hundred", "drawn")
Classes = Annotated[str | list[str], AfterValidator(_a_choice)]


class Drawn(Table):
    """The real images where there is no source: so many drawings of each class."""

    train: Count
    validation: Count
    test: Count
    seed: int


class Captions(Table):
    """Where captions come from that a source lacks; by_class: JSON of sentences by class name. Both null: nowhere."""

    by_class: Here[str | None]
    captioner: Model[str | None]


class Generators(Table):
    """Who draws, by names of the catalog: from a text, from an image alone, from an image and a text."""

    text: Model[Names]
    image: Model[Names]
    image_label: Model[Names]


class Grid(Table):
    """Settings of generators that are tried one by one, each with every image; empty: as the catalog has it."""

    guidance: Annotated[list[Annotated[float, Field(ge=0)]], AfterValidator(distinct)]
    steps: Annotated[list[Count], AfterValidator(distinct)]
    strength: Annotated[list[Annotated[float, Field(gt=0, le=1)]], AfterValidator(distinct)]


class Finetuned(Table):
    """A text-to-image model adapted to the real train split, and the strategies that it draws too; null: none is."""

    base: Model[str | None]
    strategies: Annotated[list[Text], AfterValidator(distinct)]
    rank: Count
    steps: Count
    batch_rows: Count
    rate: Positive
    seed: int


class Curated(Table):
    """When an image is fit, and shows its class.

    agree: so many of the tests of its class must hold; removed: the share of real images at which each test's threshold
    is set. max_source_similarity: cosine, by the first embedder, to any real image, and max_source_distance: bits of
    the hash, up to which it is a copy of that.
    """

    min_sharpness: Annotated[float, Field(ge=0)]
    min_contrast: Share
    max_dark_share: Share
    max_bright_share: Share
    safety: Model[str | None]
    min_safety: Share
    max_hash_distance: Annotated[int, Field(ge=0, le=16)]
    min_similarity: Cosine
    recognizer: Model[str]
    embedders: Model[Names]
    agree: Count
    removed: Share
    max_source_similarity: Cosine
    max_source_distance: Annotated[int, Field(ge=0, le=16)]
    min_agreement: Share


class ShiftScores(Table):
    """How classifiers are trained and under which shifts they are tested.

    steps: of every training, whatever it learns from. amounts: shares of the generated images that the curve is of.
    drawn: test images of each class and set, where the real ones are drawn. sets: folders in ImageNet's layout by the
    name of the set. width: channels of the first stage.
    """

    networks: Names
    seeds: Count
    steps: Count
    batch_rows: Count
    width: Annotated[int, Field(ge=4)]
    size: Annotated[int, Field(ge=32)]
    amounts: list[Annotated[float, Field(gt=0, lt=1)]]
    family: Count
    drawn: Count
    sets: Here[dict[str, str]]
    bootstrap: Count


class ImageNet(CorpusSettings):
    """The corpus of generated images of ImageNet's classes.

    strategies: null: all for which there is something, a real image or a caption. classes: null: all that the source
    has; without one those that are drawn. block: so many of the 1,000 classes are a partition. names: what prompts
    call a class, by wnid, where that is not its own name. photographs: does a release hold the photographs that its
    images are paired with?
    """

    source: Here[list[str]]
    classes: Classes | None
    block: Count
    drawn: Drawn
    max_edge: Annotated[int, Field(ge=32)]
    of_each_class: Number
    splits: Splits
    strategies: Annotated[list[Strategy], Field(min_length=1), AfterValidator(distinct)] | None
    names: dict[str, Words]
    templates: str | Names
    captions: Captions
    servers: Here[CatalogServers]
    generators: Generators
    grid: Grid
    finetuned: Finetuned
    seed: int
    photographs: bool
    curated: Curated
    scores: ShiftScores
