"""A few portraits of every generator before the full run, as a table and a page; nothing is released."""

from __future__ import annotations

import base64

import polars as pl

from assets.portraits import annotations, curated, images, sources
from assets.resources import Workshop
from assets.samples import Preview, page
from corpusmith.curate.verdicts import REASONS
from corpusmith.ingest import people

SHOWN = ("origin", "emotion", "confidence", "target", "degree", "text", "verdict", "reasons")


def preview(workshop: Workshop, rows: int) -> Preview:
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
    found = (
        fit.join(seen, on="key", how="left", maintain_order="left")
        .join(made.select("key", "image"), on="key", how="left", maintain_order="left")
        .select(
            *("key", "degree", "verdict", "reasons", "image"),
            origin="generator",
            emotion="emotion_seen",
            confidence=pl.max_horizontal(annotations.PROBABILITIES),
            target="emotion",
            text="prompt",
        )
        .collect()
    )
    drawn = [{**row, "source": _data_uri(row["image"])} for row in found.to_dicts()]
    groups = [(name, [row for row in drawn if row["origin"] == name]) for name in settings.generators]
    path = workshop.home / ".corpusmith" / "preview" / "portraits.html"
    written = page("portraits", path, groups=groups, rows=found.height, reasons=REASONS)
    return Preview(found.select(SHOWN), written)


def _data_uri(image: dict[str, bytes] | None) -> str | None:
    return f"data:image/png;base64,{base64.b64encode(image['bytes']).decode()}" if image else None
