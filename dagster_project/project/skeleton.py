"""The corpus skeleton, whole: what is planned, who makes it, what is rejected, what must hold, what it says of itself.

It builds as it is (corpusmith build skeleton); change one part after the other, and build again: a row that was made is
not made again. The how-to (docs/own-corpus.md of corpusmith) takes a larger one apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import dagster as dg
import polars as pl
import pyarrow as pa

from corpusmith.assets import samples
from corpusmith.assets.asset import corpus_asset
from corpusmith.assets.corpus import Content, Corpus, Remake
from corpusmith.assets.resources import Workshop
from corpusmith.release.inputs import CardText, Stage
from corpusmith.score import scores
from corpusmith.settings import CorpusSettings, Count, Names
from corpusmith.validation import suite, tables
from corpusmith.validation.schema import Column
from corpusmith.work.plan import canonical, fingerprint
from corpusmith.work.produce import with_failed

TONES = ("warm", "plain")
WORD, NUMBER = pl.String(), pl.Int64()

# Every column of a row, with the sentence that card and UI say of it. A release needs key, plan, fingerprint and split.
ROWS = {
    "key": Column(WORD, "The row's identity: a hash of its plan and of the fingerprint of what made it."),
    "text": Column(WORD, "The greeting."),
    "name": Column(WORD, "Who is greeted."),
    "tone": Column(WORD, "How: warm or plain."),
    "words": Column(NUMBER, "Words of the greeting."),
    "origin": Column(WORD, "Who wrote it."),
    "plan": Column(WORD, "What the maker was given, as JSON; it and the fingerprint decide the key."),
    "fingerprint": Column(WORD, "What made the row, as name:model@revision+settings."),
    "split": Column(WORD, "train or test."),
}
REJECTED = ROWS | {"reasons": Column(pl.List(WORD), "Why the row was rejected, as codes.")}
REASONS = {"not_made": "the maker failed", "too_long": "more words than the maximum"}


class Skeleton(CorpusSettings):
    """The table of the corpus in params.yaml: a typo there, or another type, is an error that names the line."""

    names: Names
    most_words: Count


class Greeter:
    """Who makes rows. In the place of this one stands a model: see corpusmith.models, which has them ready to use.

    name, model, revision and settings of the fingerprint, and ``inputs``, decide a row: change one, and rows are new.
    """

    name, inputs, batch_rows = "greeter", ("name", "tone"), 64
    schema = pa.schema({"text": pa.string()})
    provenance: ClassVar[dict[str, Any]] = {"model": "greeter", "revision": "1"}
    fingerprint = fingerprint("greeter", "greeter", "1", {})

    def make(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        """A text for each row; a row that raises fails alone."""
        asked = zip(rows["name"].to_pylist(), rows["tone"].to_pylist(), strict=True)
        texts = [f"How lovely to see you, {name}!" if tone == "warm" else f"Good day, {name}." for name, tone in asked]
        return pa.record_batch([pa.array(texts)], schema=self.schema)


# The recipe. A parameter of an asset is the table of the asset of that name; whatever is expensive goes through
# workshop.make, which makes what the ledger lacks.


@corpus_asset(group="skeleton", kinds={"polars"})
def planned(workshop: dg.ResourceParam[Workshop]) -> pl.LazyFrame:
    """Who is greeted how: one row for each sample that there is to be."""
    names = pl.LazyFrame({"name": workshop.settings.skeleton.names}).with_row_index("number")
    test = pl.when(pl.col("number") % 5 == 0).then(pl.lit("test")).otherwise(pl.lit("train"))
    return names.join(pl.LazyFrame({"tone": TONES}), how="cross").with_columns(split=test).drop("number")


@corpus_asset(group="skeleton", kinds={"polars"})
def curated(planned: pl.LazyFrame, workshop: dg.ResourceParam[Workshop]) -> pl.LazyFrame:
    """Every greeting, with the reasons why it is rejected, if it is."""
    greeter, words = Greeter(), pl.col("text").str.count_matches(r"\S+").cast(NUMBER)
    made = with_failed(workshop.make(planned, greeter), planned, greeter).with_columns(words=words)
    failed, long = pl.col("text").is_null(), pl.col("words") > workshop.settings.skeleton.most_words
    reason = pl.when(failed).then(pl.lit("not_made")).when(long).then(pl.lit("too_long"))
    return made.with_columns(
        plan=canonical(greeter.inputs),
        fingerprint=pl.lit(greeter.fingerprint),
        origin=pl.lit(greeter.name),
        reasons=pl.concat_list(reason).list.drop_nulls(),
    )


@corpus_asset(group="skeleton", kinds={"polars"})
def lengths(curated: pl.LazyFrame) -> pl.LazyFrame:
    """A score: how long greetings are. corpusmith.score has probes, baselines, judges and intervals."""
    value, n = curated.select(pl.col("words").mean(), pl.len()).collect().row(0)
    of = scores.Measurement("length", "all", "arithmetic", "1", {}, "skeleton")
    return scores.table([of.row | {"metric": "words", "value": value, "n": n}]).lazy()


def content(workshop: Workshop, curated: pl.LazyFrame) -> Content:
    """What is released, what is kept beside it as rejected, and how many rows came in of each origin."""
    fit, made = pl.col("reasons").list.len() == 0, curated.select(pl.len()).collect().item()
    return Content(curated.filter(fit).select(*ROWS), curated.filter(~fit).select(*REJECTED), {Greeter.name: made})


# What must hold before anything is released: each line is a blocking check in Dagster.
HOLDS = {
    "schema": "The columns are those of the corpus.",
    "short": "No greeting has more than {most_words} words.",
    "paired": "Both greetings of a name are in one split.",
}


@dataclass(frozen=True)
class Limits:
    """The numbers that the suite reads, from the settings; ``made``: how many rows came in of each origin."""

    most_words: int = 1000
    made: Any = None

    @classmethod
    def of(cls, settings: Any, made: Any = None) -> Limits:
        """Those of the table in params.yaml, or in a release's manifest."""
        return cls(settings["most_words"], made)


