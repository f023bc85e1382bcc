"""What a second judge says of the rows that may be released, and whether it must see the same as the first."""

from __future__ import annotations

import polars as pl

from corpusmith.assets.reddit.labelled import Make, named
from corpusmith.assets.reddit.lacking import counts, to_ask, wanted
from corpusmith.assets.reddit.settings import Reddit
from corpusmith.work.produce import Maker

SAID = pl.Schema({"second_emotion": pl.String, "second_confidence": pl.Float32, "second_judge": pl.String})


def of_natural(labelled: pl.LazyFrame, judge: Maker | None, make: Make, settings: Reddit) -> pl.LazyFrame:
    """The natural samples, of which the second judge reads as many of each emotion as a release may hold.

    They are read in the order in which balancing takes them, that of their keys, until enough are fit or none is left:
    a dump's millions are not.
    """
    if judge is None:
        return unasked(labelled)
    most = wanted(counts(labelled), settings.balanced)
    kept = labelled.filter(pl.col("verdict") == "kept").select("key", "emotion").sort("key").collect()
    placed = kept.with_columns(place=pl.int_range(pl.len()).over("emotion"))
    have = dict(kept.group_by("emotion").len().rows())
    asked, agreed = dict.fromkeys(have, 0), dict.fromkeys(have, 0)
    parts = [read(labelled.head(0), judge, make)]
    while short := [e for e in have if agreed[e] < most and asked[e] < have[e]]:
        upto = {e: asked[e] + to_ask(most - agreed[e], agreed[e], asked[e]) for e in short}
        start, end = (pl.col("emotion").replace_strict(of, default=0) for of in (asked, upto))
        chosen = placed.filter(pl.col("place").is_between(start, end, closed="left")).select("key")
        parts.append(read(labelled.join(chosen.lazy(), on="key", how="semi", maintain_order="left"), judge, make))
        asked |= {e: min(upto[e], have[e]) for e in short}
        fit = kept.join(pl.concat(parts), on="key")
        if settings.labelled.disagreement == "reject":
            fit = fit.filter(pl.col("emotion") == pl.col("second_emotion"))
        agreed |= dict(fit.group_by("emotion").len().rows())
    return compared(labelled, pl.concat(parts), settings.labelled.disagreement == "reject")


def of_written(judged: pl.LazyFrame, judge: Maker | None, make: Make, settings: Reddit) -> pl.LazyFrame:
    """Written samples, of which the second judge reads all that are fit so far."""
    if judge is None:
        return unasked(judged)
    said = read(judged.filter(pl.col("verdict") == "kept"), judge, make)
    return compared(judged, said, settings.labelled.disagreement == "reject")


def unasked(samples: pl.LazyFrame) -> pl.LazyFrame:
    """Samples of which nobody was asked for a second opinion."""
    return samples.with_columns(pl.lit(None, dtype).alias(name) for name, dtype in SAID.items())


def read(samples: pl.LazyFrame, judge: Maker, make: Make) -> pl.DataFrame:
    """What the judge says of each sample: key, and the columns of SAID, in which an emotion is null where it failed."""
    texts = samples.select(sample="key", text="text").collect()
    seen = make(texts.lazy(), judge).select(key="sample", second_emotion="emotion", second_confidence="confidence")
    read = texts.select(key="sample").join(seen.collect(), on="key", how="left", maintain_order="left")
    return read.with_columns(second_judge=pl.lit(named(judge))).cast(dict(SAID))


def compared(samples: pl.LazyFrame, said: pl.DataFrame, must_agree: bool) -> pl.LazyFrame:
    """Samples with the second opinion; where it must agree, those are rejected of which it says another emotion."""
    beside = samples.join(said.lazy(), on="key", how="left", maintain_order="left")
    if not must_agree:
        return beside
    unread = pl.col("second_judge").is_not_null() & pl.col("second_emotion").is_null()
    disagree = pl.col("second_emotion") != pl.col("emotion")
    reason = pl.when(unread).then(pl.lit("not_judged")).when(disagree).then(pl.lit("judges_disagree"))
    return beside.with_columns(
        verdict=pl.when(reason.is_null()).then("verdict").otherwise(pl.lit("rejected")),
        reasons=pl.when(reason.is_null()).then("reasons").otherwise(pl.concat_list(reason)),
    )
