"""Take rows down: find them, what was made of them, and where they still are."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl

from corpusmith.curate.rows import holds_any
from corpusmith.errors import ReleaseError, UserError
from corpusmith.release import manifest, parquet, shelf, tombstones
from corpusmith.release.lineage import Lineage
from corpusmith.release.plain import shown

SHA256_HEX: Final = 64  # digits of a digest, of which a key has half

KEY: Final = "key"
OWN_DIGEST: Final = "image_sha256"
DIGEST: Final = "_sha256"
MASK: Final = "mask"
"""Of columns that say where something is: two images may have the same mask, so it names neither."""
COPY_OF: Final = "duplicate_of"
FOUND: Final = pl.Schema({KEY: pl.String(), "text": pl.String(), "holds": pl.List(pl.String())})
NAMED_FIRST: Final = 5
LONG: Final = 16
"""Characters from which on a text of one word tells which one it is."""


@dataclass(frozen=True)
class Holding:
    """A version that still holds what was taken down: its folder, and how many rows of it do."""

    path: Path
    version: str
    rows: int


def tables_of(release: Path) -> list[pl.LazyFrame]:
    """The kept and the rejected rows of a release folder. Raises ReleaseError: a file is damaged."""
    rejected = [parquet.scan(release, "rejected")] if (release / "rejected").is_dir() else []
    return [parquet.scan(release), *rejected]


def closure(tables: Sequence[pl.LazyFrame], marks: Collection[str], lineage: Lineage) -> pl.DataFrame:
    """The rows that marks name, and all that goes with them: key, text, and ``holds``, a list of marks.

    With a row goes what was made from it (``lineage``, and rows whose plan holds its text), what is nearly the same as
    it (``duplicate_of``: else its copy took its place in the next release), and every other row of the same content. A
    row that is only the copy of another does not take that down. Nothing but the rows found is held in memory: the
    tables are read in a stream, once for each step from a row to what was made of it.
    """
    known, texts = frozenset(marks), pl.Series("text", [], pl.String())
    while True:
        found = pl.concat([FOUND.to_frame(), *(_marked(table, known, texts, lineage) for table in tables)])
        gained = frozenset(found[KEY]) | frozenset(found["holds"].explode().drop_nulls())
        said = telling(found["text"].drop_nulls().unique())
        if gained <= known and said.len() == texts.len():
            return found.unique(KEY, keep="first", maintain_order=True)
        known, texts = known | gained, said


def _marked(table: pl.LazyFrame, marks: frozenset[str], texts: pl.Series, lineage: Lineage) -> pl.DataFrame:
    """The rows of a table that a mark names in any of their columns, or that were made from one of the texts."""
    schema = table.collect_schema()
    named = pl.Series([*marks], dtype=pl.String).implode()
    own, parts = _own(schema), _parts(schema, lineage)
    refers = [one.is_in(named) for one in (*own, *_parents(schema, lineage))]
    refers += [one.list.eval(pl.element().is_in(named)).list.any() for one in parts]
    if "plan" in schema and texts.len():
        refers.append(holds_any(pl.col("plan"), quoted(texts)))
    return (
        table.filter(pl.any_horizontal(one.fill_null(False) for one in refers))
        .select(
            KEY,
            text=pl.col("text") if "text" in schema else pl.lit(None, pl.String),
            holds=pl.concat_list(*(one for one in own[1:]), *parts, pl.lit([], pl.List(pl.String)))
            .list.filter(pl.element() != "")
            .list.unique(maintain_order=True),
        )
        .collect(engine="streaming")
    )


def _own(schema: pl.Schema) -> list[pl.Expr]:
    """What names a row's own content: its key, SHA-256 of its image and of its text."""
    image = [pl.col(OWN_DIGEST)] if OWN_DIGEST in schema else []
    text = [_digest(pl.col("text"))] if "text" in schema else []
    return [pl.col(KEY), *image, *text]


