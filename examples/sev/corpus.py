"""Replies to what happened, in six emotions whatever its valence: a paired corpus in the manner of SEV, in one file."""

from dataclasses import dataclass, replace
from typing import Any, Final

import dagster as dg
import polars as pl

from corpusmith.assets import samples
from corpusmith.assets.asset import corpus_asset
from corpusmith.assets.corpus import Content, Corpus, Remake
from corpusmith.assets.resources import Workshop
from corpusmith.curate.verdicts import REASONS
from corpusmith.models.text import chat, classify, rewrite, writers
from corpusmith.release.inputs import CardText, Stage
from corpusmith.score import bootstrap, metrics, scores
from corpusmith.settings import CorpusSettings, Count, Here, Model, Names, Splits
from corpusmith.validation import suite, tables
from corpusmith.validation.schema import Column
from corpusmith.work.plan import canonical, keys
from corpusmith.work.produce import Maker, with_failed

VALENCES: Final = ("positive", "neutral", "negative")
JUDGED: Final = tuple(classify.LABELS.names)  # emotion, confidence, a probability of each emotion
WHY: Final = ("not_made", "cut_off", "not_judged", "wrong_emotion")
WORDS: Final = {
    "key": "The row's identity: a hash of its plan and of the fingerprint of what made it.",
    "text": "The reply.",
    "target": "The emotion that the writer was asked for.",
    "emotion": "The emotion that the judge sees in the reply.",
    "valence": "How it went: positive, neutral or negative.",
    "theme": "The part of life that the scenario is from.",
    "scenario": "What happened, however it went: all its rows are in one split.",
    "source_text": "What the writer was told.",
    "plan": "What the writer was given, as JSON; it and the fingerprint decide the key.",
    "fingerprint": "What wrote the reply, as name:model@revision+settings.",
    "split": "train, validation or test.",
}
ROWS: Final = {name: Column(pl.String(), said) for name, said in WORDS.items()} | {
    name: Column(pl.Float32(), f"The judge's {name.replace('p_', 'probability of ')}.") for name in JUDGED[1:]
}
REJECTED: Final = ROWS | {"reasons": Column(pl.List(pl.String()), "Why the row was rejected, as codes.")}


class Sev(CorpusSettings):
    """The design and how much of it is made, who writes and who judges."""

    themes: Count
    of_each_theme: Count
    writer: Model[str]
    judge: Model[str]
    servers: Here[dict[str, str]]
    splits: Splits
    valences: dict[str, Names]
    scenarios: dict[str, Names]


def makers(sev: Sev) -> tuple[Maker, Maker]:
    """The writer and the judge that the settings name."""
    name, judge = sev.writer, classify.HouseClassifier(sev.judge)
    served = chat.ServerChat(name, sev.servers[name]) if name in sev.servers else chat.LocalChat(name)
    return rewrite.HouseRewriter() if name == "house" else writers.LlmRewriter(served), judge


@corpus_asset(group="sev", kinds={"polars"})
def events(workshop: dg.ResourceParam[Workshop]) -> pl.LazyFrame:
    """Every scenario in every valence, to be replied to in every emotion; each theme is split by scenario."""
    sev: Sev = workshop.settings.sev
    design = [
        (theme, f"{theme}/{thing}", valence, f"The {thing} {sev.valences[valence][number % 3]}.", target)
        for theme, things in list(sev.scenarios.items())[: sev.themes]
        for number, thing in enumerate(things[: sev.of_each_theme])
        for valence in VALENCES
        for target in rewrite.TARGETS
    ]
    plan = pl.DataFrame(design, schema=["theme", "scenario", "valence", "text", "target"], orient="row")
    plan = plan.with_columns(lot=keys(plan, "sev-splits", ["scenario"]))
    place = (pl.col("lot").rank("dense").over("theme") - 1) / sev.of_each_theme  # a draw without replacement, 0 to 1
    test, held_out = sev.splits.test, sev.splits.test + sev.splits.validation
    split = pl.when(place < test).then(pl.lit("test")).when(place < held_out).then(pl.lit("validation"))
    return plan.with_columns(split=split.otherwise(pl.lit("train"))).lazy()


@corpus_asset(group="sev", kinds={"polars", "pytorch"})
def replies(events: pl.LazyFrame, workshop: dg.ResourceParam[Workshop]) -> pl.LazyFrame:
    """A reply to each event, judged: rejected where it does not show the emotion that was asked for."""
    writer, judge = makers(workshop.settings.sev)
    plan = events.with_columns(plan=canonical(writer.inputs), fingerprint=pl.lit(writer.fingerprint))
    replies = with_failed(workshop.make(plan, writer), plan, writer).rename({"text": "source_text", "rewrite": "text"})
    text, emotion = pl.col("text"), pl.col("emotion")
    whole = text != writers.CUT_OFF
    seen = workshop.make(replies.filter(whole).select("text", reply="key"), judge).select("reply", *JUDGED)
    unfit = (text.is_null(), text == writers.CUT_OFF, whole & emotion.is_null(), emotion != pl.col("target"))
    reasons = [pl.when(holds).then(pl.lit(why)) for why, holds in zip(WHY, unfit, strict=True)]
    every = replies.join(seen, left_on="key", right_on="reply", how="left", maintain_order="left")
    return every.with_columns(reasons=pl.concat_list(reasons).list.drop_nulls())


