"""A few chains before the full run; nothing is released."""

from __future__ import annotations

import polars as pl

from corpusmith.assets.edits import curated as curating
from corpusmith.assets.edits import makers, regions, scenes, sources, turns
from corpusmith.assets.resources import Workshop


def preview(workshop: Workshop, rows: int) -> pl.DataFrame:
    """The edits of ``rows`` scenes of each kind, one after the other, judged.

    What is made is in the ledger, so the full run does not make it again.
    """
    settings = workshop.settings.edits
    few = settings.scenes.model_copy(
        update={name: min(rows, getattr(settings.scenes, name)) for name in ("drawn", "generated")}
    )
    photographs = sources.photographs(workshop)
    if photographs is not None:
        photographs = photographs.head(rows)
    shown = scenes.scenes(photographs, few, makers.generator(few.generator), workshop.make).collect().lazy()
    found = regions.regions(shown, makers.finder(settings), workshop.make, settings.regions)
    planned = turns.plan(shown, found, settings.editors, settings.turns)
    if writer := makers.writer(settings):
        planned = turns.worded(planned, shown, writer, workshop.make)
    made = turns.turns(planned, shown, makers.editor, workshop.make)
    judge = makers.edit_judge(settings.curated)
    facts = made.select(*curating.TURN, "image_sha256", "before").collect()
    seen = curating.judged(shown, made, judge, workshop.make).collect()
    fit = curating.verdicts(facts.join(seen, on="key", how="left", maintain_order="left"), settings.curated)
    chained = curating.chained(fit, settings.curated.failed_turn)
    return (
        chained.join(made.select("key", "image").collect(), on="key", how="left", maintain_order="left")
        .join(shown.select("scene", "kind").collect(), on="scene", how="left", maintain_order="left")
        .select(
            "turn",
            "operation",
            "editor",
            "match",
            "change",
            "leak",
            "verdict",
            "reasons",
            "image",
            origin="kind",
            text="prompt",
        )
    )
