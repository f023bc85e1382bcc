"""The edits corpus as one value: what it is made of, what must hold of it, and what it says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from corpusmith.assets.corpus import Content, Corpus
from corpusmith.assets.edits import card, diffseg, imports, makers, rows, sources
from corpusmith.assets.edits.preview import preview
from corpusmith.assets.edits.remake import remaker
from corpusmith.assets.edits.settings import Edits
from corpusmith.assets.resources import Workshop
from corpusmith.release.lineage import Lineage
from corpusmith.validation.edits import SUITE


def content(workshop: Workshop, scenes: pl.LazyFrame, turns: pl.LazyFrame, curated: pl.LazyFrame) -> Content:
    """The chains of fit edits, and the scenes without one."""
    editors = workshop.settings.edits.editors
    return Content(
        rows.released(scenes, turns, curated, editors), rows.rejected(scenes, turns, curated), rows.made(scenes)
    )


def provenance(workshop: Workshop) -> Mapping[str, Mapping[str, Any]]:
    """Who draws, finds, edits and judges."""
    return {maker.fingerprint: maker.provenance for maker in makers.all_of(workshop.settings.edits)}


CORPUS = Corpus(
    name="edits",
    settings=Edits,
    graph="corpusmith.assets.edits.graph",
    tables=("scenes", "turns", "curated"),
    content=content,
    scores=("segmentation_scores",),
    reads={
        "regions": ("regions",),
        **dict.fromkeys(("editors", "turns"), ("turns",)),
        **dict.fromkeys(("curated", "splits"), ("curated",)),
        "scores": ("segmentation_scores",),
    },
    suite=SUITE,
    card=lambda workshop: card.card(workshop.settings.edits),
    remaker=remaker,
    preview=preview,
    makers=provenance,
    sources=sources.described,
    inputs=sources.inputs,
    ready=sources.ready,
    exports={"diffseg": diffseg.export},
    imports={"triples": imports.triples, "diffseg": imports.pairs},
    lineage=Lineage(parts=("scene", "base_sha256", "turns", "dropped")),
)
