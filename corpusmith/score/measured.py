"""Scores are made once, like all that is expensive: a maker whose plan row is a corpus and whose sample is a table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

import polars as pl
import pyarrow as pa

from corpusmith.errors import CorpusmithError, MakerError
from corpusmith.score.scores import SCORES, Measurement
from corpusmith.work.plan import fingerprint

Make = Callable[[pl.LazyFrame, Any], pl.LazyFrame]

TABLE: Final = pl.Schema({"scores": pl.List(pl.Struct(SCORES))})


@dataclass
class Scorer:
    """A maker of ``scores`` (a list of SCORES rows) for a corpus, named in the plan by its digest.

    measure: does the work, on data that it holds; ``of`` says of what, with all the settings that decide the result.
    """

    of: Measurement
    measure: Callable[[], pl.DataFrame]
    batch_rows: int = field(default=1, init=False)
    inputs: tuple[str, ...] = field(default=("corpus",), init=False)

    @property
    def name(self) -> str:
        """The task: each has its shelf."""
        return f"score-{self.of.task}"

    @cached_property
    def fingerprint(self) -> str:
        """Model, revision and settings."""
        return fingerprint(self.name, self.of.model, self.of.revision, {**self.of.settings, "subject": self.of.subject})

    @property
    def provenance(self) -> dict[str, Any]:
        """The same for people."""
        return self.of.row

    @cached_property
    def schema(self) -> pa.Schema:
        """One list of score rows."""
        return TABLE.to_frame().to_arrow().schema

    def make(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        """The scores of one corpus. Raises MakerError on any failure: no other row could be made instead."""
        try:
            found = self.measure()
        except CorpusmithError:
            raise
        except Exception as error:
            raise MakerError(f"{self.name} of {self.of.model} failed: {type(error).__name__}: {error}") from error
        return pl.DataFrame({"scores": [found.to_struct()]}, schema=TABLE).to_arrow().to_batches()[0]


def measured(make: Make, of: Measurement, measure: Callable[[], pl.DataFrame]) -> pl.LazyFrame:
    """The table (SCORES) that ``measure`` returns: out of the ledger, or measured now, once."""
    made = make(pl.LazyFrame({"corpus": [of.corpus]}), Scorer(of, measure))
    return made.select("scores").explode("scores").unnest("scores")
