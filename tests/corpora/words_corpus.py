"""Words for numbers: a corpus whose settings decide single rows, and whose maker notes every row it is called for."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any, ClassVar

import dagster as dg
import numbers_corpus
import polars as pl
import pyarrow as pa

from corpusmith.assets.asset import corpus_asset
from corpusmith.assets.corpus import Content
from corpusmith.assets.resources import Workshop
from corpusmith.release.inputs import CardText, Stage
from corpusmith.score.scores import Measurement, table
from corpusmith.settings import CorpusSettings, Count
from corpusmith.validation.schema import Column
from corpusmith.validation.suite import Suite, Table
from corpusmith.validation.tables import columns
from corpusmith.work.plan import canonical, fingerprint

TEXT, WHOLE = Column(pl.String(), "A word."), Column(pl.Int64(), "A whole number.")
NAMES = ("key", "kind", "text", "origin", "plan", "fingerprint", "split")
ROWS = {"n": WHOLE, **dict.fromkeys(NAMES, TEXT)}
REJECTED = ROWS | {"reasons": Column(pl.List(pl.String()), "Why not.")}
KINDS = ("zero", "one", "two")


class Words(CorpusSettings):
    """How many numbers; what is said of each kind, and of some columns more; which is left out."""

    count: Count
    said: dict[str, str]
    length: bool
    left_out: list[int]


class Speller:
    """Says a number in the words of its prompt, and notes it in the file CALLS, if there is one."""

    name, inputs, batch_rows = "speller", ("n", "prompt"), 8
    schema = pa.schema({"text": pa.string()})
    provenance: ClassVar = {"model": "speller", "revision": "1"}
    fingerprint = fingerprint("speller", "speller", "1", {})

    def make(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        asked = list(zip(rows["n"].to_pylist(), rows["prompt"].to_pylist(), strict=True))
        if calls := os.environ.get("CALLS"):
            with Path(calls).open("a") as file:
                file.writelines(f"{n}\n" for n, _ in asked)
        return pa.record_batch([pa.array([f"{prompt} {n}" for n, prompt in asked])], schema=self.schema)


@corpus_asset(group="words", kinds={"polars"})
def spelled(workshop: dg.ResourceParam[Workshop]) -> pl.LazyFrame:
    """What is said of each number."""
    settings = workshop.settings.words
    kind = pl.col("n").mod(3).replace_strict(dict(enumerate(KINDS)), return_dtype=pl.String)
    plan = pl.LazyFrame({"n": range(1, settings.count + 1)}).with_columns(kind=kind)
    plan = plan.with_columns(prompt=pl.col("kind").replace_strict(settings.said, return_dtype=pl.String))
    left_out = pl.when(pl.col("n").is_in(settings.left_out)).then(pl.lit("left_out"))
    found = workshop.make(plan, Speller()).with_columns(
        plan=canonical(("n", "prompt")),
        origin=pl.lit("speller"),
        fingerprint=pl.lit(Speller.fingerprint),
        split=pl.when(pl.col("n") % 5 == 0).then(pl.lit("test")).otherwise(pl.lit("train")),
        reasons=pl.concat_list(left_out).list.drop_nulls(),
    )
    return found.with_columns(length=pl.col("text").str.len_chars().cast(pl.Int64)) if settings.length else found


@corpus_asset(group="words", kinds={"polars"})
def longest(spelled: pl.LazyFrame) -> pl.LazyFrame:
    """The length of the longest text."""
    value, n = spelled.select(pl.col("text").str.len_chars().max(), pl.len()).collect().row(0)
    row = Measurement("longest", "all", "arithmetic", "1", {}, "words").row
    return table([row | {"metric": "longest", "value": float(value), "n": n}]).lazy()


def content(workshop: Workshop, spelled: pl.LazyFrame) -> Content:
    """All but what is left out."""
    refused, more = pl.col("reasons").list.len() > 0, ["length"] if workshop.settings.words.length else []
    made = {"speller": spelled.select(pl.len()).collect().item()}
    kept, rejected = spelled.filter(~refused), spelled.filter(refused)
    return Content(kept.select(*ROWS, *more), rejected.select(*REJECTED), made)


@dataclasses.dataclass(frozen=True)
class Limits:
    @classmethod
    def of(cls, settings: Any, made: Any = None) -> Limits:
        return cls()


def released(rows: pl.LazyFrame, limits: Any) -> dict[str, Table]:
    return {"columns": columns(rows.drop("length", strict=False), ROWS, "schema")}


def card(workshop: Workshop) -> CardText:
    more = {"length": "Characters of the text."} if workshop.settings.words.length else {}
    return CardText(
        title="Words",
        tagline="Words for numbers.",
        description="What is said of numbers.",
        licence="apache-2.0",
        label="kind",
        labels=KINDS,
        origins=("speller",),
        asked="kind",
        stages=(Stage("spelled", "What is left out is rejected.", (), ("left_out",)),),
        columns={name: column.sentence for name, column in REJECTED.items()} | more,
        reasons={"left_out": "The settings leave it out."},
    )


CORPUS = dataclasses.replace(
    numbers_corpus.CORPUS,
    name="words",
    settings=Words,
    graph=__name__,
    tables=("spelled",),
    content=content,
    scores=("longest",),
    suite=Suite("words", {"schema": "The columns are those of the corpus."}, Limits, released),
    card=card,
    makers=lambda workshop: {Speller.fingerprint: Speller.provenance},
    partitions=None,
)
