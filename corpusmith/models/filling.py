"""How much a model is given at once so that it fills an accelerator: found by a short search, once for each card."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from corpusmith.errors import LedgerError
from corpusmith.whole import write_whole

GROWTH: Final = 1.05  # twice as much at once has to be this much faster, or it is not worth the memory


def filling(rate: Callable[[int], float], start: int, most: int) -> int:
    """The size from which on twice as much is no faster: ``start`` doubled (``most`` at the most), or halved.

    rate: how fast a pass of some size is, in whatever unit. It raises RuntimeError, as torch.OutOfMemoryError is one,
    where a size does not fit: then half as much is tried, and nothing larger. Raises that error where not even 1 fits.
    """
    size, fastest = _fitting(rate, start)
    while size >= start and 2 * size <= most:
        try:
            faster = rate(2 * size)
        except RuntimeError:
            _let_go()
            break
        if faster < GROWTH * fastest:
            break
        size, fastest = 2 * size, faster
    _let_go()
    return size


def _fitting(rate: Callable[[int], float], size: int) -> tuple[int, float]:
    """The first of ``size`` and its halves that fits, and how fast it is."""
    while True:
        try:
            return size, rate(size)
        except RuntimeError:
            _let_go()
            if size == 1:
                raise
            size //= 2


def timed(
    passes: Callable[[int], object], clock: Callable[[], float] = time.perf_counter, repeats: int = 2
) -> Callable[[int], float]:
    """How many items a second ``passes`` of a size do, as the fastest of some: the first one only warms up."""

    def rate(size: int) -> float:
        passes(size)
        seconds = []
        for _ in range(repeats):
            began = clock()
            passes(size)
            seconds.append(clock() - began)
        return size / max(min(seconds), 1e-9)

    return rate


def found_once(what: str, card: str, search: Callable[[], int]) -> int:
    """The size for a model (by its fingerprint) on a card, searched where it is not known yet, and kept on disk."""
    size = known(what, card)
    if size is None:
        size = search()
        with contextlib.suppress(OSError, LedgerError):  # read-only, or a full disk: the next process searches anew
            write_whole(_place(what, card), json.dumps({"what": what, "card": card, "size": size}))
    return size


def known(what: str, card: str) -> int | None:
    """What was found for this model on this card; None where nobody searched."""
    try:
        told: Any = json.loads(_place(what, card).read_text(encoding="utf-8"))
        return int(told["size"]) if int(told["size"]) > 0 else None
    except (OSError, ValueError, TypeError, KeyError):  # not there, or no longer to be read: it is found anew
        return None


def _place(what: str, card: str) -> Path:
    caches = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    return caches / "corpusmith" / "filling" / f"{hashlib.sha256(f'{what} on {card}'.encode()).hexdigest()[:32]}.json"


def _let_go() -> None:
    """Give memory that is only held in reserve back to the card."""
    import torch

    if torch.cuda.is_available():
        torch.cuda.empty_cache()
