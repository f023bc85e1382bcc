"""The release of the portraits corpus: its tables, and everything that says how they came to be."""

from __future__ import annotations

import polars as pl

from assets.portraits import makers, rows
from assets.portraits.card import card
from assets.released import params
from assets.resources import Workshop
from corpusmith.release.inputs import Release


def release_of(
    workshop: Workshop, images: pl.LazyFrame, curated: pl.LazyFrame, annotations: pl.LazyFrame, scores: pl.LazyFrame
) -> Release:
    """Everything that the release says, ready to be written."""
    settings = workshop.settings.portraits
    return Release(
        corpus="portraits",
        version=settings.version,
        text=card(settings),
        rows=rows.released(images, curated, annotations),
        rejected=rows.rejected(images, curated),
        scores=scores.collect(),
        made=rows.made(curated),
        makers={maker.fingerprint: maker.provenance for maker in makers.all_of(settings).values()},
        params=params(workshop.settings, "portraits"),
    )
