"""From dump lines to comments: read, clean, tell fit from unfit, and find what was said before."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pyarrow as pa

from corpusmith.assets.reddit.settings import Reddit
from corpusmith.assets.reddit.sources import digest
from corpusmith.assets.resources import Workshop
from corpusmith.curate import people
from corpusmith.curate.duplicates import exact_duplicates, near_duplicates
from corpusmith.curate.text import Rules, clean
from corpusmith.errors import SourceError
from corpusmith.ingest import Notes, Options, read
from corpusmith.work.ledger import Ledger, Shelf
from corpusmith.work.plan import fingerprint, keys
from corpusmith.work.produce import Progress

CURATION = "3"  # raise it when reading or cleaning changes what a line becomes
CHUNK_ROWS = 50_000
PLACE = ("digest", "line", "source")
"""What decides a comment: where it stood, and a digest of what stood there."""

MAKER = fingerprint("comments", "corpusmith/curate", CURATION, {})

COMMENTS = pa.schema(
    {
        "key": pa.string(),
        "source": pa.string(),
        "line": pa.int64(),
        "digest": pa.string(),
        "id": pa.string(),
        "thread": pa.string(),
        "author": pa.string(),
        "subreddit": pa.string(),
        "created_utc": pa.int64(),
        "nsfw": pa.bool_(),
        "raw": pa.string(),
        "text": pa.string(),
        "language": pa.string(),
        "verdict": pa.string(),
        "reasons": pa.list_(pa.string()),
    }
)
"""What becomes of every line of a source; raw stays in the ledger."""


def ingest(source: str, workshop: Workshop) -> pl.LazyFrame:
    """Every line of a source as a comment with its verdict.

    Chunks of CHUNK_ROWS lines are stored as they are done, so an interrupted run goes on from the middle: what is done
    is decompressed again, but neither parsed nor cleaned. Raises SourceError for a damaged source, one with more broken
    lines than ``max_broken`` allows, and one without any usable comment.
    """
    settings, salt = workshop.settings.reddit, workshop.salt
    shelf = shelf_of(source, workshop.ledger, settings, salt)
    done = rows_in(shelf)
    if workshop.on_lacking and (lines := _left(source, done, settings)):
        workshop.on_lacking(lines, shelf.rate())
    began, before = time.perf_counter(), done
    notes: Notes = {}
    for chunk in _cleaned(source, done, settings, salt, notes):
        shelf.append(chunk, name=f"line-{done + 1:012d}")
        done += chunk.num_rows
        if workshop.on_progress:
            workshop.on_progress(Progress(Path(source).name, done - before, 0, 0, time.perf_counter() - began))
    if done > before:
        shelf.record_rate(done - before, time.perf_counter() - began)
    said = [f"{what}: {found}" for what, found in notes.items()] + _counted(source, shelf.scan(), settings)
    shelf.describe(
        {"model": "corpusmith/curate", "revision": CURATION, "source": Path(source).name, "read as": said},
    )
    return shelf.scan().drop("raw")


def read_as(source: str, workshop: Workshop) -> list[str]:
    """What was found out of a source when it was read: its column of text, encoding, damage, broken lines."""
    shelf = shelf_of(source, workshop.ledger, workshop.settings.reddit, workshop.salt)
    return list(shelf.description().get("read as", []))


def options(settings: Reddit) -> Options:
    """How the sources of the settings are to be read."""
    return Options(settings.text_column, settings.header, settings.encoding, settings.source_damage == "use")


def _counted(source: str, comments: pl.LazyFrame, settings: Reddit) -> list[str]:
    """What is amiss in a source that was read, in sentences; raises SourceError where it is too much to go on."""
    is_broken = pl.col("reasons").list.contains("broken_line")
    rows, broken, timeless, kept = (
        comments.select(
            pl.len(),
            is_broken.sum(),
            (pl.col("created_utc").is_null() & ~is_broken).sum(),
            (pl.col("verdict") == "kept").sum(),
        )
        .collect()
        .row(0)
    )
    if broken > settings.max_broken * rows:
        line, raw = comments.filter(is_broken).select("line", "raw").sort("line").head(1).collect().row(0)
        raise SourceError(
            f"{source}: {broken:,} of {rows:,} lines are broken, more than reddit.max_broken ({settings.max_broken:g}) "
            f"allows; the first is line {line}: {(raw or '')[:60]!r}. Get the file anew, or raise reddit.max_broken"
        )
    if not kept:
        reasons = comments.select(pl.col("reasons").explode().value_counts(sort=True)).unnest("reasons").collect()
        why = ", ".join(f"{code} {count:,}" for code, count in reasons.iter_rows())
        raise SourceError(
            f"{source}: none of its {rows:,} rows is a usable comment ({why}): leave it out, or see what "
            "reddit.comments and reddit.text_column ask for"
        )
    said = [f"broken: {broken:,} of {rows:,} lines"] if broken else []
    if 0 < timeless < rows - broken:
        said.append(f"time: {timeless:,} of {rows:,} rows have none, or one before 2005 or to come")
    return said


def deduplicate(comments: pl.LazyFrame, jaccard: float) -> pl.LazyFrame:
    """All comments of all sources, with exact and near-duplicates of an earlier one rejected as such.

    They are told apart by their row numbers; memory holds the keys of those that have a duplicate or are one.
    """
    numbered = comments.with_row_index("row")
    kept = numbered.filter(pl.col("verdict") == "kept").select("text", key="row")
    exact = exact_duplicates(kept).with_columns(copy=pl.lit("exact_duplicate"))
    near = near_duplicates(kept.filter(~pl.col("key").is_in(exact["key"].implode())), jaccard)
    near = near.with_columns(copy=pl.when(pl.col("duplicate_of").is_not_null()).then(pl.lit("near_duplicate")))
    found = pl.concat([exact, near], how="diagonal").rename({"key": "row"})
    named = numbered.filter(pl.col("row").is_in(_rows_in(found))).select("row", "key").collect()
    found = found.with_columns(_named(found["duplicate_of"], named), _named(found["cluster"], named))
    return (
        numbered.join(found.lazy(), on="row", how="left", maintain_order="left")
        .with_columns(
            verdict=pl.when(pl.col("copy").is_null()).then("verdict").otherwise(pl.lit("rejected")),
            reasons=pl.when(pl.col("copy").is_null()).then("reasons").otherwise(pl.concat_list("reasons", "copy")),
        )
        .drop("row", "copy")
    )


def _rows_in(found: pl.DataFrame) -> pl.Series:
    """The numbers of the rows that others are copies of."""
    return pl.concat([found["duplicate_of"], found["cluster"]]).drop_nulls().unique().implode()


def _named(rows: pl.Series, named: pl.DataFrame) -> pl.Series:
    """The keys of row numbers; ``named`` has the columns row and key, ascending."""
    places = named["row"].search_sorted(rows)
    return named["key"].gather(pl.select(pl.when(rows.is_not_null()).then(places)).to_series()).alias(rows.name)


def first(source: str, lines: int, settings: Reddit, salt: str) -> pl.DataFrame:
    """The comments of a source's first lines; for a preview."""
    batches = read(source, batch_rows=lines, options=options(settings))
    return _comments(next(iter(batches)), settings, salt)