@corpus_asset(group="sev", kinds={"polars"})
def agreement(replies: pl.LazyFrame, workshop: dg.ResourceParam[Workshop]) -> pl.LazyFrame:
    """How often the judge sees the emotion that was asked for: by emotion (recall), and by valence."""
    judge = makers(workshop.settings.sev)[1].provenance
    of = scores.Measurement("judge", judge["model"], judge["model"], judge["revision"], {}, "sev")
    seen, found, draws = replies.drop_nulls("emotion").collect(), [], bootstrap.DRAWS
    for form in (None, *VALENCES):
        rows = seen if form is None else seen.filter(valence=form)
        matrix = metrics.confusion(scores.numbers(rows["target"]), scores.numbers(rows["emotion"]), 7)
        found += scores.overall(replace(of, form=form), matrix, draws, {"accuracy": metrics.accuracy})
        found += scores.by_class(of, matrix, draws) if form is None else []
    return scores.table(found).lazy()


def content(workshop: Workshop, replies: pl.LazyFrame) -> Content:
    """Replies that show what was asked for are released; all others are kept beside them, with their reasons."""
    fit, made = pl.col("reasons").list.len() == 0, replies.group_by("valence").len().sort("valence").collect()
    return Content(replies.filter(fit).select(*ROWS), replies.filter(~fit).select(*REJECTED), dict(made.iter_rows()))


@dataclass(frozen=True)
class Limits:
    """What the suite is told: how many rows came in of each valence."""

    made: Any = None
    of = classmethod(lambda cls, settings, made=None: cls(made))


HOLDS: Final = {
    "schema": "The columns are those of the corpus.",
    "as_asked": "The judge sees in every reply the emotion that was asked for.",
    "paired": "No scenario is in two splits, whatever the valence and the emotion.",
    "all_accounted": "As many rows were kept or rejected as were asked for, in each valence.",
}


def released(rows: pl.LazyFrame, limits: Limits) -> dict[str, suite.Table]:
    """What must hold of the rows: with Great Expectations' own words, and those of corpusmith.validation."""
    from great_expectations import expectations as gx  # here, since it takes seconds to load

    from corpusmith.validation import expectations as own

    as_asked = gx.ExpectColumnPairValuesToBeEqual(column_A="target", column_B="emotion")
    holds = {"as_asked": as_asked, "paired": own.ExpectOneSplitEach(column="scenario")}
    looked_at = suite.Table(tables.conformed(rows, ROWS).collect, holds)
    return {"columns": tables.columns(rows, ROWS, "schema"), "rows": looked_at}


def accounted(rejected: pl.LazyFrame, rows: pl.LazyFrame, limits: Limits) -> dict[str, suite.Table]:
    """What must hold of the rejected rows, beside the others."""
    return {"counts": tables.counts(limits.made or {}, "valence", rows, rejected, "all_accounted")}


def remaker(workshop: Workshop) -> Remake:
    """Makes rows anew from what they say of themselves, without the ledger."""
    writer, judge = makers(workshop.settings.sev)

    def remake(rows: pl.DataFrame) -> pl.DataFrame:
        samples.made_here(rows["fingerprint"][0], {writer.fingerprint: writer})
        told = rows.select("key", "target", text="source_text")
        again = told.select("key", text=samples.make(told, writer)["rewrite"])
        return again.hstack(samples.make(again, judge))

    return remake


def preview(workshop: Workshop, rows: int) -> pl.DataFrame:
    """The first scenarios through every step: an asset can be called like the function that it was."""
    found = replies(events(workshop=workshop).head(rows * len(rewrite.TARGETS)), workshop=workshop)
    verdict = pl.when(pl.col("reasons").list.len() > 0).then(pl.lit("rejected")).otherwise(pl.lit("kept"))
    return found.select("target", "emotion", "text", "reasons", origin="valence", verdict=verdict).collect()


CARD: Final = CardText(
    title="Replies in six emotions",
    tagline="What somebody says of an event, in each of six emotions, whether it went well, as planned or badly.",
    description="Every scenario comes in three valences, each replied to in six emotions, so that what a text says "
    "happened and what its writer feels vary apart. The design is in the manner of SEV; the words are ours, and few.",
    licence="apache-2.0",
    label="emotion",
    labels=rewrite.TARGETS,
    origin="valence",
    origins=VALENCES,
    stages=(Stage("replies", "Each reply is judged; one that shows another emotion is rejected.", (), WHY),),
    columns={name: column.sentence for name, column in REJECTED.items()} | scores.SENTENCES,
    reasons={why: REASONS[why] for why in WHY},
)

CORPUS: Final = Corpus(
    name="sev",
    settings=Sev,
    graph=__name__,
    tables=("replies",),
    content=content,
    scores=("agreement",),
    suite=suite.Suite("sev", HOLDS, Limits, released, accounted),
    card=lambda workshop: CARD,
    remaker=remaker,
    preview=preview,
    makers=lambda workshop: {maker.fingerprint: maker.provenance for maker in makers(workshop.settings.sev)},
)
