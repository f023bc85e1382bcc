"""What a build would make, and how long that takes at the last measured rates; nothing is made."""

from __future__ import annotations

import polars as pl

from assets.reddit import balanced, comments, labelled, makers, rewritten, scores, synthesized
from assets.reddit.sources import sources
from assets.resources import Workshop
from assets.steps import LackingRows, Step, making
from corpusmith.errors import BalanceError
from corpusmith.ingest import Options, read
from corpusmith.work.ledger import Shelf

STEPS = ("comments", "labelled", "rewritten", "synthesized", "probes", "zero_shot")


def estimate(workshop: Workshop) -> list[Step]:
    """Every step in the order of the graph.

    The steps are played through with what the ledger has. The first that lacks rows is counted exactly; how much the
    ones below it will make depends on what comes out of it.
    """
    settings = workshop.settings.reddit
    steps = {name: Step(name) for name in STEPS}

    try:
        fit = _comments(workshop, steps["comments"])
        judge = makers.judge(settings.models)
        seen = labelled.label(fit, judge, making(workshop, steps["labelled"]), settings.labelled.min_confidence)
        new = rewritten.rewrite(
            seen, makers.rewriter(settings.models), judge, making(workshop, steps["rewritten"]), settings
        )
        rest = synthesized.synthesize(
            seen, new, makers.generator(settings.models), judge, making(workshop, steps["synthesized"]), settings
        )
        rows = balanced.balance(seen, new, rest, settings.balanced)
        scores.probes(rows, making(workshop, steps["probes"]), settings)
        scores.zero_shot(rows, making(workshop, steps["zero_shot"]), settings)
    except (LackingRows, BalanceError):
        pass
    return list(steps.values())


def _comments(workshop: Workshop, step: Step) -> pl.LazyFrame:
    settings = workshop.settings.reddit
    shelves = {
        source: comments.shelf_of(source, workshop.ledger, settings, workshop.salt)
        for source in sources(workshop).values()
    }
    step.rows = sum(_left(source, shelf, comments.options(settings)) for source, shelf in shelves.items())
    rates = [rate for rate in (shelf.rate() for shelf in shelves.values()) if rate]
    step.rate = min(rates) if rates else None
    if step.rows:
        raise LackingRows
    tables = [shelf.scan().drop("raw") for shelf in shelves.values()]
    return comments.deduplicate(pl.concat(tables), settings.comments.jaccard)


def _left(source: str, shelf: Shelf, options: Options) -> int:
    done = comments.rows_in(shelf)
    return sum(batch.height for batch in read(source, skip=done, options=options))
