"""The order of a corpus's labels, origins and stages, which is that of every table and plot."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl


def place(column: str, order: Sequence[str]) -> pl.Expr:
    """Where a value stands in an order; unknown ones come last."""
    return pl.col(column).replace_strict(
        list(order), list(range(len(order))), default=len(order), return_dtype=pl.Int64
    )