def released(rows: pl.LazyFrame, limits: Limits) -> dict[str, suite.Table]:
    """What is looked at: Great Expectations' own expectations, and those of corpusmith.validation.expectations."""
    import great_expectations.expectations as gx

    from corpusmith.validation import expectations as own

    holds = {
        "short": gx.ExpectColumnValuesToBeBetween(column="words", max_value=limits.most_words),
        "paired": own.ExpectOneSplitEach(column="name"),
    }
    known = tables.conformed(rows, ROWS)
    return {"columns": tables.columns(rows, ROWS, "schema"), "rows": suite.Table(known.collect, holds)}


def remaker(workshop: Workshop) -> Remake:
    """For `corpusmith verify --regenerate`: released rows of one fingerprint, made anew."""
    return lambda rows: rows.select("key").hstack(samples.make(rows.select("key", "name", "tone"), Greeter()))


def preview(workshop: Workshop, rows: int) -> pl.DataFrame:
    """For `corpusmith preview`: the first rows through every step; an asset can be called like a function."""
    found = curated(planned(workshop=workshop).head(rows), workshop=workshop)
    verdict = pl.when(pl.col("reasons").list.len() > 0).then(pl.lit("rejected")).otherwise(pl.lit("kept"))
    return found.select("origin", "tone", "text", "reasons", verdict=verdict).collect()


CARD = CardText(
    title="Greetings",
    tagline="A line for people: what the corpus is.",
    description="A paragraph: what it is for, and how it was made.",
    licence="apache-2.0",
    label="tone",
    labels=TONES,
    asked="tone",
    origins=(Greeter.name,),
    stages=(Stage("curated", "Greetings that are too long are rejected.", (), tuple(REASONS)),),
    columns={name: column.sentence for name, column in REJECTED.items()} | scores.SENTENCES,
    reasons=REASONS,
)

CORPUS = Corpus(
    name="skeleton",
    settings=Skeleton,
    graph=__name__,
    tables=("curated",),
    content=content,
    scores=("lengths",),
    suite=suite.Suite("skeleton", HOLDS, Limits, released),
    card=lambda workshop: CARD,
    remaker=remaker,
    preview=preview,
    makers=lambda workshop: {Greeter.fingerprint: Greeter.provenance},
)
