"""Balanced draws from labelled rows: the same rows whatever their order, decided by their keys."""

from __future__ import annotations

import hashlib

import polars as pl

from corpusmith.errors import BalanceError

LABEL = "emotion"


def splits(rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """The rows of splits train, validation (the training rows where there is none) and test.

    Raises BalanceError when there is nothing to train or to test on.
    """
    train, validation, test = (rows.filter(pl.col("split") == name) for name in ("train", "validation", "test"))
    for name, part in (("train", train), ("test", test)):
        if not part.height:
            raise BalanceError(f"no row in split {name} to score with: more rows of each emotion are needed")
    return train, validation if validation.height else train, test


def over_sample(rows: pl.DataFrame) -> pl.DataFrame:
    """Every emotion as often as the most frequent one: its rows, in key order, again and again."""
    parts = rows.sort("key").partition_by(LABEL, maintain_order=True)
    largest = max((part.height for part in parts), default=0)
    repeated = [pl.concat([part] * -(-largest // part.height)).head(largest) for part in parts]
    return pl.concat(repeated) if parts else rows


def under_sample(rows: pl.DataFrame, at_most: int | None = None) -> pl.DataFrame:
    """Every emotion that occurs as often as the rarest one, or ``at_most``: its first rows in key order.

    Keys are hashes, so that their order is a fair draw.
    """
    parts = rows.sort("key").partition_by(LABEL, maintain_order=True)
    smallest = min((part.height for part in parts), default=0)
    taken = smallest if at_most is None else min(smallest, at_most)
    return pl.concat([part.head(taken) for part in parts]) if parts else rows


def digest(rows: pl.DataFrame) -> str:
    """What decides a score besides the model: a hash over key, text, emotion and split, whatever the rows' order."""
    columns = rows.select("key", "text", LABEL, "split").sort("key")
    content = hashlib.blake2b(digest_size=16)
    for part in columns.iter_slices(10_000):
        content.update(part.write_ndjson().encode())
    return content.hexdigest()