def again(source: str, lines: pl.Series, settings: Reddit, salt: str) -> pl.DataFrame:
    """The comments of some lines, read and cleaned anew; for `verify --regenerate`."""
    read_again = read(source, batch_rows=CHUNK_ROWS, options=options(settings))
    wanted = [batch.filter(pl.col("line").is_in(lines.implode())) for batch in read_again]
    return pl.concat([_comments(batch, settings, salt) for batch in wanted])


def shelf_of(source: str, ledger: Ledger, settings: Reddit, salt: str) -> Shelf:
    """Where the comments of a source lie: decided by its bytes, and by all that changes what its lines become."""
    form = settings.model_dump(include={"text_column", "header", "encoding"})
    rules = {**settings.comments.model_dump(exclude={"jaccard"}), **form}
    hidden = hashlib.blake2b(salt.encode(), digest_size=8).hexdigest()
    decides = {**rules, "salt": hidden, "code": CURATION, "name": Path(source).name}
    if settings.comments.people:
        decides["people"] = people.revision(settings.comments.people)
    return ledger.shelf("comments", fingerprint("comments", "corpusmith/curate", digest(source), decides), COMMENTS)


def rows_in(shelf: Shelf) -> int:
    """Lines of the source that are done: up to the first gap that is more than what was taken down.

    A segment that was set aside leaves such a gap, and all that follows it is read again.
    """
    lines = shelf.scan().select(pl.col("line").sort())
    missing = pl.col("line") - pl.int_range(1, pl.len() + 1)
    return int(lines.filter(missing <= len(shelf.taken_down)).select(pl.col("line").max()).collect().item() or 0)


def _left(source: str, done: int, settings: Reddit) -> int:
    """How many lines of a source are still to be read."""
    return sum(batch.height for batch in read(source, skip=done, options=options(settings)))


def _cleaned(source: str, skip: int, settings: Reddit, salt: str, notes: Notes) -> Iterator[pa.Table]:
    for batch in read(source, batch_rows=CHUNK_ROWS, skip=skip, options=options(settings), notes=notes):
        yield _comments(batch, settings, salt).to_arrow(compat_level=pl.CompatLevel.oldest()).cast(COMMENTS)


def _comments(batch: pl.DataFrame, settings: Reddit, salt: str) -> pl.DataFrame:
    rules = settings.comments
    cleaned = clean(batch, Rules(rules.min_words, rules.max_characters, rules.nsfw, rules.people), salt)
    cleaned = cleaned.with_columns(digest=_digests(cleaned["raw"]))
    return cleaned.with_columns(key=keys(cleaned, MAKER, PLACE)).select(COMMENTS.names)


def _digests(raw: pl.Series) -> pl.Series:
    texts = raw.fill_null("").to_list()
    return pl.Series([hashlib.blake2b(text.encode(), digest_size=8).hexdigest() for text in texts], dtype=pl.String)
