"""Write a release: everything into a folder beside its place, which it takes when it is complete."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import polars as pl

from corpusmith.errors import ReleaseError
from corpusmith.release import card, changelog, croissant, manifest, metrics
from corpusmith.release.columns import images_of, without_images
from corpusmith.release.folder import replacing
from corpusmith.release.inputs import CardText, Release
from corpusmith.release.report import page
from corpusmith.release.shards import SHARD_BYTES, Order, scratch, splits_of, write_parquet, write_shards
from corpusmith.release.summary import Summary, summarize
from corpusmith.score.scores import TIMES
from corpusmith.whole import check_table

SCRATCH = ".tables"
IMAGE_ROWS = 64  # in a row group of a scratch file that holds images


def write_release(release: Release, into: Path, *, shard_bytes: int = SHARD_BYTES) -> manifest.Manifest:
    """Write a release to the folder ``into`` and return its manifest; the same inputs give the same bytes.

    An earlier release there is replaced when the new one is complete, never before. Raises ReleaseError when there are
    no rows, a reason is unknown, or a table still has its raw text.
    """
    for table in (release.rows, release.rejected):
        if "raw" in table.collect_schema():
            raise ReleaseError(f"{release.corpus}: a table has the column raw, which never leaves the ledger; drop it")
    with replacing(into) as folder:
        order, order_rejected = release.text.order, _known(release.text.order, release.rejected)
        rows = _settled(release.rows, folder / SCRATCH / "rows", order)
        rejected = _settled(release.rejected, folder / SCRATCH / "rejected", order_rejected)
        release = replace(release, text=_with_labels_there(release.text, rows, rejected))
        splits = splits_of(rows)
        if not splits:
            raise ReleaseError(f"{release.corpus} {release.version} has no rows to release")
        for split in splits:
            part = rows.filter(pl.col("split") == split)
            write_shards(part, folder / "data", split, order=order, shard_bytes=shard_bytes)
        released = rejected if release.rejected_images else without_images(rejected)
        write_shards(released, folder / "rejected", "rejected", order=order_rejected, shard_bytes=shard_bytes)
        (folder / "scores").mkdir()
        write_parquet(release.scores.drop(TIMES), folder / "scores" / "scores-00000-of-00001.parquet")
        summary = summarize(rows, rejected, release.scores, dict(release.made), release.text)
        _check_reasons(summary, release)
        plan = manifest.plan_hash(rows, rejected)
        shutil.rmtree(folder / SCRATCH)
        shards = manifest.digests(folder)
        metrics.write(folder, summary, release)
        card.write(folder, summary, release, shards)
        croissant.write(folder, release, shards)
        page.write(folder, summary, release)
        said = release.changelog or changelog.first(release.corpus, release.version)
        (folder / changelog.NAME).write_text(said)
        written = manifest.of(folder, release, summary, plan, shards)
        (folder / manifest.NAME).write_text(written.to_json())
        (folder / manifest.RUN).write_text(_run(release))
    return written


def _with_labels_there(text: CardText, *tables: pl.LazyFrame) -> CardText:
    """The text with those of its labels that occur, where they are a few of the classes of their column."""
    if text.label not in text.label_columns:
        return text
    there = set(pl.concat([table.select(text.label) for table in tables]).unique().collect().to_series())
    return replace(text, labels=tuple(label for label in text.labels if label in there))


def _run(release: Release) -> str:
    """How long each measurement took, as JSON: facts of a run, which no digest covers."""
    taken = release.scores.select("task", "subject", "form", *TIMES).drop_nulls("seconds")
    return json.dumps({"scores": taken.unique(maintain_order=True).to_dicts()}, indent=2) + "\n"


def _settled(table: pl.LazyFrame, folder: Path, order: Order) -> pl.LazyFrame:
    """The table computed once, in a stream, to scratch files by place: a shard reads but a few."""
    folder.mkdir(parents=True)
    row_group = IMAGE_ROWS if images_of(table) else None
    place = pl.PartitionBy(folder, key=scratch(order).alias("digit"), include_key=False)
    table.sink_parquet(place, mkdir=True, compression="zstd", compression_level=1, row_group_size=row_group)
    files = sorted(folder.rglob("*.parquet"))
    for file in files:
        check_table(file, file)
    return pl.scan_parquet(files, hive_partitioning=False) if files else pl.LazyFrame(schema=table.collect_schema())


def _known(order: Order, table: pl.LazyFrame) -> Order:
    """What of an order can be said of a table that may lack columns."""
    has = set(table.collect_schema())
    return [each for each in order if set([each] if isinstance(each, str) else each.meta.root_names()) <= has]


def _check_reasons(summary: Summary, release: Release) -> None:
    unknown = sorted(set(summary.reasons["reason"]) - set(release.text.reasons))
    if unknown:
        raise ReleaseError(f"rows were rejected for reasons that the card cannot explain: {', '.join(unknown)}")
