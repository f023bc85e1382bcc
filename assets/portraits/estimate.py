"""What a build would make, and how long that takes at the last measured rates; nothing is made."""

from __future__ import annotations

import polars as pl

from assets.portraits import annotations, curated, earlier, images, scores, sources
from assets.resources import Workshop
from assets.steps import LackingRows, Step, making
from corpusmith.ingest import people

STEPS = ("curated", "annotations", "generator_scores", "perceiver_scores")


def estimate(workshop: Workshop) -> list[Step]:
    """Every step in the order of the graph, with one for each generator.

    The steps are played through with what the ledger has. Generators are counted exactly; of the steps after them, the
    first that lacks rows.
    """
    settings = workshop.settings.portraits
    asked = sources.prompts(settings).lazy()
    generators = [Step(f"images {name}") for name in settings.generators]
    steps = {name: Step(name) for name in STEPS}
    made: list[pl.LazyFrame] = []
    for name, step in zip(settings.generators, generators, strict=True):
        try:
            made.append(images.generate(asked, name, making(workshop, step)))
        except LackingRows:
            continue
    try:
        if len(made) == len(generators):
            every = pl.concat(made)
            released = earlier.indexed(workshop)
            fit = curated.curate(asked, every, released, making(workshop, steps["curated"]), settings).collect().lazy()
            panel = people.said(workshop.home, "portraits")
            said = annotations.annotate(every, fit, panel, making(workshop, steps["annotations"]), settings)
            scores.of_generators(every, fit, said, making(workshop, steps["generator_scores"]), settings)
            scores.of_perceivers(every, fit, said, making(workshop, steps["perceiver_scores"]), settings)
    except LackingRows:
        pass
    return [*generators, *steps.values()]