def _parents(schema: pl.Schema, lineage: Lineage) -> list[pl.Expr]:
    """What names others that a row was made from or copies; a digest that nobody declared is one of these too."""
    digests = [name for name in schema if _is_digest(name) and name != OWN_DIGEST]
    names = dict.fromkeys((*lineage.parents, COPY_OF, *digests))
    ids = [_digest(pl.col(name)) for name in lineage.parents if name in schema]
    return [*(pl.col(name) for name in names if name in schema and name not in lineage.parts), *ids]


def _parts(schema: pl.Schema, lineage: Lineage) -> list[pl.Expr]:
    """What names the parts of a row, each as a list of text."""
    found: list[pl.Expr] = []
    for name in lineage.parts:
        kind = schema.get(name)
        if isinstance(kind, pl.List) and isinstance(kind.inner, pl.Struct):
            fields = [field.name for field in kind.inner.fields if field.name in (KEY, OWN_DIGEST)]
            held = [pl.col(name).list.eval(pl.element().struct.field(field)) for field in fields]
            found += [one.fill_null([]) for one in held]
        elif kind is not None:
            found.append(pl.concat_list(pl.col(name)))
    return found


def _digest(texts: pl.Expr) -> pl.Expr:
    """SHA-256 of each text, null of an empty one, which names nothing.

    Polars has none, so they are hashed one by one, as keys are: a second for a million.
    """
    return texts.map_batches(
        lambda part: pl.Series([sha256_of(one) if one else None for one in part.to_list()], dtype=pl.String),
        return_dtype=pl.String,
    )


def sha256_of(text: str) -> str:
    """SHA-256 of a text."""
    return hashlib.sha256(text.encode()).hexdigest()


def telling(texts: pl.Series) -> pl.Series:
    """The texts that name a row where they stand in a plan or a message: of two words or more, or of LONG characters.

    A plan holds shorter ones as names, labels and punctuation, whoever said them.
    """
    return texts.filter(texts.str.contains(r"\w\S*\s+\S*\w") | (texts.str.len_chars() >= LONG))


def quoted(texts: pl.Series) -> list[str]:
    """Texts as they stand in a plan, which is JSON: with quotation marks, so that none is found within another."""
    said = texts.rename("text").to_frame().select(pl.struct("text").struct.json_encode()).to_series()
    return said.str.strip_prefix('{"text":').str.head(-1).to_list()


def content_of(tables: Sequence[pl.LazyFrame], sources: Sequence[str], lineage: Lineage) -> frozenset[str]:
    """The SHA-256 digests of the sources of these ids, as the rows that were made from them say."""
    found: set[str] = set()
    for table in tables if sources else ():
        there = [name for name in lineage.parents if name in table.collect_schema()]
        of_it = pl.any_horizontal(pl.lit(False), *(pl.col(name).is_in(list(sources)) for name in there))
        rows = table.filter(of_it).select(there).collect()
        found |= {value for name in there for value in rows[name] if value and len(value) == SHA256_HEX}
    return frozenset(found)


def named(
    tables: Sequence[pl.LazyFrame], sources: Sequence[str], authors: Sequence[str], images: Sequence[Path]
) -> frozenset[str]:
    """Marks of the rows of a source's id, of an author (by the hash), or with an image that one holds.

    The SHA-256 of a source's id, and of an image, is a mark itself: what is made of it later is named by that.
    Raises UserError for one that names no row, and for a file that cannot be read.
    """
    found: set[str] = set()
    for source in sources:
        found |= _keys(tables, _is_source, source, f"--source {source}: no row says that it comes from it")
        found.add(sha256_of(source))
    for author in authors:
        found |= _keys(tables, lambda name: name == "author", author, f"--author {author}: no row has this author")
    for image in images:
        try:
            digest = manifest.sha256(image)
        except OSError as error:
            raise UserError(f"--image {image}: {error.strerror}") from None
        why = f"--image {image}: no row has an image of these bytes (SHA-256 {digest})"
        _keys(tables, _is_digest, digest, why)
        found.add(digest)
    return frozenset(found)


