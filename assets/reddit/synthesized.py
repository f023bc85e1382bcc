"""New comments for the emotions that are still short, judged like all others."""

from __future__ import annotations

import numpy as np
import polars as pl

from corpusmith.assets.reddit.labelled import Make, judged, named, unsure, verdict, whole
from corpusmith.assets.reddit.lacking import Quota, counts, fill, lacking, wanted
from corpusmith.assets.reddit.opinions import of_written
from corpusmith.assets.reddit.settings import Reddit
from corpusmith.curate.duplicates import near_duplicates, similar_to
from corpusmith.curate.memorised import longest_overlap
from corpusmith.curate.privacy import scrub
from corpusmith.emotions import EMOTIONS
from corpusmith.models.text.adapted_writer import MOST_WORDS, topics
from corpusmith.work.draws import below
from corpusmith.work.plan import canonical, seeds
from corpusmith.work.produce import Maker, with_failed


def synthesize(
    labelled: pl.LazyFrame,
    rewritten: pl.LazyFrame,
    writer: Maker,
    judge: Maker,
    make: Make,
    settings: Reddit,
    second: Maker | None = None,
) -> pl.LazyFrame:
    """Every synthetic comment, kept or rejected with its reasons, until no emotion is short or the rounds are over."""
    want = wanted(counts(labelled), settings.balanced)
    natural = labelled.filter(pl.col("verdict") == "kept").select("key", "text", "emotion")

    def ask(quota: Quota, made: list[pl.DataFrame]) -> pl.DataFrame:
        plan = plan_comments(quota, natural, writer, settings.synthesized.examples).lazy()
        comments = as_samples(with_failed(make(plan, writer), plan, writer).collect(), writer)
        earlier = pl.concat([natural.select("key", "text"), *(rows.lazy().select("key", "text") for rows in made)])
        return judge_comments(comments, earlier, judge, make, settings, second).collect()

    return fill(lacking(counts(labelled, rewritten), want), settings.synthesized.rounds, ask).lazy()


def plan_comments(quota: Quota, natural: pl.LazyFrame, writer: Maker, examples: int) -> pl.DataFrame:
    """One row for each comment to be written: its emotion, its number, and examples where the writer reads them."""
    plan = pl.DataFrame(
        [(emotion, number) for emotion, (start, rows) in quota.items() for number in range(start, start + rows)],
        schema={"emotion": pl.String, "number": pl.Int64},
        orient="row",
    )
    if "examples" in writer.inputs:
        plan = plan.with_columns(examples=_few_shot(plan, natural, examples))
    if "topic" in writer.inputs:
        plan = plan.hstack(_like(plan, natural))
    return plan.with_columns(target=pl.col("emotion"), plan=canonical(writer.inputs))


def _few_shot(plan: pl.DataFrame, natural: pl.LazyFrame, examples: int) -> pl.Series:
    """For each row, natural comments of its emotion: the next ones in the order of their keys, round and round.

    Each is shown once in a row: where there are fewer than ``examples``, all of them.
    """
    by_emotion = natural.sort("key").group_by("emotion").agg(pl.col("text").unique(maintain_order=True))
    texts = dict(by_emotion.collect().rows())
    shown = [
        [
            texts[emotion][(number * examples + i) % len(texts[emotion])]
            for i in range(min(examples, len(texts[emotion])))
        ]
        if emotion in texts
        else []
        for emotion, number in plan.select("emotion", "number").rows()
    ]
    return pl.Series("examples", shown, dtype=pl.List(pl.String))


def _like(plan: pl.DataFrame, natural: pl.LazyFrame) -> pl.DataFrame:
    """For each row, the ``words`` and a ``topic`` of a natural comment: the next one in the order of the keys.

    Neutral ones where there are any: what they are about carries no emotion. Each emotion starts at another place.
    """
    every = natural.sort("key").collect()
    calm = every.filter(pl.col("emotion") == "neutral")
    people = calm if calm.height else every
    words = people["text"].str.count_matches(r"\S+").clip(upper_bound=MOST_WORDS).cast(pl.Int64)
    said = topics(people["text"])
    drawn = below(seeds(people["key"].to_list()), np.maximum(said.list.len().to_numpy(), 1))
    topic = said.list.get(pl.Series(drawn), null_on_oob=True).fill_null("")
    start = plan["emotion"].replace_strict(
        {emotion: EMOTIONS.index(emotion) * people.height // len(EMOTIONS) for emotion in EMOTIONS},
        return_dtype=pl.Int64,
    )
    place = (start + plan["number"]) % people.height
    return pl.DataFrame({"words": words.gather(place), "topic": topic.gather(place)})


def as_samples(made: pl.DataFrame, writer: Maker) -> pl.DataFrame:
    """Written comments as samples that come from nobody's thread."""
    nobody = {name: pl.lit(None, pl.String) for name in ("source_key", "source_text", "thread", "subreddit", "author")}
    return made.select(
        "key",
        "text",
        "target",
        "plan",
        **nobody,
        created_utc=pl.lit(None, pl.Int64),
        cluster=pl.lit(None, pl.String),
        language=pl.lit("en"),
        origin=pl.lit("synthetic"),
        fingerprint=pl.lit(writer.fingerprint),
        writer=pl.lit(named(writer)),
        seed=pl.Series(seeds(made["key"].to_list())).cast(pl.Int64),
    )


def judge_comments(
    comments: pl.DataFrame,
    earlier: pl.LazyFrame,
    judge: Maker,
    make: Make,
    settings: Reddit,
    second: Maker | None = None,
) -> pl.LazyFrame:
    """A synthetic comment is fit when the judge sees the asked emotion, and nobody wrote it before.

    A second judge, where there is one, reads what is fit so far.
    """
    comments, lost = whole(comments)
    words = pl.col("text").str.count_matches(r"\S+")
    copies = similar_to(comments.lazy(), earlier, settings.comments.jaccard)["key"]
    twins = near_duplicates(comments.lazy(), settings.comments.jaccard).drop_nulls("duplicate_of")["key"]
    fit = verdict(
        judged(
            comments.lazy().with_columns(
                personal=scrub(comments["text"]) != comments["text"],
                overlap=longest_overlap(comments["text"]),
            ),
            judge,
            make,
        ),
        {
            "wrong_emotion": pl.col("emotion") != pl.col("target"),
            **unsure(settings.labelled.min_confidence),
            "too_short": words < settings.comments.min_words,
            "near_duplicate": pl.col("key").is_in(pl.concat([copies, twins]).implode()),
            "memorised": pl.col("overlap") > settings.synthesized.max_overlap_words,
            "personal_data": pl.col("personal"),
        },
    )
    return pl.concat([of_written(fit, second, make, settings), lost], how="diagonal")
