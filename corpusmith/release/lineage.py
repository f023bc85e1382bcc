"""Which columns of a corpus's rows say what a row was made from: takedowns follow them, Croissant tells of them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Lineage:
    """The columns of a corpus's rows that name, by key or SHA-256, others.

    parents: what a row was made from, as key, SHA-256 or the id that a source has: the row goes with that, and not the
    other way round. parts: what it is put together from (a list of structs: ``key`` and ``image_sha256`` of each): they
    go with it, and it with any of them.
    """

    parents: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
