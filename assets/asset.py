"""The decorator of every corpus's assets: its key, group, owner, kinds, pool and retries in one place."""

import contextlib
import functools
import inspect
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from typing import Any
from urllib.error import HTTPError

import dagster as dg
import polars as pl

from corpusmith.assets.resources import TOOK
from corpusmith.errors import CorpusmithError, LedgerError

OWNERS = ["team:corpusmith"]
POOL = "gpu"
"""Of this pool are the assets that compute on a card; how many runs may be of it at once, the instance says: one."""
COMPUTES = "pytorch"
"""The kind of an asset that computes on a card, where there is one."""
RETRY = dg.RetryPolicy(max_retries=2, delay=5, backoff=dg.Backoff.EXPONENTIAL)
"""Of what another try may mend: 5 seconds later, and 15 after that."""
LASTING = (FileNotFoundError, FileExistsError, PermissionError, IsADirectoryError, NotADirectoryError)
CLIENTS = ("httpx", "httpx2")
"""Whose transport errors are no OSError, as those of requests and urllib are; the second is the Hub's."""
BUSY = (408, 425, 429)
"""The answers of a server, besides those of 500 and more, that another try may mend."""
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
    Only what another try may mend is tried again (`is_transient`).
    """

    def decorate(body: Callable[..., Any]) -> dg.AssetsDefinition:
        @functools.wraps(body)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            BEGAN.set(time.perf_counter())
            TOOK.set([])
            with lasting_faults():
                return body(*args, **kwargs)

        PICTURES[dg.AssetKey([group, body.__name__])] = pictures
        upstream = [name for name in inspect.signature(body).parameters if name not in NOT_ASSETS]
        return dg.asset(
            key=[group, body.__name__],
            ins={name: dg.AssetIn([group, name]) for name in upstream},
            group_name=group,
            kinds=kinds,
            pool=POOL if COMPUTES in kinds else None,
            owners=OWNERS,
            retry_policy=RETRY,
            io_manager_key="tables",
            **options,
        )(guarded)

    return decorate


@contextlib.contextmanager
def lasting_faults() -> Iterator[None]:
    """What is raised within is tried again by Dagster where that may mend it, and else is a Failure, once."""
    try:
        yield
    except Exception as error:
        if isinstance(error, dg.Failure) or is_transient(error):
            raise
        raise dg.Failure(description=str(error), allow_retries=False) from error


def is_transient(error: Exception) -> bool:
    """Whether another try may mend it: a disk, a network or a server that did not answer, or one that was busy.

    What a person has to mend (a setting, a missing file, a refused password) and what came of the rows themselves
    (too many failures, an expectation that does not hold) is not.
    """
    if isinstance(error, CorpusmithError):
        return isinstance(error, LedgerError)
    answer = error if isinstance(error, HTTPError) else getattr(error, "response", None)
    status = getattr(answer, "status_code", None) or getattr(answer, "status", None)
    if isinstance(status, int):
        return status in BUSY or status >= 500
    unanswered = [sys.modules[name].TransportError for name in CLIENTS if name in sys.modules]
    return isinstance(error, (OSError, *unanswered)) and not isinstance(error, LASTING)
