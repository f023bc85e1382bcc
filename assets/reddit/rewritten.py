"""Neutral comments put into the emotions that are short, and judged again."""

from __future__ import annotations

import polars as pl

from corpusmith.assets.reddit.labelled import Make, judged, named, unsure, verdict, whole
from corpusmith.assets.reddit.lacking import Quota, counts, fill, lacking, wanted
from corpusmith.assets.reddit.opinions import of_written
from corpusmith.assets.reddit.settings import Reddit
from corpusmith.curate.duplicates import similar_to
from corpusmith.curate.similarity import content_kept
from corpusmith.emotions import EMOTIONS
from corpusmith.work.plan import canonical, seeds
from corpusmith.work.produce import Maker, with_failed

RIDES_ALONG = ("thread", "subreddit", "created_utc", "author", "language", "cluster")


def rewrite(
    labelled: pl.LazyFrame, writer: Maker, judge: Maker, make: Make, settings: Reddit, second: Maker | None = None
) -> pl.LazyFrame:
    """Every rewrite that was made, kept or rejected with its reasons.

    Rewriting fills a set share of what each emotion lacks; each neutral comment is asked for an emotion once.
    """
    natural = counts(labelled)
    want = wanted(natural, settings.balanced)
    lack = {e: round(n * settings.rewritten.share) for e, n in lacking(natural, want).items() if e != "neutral"}
    sources = neutral(labelled, want, getattr(writer, "most_words", None))

    def ask(quota: Quota, made: list[pl.DataFrame]) -> pl.DataFrame:
        plan = plan_rewrites(sources, quota).with_columns(plan=canonical(writer.inputs)).lazy()
        rewrites = as_samples(with_failed(make(plan, writer), plan, writer).collect(), writer)
        return judge_rewrites(rewrites, judge, make, settings, second).collect()

    return fill(lack, settings.rewritten.rounds, ask).lazy()


def neutral(labelled: pl.LazyFrame, want: int, most_words: int | None = None) -> pl.DataFrame:
    """The neutral comments to rewrite, in order of their keys; first those that the corpus does not need as such.

    most_words: of a comment that the writer can take; None: any.
    """
    fit = (pl.col("verdict") == "kept") & (pl.col("emotion") == "neutral")
    found = labelled.filter(fit).select("key", "text", *RIDES_ALONG).sort("key").collect()
    turned = pl.concat([found.slice(want), found.head(want)])
    if most_words is None:
        return turned
    return turned.filter(pl.col("text").str.count_matches(r"\S+") <= most_words)


def plan_rewrites(sources: pl.DataFrame, quota: Quota) -> pl.DataFrame:
    """Which sources are put into which emotion; every emotion starts at another place, so that few are used twice."""
    parts = [sources.head(0).with_columns(target=pl.lit("", pl.String))]
    for emotion, (start, rows) in quota.items():
        offset = EMOTIONS.index(emotion) * sources.height // len(EMOTIONS)
        turned = pl.concat([sources.slice(offset), sources.head(offset)])
        parts.append(turned.slice(start, rows).with_columns(target=pl.lit(emotion)))
    return pl.concat(parts).rename({"key": "source_key"})


def as_samples(made: pl.DataFrame, writer: Maker) -> pl.DataFrame:
    """Rewrites as samples with their source beside them."""
    return made.select(
        "key",
        *RIDES_ALONG,
        "target",
        "source_key",
        "plan",
        text=pl.col("rewrite"),
        source_text=pl.col("text"),
        content_kept=content_kept(made["text"], made["rewrite"]),
        origin=pl.lit("rewritten"),
        fingerprint=pl.lit(writer.fingerprint),
        writer=pl.lit(named(writer)),
        seed=pl.Series(seeds(made["key"].to_list())).cast(pl.Int64),
    )


def judge_rewrites(
    rewrites: pl.DataFrame, judge: Maker, make: Make, settings: Reddit, second: Maker | None = None
) -> pl.LazyFrame:
    """A rewrite is fit when the judge sees the target in it, its source's content is there, and it is no near-copy.

    A second judge, where there is one, reads what is fit so far.
    """
    rewrites, lost = whole(rewrites)
    sources = rewrites.lazy().select(key="source_key", text="source_text").unique("key", maintain_order=True)
    copies = similar_to(rewrites.lazy(), sources, settings.comments.jaccard)["key"]
    fit = verdict(
        judged(rewrites.lazy(), judge, make),
        {
            "wrong_emotion": pl.col("emotion") != pl.col("target"),
            **unsure(settings.labelled.min_confidence),
            "content_lost": pl.col("content_kept") < settings.rewritten.min_content_kept,
            "copies_source": pl.col("key").is_in(copies.implode()),
        },
    )
    return pl.concat([of_written(fit, second, make, settings), lost], how="diagonal")
