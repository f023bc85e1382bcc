"""A handful of comments through every step before the full run; nothing is released."""

from __future__ import annotations

import polars as pl

from corpusmith.assets.reddit import comments, makers
from corpusmith.assets.reddit.labelled import label
from corpusmith.assets.reddit.opinions import of_natural
from corpusmith.assets.reddit.rewritten import rewrite
from corpusmith.assets.reddit.sources import sources
from corpusmith.assets.reddit.synthesized import synthesize
from corpusmith.assets.resources import Workshop
from corpusmith.assets.samples import some

LINES = 2_000
SHOWN = (
    *("origin", "emotion", "confidence", "second_emotion", "second_confidence", "target", "text", "source_text"),
    *("writer", "judge", "second_judge", "verdict", "reasons"),
)


def preview(workshop: Workshop, rows: int) -> pl.DataFrame:
    """The first lines of the first source through every stage: ``rows`` kept and rejected samples of each origin.

    What is made is in the ledger, so the full run does not make it again.
    """
    source = next(iter(sources(workshop).values()))
    few = workshop.settings.reddit.balanced.model_copy(update={"rows_per_emotion": rows})
    settings = workshop.settings.reddit.model_copy(update={"balanced": few})
    judge, make = makers.judge(settings.models), workshop.make
    second = makers.second_judge(settings.models)

    read = comments.first(source, LINES, settings, workshop.salt)
    fit = comments.deduplicate(read.lazy(), settings.comments.jaccard).collect()
    unfit = fit.filter(pl.col("verdict") == "rejected").head(rows)
    enough = pl.concat([fit.filter(pl.col("verdict") == "kept").head(rows * 20), unfit])
    found = label(enough.lazy(), judge, make, settings.labelled.min_confidence).collect().lazy()
    labelled = of_natural(found, second, make, settings).collect().lazy()
    rewritten = rewrite(labelled, makers.rewriter(settings.models), judge, make, settings, second)
    synthesized = synthesize(labelled, rewritten, makers.generator(settings.models), judge, make, settings, second)

    samples = [some(table, rows) for table in (labelled, rewritten, synthesized)]
    never_judged = unfit.with_columns(origin=pl.lit("natural"))
    return pl.concat([never_judged, *samples], how="diagonal_relaxed").select(SHOWN)
