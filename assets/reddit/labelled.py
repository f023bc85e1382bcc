"""What each comment shows, in the judge's eyes."""

from __future__ import annotations

import polars as pl

from corpusmith.emotions import EMOTIONS
from corpusmith.models.text.usage import COLUMNS
from corpusmith.models.text.writers import CUT_OFF
from corpusmith.work.plan import canonical
from corpusmith.work.produce import Make, Maker

PROBABILITIES = tuple(f"p_{emotion}" for emotion in EMOTIONS)
JUDGED = ("emotion", "confidence", *PROBABILITIES)


def label(comments: pl.LazyFrame, judge: Maker, make: Make, min_confidence: float) -> pl.LazyFrame:
    """The fit comments as natural samples with their emotion; those that the judge is unsure of are rejected."""
    from corpusmith.assets.reddit import comments as stage

    kept = comments.filter(pl.col("verdict") == "kept").drop("verdict", "reasons", "duplicate_of")
    natural = kept.with_columns(
        origin=pl.lit("natural"),
        plan=canonical(stage.PLACE),
        fingerprint=pl.lit(stage.MAKER),
        target=pl.lit(None, pl.String),
        source_key=pl.lit(None, pl.String),
        source_text=pl.lit(None, pl.String),
        writer=pl.lit(None, pl.String),
        seed=pl.lit(None, pl.Int64),
    )
    return verdict(judged(natural, judge, make), unsure(min_confidence))


def judged(samples: pl.LazyFrame, judge: Maker, make: Make) -> pl.LazyFrame:
    """Samples (key, text, …) with the judge's emotion, probabilities and name; null where the judge failed."""
    seen = make(samples.rename({"key": "sample"}), judge).drop("key", *COLUMNS.names, strict=False)
    seen = seen.rename({"sample": "key"})
    if seen.select(pl.len()).collect().item() < samples.select(pl.len()).collect().item():
        failed = samples.join(seen.select("key"), on="key", how="anti", maintain_order="left")
        seen = pl.concat([seen, failed], how="diagonal")
    return seen.with_columns(judge=pl.lit(named(judge)))


def named(maker: Maker) -> str:
    """``model@revision`` of a maker, as a row's provenance shows it."""
    return f"{maker.provenance['model']}@{str(maker.provenance['revision'])[:12]}"


def unsure(min_confidence: float) -> dict[str, pl.Expr]:
    """The reasons that a judge's answer may be: there is none, or it is less sure than the minimum."""
    return {"not_judged": pl.col("emotion").is_null(), "low_confidence": pl.col("confidence") < min_confidence}


def verdict(samples: pl.LazyFrame, rejected_when: dict[str, pl.Expr]) -> pl.LazyFrame:
    """Samples with ``verdict`` and ``reasons``: every reason whose expression holds."""
    found = [pl.when(holds.fill_null(False)).then(pl.lit(reason)) for reason, holds in rejected_when.items()]
    reasons = pl.concat_list(found).list.drop_nulls()
    return samples.with_columns(reasons=reasons).with_columns(
        verdict=pl.when(pl.col("reasons").list.len() > 0).then(pl.lit("rejected")).otherwise(pl.lit("kept"))
    )


def whole(samples: pl.DataFrame) -> tuple[pl.DataFrame, pl.LazyFrame]:
    """The samples whose text is there, and those whose writer failed or was cut off: rejected, unseen by the judge."""
    lost = {"not_made": pl.col("text").is_null(), "cut_off": pl.col("text") == CUT_OFF}
    is_lost = pl.any_horizontal(lost.values())
    return samples.filter(~is_lost.fill_null(True)), verdict(samples.filter(is_lost).lazy(), lost)
