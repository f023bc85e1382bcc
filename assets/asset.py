"""The decorator of every corpus's assets: its key, group, owner, kinds and retries in one place."""

import functools
import inspect
import time
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Any

import dagster as dg
import polars as pl

from corpusmith.errors import LedgerError

OWNERS = ["team:corpusmith"]
RETRY = dg.RetryPolicy(max_retries=2, delay=5, backoff=dg.Backoff.EXPONENTIAL)
NOT_ASSETS = ("context", "workshop")
Picture = Callable[[pl.LazyFrame], str]
"""Draws a table as SVG; empty where there is nothing to draw."""
PICTURES: dict[dg.AssetKey, Sequence[Picture]] = {}
"""What the UI shows of an asset's table, by its key."""
BEGAN: ContextVar[float] = ContextVar("began")
"""When the asset that is being made was begun (time.perf_counter): its table is computed only when it is written."""


def corpus_asset(
    *, group: str, kinds: set[str], pictures: Sequence[Picture] = (), **options: Any
) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
    """An asset ``group/name`` whose parameters are the group's assets and whose docstring is its description.

    pictures: what the UI shows of its table; where it says why rows were rejected, that is shown unless it is said.
    Only what another try may mend is tried again: a file or a disk that did not answer.
    """

    def decorate(body: Callable[..., Any]) -> dg.AssetsDefinition:
        @functools.wraps(body)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            BEGAN.set(time.perf_counter())
            try:
                return body(*args, **kwargs)
            except (LedgerError, OSError):
                raise
            except Exception as error:
                raise dg.Failure(description=str(error), allow_retries=False) from error

        PICTURES[dg.AssetKey([group, body.__name__])] = pictures
        upstream = [name for name in inspect.signature(body).parameters if name not in NOT_ASSETS]
        return dg.asset(
            key=[group, body.__name__],
            ins={name: dg.AssetIn([group, name]) for name in upstream},
            group_name=group,
            kinds=kinds,
            owners=OWNERS,
            retry_policy=RETRY,
            io_manager_key="tables",
            **options,
        )(guarded)

    return decorate
