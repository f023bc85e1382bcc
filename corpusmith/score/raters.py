"""What a panel of people thinks of an image: screened raters, mean opinion scores, and an emotion by majority."""

from __future__ import annotations

import math
from typing import Final

import polars as pl

from corpusmith.emotions import EMOTIONS

RATINGS: Final = pl.Schema(
    {
        "rater": pl.String,
        "key": pl.String,  # of the image
        "emotion": pl.String,  # one of EMOTIONS; null: not said, as in the others
        "degree": pl.Float64,  # 0–1, how strongly the emotion is shown
        "quality": pl.Float64,  # 0–1
    }
)
"""One row for each image that a rater rated."""

SCALES: Final = ("degree", "quality")
PROBABILITIES: Final = tuple(f"p_{emotion}" for emotion in EMOTIONS)
PEOPLE: Final = "people"

NORMAL_KURTOSIS: Final = (2.0, 4.0)
FAR: Final = 2.0  # standard deviations, where ratings are spread as a normal distribution
FAR_OTHERWISE: Final = math.sqrt(20.0)
MAX_FAR_SHARE: Final = 0.05
MAX_LOPSIDED: Final = 0.3
CONFIDENCE: Final = 1.96

OPINIONS: Final = pl.Schema(
    {
        "key": pl.String,
        "raters": pl.Int64,
        "emotion": pl.String,  # named most often; null: two as often, or nobody said
        "votes": pl.Int64,  # for the emotion that was named most often
        **dict.fromkeys(PROBABILITIES, pl.Float32),  # shares of the votes
        **{f"{scale}{end}": pl.Float32 for scale in SCALES for end in ("", "_low", "_high")},
    }
)
"""What a panel says of an image; low and high bound the mean's 95 % confidence interval, null of a single rating."""


def screened(ratings: pl.DataFrame, scale: str) -> pl.DataFrame:
    """Who rates erratically on one of SCALES: rater, ratings, above, below and rejected, a row for each rater.

    ITU-R BT.500-15, Annex 1, section A1-2.3.1, by its letters: for each image the mean u, the standard deviation S
    (over N - 1) and the kurtosis β2 = m4 / m2² of its ratings. A rating at or above u + 2 S counts to ``above`` (P), at
    or below u - 2 S to ``below`` (Q), where 2 ≤ β2 ≤ 4, else with √20 S. A rater is rejected if
    (P + Q) / ratings > 0.05 and |P - Q| / (P + Q) < 0.3: often far from the others, and now above and now below.

    Ours, where the Recommendation is silent: a rater's share is of the images that he rated, and where all agree nobody
    is far off. It finds nobody among fewer than six raters, since a rating is at most (N - 1) / √N standard deviations
    from the mean, and is to be applied once to a panel: so to raw ratings.
    """
    said = pl.col(scale)
    mean, spread = said.mean().over("key"), said.std(ddof=1).over("key")
    moments = ratings.drop_nulls(scale).with_columns(
        off=said - mean,
        spread=pl.when(said.max().over("key") > said.min().over("key")).then(spread),
        kurtosis=((said - mean) ** 4).mean().over("key") / ((said - mean) ** 2).mean().over("key") ** 2,
    )
    far = pl.when(pl.col("kurtosis").is_between(*NORMAL_KURTOSIS)).then(FAR).otherwise(FAR_OTHERWISE)
    above, below = pl.col("off") >= far * pl.col("spread"), pl.col("off") <= -far * pl.col("spread")
    p, q = pl.col("above"), pl.col("below")
    return (
        moments.group_by("rater")
        .agg(ratings=pl.len().cast(pl.Int64), above=above.sum().cast(pl.Int64), below=below.sum().cast(pl.Int64))
        .with_columns(rejected=((p + q) / pl.col("ratings") > MAX_FAR_SHARE) & ((p - q).abs() / (p + q) < MAX_LOPSIDED))
        .sort("rater")
    )


def rejected(ratings: pl.DataFrame) -> list[str]:
    """Raters who are screened out on either scale; nothing that they said is used."""
    found = [screened(ratings, scale).filter("rejected")["rater"] for scale in SCALES]
    return pl.concat(found).unique().sort().to_list()


def opinions(ratings: pl.DataFrame) -> pl.DataFrame:
    """What the screened panel says of each image (OPINIONS), sorted by key: mean opinion scores with their intervals
    u ± 1.96 S / √N (BT.500-15, Annex 1, section A1-2.2), and the emotion that most name.
    """
    panel = ratings.filter(~pl.col("rater").is_in(rejected(ratings)))
    votes = [(pl.col("emotion") == emotion).sum().cast(pl.Int64).alias(emotion) for emotion in EMOTIONS]
    means = [expression for scale in SCALES for expression in _mean(scale)]
    counted = panel.group_by("key").agg(pl.col("rater").n_unique().cast(pl.Int64).alias("raters"), *votes, *means)
    every, most = pl.sum_horizontal(EMOTIONS), pl.max_horizontal(EMOTIONS)
    winners = pl.sum_horizontal(pl.col(emotion) == most for emotion in EMOTIONS)
    named = pl.coalesce(pl.when(pl.col(emotion) == most).then(pl.lit(emotion)) for emotion in EMOTIONS)
    return (
        counted.with_columns(
            emotion=pl.when((winners == 1) & (every > 0)).then(named),
            votes=most,
            **{f"p_{emotion}": pl.when(every > 0).then(pl.col(emotion) / every) for emotion in EMOTIONS},
        )
        .select(OPINIONS.names())
        .cast(OPINIONS)
        .sort("key")
    )


def as_annotations(opinions: pl.DataFrame) -> pl.DataFrame:
    """The opinions as rows of the annotations table: key, annotator, emotion, p_…, intensity, quality and human."""
    return opinions.select(
        "key",
        pl.lit(PEOPLE).alias("annotator"),
        "emotion",
        *PROBABILITIES,
        pl.col("degree").alias("intensity"),
        "quality",
        pl.lit(True).alias("human"),
    )


def _mean(scale: str) -> list[pl.Expr]:
    said = pl.col(scale)
    half = CONFIDENCE * said.std(ddof=1) / said.count().sqrt()
    return [said.mean(), (said.mean() - half).alias(f"{scale}_low"), (said.mean() + half).alias(f"{scale}_high")]
