"""Keys and seeds: what decides a sample, as a hash of its content."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

KEY_HEX = 32


def fingerprint(name: str, model: str, revision: str, settings: Mapping[str, Any]) -> str:
    """The readable identity of a maker: ``name:model@revision+settings``.

    ``settings`` is everything that changes what is made (code version included), JSON-able; its order does not matter.
    """
    canonical = json.dumps(settings, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    digest = hashlib.blake2b(canonical.encode(), digest_size=4).hexdigest()
    return f"{name}:{model}@{revision[:12]}+{digest}"


def canonical(columns: Sequence[str]) -> pl.Expr:
    """Each row's deciding columns as one JSON string, with the columns in alphabetical order."""
    return pl.struct([pl.col(name) for name in sorted(columns)]).struct.json_encode()


def keys(plan: pl.DataFrame, fingerprint: str, inputs: Sequence[str]) -> pl.Series:
    """The key of each row: 128-bit BLAKE2b of fingerprint and deciding columns, as 32 hexadecimal digits."""
    seeded = hashlib.blake2b(fingerprint.encode() + b"\0", digest_size=KEY_HEX // 2)

    def key(row: str) -> str:
        state = seeded.copy()
        state.update(row.encode())
        return state.hexdigest()

    rows = plan.select(canonical(inputs)).to_series().to_list()
    return pl.Series("key", [key(row) for row in rows], dtype=pl.String)


def seeds(keys: Sequence[str]) -> np.ndarray[Any, np.dtype[np.uint64]]:
    """A 63-bit seed for each key, from its first sixteen digits; shape (n,), uint64."""
    return np.array([int(key[:16], 16) >> 1 for key in keys], dtype=np.uint64)
