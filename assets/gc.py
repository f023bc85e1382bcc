"""Free what no release of the last versions uses: rows of the ledger, tables between assets, pages and leftovers.

A row of the ledger goes only where it is known of which releases it was a part, as `corpusmith.assets.uses` noted, and
that none of these is kept. What was made before that was noted, or for nobody's build, stays.
"""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import polars as pl
from filelock import FileLock, Timeout

from corpusmith.assets import ledgers, running, uses
from corpusmith.assets.corpus import Corpus
from corpusmith.assets.resources import Workshop
from corpusmith.errors import CorpusmithError
from corpusmith.release import manifest, shelf
from corpusmith.work import compaction, gc
from corpusmith.work.ledger import Ledger, Shelf

PULLED = "pulled"


@dataclass(frozen=True)
class Part:
    """One thing to be freed: of which corpora (none: of nobody's), what it is, and how many rows and bytes of it."""

    corpora: tuple[str, ...]
    what: str
    rows: int
    bytes: int
    remove: Callable[[], None] = field(repr=False, compare=False)


@dataclass(frozen=True)
class Found:
    """What would be freed, and what is left alone.

    busy: corpora that are being built: nothing goes of them, or of what they share. undecided: releases of which it is
    not known what they are made of: nothing goes of the ledger. dropped: contents that are no longer kept, by corpus.
    unknown: rows of the ledger of which nobody noted what they are for. elsewhere: ledgers of which no row goes, since
    other homes may use them; what was merged there goes.
    """

    parts: Sequence[Part] = ()
    busy: Sequence[str] = ()
    undecided: Sequence[str] = ()
    dropped: Mapping[str, Sequence[str]] = field(default_factory=dict)
    unknown: int = 0
    elsewhere: Sequence[str] = ()


@contextlib.contextmanager
def quiet(home: Path, corpora: Collection[str]) -> Iterator[list[str]]:
    """Which of the corpora are being built, or have a run under way; while it is open no build of the others begins."""
    with contextlib.ExitStack() as held:
        busy = []
        (home / ".corpusmith").mkdir(parents=True, exist_ok=True)
        for corpus in sorted(corpora):
            lock = FileLock(running.lock_path(home, corpus))
            try:
                lock.acquire(blocking=False)
            except Timeout:
                busy.append(corpus)
                continue
            held.callback(lock.release)
            if running.of_corpus(home, corpus):
                busy.append(corpus)
        yield busy


def busy(home: Path, corpora: Collection[str]) -> list[str]:
    """The same, at a glance: nothing is held."""
    return [name for name in sorted(corpora) if running.is_built(home, name) or running.of_corpus(home, name)]


def look(chosen: Sequence[Corpus], workshop: Workshop, keep: int, busy: Collection[str] = ()) -> Found:
    """What is to be freed of the chosen corpora, of which the last ``keep`` versions and data/ are kept.

    Raises LedgerError or ReleaseError for a note or a manifest that cannot be read: then nothing can be told.
    """
    home = workshop.home
    names = [corpus.name for corpus in chosen if corpus.name not in busy]
    kept, undecided = _kept(home, keep)
    notes = {name: uses.releases(home, name) for name in names}
    dropped = {name: sorted(set(found) - kept.get(name, {}).keys()) for name, found in notes.items()}
    parts: list[Part] = []
    unknown = 0
    if not undecided:
        parts, unknown = _of_ledger(home, names, kept, dropped, busy)
    for corpus in chosen:
        if corpus.name in names:
            parts += _of_tables(corpus, workshop)
    parts += _rest(home, busy)
    elsewhere = ledgers.elsewhere(home)
    parts += [part for place in elsewhere for part in _replaced(place)]
    return Found(parts, sorted(busy), undecided, {} if undecided or elsewhere else dropped, unknown, elsewhere)


def free(found: Found, home: Path) -> None:
    """Free what was found, and then drop the notes of what is no longer there; killed, the next call completes it."""
    for part in found.parts:
        part.remove()
    if not found.busy:
        with uses.locked(home):
            for corpus, contents in found.dropped.items():
                uses.forget(home, corpus, contents)


def _kept(home: Path, keep: int) -> tuple[dict[str, dict[str, Path]], list[str]]:
    """The releases that are kept, by corpus and content; and those of which it is not known what they are made of.

    One that was pulled from elsewhere was not made here: nothing is undecided for it.
    """
    kept: dict[str, dict[str, Path]] = {}
    undecided = []
    for corpus in _corpora(home):
        known = uses.releases(home, corpus)
        newest = shelf.versions(home, corpus, shelf.PLACES)[-keep:] if keep else []
        places = [home / place / corpus / version for version in newest for place in shelf.PLACES]
        for folder in (home / "data" / corpus, *places):
            if not (folder / manifest.NAME).is_file():
                continue
            said = manifest.read(folder)
            kept.setdefault(corpus, {}).setdefault(said.content, folder)
            if said.content not in known and folder.parents[1].name != PULLED:
                undecided.append(f"{corpus} {said.version} ({folder})")
    return kept, undecided


def _corpora(home: Path) -> list[str]:
    """Every corpus that this home has anything of."""
    places = [home / place for place in ("data", *shelf.PLACES)]
    there = {path.name for place in places if place.is_dir() for path in place.iterdir() if path.is_dir()}
    return sorted({*uses.corpora(home), *(name for name in there if not name.startswith("."))})


