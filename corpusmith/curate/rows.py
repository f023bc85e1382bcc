"""Change only those rows of a column that need it, so that a rare and slow rule costs little."""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import polars as pl

FAST: Final = 1 << 15
"""Bytes of literals up to which a regex of them is compiled: of a few it is up to thirty times as fast as contains_any
(10 of 70 letters), of many it grows too large.
"""


def changed_where(texts: pl.Series, mask: pl.Series, change: Callable[[pl.Series], pl.Series]) -> pl.Series:
    """The texts, with ``change`` applied to those where ``mask`` is true; nulls in the mask are false."""
    if not mask.any():
        return texts
    places = mask.arg_true()
    if len(places) == len(texts):
        return change(texts)
    return texts.clone().scatter(places, change(texts.gather(places)))  # of the copy: scatter works in place


def where_regex(texts: pl.Series, hint: str | list[str], rules: list[tuple[str, str]]) -> pl.Series:
    """The texts, with each rule (regex, replacement) applied in turn to those that hold ``hint``.

    ``hint`` is a literal, or several of which any will do: looking for them is some ten times as fast as a regex.
    """
    mask = texts.str.contains(hint, literal=True) if isinstance(hint, str) else contains_any(texts, hint)

    def change(found: pl.Series) -> pl.Series:
        for pattern, replacement in rules:
            found = found.str.replace_all(pattern, replacement)
        return found

    return changed_where(texts, mask, change)


def non_ascii(texts: pl.Series) -> pl.Series:
    """Which texts hold a character that is not ASCII."""
    return texts.str.len_bytes() != texts.str.len_chars()


def contains_any(texts: pl.Series, hints: list[str]) -> pl.Series:
    """Which texts hold one of the literals."""
    return texts.str.contains("|".join(map(pl.escape_regex, hints)))  # ten times as fast as contains_any


def holds_any(texts: pl.Expr, literals: Sequence[str]) -> pl.Expr:
    """Which texts hold one of the literals, of which there is one at least; a null is null."""
    if 0 < sum(len(literal.encode()) for literal in literals) <= FAST:
        return texts.str.contains("|".join(map(pl.escape_regex, literals)))
    return texts.str.contains_any([*literals])


def matching(texts: pl.Series, hints: list[str], pattern: str) -> pl.Series:
    """Which texts match a regex, looked for only in those that hold one of the hints; a null does not."""
    hinted = contains_any(texts, hints).fill_null(False)
    found = np.zeros(len(texts), dtype=np.bool_)
    places = hinted.arg_true().to_numpy()
    found[places] = texts.gather(places).str.contains(pattern).to_numpy()
    return pl.Series(found)
