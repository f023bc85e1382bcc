"""Play a corpus's graph through with what the ledger has: what a build would make, and how long that takes."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import dagster as dg
import polars as pl

from corpusmith.assets.asset import NOT_ASSETS
from corpusmith.assets.corpus import Corpus
from corpusmith.assets.derived import assets_of, partitioned
from corpusmith.assets.resources import Workshop
from corpusmith.errors import BalanceError
from corpusmith.models.text.estimate import Expected


@dataclass
class Step:
    """One step: rows that it lacks (None: not known before a step above is done), and its last rate in rows/s.

    expected: what a language model will take for them, where one makes them.
    """

    name: str
    rows: int | None = None
    rate: float | None = None
    expected: Expected | None = None

    @property
    def seconds(self) -> float | None:
        """How long it takes, or None where rows or rate are not known."""
        if self.rows == 0:
            return 0.0
        return self.rows / self.rate if self.rows and self.rate else None


@dataclass(frozen=True)
class _Context:
    """What an asset's body takes of Dagster's context, where nobody looks at what it shows."""

    partition_key: str | None

    def add_output_metadata(self, metadata: Mapping[str, Any]) -> None:
        """Nothing is shown."""


class _LackingRows(Exception):  # noqa: N818
    """A step lacks rows, so that what follows it cannot be played through."""


def steps(corpus: Corpus, workshop: Workshop) -> list[Step]:
    """What each asset, and each partition of one, would make, in the order of the graph; nothing is made.

    The first steps that lack rows are counted exactly; what those below will make depends on what comes out of them.
    """
    found, tables = [], dict[str, Any]()
    for name, partition, call in _calls(corpus, workshop):
        step = Step(f"{name} {partition}" if partition else name)
        found.append(step)

        def lacking(rows: int, rate: float | None, step: Step = step) -> NoReturn:
            step.rows, step.rate = rows, rate
            raise _LackingRows

        def told(expected: Expected, step: Step = step) -> None:
            step.expected = expected

        looking = dataclasses.replace(workshop, on_lacking=lacking, on_expected=told)
        try:
            _keep(tables, name, partition, call(looking, tables))
            step.rows = 0
        except (_LackingRows, BalanceError):
            tables[name] = None
        except KeyError:  # what it is made from is not there
            continue
    return found


Call = Callable[[Workshop, Mapping[str, Any]], pl.LazyFrame]


def _calls(corpus: Corpus, workshop: Workshop) -> Iterator[tuple[str, str | None, Call]]:
    """Every asset before the release, in the order of the graph: its name, its partition, and how it is made."""
    several = partitioned(corpus)
    for asset in assets_of(corpus):
        name = asset.key.path[-1]
        if name in several and corpus.partitions:
            for partition in corpus.partitions(workshop):
                yield name, partition, _call(asset, partition)
        else:
            yield name, None, _call(asset, None)


def _call(asset: dg.AssetsDefinition, partition: str | None) -> Call:
    body = asset.op.compute_fn.decorated_fn  # type: ignore[union-attr]
    names = inspect.signature(body).parameters

    def call(workshop: Workshop, tables: Mapping[str, Any]) -> pl.LazyFrame:
        own = {"context": _Context(partition), "workshop": workshop}
        taken = {name: own[name] if name in NOT_ASSETS else _there(tables, name) for name in names}
        return inspect.unwrap(body)(**taken)

    return call


def _there(tables: Mapping[str, Any], name: str) -> Any:
    if tables.get(name) is None:
        raise KeyError(name)
    return tables[name]


def _keep(tables: dict[str, Any], name: str, partition: str | None, table: pl.LazyFrame) -> None:
    """A table is computed once; a partition is left as it is, a scan of the ledger, which may hold images."""
    if partition is None:
        tables[name] = table.collect().lazy()
    elif name not in tables or tables[name] is not None:
        tables.setdefault(name, {})[partition] = table
