"""What annotators, machines and people, see in the portraits, one by one and together."""

from __future__ import annotations

from typing import Final

import polars as pl

from assets.portraits import makers
from assets.portraits.images import Make, kept, seen
from corpusmith.emotions import EMOTIONS
from corpusmith.errors import BalanceError
from corpusmith.settings import Portraits

PROBABILITIES: Final = tuple(f"p_{emotion}" for emotion in EMOTIONS)
SAID: Final = ("emotion", *PROBABILITIES, "intensity", "quality")


def annotate(
    images: pl.LazyFrame, curated: pl.LazyFrame, people: pl.LazyFrame, make: Make, settings: Portraits
) -> pl.LazyFrame:
    """A row for each kept portrait and annotator: key, annotator, SAID (null: not said) and human.

    ``people``: the same columns, of what people said of this and of any other portrait. Raises BalanceError when no
    portrait was kept.
    """
    fit = curated.filter(pl.col("verdict") == "kept").select("key").collect().to_series()
    if fit.is_empty():
        raise BalanceError(_explanation(curated))
    portraits = kept(images, curated)
    parts = [
        seen(portraits, makers.perceiver(name, settings.servers), make).select(
            "key", *SAID, annotator=pl.lit(name), human=pl.lit(False)
        )
        for name in settings.annotators
    ]
    said = pl.concat(parts).select("key", "annotator", *SAID, "human")
    of_these = people.filter(pl.col("key").is_in(fit.implode()))
    return pl.concat([said, of_these.select(said.collect_schema().names())])


def _explanation(curated: pl.LazyFrame) -> str:
    counted = curated.select(reason="reasons").explode("reason").group_by("reason").len()
    reasons = ", ".join(f"{name} {n:,}" for name, n in counted.sort("len", descending=True).collect().rows())
    return (
        f"no image is fit, so there is nothing to release ({reasons}). Look at them (corpusmith preview portraits) and "
        "at the thresholds under portraits.curated, or name other generators"
    )


def consensus(annotations: pl.LazyFrame) -> pl.LazyFrame:
    """What the annotators of each portrait see together: the mean of each number; people's, where there are any.

    Columns: key, emotion_seen (the likeliest), p_…, intensity, quality, annotators (how many of these), human, and all
    that was said, one by one, as the list ``annotations``.
    """
    by_people = pl.col("human").any().over("key")
    counted = annotations.filter(pl.col("human") == by_people)
    together = counted.group_by("key").agg(
        pl.col(*PROBABILITIES, "intensity", "quality").mean(),
        annotators=pl.len().cast(pl.Int32),
        human=pl.col("human").first(),
    )
    one_by_one = annotations.sort("key", "annotator").group_by("key", maintain_order=True)
    said = one_by_one.agg(annotations=pl.struct("annotator", *SAID, "human"))
    likeliest = pl.concat_list(PROBABILITIES).list.arg_max().cast(pl.Int64)
    named = likeliest.replace_strict(range(len(EMOTIONS)), EMOTIONS, default=None, return_dtype=pl.String)
    seen_as = pl.when(pl.col(PROBABILITIES[0]).is_not_null()).then(named)
    return together.with_columns(emotion_seen=seen_as).join(said, on="key", how="left").sort("key")
