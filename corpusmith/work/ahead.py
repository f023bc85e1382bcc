"""Lets a maker begin batches before they are made, where it bears that."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa


def begun(maker: Any, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The batches, in order, each after its maker was told of it (``begin``) and of the ``ahead`` next ones.

    ``begin`` returns at once and raises nothing; a maker without it is told nothing. So many batches are held at once.
    """
    if not hasattr(maker, "begin"):
        yield from batches
        return
    waiting: deque[pa.RecordBatch] = deque()
    for batch in batches:
        maker.begin(batch)
        waiting.append(batch)
        if len(waiting) > maker.ahead:
            yield waiting.popleft()
    yield from waiting
