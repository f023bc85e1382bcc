"""Remember which rows of the ledger every build asked for, so that what no release uses can be told from the rest.

``.corpusmith/uses/<corpus>/asked/``: a note for each asset, and each partition of one. ``releases/``: one for each
content that was released, of all that it was made from. ``keys/``: the keys themselves, by their digest.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import sys
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl
from filelock import FileLock

from corpusmith.errors import LedgerError
from corpusmith.whole import whole, write_whole

SLICE = 1 << 16
Pair = tuple[str, str]
"""A shelf of the ledger (the name of its folder), and the digest of the keys that were asked for there."""


@dataclass(frozen=True)
class Step:
    """The asset that is being made: its corpus, its name, its partition (empty: it has none) and Dagster's run."""

    corpus: str
    asset: str
    partition: str
    run: str


@dataclass(frozen=True)
class Asked:
    """What an asset, or a partition of one, asked for: in its last run, and in the runs before that."""

    asset: str
    partition: str
    run: str = ""
    pairs: frozenset[Pair] = frozenset()
    before: frozenset[Pair] = frozenset()


def step() -> Step | None:
    """The asset that is being made here; None: nobody runs one, so that what is asked for is no build's."""
    if "dagster" not in sys.modules:
        return None
    import dagster as dg

    try:
        context = dg.AssetExecutionContext.get()
        corpus, asset = context.asset_key.path[0], context.asset_key.path[-1]
    except (dg.DagsterInvariantViolationError, AttributeError):
        return None
    return Step(corpus, asset, context.partition_key if context.has_partition_key else "", context.run_id)


def note(home: Path, made: Step, shelf: str, keys: pl.Series) -> None:
    """Note that an asset is about to ask for keys of a shelf: before any of them is looked for or made."""
    folder = _folder(home)
    digest = _written(folder / "keys", keys)
    path = folder / made.corpus / "asked" / f"{_named(made.asset, made.partition)}.json"
    with locked(home):
        old = _asked(path) if path.exists() else Asked(made.asset, made.partition)
        if old.run != made.run:
            old = Asked(made.asset, made.partition, made.run, frozenset(), old.before | old.pairs)
        _write(path, replace(old, pairs=old.pairs | {(shelf, digest)}))


def keep(home: Path, corpus: str, content: str, partitions: Collection[str]) -> None:
    """Note that the release of this content, just written, is made of what its assets asked for last.

    partitions: those that it has; what was asked for by others is no longer in use.
    """
    with locked(home):
        every = asked(home, corpus)
        used = frozenset().union(*(one.pairs for one in every if _is_used(one, partitions)))
        said = {"pairs": sorted(used), "partitions": sorted(partitions)}
        write_whole(_folder(home) / corpus / "releases" / f"{content}.json", json.dumps(said))
        for one in every:
            if not _is_used(one, partitions) and one.pairs:
                path = _folder(home) / corpus / "asked" / f"{_named(one.asset, one.partition)}.json"
                _write(path, replace(one, run="", pairs=frozenset(), before=one.before | one.pairs))


def corpora(home: Path) -> list[str]:
    """The corpora that ever asked for anything."""
    return sorted(path.parent.name for path in _folder(home).glob("*/asked/"))


def asked(home: Path, corpus: str) -> list[Asked]:
    """What each asset and partition of a corpus asked for."""
    return [_asked(path) for path in sorted((_folder(home) / corpus / "asked").glob("*.json"))]


def releases(home: Path, corpus: str) -> dict[str, frozenset[Pair]]:
    """What each release is made of, by its content."""
    found = sorted((_folder(home) / corpus / "releases").glob("*.json"))
    return {path.stem: _pairs(_read(path)["pairs"]) for path in found}


def partitions(home: Path, corpus: str, content: str) -> frozenset[str]:
    """The partitions of a release; none where it is not known."""
    path = _folder(home) / corpus / "releases" / f"{content}.json"
    return frozenset(_read(path)["partitions"]) if path.exists() else frozenset()


def keys(home: Path, pairs: Collection[Pair]) -> pl.Series:
    """The keys of pairs, each once."""
    paths = [_folder(home) / "keys" / f"{digest}.parquet" for digest in sorted({digest for _, digest in pairs})]
    if lost := [path for path in paths if not path.exists()]:
        raise LedgerError(f"{lost[0]} is missing: which rows are in use cannot be told; nothing was freed")
    empty = pl.Series("key", [], pl.String)
    return pl.scan_parquet(paths, glob=False).unique().collect()["key"] if paths else empty


def forget(home: Path, corpus: str, contents: Collection[str]) -> None:
    """Drop the notes of releases that are no longer there and of earlier runs, and keys that nothing names any more.

    Only for one who has made sure that nothing lies in the ledger for them alone.
    """
    folder = _folder(home)
    for content in contents:
        (folder / corpus / "releases" / f"{content}.json").unlink(missing_ok=True)
    for one in asked(home, corpus):
        if one.before:
            path = folder / corpus / "asked" / f"{_named(one.asset, one.partition)}.json"
            _write(path, replace(one, before=frozenset())) if one.pairs else path.unlink()
    every = [one.pairs | one.before for name in corpora(home) for one in asked(home, name)]
    every += [pairs for name in corpora(home) for pairs in releases(home, name).values()]
    named = {digest for pairs in every for _, digest in pairs}
    for path in (folder / "keys").glob("*.parquet"):
        if path.stem not in named:
            path.unlink()


@contextlib.contextmanager
def locked(home: Path) -> Iterator[None]:
    """Nobody else notes what it is about to ask for, or frees what nobody asked for, at the same moment."""
    _folder(home).mkdir(parents=True, exist_ok=True)
    with FileLock(_folder(home) / ".lock"):
        yield


def _is_used(one: Asked, partitions: Collection[str]) -> bool:
    return not one.partition or one.partition in partitions


def _folder(home: Path) -> Path:
    return home / ".corpusmith" / "uses"


def _named(asset: str, partition: str) -> str:
    digest = hashlib.sha256(partition.encode()).hexdigest()[:16]
    return f"{asset}-{digest}" if partition else asset


def _written(folder: Path, keys: pl.Series) -> str:
    """Keep keys under their digest; the digest."""
    every = keys.unique().sort().rename("key")
    hashed = hashlib.blake2b(digest_size=16)
    for start in range(0, len(every), SLICE):
        hashed.update(("\n" * bool(start) + "\n".join(every.slice(start, SLICE).to_list())).encode())
    digest = hashed.hexdigest()
    if not (path := folder / f"{digest}.parquet").exists():
        with whole(path) as temporary:
            every.to_frame().write_parquet(temporary, compression="zstd")
    return digest


def _write(path: Path, one: Asked) -> None:
    said = {**asdict(one), "pairs": sorted(one.pairs), "before": sorted(one.before)}
    write_whole(path, json.dumps(said))


def _asked(path: Path) -> Asked:
    said = _read(path)
    pairs = {"pairs": _pairs(said["pairs"]), "before": _pairs(said["before"])}
    return Asked(said["asset"], said["partition"], said["run"], **pairs)


def _pairs(said: list[list[str]]) -> frozenset[Pair]:
    return frozenset((shelf, digest) for shelf, digest in said)


def _read(path: Path) -> dict[str, Any]:
    try:
        said: dict[str, Any] = json.loads(path.read_text())
    except ValueError as error:
        raise LedgerError(
            f"{path} is not what was noted there ({error}): which rows are in use cannot be told; delete the folder "
            f"{path.parents[1]}, then nothing is freed until the corpus is built again"
        ) from None
    return said
