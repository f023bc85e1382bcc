"""Take rows of a corpus down in a home: say what goes, then make sure that it is gone and stays so."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from corpusmith.assets import ledgers
from corpusmith.assets.corpus import Content, Corpus
from corpusmith.assets.resources import Workshop
from corpusmith.errors import UserError
from corpusmith.release import manifest, takedown, tombstones
from corpusmith.release.plain import shown
from corpusmith.work.ledger import Ledger
from corpusmith.work.plan import keys as keys_of


@dataclass(frozen=True)
class Going:
    """What a takedown takes.

    rows: of the release (takedown.closure). named: marks of what was named. already: named keys that were taken down
    before. alone: marks that are no row of the release: keys that only the ledger has, digests of images and of
    sources' ids. version: of the release; empty: there is none. still_in: the releases of the home that hold any of it.
    """

    rows: pl.DataFrame
    named: frozenset[str]
    already: frozenset[str]
    alone: frozenset[str]
    version: str
    still_in: Sequence[takedown.Holding]

    @property
    def marks(self) -> frozenset[str]:
        """All that names the rows: their keys, and keys and digests of what they hold."""
        return self.named | frozenset(self.rows["key"]) | frozenset(self.rows["holds"].explode().drop_nulls())


def look(
    corpus: Corpus,
    home: Path,
    keys: Sequence[str],
    sources: Sequence[str] = (),
    authors: Sequence[str] = (),
    images: Sequence[Path] = (),
) -> Going:
    """What would go; nothing is written.

    Raises UserError when nothing is named, or for a name that names nothing: a key that neither the release nor the
    ledger has, or that is another corpus's.
    """
    if not (keys or sources or authors or images):
        raise UserError("name what is to be taken down: keys, or --source, --author, --image")
    release = home / "data" / corpus.name
    is_there = (release / manifest.NAME).is_file()
    tables = takedown.tables_of(release) if is_there else []
    taken = tombstones.marks(tombstones.read(tombstones.path_of(home, corpus.name)))
    already = frozenset(keys) & taken
    _check_known(frozenset(keys) - takedown.here(tables, keys) - already, corpus, home)
    named = frozenset(keys) | takedown.named(tables, sources, authors, images)
    named |= takedown.content_of(tables, sources, corpus.lineage)
    rows = takedown.closure(tables, named, corpus.lineage)
    alone = named.difference(taken, rows["key"])
    going = Going(rows, named, already, alone, manifest.read(release).version if is_there else "", ())
    return dataclasses.replace(going, still_in=takedown.holding(home, corpus.name, going.marks, corpus.lineage))


def take_down(going: Going, corpus: Corpus, home: Path, reason: str) -> int:
    """Write the tombstones, then take out of the ledger all that they name; how many rows and failures that were.

    Once the tombstones are there nothing of it is made or released again, whatever happens after: the same call, for
    the same keys, completes what a crash left undone. What is computed from the ledger alone goes with it: the tables
    between the assets and the preview page, which the next build and preview write anew. Releases are left as they are.
    """
    fresh = takedown.tombs(going.rows, going.alone, going.version, reason)
    tombstones.add(tombstones.path_of(home, corpus.name), fresh)
    hidden = home / ".corpusmith"
    erased = sum(_erase(going, ledger) for ledger in ledgers.everywhere(home))
    shutil.rmtree(hidden / "tables" / corpus.name, ignore_errors=True)
    (hidden / "preview" / f"{corpus.name}.html").unlink(missing_ok=True)
    return erased


def without_taken_down(content: Content, corpus: Corpus, workshop: Workshop) -> Content:
    """The content without the rows that were taken down, by key or by what they hold, and what was made of them.

    They are neither kept nor rejected, and do not count as made: a release says what is left, and no more.
    """
    taken = tombstones.marks(tombstones.read(tombstones.path_of(workshop.home, corpus.name)))
    if not taken:
        return content
    tables = (content.rows, content.rejected)
    keys = takedown.closure(tables, taken, corpus.lineage)["key"]
    is_gone, origin = pl.col("key").is_in(keys.implode()), corpus.card(workshop).origin
    gone = pl.concat([table.filter(is_gone).select(pl.col(origin).cast(pl.String)) for table in tables])
    counted = dict(gone.group_by(origin).len().collect().rows())
    rows, rejected = (table.filter(~is_gone) for table in tables)
    made = {name: count - counted.get(name, 0) for name, count in content.made.items()}
    return dataclasses.replace(content, rows=rows, rejected=rejected, made=made)


def _check_known(keys: frozenset[str], corpus: Corpus, home: Path) -> None:
    """Raises UserError for a key that is another corpus's, or that the ledger has not either."""
    for path in sorted((home / "data").glob(f"*/{manifest.NAME}")) if keys else ():
        other = manifest.read(path.parent).corpus
        if other != corpus.name and (theirs := takedown.here(takedown.tables_of(path.parent), keys)):
            raise UserError(f"{min(theirs)} is a row of {other}, not of {corpus.name}: nothing was taken down")
    shelves = [shelf for ledger in ledgers.everywhere(home) if keys for shelf in ledger.shelves()]
    if unknown := keys.difference(*(shelf.holding(keys) for shelf in shelves)):
        named = ", ".join(shown(key) for key in sorted(unknown))
        raise UserError(
            f"neither the release of {corpus.name} nor the ledger in {home} has a row {named}: nothing was taken down"
        )


def _erase(going: Going, ledger: Ledger) -> int:
    """Take out of every shelf what the marks name, and what a maker saw in a text or image alone."""
    texts = going.rows["text"].drop_nulls().unique(maintain_order=True).rename("text")
    said = [*takedown.quoted(takedown.telling(texts)), *texts.filter(texts.str.len_chars() >= takedown.LONG)]
    marks = going.marks
    images = pl.Series("image_sha256", sorted(mark for mark in marks if len(mark) == 64), pl.String)
    erased = 0
    for shelf in ledger.shelves():
        seen = [keys_of(one.to_frame(), shelf.fingerprint, (one.name,)) for one in (texts, images)]
        erased += shelf.erase(marks.union(*seen), said)
    return erased
