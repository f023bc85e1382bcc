"""What every generator is asked for: each emotion at each degree, balanced over who shows it, where and how."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

import polars as pl

from corpusmith.drawings import captions
from corpusmith.emotions import POLARITY, VOCABULARIES
from corpusmith.errors import PlanError
from corpusmith.work import covering

DEGREES: Final = (1, 2, 3)
"""Asked intensity in thirds; a neutral face has degree 0."""
NEVER: Final = ({"age": "child", "hair": "bald"}, {"age": "child", "hair_colour": "grey"})
"""Not asked for: generators trained on photographs make an old person of them, or a sick child."""
ABSENT: Final = {"hair_colour": {"hair": "bald"}}

PROMPTS: Final = pl.Schema(
    {
        "prompt_id": pl.String,  # angry-042
        "emotion": pl.String,  # in the words of the vocabulary
        "ekman": pl.String,
        "polarity": pl.String,
        "degree": pl.Int8,
        "asked_intensity": pl.Float32,  # degree / 3
        "shown": pl.Int8,  # which of the two sets of action units
        "word": pl.Int8,  # which of the two words names the emotion
        **dict.fromkeys(captions.ATTRIBUTES, pl.String),  # hair_colour: null for a bald head
        "prompt": pl.String,
    }
)


def prompts(vocabulary: str, per_emotion: int, seed: int) -> pl.DataFrame:
    """``per_emotion`` distinct prompts (PROMPTS) for each emotion of a vocabulary, the same for the same arguments.

    Within an emotion every attribute, degree, way of showing and word is a factor of a covering array: its levels come
    equally often, within one, and every pair of levels meets as soon as the number allows (see ``covering.design``). A
    bald head has no hair colour, and the colours are balanced over the others; NEVER says what is not asked for.
    MEMO-Bench's emotions are named by its own word alone (worried is not afraid); Ekman's by either of two.
    """
    return pl.concat([_of_emotion(vocabulary, emotion, per_emotion, seed) for emotion in VOCABULARIES[vocabulary]])


def first(prompts: pl.DataFrame, rows: int) -> pl.DataFrame:
    """The first prompts of each emotion: to look at before anything is made."""
    return prompts.group_by("emotion", maintain_order=True).head(rows).select(PROMPTS.names())


def balance(prompts: pl.DataFrame) -> pl.DataFrame:
    """How many prompts of each emotion have each level of each factor: emotion, factor, level and prompts, the count.

    Within an emotion and a factor the counts differ by at most one; a level that never comes is not listed.
    """
    return (
        prompts.select("emotion", pl.col("degree", "shown", "word", *captions.ATTRIBUTES).cast(pl.String))
        .unpivot(index="emotion", variable_name="factor", value_name="level")
        .drop_nulls("level")
        .group_by("emotion", "factor", "level", maintain_order=True)
        .agg(prompts=pl.len())
    )


def coverage(prompts: pl.DataFrame) -> pl.DataFrame:
    """How evenly any two factors' levels meet within each emotion: emotion and the columns of ``covering.coverage``.

    Seven pairs never come, on purpose: a bald head's five hair colours and what NEVER names.
    """
    parts = [
        covering.coverage(part, _levels(part)).select(pl.lit(emotion).alias("emotion"), pl.all())
        for (emotion,), part in prompts.group_by("emotion", maintain_order=True)
    ]
    return pl.concat(parts)


def _of_emotion(vocabulary: str, emotion: str, rows: int, seed: int) -> pl.DataFrame:
    ekman = VOCABULARIES[vocabulary][emotion]
    degrees = (0,) if ekman == "neutral" else DEGREES
    factors = _factors(degrees, words=(0,) if vocabulary == "memo" else (0, 1))
    digest = hashlib.blake2b(f"{vocabulary}/{emotion}/{seed}".encode(), digest_size=8).digest()
    table = covering.design(factors, rows, int.from_bytes(digest), never=NEVER, absent=ABSENT)
    said = captions.portrait(table.with_columns(emotion=pl.lit(ekman)))
    if said.n_unique() < rows:
        raise PlanError(f"two prompts of {emotion} read the same: portraits.yaml says two values in the same words")
    return table.select(
        pl.format(f"{emotion}-{{}}", pl.int_range(rows).cast(pl.String).str.zfill(3)).alias("prompt_id"),
        pl.lit(emotion).alias("emotion"),
        pl.lit(ekman).alias("ekman"),
        pl.lit(POLARITY[ekman]).alias("polarity"),
        pl.col("degree"),
        (pl.col("degree") / max(DEGREES)).alias("asked_intensity"),
        pl.col("shown", "word", *captions.ATTRIBUTES),
        said,
    ).cast(PROMPTS)


def _factors(degrees: Sequence[int], words: Sequence[int]) -> Mapping[str, Sequence[Any]]:
    attributes = {name: captions.values(name) for name in captions.ATTRIBUTES}
    return {"degree": degrees, "shown": (0, 1), "word": words, **attributes}


def _levels(prompts: pl.DataFrame) -> Mapping[str, Sequence[Any]]:
    return _factors(*(prompts[name].unique().sort().to_list() for name in ("degree", "word")))
