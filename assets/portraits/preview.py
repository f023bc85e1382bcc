"""A few portraits of every generator before the full run; nothing is released."""

from __future__ import annotations

import polars as pl

from corpusmith.assets.portraits import annotations, curated, images, sources
from corpusmith.assets.resources import Workshop
from corpusmith.ingest import people


def preview(workshop: Workshop, rows: int) -> pl.DataFrame:
    """``rows`` prompts of different emotions through every generator, measured and annotated.

    What is made is in the ledger, so the full run does not make it again.
    """
    settings = workshop.settings.portraits
    asked = sources.prompts(settings)
    few = asked.gather_every(max(1, asked.height // rows)).head(rows).lazy()
    made = pl.concat([images.generate(few, name, workshop.make) for name in settings.generators]).collect().lazy()
    fit = curated.curate(asked.lazy(), made, {}, workshop.make, settings)
    said = people.said(workshop.home, "portraits").clear()
    if (fit.select("verdict").collect() == "kept").to_series().any():
        said = annotations.annotate(made, fit, said, workshop.make, settings)
    seen = annotations.consensus(said)
    return (
        fit.join(seen, on="key", how="left", maintain_order="left")
        .join(made.select("key", "image"), on="key", how="left", maintain_order="left")
        .select(
            origin="generator",
            emotion="emotion_seen",
            confidence=pl.max_horizontal(annotations.PROBABILITIES),
            target="emotion",
            degree="degree",
            text="prompt",
            verdict="verdict",
            reasons="reasons",
            image="image",
        )
        .collect()
    )