def _of_ledger(
    home: Path,
    names: Sequence[str],
    kept: dict[str, dict[str, Path]],
    dropped: dict[str, list[str]],
    busy: Collection[str],
) -> tuple[list[Part], int]:
    """A part for each shelf that has garbage; and the rows of the ledger that nobody noted the use of."""
    owners: dict[str, set[str]] = {}
    for corpus in uses.corpora(home):
        for name, _ in _every(home, corpus):
            owners.setdefault(name, set()).add(corpus)
    parts, unknown = [], 0
    for one in Ledger(ledgers.own(home)).shelves():
        name = one.name
        candidates = frozenset(
            pair for corpus in names for pair in _candidates(home, corpus, dropped[corpus]) if pair[0] == name
        )
        if name not in owners:
            unknown += gc.count(one, pl.Series("key", [], pl.String)).left
        if not candidates or owners[name] & set(busy):
            continue

        def garbage(one: Shelf = one, name: str = name, candidates: frozenset[uses.Pair] = candidates) -> pl.Series:
            used = frozenset(pair for pair in _protected(home, kept) if pair[0] == name)
            gone = uses.keys(home, candidates)
            return gone.filter(~gone.is_in(uses.keys(home, used).implode()))

        def remove(one: Shelf = one, garbage: Callable[[], pl.Series] = garbage) -> None:
            with uses.locked(home):  # whoever asks for a row now has noted it, or finds that it is to be made
                gc.free(one, garbage())

        counted = gc.count(one, garbage())
        if counted.rows:
            parts.append(Part(tuple(sorted(owners[name])), one.fingerprint, counted.rows, counted.bytes, remove))
    return parts, unknown


def _candidates(home: Path, corpus: str, dropped: Collection[str]) -> frozenset[uses.Pair]:
    """What releases that are not kept are made of, and what runs before the last one asked for."""
    released = uses.releases(home, corpus)
    before = (one.before for one in uses.asked(home, corpus))
    return frozenset().union(*(released[content] for content in dropped), *before)


def _protected(home: Path, kept: dict[str, dict[str, Path]]) -> frozenset[uses.Pair]:
    """What the releases that are kept are made of, and what every asset asked for last, in a build in progress too."""
    found: set[uses.Pair] = set()
    for corpus in uses.corpora(home):
        found |= {pair for one in uses.asked(home, corpus) for pair in one.pairs}
        for content, pairs in uses.releases(home, corpus).items():
            if content in kept.get(corpus, {}):
                found |= pairs
    return frozenset(found)


def _every(home: Path, corpus: str) -> frozenset[uses.Pair]:
    asked = uses.asked(home, corpus)
    return frozenset().union(*uses.releases(home, corpus).values(), *(one.pairs | one.before for one in asked))


def _of_tables(corpus: Corpus, workshop: Workshop) -> list[Part]:
    """The tables of partitions that neither the settings nor the release in data/ have any more, and the preview."""
    hidden, home = workshop.home / ".corpusmith", workshop.home
    parts = []
    if corpus.partitions and (hidden / "tables" / corpus.name).is_dir():  # else they need not be asked for
        release = workshop.release(corpus.name)
        content = manifest.read(release).content if (release / manifest.NAME).is_file() else ""
        wanted = {*corpus.partitions(workshop), *uses.partitions(home, corpus.name, content)}
        folders = [path for path in (hidden / "tables" / corpus.name).glob("*/") if path.is_dir()]
        gone = [
            path for folder in folders for path in sorted(folder.rglob("*.parquet")) if _of(path, folder) not in wanted
        ]
        parts += _files((corpus.name,), "tables of partitions that are no longer asked for", gone)
    return parts + _files((corpus.name,), "preview", [hidden / "preview" / f"{corpus.name}.html"])


def _of(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix().removesuffix(".parquet")


def _rest(home: Path, busy: Collection[str]) -> list[Part]:
    """Reports of checks of other tables than the last ones, and what killed processes left behind."""
    hidden, now = home / ".corpusmith", time.time()
    if busy:
        return []
    last = {path.read_text() for path in (hidden / "checks").glob("*.json")}
    old = [path for path in sorted((hidden / "checked").glob("*.json")) if not any(path.stem in said for said in last)]
    left = [path for place in ("ledger", "tables", "uses") for path in gc.leftovers(hidden / place, now)]
    parts = _files((), "reports of earlier checks", old) + _files((), "leftovers of processes that were killed", left)
    return parts + _temporary(gc.temporary(now))


def _temporary(folders: Sequence[Path]) -> list[Part]:
    def remove() -> None:
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)

    size = sum(path.stat().st_size for folder in folders for path in folder.iterdir())
    return [Part((), "temporary folders of processes that were killed", 0, size, remove)] if folders else []


def _replaced(place: str) -> list[Part]:
    """What was merged into other segments in a ledger elsewhere, so long ago that nobody reads it any more.

    None of a ledger that cannot be reached: what lies here can be freed without it.
    """
    found = []
    with contextlib.suppress(CorpusmithError):
        for one in Ledger(place).shelves():
            listing = one.listed()
            names = {name for _, gone in compaction.swept(one, listing) for name in gone}
            if size := sum(file.bytes for file in listing.replaced if file.name in names):
                found.append(Part((), f"merged segments of {one.said}", 0, size, partial(compaction.sweep, one)))
    return found


def _files(corpora: tuple[str, ...], what: str, paths: Sequence[Path]) -> list[Part]:
    there = [path for path in paths if path.is_file()]

    def remove() -> None:
        for path in there:
            path.unlink(missing_ok=True)

    size = sum(path.stat().st_size for path in there)
    return [Part(corpora, what, 0, size, remove)] if there else []
