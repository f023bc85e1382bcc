"""What annotators, machines and people, see in the portraits, one by one and together."""

from __future__ import annotations

from typing import Final

import polars as pl

from corpusmith.assets.portraits import makers
from corpusmith.assets.portraits.images import Make, kept, seen
from corpusmith.assets.portraits.settings import Portraits
from corpusmith.emotions import EMOTIONS
from corpusmith.errors import BalanceError

PROBABILITIES: Final = tuple(f"p_{emotion}" for emotion in EMOTIONS)
SAID: Final = ("emotion", *PROBABILITIES, "intensity", "quality")
ASKED: Final = (PROBABILITIES, ("intensity",), ("quality",))
"""What is said together, or left out together."""
TIE: Final = 1e-6  # rounding of a mean of Float32


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
    """What the annotators of each portrait see together: the mean of each number.

    People's word counts instead of the machines' for each of ASKED of which any of them spoke: one who only grades the
    quality leaves the emotion to the machines. Columns: key, emotion_seen (the likeliest; null where several are), p_…,
    intensity, quality, human (whether people say which emotion it is), annotators (how many people, or else machines,
    were asked for it), and all that was said, one by one, as the list ``annotations``.
    """
    together = annotations.group_by("key").agg(
        *(pl.col(columns).filter(_counts(columns)).mean() for columns in ASKED),
        human=_by_people(PROBABILITIES),
        annotators=_counts(PROBABILITIES).sum().cast(pl.Int32),
    )
    one_by_one = annotations.sort("key", "annotator").group_by("key", maintain_order=True)
    said = one_by_one.agg(annotations=pl.struct("annotator", *SAID, "human"))
    return together.with_columns(emotion_seen=_likeliest()).join(said, on="key", how="left").sort("key")


def _counts(columns: tuple[str, ...]) -> pl.Expr:
    """Whose word on the columns counts for a portrait: that of people, or of machines."""
    return pl.col("human") == _by_people(columns)


def _by_people(columns: tuple[str, ...]) -> pl.Expr:
    return (pl.col("human") & pl.any_horizontal(pl.col(columns).is_not_null())).any()


def _likeliest() -> pl.Expr:
    """The emotion of the highest probability; null where none is, or several are."""
    highest = pl.max_horizontal(PROBABILITIES)
    highs = {emotion: pl.col(f"p_{emotion}") >= highest - TIE for emotion in EMOTIONS}
    named = pl.coalesce(pl.when(high).then(pl.lit(emotion)) for emotion, high in highs.items())
    return pl.when(pl.sum_horizontal(highs.values()) == 1).then(named)
