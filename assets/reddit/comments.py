"""From dump lines to comments: read, clean, judge fit or not, and find what was said before."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import pyarrow as pa

from corpusmith.curate.duplicates import exact_duplicates, near_duplicates
from corpusmith.curate.text import Rules, clean
from corpusmith.ingest import read
from corpusmith.settings import Reddit
from corpusmith.work.ledger import Ledger, Shelf
from corpusmith.work.plan import fingerprint, keys, provenance_json
from corpusmith.work.produce import Progress

CURATION = "1"  # raise it when reading or cleaning changes what a line becomes
CHUNK_ROWS = 50_000
PLACE = ("digest", "line", "source")
"""What decides a comment: where it stood, and a digest of what stood there."""

MAKER = fingerprint("comments", "corpusmith/curate", CURATION, {})


def ingest(
    source: str, ledger: Ledger, settings: Reddit, salt: str, on_progress: Callable[[Progress], None] | None = None
) -> pl.LazyFrame:
    """Every line of a source as a comment with its verdict; raw text stays in the ledger.

    Chunks of CHUNK_ROWS lines are stored as they are done, so an interrupted run goes on from the middle: what is done
    is decompressed again, but neither parsed nor cleaned.
    """
    shelf = ledger.shelf("comments", _settled_by(source, settings, salt), COMMENTS)
    done = shelf.scan().select(pl.len()).collect().item()
    for chunk in _chunks(source, done, settings, salt):
        shelf.append(chunk, name=f"line-{done + 1:012d}")
        done += chunk.num_rows
        if on_progress:
            on_progress(Progress(f"comments of {Path(source).name}", done, 0, 0, 0.0))
    return shelf.scan().drop("raw")


def deduplicate(comments: pl.LazyFrame, jaccard: float) -> pl.LazyFrame:
    """All comments of all sources, with exact and near-duplicates of an earlier one rejected as such."""
    kept = comments.filter(pl.col("verdict") == "kept").select("key", "text")
    exact = exact_duplicates(kept).with_columns(reason=pl.lit("exact_duplicate"))
    left = kept.join(exact.lazy(), on="key", how="anti", maintain_order="left")
    near = near_duplicates(left, jaccard)
    copies = pl.concat(
        [exact, near.select("key", "duplicate_of", reason=pl.lit("near_duplicate")).drop_nulls("duplicate_of")]
    )
    clusters = near.select("key", "cluster")
    reasons = pl.when(pl.col("reason").is_null()).then("reasons").otherwise(pl.concat_list("reasons", "reason"))
    return (
        comments.join(copies.lazy(), on="key", how="left", maintain_order="left")
        .join(clusters.lazy(), on="key", how="left", maintain_order="left")
        .with_columns(
            verdict=pl.when(pl.col("reason").is_null()).then("verdict").otherwise(pl.lit("rejected")), reasons=reasons
        )
        .drop("reason")
    )


def again(source: str, lines: pl.Series, settings: Reddit, salt: str) -> pl.DataFrame:
    """The comments of some lines, read and cleaned anew; for `verify --regenerate`."""
    found = []
    for batch in read(source, batch_rows=CHUNK_ROWS, text_column=settings.text_column):
        wanted = batch.filter(pl.col("line").is_in(lines.implode()))
        if wanted.height:
            found.append(_cleaned(wanted, settings, salt))
    return pl.concat(found) if found else pl.DataFrame(schema=pl.Schema(COMMENTS))


def _chunks(source: str, skip: int, settings: Reddit, salt: str) -> Iterator[pa.Table]:
    for batch in read(source, batch_rows=CHUNK_ROWS, skip=skip, text_column=settings.text_column):
        yield _cleaned(batch, settings, salt).to_arrow(compat_level=pl.CompatLevel.oldest()).cast(COMMENTS)


def _cleaned(batch: pl.DataFrame, settings: Reddit, salt: str) -> pl.DataFrame:
    return batch


def _settled_by(source: str, settings: Reddit, salt: str) -> str:
    """The fingerprint of one source under these settings: its bytes, and all that changes what its lines become."""
    rules = {**settings.comments.model_dump(exclude={"jaccard"}), "text_column": settings.text_column}
    hidden = hashlib.blake2b(salt.encode(), digest_size=8).hexdigest()
    return fingerprint("comments", Path(source).name, digest(source), {**rules, "salt": hidden, "code": CURATION})


def digest(source: str) -> str:
    """SHA-256 of a file's bytes; a Hub dataset's id stands for itself."""
    path = Path(source)
    if not path.is_file():
        return hashlib.sha256(source.encode()).hexdigest()
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
