"""The settings of the Reddit corpus: its table in params.yaml, as typed data."""

from __future__ import annotations

import codecs
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from corpusmith.models.text.servers import Servers
from corpusmith.settings import CorpusSettings, Count, Here, Model, Share, Splits, Table

Writer = Annotated[str, Field(pattern=r"^(house(/.+)?|llm:.+)$")]


class Demo(Table):
    """The dump that the project writes itself."""

    comments: Annotated[int, Field(ge=100)]
    seed: int


class Comments(Table):
    """Which comments are fit at all."""

    min_words: Count
    max_characters: Count
    nsfw: bool
    people: str | None
    jaccard: Share


class Models(Table):
    """Who labels, writes and is scored."""

    judge: Model[str]
    second_judge: Model[str | None]
    rewriter: Model[Writer]
    generator: Model[Writer]
    servers: Here[Servers]
    probed: Model[Annotated[list[str], Field(min_length=1)]]

    @model_validator(mode="after")
    def _two_judges(self) -> Models:
        if self.second_judge == self.judge:
            raise ValueError(f"second_judge is judge again ({self.judge}): name a model of another kind, or null")
        return self


class Labelled(Table):
    """What the judge must be sure of, and what becomes of rows in which a second one sees another emotion."""

    min_confidence: Share
    disagreement: Literal["reject", "say"]


class Rewritten(Table):
    """How much is rewritten, and what a rewrite must keep."""

    share: Share
    min_content_kept: Share
    rounds: Count


class Synthesized(Table):
    """How the rest is written."""

    examples: Count
    max_overlap_words: Count
    rounds: Count


class Balanced(Splits):
    """How many rows of each emotion, and how they are split."""

    rows_per_emotion: Count | None
    tolerance: Share


class Steering(Table):
    """How many test comments are answered under each system prompt (0: none), and in how many tokens at the most."""

    rows: Annotated[int, Field(ge=0)]
    reply_tokens: Count


class Persistence(Table):
    """How many training comments are answered as well, for the probe on replies (0: it is not measured)."""

    rows: Annotated[int, Field(ge=0)]


class Scores(Table):
    """How the baselines are measured."""

    epochs: Count
    learning_rate: Annotated[float, Field(gt=0)]
    zero_shot_rows: Count
    steering: Steering
    persistence: Persistence
    bootstrap: Count


def _known(encoding: str) -> str:
    try:
        return codecs.lookup(encoding).name
    except LookupError:
        raise ValueError("expected an encoding that Python knows, such as utf-8 or cp1252") from None


Encoding = Annotated[str, AfterValidator(_known)]


class Reddit(CorpusSettings):
    """The Reddit corpus."""

    source: Here[list[str]]
    text_column: str | None
    header: bool | None
    encoding: Encoding | None
    source_damage: Literal["stop", "use"]
    max_broken: Share
    demo: Demo
    comments: Comments
    models: Models
    labelled: Labelled
    rewritten: Rewritten
    synthesized: Synthesized
    balanced: Balanced
    scores: Scores
