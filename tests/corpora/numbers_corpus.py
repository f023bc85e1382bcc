"""The squares of the first numbers: a whole corpus in one file, as somebody outside the project would write it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import dagster as dg
import polars as pl
import pyarrow as pa

from corpusmith.assets.asset import corpus_asset
from corpusmith.assets.corpus import Content, Corpus
from corpusmith.assets.resources import Workshop
from corpusmith.assets.samples import make
from corpusmith.release.inputs import CardText, Stage
from corpusmith.score.scores import Measurement, table
from corpusmith.settings import CorpusSettings, Count
from corpusmith.validation.schema import Column
from corpusmith.validation.suite import Suite, Table
from corpusmith.validation.tables import columns
from corpusmith.work.plan import canonical, fingerprint, keys
from corpusmith.work.produce import with_failed

PARTS = dg.DynamicPartitionsDefinition(name="numbers_squares")
WHOLE, TEXT = Column(pl.Int64(), "A whole number."), Column(pl.String(), "A word.")
COLUMNS = {"key": TEXT, "n": WHOLE, "square": WHOLE, "parity": TEXT, "size": TEXT, "plan": TEXT, "fingerprint": TEXT}
ROWS, REJECTED = COLUMNS | {"split": TEXT}, COLUMNS | {"reasons": Column(pl.List(pl.String()), "Why not.")}
SENTENCES = {"schema": "The columns are those of the corpus.", "square_known": "No square is above {highest}."}


class Numbers(CorpusSettings):  # how many numbers, up to which square, in which parts
    count: Count
    highest: Count
    parts: list[str]


class Squares:
    """Squares ``n``; it fails at 13."""

    name, inputs, batch_rows = "squares", ("n",), 8
    schema = pa.schema({"square": pa.int64()})
    provenance: ClassVar = {"model": "arithmetic", "revision": "1"}
    fingerprint = fingerprint("squares", "arithmetic", "1", {})

    def make(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        if 13 in rows["n"].to_pylist():
            raise ValueError("13 is not squared")
        return pa.record_batch([pa.array([n * n for n in rows["n"].to_pylist()])], schema=self.schema)


@corpus_asset(group="numbers", kinds={"polars"})
def plan(workshop: dg.ResourceParam[Workshop]) -> pl.LazyFrame:
    """The numbers from one."""
    return pl.LazyFrame({"n": range(1, workshop.settings.numbers.count + 1)})


@corpus_asset(group="numbers", kinds={"polars", "pytorch"}, partitions_def=PARTS)  # as if it computed on a card
def squares(context, plan: pl.LazyFrame, workshop: dg.ResourceParam[Workshop]) -> pl.LazyFrame:
    """The squares of the odd or of the even numbers."""
    part = plan.filter(pl.col("n") % 2 == ["even", "odd"].index(context.partition_key))
    return with_failed(workshop.make(part, Squares()), part, Squares())


@corpus_asset(group="numbers", kinds={"polars"})
def curated(squares: dict[str, pl.LazyFrame], workshop: dg.ResourceParam[Workshop]) -> pl.LazyFrame:
    """Every square, rejected where it is too high."""
    every = pl.concat([part.with_columns(parity=pl.lit(name)) for name, part in sorted(squares.items())])
    high, made = pl.col("square") > workshop.settings.numbers.highest, pl.col("square").is_not_null()
    reason = pl.when(~made).then(pl.lit("not_made")).when(high).then(pl.lit("high"))
    return every.with_columns(
        plan=canonical(("n",)),
        size=pl.when(pl.col("n") > 15).then(pl.lit("large")).otherwise(pl.lit("small")),
        fingerprint=pl.lit(Squares.fingerprint),
        split=pl.when(pl.col("n") % 5 == 0).then(pl.lit("test")).otherwise(pl.lit("train")),
        reasons=pl.concat_list(reason).list.drop_nulls(),
    )


@corpus_asset(group="numbers", kinds={"polars"})
def mean(curated: pl.LazyFrame) -> pl.LazyFrame:
    """The mean square."""
    value, n = curated.select(pl.col("square").mean(), pl.len()).collect().row(0)
    row = Measurement("mean", "all", "arithmetic", "1", {}, "numbers").row
    return table([row | {"metric": "mean", "value": value, "n": n}]).lazy()


def content(workshop: Workshop, curated: pl.LazyFrame) -> Content:
    """Low squares are released, high ones rejected."""
    high = pl.col("reasons").list.len() > 0
    made = dict(curated.group_by("parity").len().sort("parity").collect().iter_rows())
    return Content(curated.filter(~high).select(*ROWS), curated.filter(high).select(*REJECTED), made)


@dataclass(frozen=True)
class Limits:
    highest: int = 0
    made: Any = None

    @classmethod
    def of(cls, settings: Any, made: Any = None) -> Limits:
        return cls(settings["highest"], made)


def released(rows: pl.LazyFrame, limits: Limits) -> dict[str, Table]:
    import great_expectations.expectations as gx

    low = {"square_known": gx.ExpectColumnValuesToBeBetween(column="square", max_value=limits.highest)}
    return {"columns": columns(rows, ROWS, "schema"), "rows": Table(rows.select("key", "square").collect, low)}


def remade(rows: pl.DataFrame) -> pl.DataFrame:
    """The same rows made anew."""
    n = rows.select(pl.col("plan").str.json_decode(pl.Struct({"n": pl.Int64})).struct.field("n"))
    anew = n.insert_column(0, keys(n, Squares.fingerprint, ("n",)))
    return anew.select("key").hstack(make(anew, Squares()))


CARD = CardText(
    title="Squares",
    tagline="The squares of the first numbers.",
    description="Numbers and their squares.",
    licence="apache-2.0",
    label="size",
    labels=("small", "large"),
    origin="parity",
    origins=("even", "odd"),
    asked="size",
    stages=(Stage("curated", "High squares are rejected.", (), ("high", "not_made")),),
    columns={name: column.sentence for name, column in {**ROWS, **REJECTED}.items()},
    reasons={"high": "The square is too high.", "not_made": "It was not squared."},
)

CORPUS = Corpus(
    name="numbers",
    settings=Numbers,
    graph=__name__,
    tables=("curated",),
    content=content,
    scores=("mean",),
    reads={"highest": ("curated",), "parts": ("squares",)},
    suite=Suite("numbers", SENTENCES, Limits, released),
    card=lambda workshop: CARD,
    remaker=lambda workshop: remade,
    preview=lambda workshop, rows: pl.DataFrame({"origin": "even", "text": "4", "verdict": "kept", "reasons": [[]]}),
    makers=lambda workshop: {Squares.fingerprint: Squares.provenance},
    partitions=lambda workshop: {part: Squares.fingerprint for part in workshop.settings.numbers.parts},
)
