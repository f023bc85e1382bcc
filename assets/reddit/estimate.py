"""What a build would make, and how long that takes at the last measured rates; nothing is made."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from assets.reddit import balanced, comments, labelled, makers, rewritten, scores, synthesized
from assets.reddit.sources import sources
from assets.resources import Workshop
from corpusmith.errors import BalanceError
from corpusmith.ingest import read
from corpusmith.work.ledger import Shelf
from corpusmith.work.produce import Maker, keys_of, missing, produce, shelf_of

STEPS = ("comments", "labelled", "rewritten", "synthesized", "probes", "zero_shot")


@dataclass
class Step:
    """One step: rows that it lacks (None: not known before the step above is done), and its last rate in rows/s."""

    name: str
    rows: int | None = None
    rate: float | None = None

    @property
    def seconds(self) -> float | None:
        """How long it takes, or None where rows or rate are not known."""
        if self.rows == 0:
            return 0.0
        return self.rows / self.rate if self.rows and self.rate else None


class _LackingRows(Exception):  # noqa: N818
    """A step lacks rows, so that what follows it cannot be played through."""


def estimate(workshop: Workshop) -> list[Step]:
    """Every step in the order of the graph.

    The steps are played through with what the ledger has. The first that lacks rows is counted exactly; how much the
    ones below it will make depends on what comes out of it.
    """
    settings = workshop.settings.reddit
    steps = {name: Step(name) for name in STEPS}

    def making(step: Step):  # type: ignore[no-untyped-def]
        step.rows = 0

        def make(plan: pl.LazyFrame, maker: Maker) -> pl.LazyFrame:
            shelf = shelf_of(maker, workshop.ledger)
            rows = int(missing(keys_of(plan, maker), shelf).sum())
            if rows:
                step.rows, step.rate = rows, shelf.rate()
                raise _LackingRows
            return produce(plan, maker, workshop.ledger)

        return make

    try:
        fit = _comments(workshop, steps["comments"])
        judge = makers.judge(settings.models)
        seen = labelled.label(fit, judge, making(steps["labelled"]), settings.labelled.min_confidence)
        new = rewritten.rewrite(seen, makers.rewriter(settings.models), judge, making(steps["rewritten"]), settings)
        rest = synthesized.synthesize(
            seen, new, makers.generator(settings.models), judge, making(steps["synthesized"]), settings
        )
        rows = balanced.balance(seen, new, rest, settings.balanced)
        scores.probes(rows, making(steps["probes"]), settings)
        scores.zero_shot(rows, making(steps["zero_shot"]), settings)
    except (_LackingRows, BalanceError):
        pass
    return list(steps.values())


def _comments(workshop: Workshop, step: Step) -> pl.LazyFrame:
    settings = workshop.settings.reddit
    shelves = {
        source: comments.shelf_of(source, workshop.ledger, settings, workshop.salt)
        for source in sources(workshop).values()
    }
    step.rows = sum(_left(source, shelf, settings.text_column) for source, shelf in shelves.items())
    rates = [rate for rate in (shelf.rate() for shelf in shelves.values()) if rate]
    step.rate = min(rates) if rates else None
    if step.rows:
        raise _LackingRows
    tables = [shelf.scan().drop("raw") for shelf in shelves.values()]
    return comments.deduplicate(pl.concat(tables), settings.comments.jaccard)


def _left(source: str, shelf: Shelf, text_column: str | None) -> int:
    done = comments.rows_in(shelf)
    return sum(batch.height for batch in read(source, skip=done, text_column=text_column))