def _is_digest(name: str) -> bool:
    return name.endswith(DIGEST) and not name.startswith(MASK)


def _is_source(name: str) -> bool:
    return name == "source" or (name.startswith("source_") and name != "source_text")


def _keys(tables: Sequence[pl.LazyFrame], chosen: Callable[[str], bool], value: str, why: str) -> set[str]:
    """The keys of the rows with a value in any of the columns that are chosen by name, also within lists."""
    found: set[str] = set()
    for table in tables:
        schema = table.collect_schema()
        plain = [pl.col(name) == value for name, kind in schema.items() if kind == pl.String and chosen(name)]
        inside = [
            pl.col(name).list.eval(pl.element().struct.field(field.name) == value).list.any()
            for name, kind in schema.items()
            if isinstance(kind, pl.List) and isinstance(kind.inner, pl.Struct)
            for field in kind.inner.fields
            if field.dtype == pl.String and chosen(field.name)
        ]
        if plain or inside:
            held = table.filter(pl.any_horizontal(one.fill_null(False) for one in (*plain, *inside))).select(KEY)
            found |= set(held.collect(engine="streaming").to_series())
    if not found:
        raise UserError(shown(why))
    return found


def here(tables: Sequence[pl.LazyFrame], keys: Collection[str]) -> frozenset[str]:
    """Which of the keys are those of rows."""
    wanted = pl.Series([*keys], dtype=pl.String).implode()
    found = [table.select(KEY).filter(pl.col(KEY).is_in(wanted)).collect(engine="streaming") for table in tables]
    return frozenset().union(*(frozenset(part[KEY]) for part in found))


def tombs(rows: pl.DataFrame, alone: Collection[str], version: str, reason: str) -> pl.DataFrame:
    """Tombstones (tombstones.COLUMNS) of rows of a release, and of what was named and is no row of it (``alone``)."""
    of_rows = rows.select(KEY, holds=pl.col("holds").list.join(" "), version=pl.lit(version))
    of_keys = pl.DataFrame({KEY: sorted(alone)}, schema={KEY: pl.String}).with_columns(
        holds=pl.lit(""), version=pl.lit("")
    )
    return pl.concat([of_rows, of_keys]).with_columns(reason=pl.lit(reason))


def holding(home: Path, corpus: str, marks: Collection[str], lineage: Lineage) -> list[Holding]:
    """The releases in a home (data, and shelf.PLACES) that hold rows that the marks name, in order; none is changed."""
    return [
        Holding(folder, manifest.read(folder).version, rows)
        for folder in _releases(home, corpus)
        if (rows := _held(folder, marks, lineage))
    ]


def _held(folder: Path, marks: Collection[str], lineage: Lineage) -> int:
    """How many rows of a release the marks name; of a part that was pulled without keys all: nobody can tell."""
    tables = tables_of(folder)
    if KEY not in tables[0].collect_schema():
        return int(tables[0].select(pl.len()).collect().item())
    return closure(tables, marks, lineage).height


def _releases(home: Path, corpus: str) -> Iterator[Path]:
    places = [home / "data" / corpus]
    places += [path for place in shelf.PLACES for path in sorted((home / place / corpus).glob("*"))]
    return (path for path in places if (path / manifest.NAME).is_file())


def check(release: Path) -> None:
    """Raises ReleaseError for a release that holds what was taken down in the home that it lies in."""
    said = manifest.read(release)
    taken = tombstones.marks(tombstones.read(tombstones.above(release, said.corpus)))
    if not taken:
        return
    found = closure(tables_of(release), taken, Lineage())
    if found.height:
        first = ", ".join(found[KEY].sort().head(NAMED_FIRST))
        more = f" and {found.height - NAMED_FIRST:,} more" if found.height > NAMED_FIRST else ""
        raise ReleaseError(
            f"{said.corpus} {said.version} holds {found.height:,} rows that were taken down since it was built "
            f"({first}{more}): build it again (corpusmith build {said.corpus}), then publish that"
        )
