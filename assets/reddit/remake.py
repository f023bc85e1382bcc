"""Make published rows anew from what they say of themselves, to compare with what was published."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from corpusmith.assets.reddit import comments, makers
from corpusmith.assets.reddit.labelled import JUDGED
from corpusmith.assets.reddit.settings import Reddit
from corpusmith.assets.reddit.sources import sources
from corpusmith.assets.resources import Workshop
from corpusmith.assets.samples import make
from corpusmith.curate.valence import valence
from corpusmith.errors import SourceError, UserError
from corpusmith.work.plan import keys
from corpusmith.work.produce import Maker


def remaker(workshop: Workshop) -> Callable[[pl.DataFrame], pl.DataFrame]:
    """A function from release rows of one fingerprint to the same rows made anew: key, text, valence, what judges say.

    Nothing is read from the ledger. Raises UserError when a row was made by another model or version than is here, and
    SourceError when the dump of a natural row is not at hand.
    """
    settings = workshop.settings.reddit
    judge, second = makers.judge(settings.models), makers.second_judge(settings.models)

    def remake(rows: pl.DataFrame) -> pl.DataFrame:
        if rows["origin"][0] == "natural":
            texts = _natural(rows, workshop)
        else:
            texts = _written(rows, _writer(rows["fingerprint"][0], settings))
        anew = texts.hstack(make(texts.select("key", "text"), judge).select(JUDGED)).with_columns(
            valence=valence(texts["text"])
        )
        if second is None:
            return anew
        said = make(texts.select("key", "text"), second)
        return anew.with_columns(second_emotion=said["emotion"], second_confidence=said["confidence"])

    return remake


def _natural(rows: pl.DataFrame, workshop: Workshop) -> pl.DataFrame:
    places = pl.DataFrame(rows["plan"].str.json_decode(pl.Struct({"line": pl.Int64, "source": pl.String}))).unnest(
        "plan"
    )
    here = {source.rpartition("/")[2]: source for source in sources(workshop).values()}
    found = []
    for name in places["source"].unique():
        if name not in here:
            raise SourceError(f"natural rows come from {name}, which is not here: name it with --source")
        lines = places.filter(pl.col("source") == name)["line"]
        found.append(comments.again(here[name], lines, workshop.settings.reddit, workshop.salt))
    return rows.select("key").join(pl.concat(found).select("key", "text"), on="key", how="left", maintain_order="left")


def _written(rows: pl.DataFrame, maker: Maker) -> pl.DataFrame:
    inputs = pl.DataFrame([dict(row) for row in rows["plan"].str.json_decode(infer_schema_length=None)])
    anew = keys(inputs, maker.fingerprint, maker.inputs)
    made = make(inputs.select(maker.inputs).insert_column(0, anew), maker)
    return pl.DataFrame({"key": anew, "text": made["rewrite" if "rewrite" in made.columns else "text"]})


def _writer(fingerprint: str, settings: Reddit) -> Maker:
    here = [makers.rewriter(settings.models), makers.generator(settings.models)]
    for maker in here:
        if maker.fingerprint == fingerprint:
            return maker
    raise UserError(
        f"these rows were made by {fingerprint}; here are {' and '.join(maker.fingerprint for maker in here)}: "
        "use the profile and the version of corpusmith that the manifest names, on hardware of the same number type"
    )
