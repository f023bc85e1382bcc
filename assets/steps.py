"""What the steps of a build would make, played through with what the ledger has; nothing is made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from assets.resources import Workshop
from corpusmith.work.produce import Maker, keys_of, missing, produce, shelf_of


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


class LackingRows(Exception):  # noqa: N818
    """A step lacks rows, so that what follows it cannot be played through."""


def making(workshop: Workshop, step: Step) -> Callable[[pl.LazyFrame, Maker], pl.LazyFrame]:
    """A `Workshop.make` that makes nothing: it counts what the step lacks, and raises LackingRows if that is any."""
    step.rows = 0

    def make(plan: pl.LazyFrame, maker: Maker) -> pl.LazyFrame:
        shelf = shelf_of(maker, workshop.ledger)
        rows = int(missing(keys_of(plan, maker), shelf).sum())
        if rows:
            step.rows, step.rate = rows, shelf.rate()
            raise LackingRows
        return produce(plan, maker, workshop.ledger)

    return make
