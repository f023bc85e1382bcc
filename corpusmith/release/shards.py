"""Write a table as Parquet shards in a stable order, in memory that does not grow with it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from corpusmith.release.columns import images_of

if TYPE_CHECKING:
    from datasets import Features

KEY = "key"
SHARD_BYTES = 256 << 20  # of a shard in memory; of text it is about a third of that on disk, of images all
ROW_GROUP_BYTES = 64 << 20  # in memory: well above 10 MB on disk for most text, far below the Hub viewer's 286 MiB
PAGE_BYTES = (64 << 10, 256 << 10)  # in memory, at least and at most: of text, what the Hub stores as a chunk or two
HEAVY_PAGE_BYTES = (8 << 10, 16 << 10)  # of tables whose rows are heavier than HEAVY: each image is a page of its own
HEAVY = 32 << 10
Order = Sequence[str | pl.Expr]
_PREFIX = 3  # hexadecimal digits of a key: rows of a group that share them are never parted
_SAMPLE = 10_000  # rows, about, that tell how large one is


def write_shards(
    table: pl.LazyFrame,
    folder: Path,
    name: str,
    *,
    order: Order = (),
    shard_bytes: int = SHARD_BYTES,
    row_group_bytes: int = ROW_GROUP_BYTES,
) -> list[Path]:
    """Paths of ``<name>-00000-of-00004.parquet``…, sorted by ``order`` and key; without rows it is one empty shard.

    order: columns, or expressions of them, by which rows belong together: those of one value lie side by side, so that
    a version that changes some values differs from the last one in some places, not in all (keys are hashes).

    A table that is larger than ``shard_bytes`` becomes shards of half of that to all of it, and a shard row groups in
    the same way. They are cut where the order or the keys say so, not where a count of rows or bytes comes out
    (`_cut`): a row more or less changes its row group, rarely a cut. ``table`` should be a cheap scan: it is filtered
    once for each shard, and one shard is in memory at a time. Shards have content-defined chunks, a page index and the
    features that `datasets` reads.
    """
    folder.mkdir(parents=True, exist_ok=True)
    places = {f"place {i}": _column(each) for i, each in enumerate(order)}
    parts = _cut(_cells(table, places), shard_bytes)
    placed = table.with_columns(**places)
    paths = []
    for number, part in enumerate(parts):
        inside = placed
        if number:
            inside = inside.filter(_reaches(list(places), part.row(0, named=True)))
        if number + 1 < len(parts):
            inside = inside.filter(~_reaches(list(places), parts[number + 1].row(0, named=True)))
        rows = inside.sort(*places, KEY).drop(places).collect(engine="streaming")
        path = folder / f"{name}-{number:05d}-of-{len(parts):05d}.parquet"
        _write(as_arrow(rows), path, [int(group["rows"].sum()) for group in _cut(part, row_group_bytes)])
        paths.append(path)
    return paths


def scratch(order: Order) -> pl.Expr:
    """Which of 16 scratch files, or fewer, a row is kept in until its shard is written: a shard is read from few."""
    if not order:
        return pl.col(KEY).str.head(1)
    return pl.struct(_column(each).alias(str(i)) for i, each in enumerate(order)).hash() % 16


def write_parquet(rows: pl.DataFrame, path: Path, row_group_bytes: int = ROW_GROUP_BYTES) -> None:
    """One Parquet file in the given order, with row groups of equally many rows and at most about the given bytes."""
    table = as_arrow(rows)
    groups = max(1, math.ceil(table.nbytes / row_group_bytes))
    size = max(1, math.ceil(table.num_rows / groups))
    _write(table, path, [len(range(start, table.num_rows)[:size]) for start in range(0, table.num_rows, size)])


def _write(table: pa.Table, path: Path, groups: Sequence[int]) -> None:
    """One Parquet file, with so many rows in each row group.

    What differs between two versions should differ in few bytes. So only what repeats gets a dictionary: another first
    value renumbers all of it, and one of keys or texts is no smaller than they are. Bytes are encoded images, which do
    not compress: they are stored as they are. Pages end where their content says so; Arrow finds such ends only where
    a page has some eight values, so of large images each is a page.
    """
    least, most = HEAVY_PAGE_BYTES if table.nbytes > HEAVY * table.num_rows else PAGE_BYTES
    flat = [field.name for field in table.schema if not pa.types.is_nested(field.type)]
    repeated = [name for name in flat if 2 * pc.count_distinct(table[name]).as_py() <= table.num_rows]
    with pq.ParquetWriter(
        path,
        table.schema,
        compression={leaf: "none" if pa.types.is_binary(kind) else "zstd" for leaf, kind in _leaves(table.schema)},
        use_dictionary=repeated,
        write_page_index=True,
        use_content_defined_chunking={"min_chunk_size": least, "max_chunk_size": most},
    ) as writer:
        for end, rows in zip(np.cumsum(groups), groups, strict=True):
            writer.write_table(table.slice(end - rows, rows), row_group_size=max(1, rows))


def as_arrow(rows: pl.DataFrame) -> pa.Table:
    """Rows with plain Arrow types (string, list) and the features of `datasets` in the schema's metadata.

    An image column is an Image there, so that `load_dataset` and the Hub's viewer show pictures.
    """
    from datasets import Features, Image

    table = rows.to_arrow(compat_level=pl.CompatLevel.oldest())
    plain = pa.schema([field.with_type(_plain(field.type)) for field in table.schema])
    features = Features.from_arrow_schema(plain) | {name: Image() for name in images_of(rows.lazy())}
    return table.cast(plain).replace_schema_metadata({**Features(features).arrow_schema.metadata, **_for_pandas(plain)})


def _for_pandas(schema: pa.Schema) -> dict[bytes, bytes]:
    """What makes pandas read whole numbers as such where some are null: as floats, seeds of 64 bits would be others."""
    wide = [field for field in schema if pa.types.is_integer(field.type) and field.type.bit_width == 64]
    columns = [
        {
            "name": field.name,
            "field_name": field.name,
            "pandas_type": str(field.type),
            "numpy_type": str(field.type).replace("int", "Int").replace("uI", "UI"),
            "metadata": None,
        }
        for field in wide
    ]
    said = {"index_columns": [], "column_indexes": [], "columns": columns}
    return {b"pandas": json.dumps(said).encode()} if wide else {}


def features(shard: Path, labels: Mapping[str, Sequence[str]]) -> Features:
    """The columns of a shard as `datasets` has them; a label column is a ClassLabel with its names in order.

    Parquet keeps the names, which polars reads as text; `datasets` turns them into numbers when it reads them.
    """
    from datasets import ClassLabel, Features

    found = Features.from_arrow_schema(pq.read_schema(shard))
    return Features({**found, **{name: ClassLabel(names=list(of)) for name, of in labels.items() if name in found}})


def splits_of(table: pl.LazyFrame, known: Sequence[str] = ("train", "validation", "test")) -> list[str]:
    """The splits that have rows, in the usual order."""
    found = table.select(pl.col("split").unique()).collect(engine="streaming").to_series().to_list()
    return [name for name in known if name in found] + sorted(set(found) - set(known))


def _leaves(fields: Iterable[pa.Field], above: str = "") -> Iterator[tuple[str, pa.DataType]]:
    """Each column that Parquet stores, by its path in the file, and its type."""
    for field in fields:
        path, kind = f"{above}{field.name}", field.type
        if pa.types.is_struct(kind):
            yield from _leaves(kind, f"{path}.")
        elif pa.types.is_list(kind):
            yield from _leaves([kind.value_field.with_name("element")], f"{path}.list.")
        else:
            yield path, kind


def _cells(table: pl.LazyFrame, places: Mapping[str, pl.Expr]) -> pl.DataFrame:
    """What is never parted: rows of one place that share the first digits of their keys; in order.

    Columns: the places, prefix, rows, bytes (in memory: of images exactly, of all else by a sample), and ``level`` and
    ``draw``, which say where to cut first: see `_cut`.
    """
    image_bytes = [pl.col(name).struct.field("bytes").bin.size().fill_null(0) for name in images_of(table)]
    cells = (
        table.select(
            **places, prefix=pl.col(KEY).str.head(_PREFIX), key=KEY, images=pl.sum_horizontal(pl.lit(0), *image_bytes)
        )
        .group_by(*places, "prefix")
        .agg(rows=pl.len(), images=pl.col("images").sum(), draw=pl.col("key").min().str.tail(8))
        .sort(*places, "prefix")
        .collect(engine="streaming")
    )
    number = pl.col("prefix").str.to_integer(base=16, strict=False).fill_null(0).cast(pl.Int64)
    differs = (number ^ number.shift()).cast(pl.Float64).log(2).floor()  # the roundest number from the last to this one
    starts = pl.any_horizontal(pl.lit(False), *(pl.col(name).ne_missing(pl.col(name).shift()) for name in places))
    return cells.with_columns(
        bytes=pl.col("images") + pl.col("rows") * _row_bytes(table, int(cells["rows"].sum())),
        level=pl.when(starts).then(4.0 * _PREFIX).otherwise(differs),
    )


def _cut(cells: pl.DataFrame, most: float) -> list[pl.DataFrame]:
    """The cells in parts of ``most`` bytes at most and half of that at least, if all together are more.

    A part ends at the foremost of all ends that it may have: where a place ends, else at the roundest key, which is in
    the middle, a quarter…; among equals the digits of a key draw. That is how content-defined chunking cuts: what
    decides is what lies around a cut, so a change moves the cuts near it, and those farther on fall into step again.
    """
    ends = cells["bytes"].cum_sum().to_numpy()
    rank = cells.select(pl.struct("level", "draw").rank("ordinal")).to_series().to_numpy()
    total = ends[-1] if len(ends) else 0.0
    parts, start, done = [], 0, 0.0
    while total - done > most and start + 1 < len(ends):
        first = int(np.searchsorted(ends, done + most / 2)) + 1
        last = int(np.searchsorted(ends, min(done + most, total - most / 2), side="right"))
        end = first + int(rank[first : last + 1].argmax()) if first <= last else first
        if end >= len(ends):
            break
        parts.append(cells[start:end])
        start, done = end, ends[end - 1]
    return [*parts, cells[start:]]


def _reaches(places: Sequence[str], first: Mapping[str, Any]) -> pl.Expr:
    """Whether a row stands at or after the beginning of a cell; null is the smallest value, as it is when sorted."""
    if not places:
        return pl.col(KEY).ge(first["prefix"])
    column, value = pl.col(places[0]), first[places[0]]
    after = column.is_not_null() if value is None else column.gt(value).fill_null(False)
    return after | (column.eq_missing(value) & _reaches(places[1:], first))


def _row_bytes(table: pl.LazyFrame, rows: int) -> float:
    """Bytes of a row in memory but for its images, by those keys that come first."""
    share = f"{16**8 * _SAMPLE // rows:08x}" if rows > _SAMPLE else "g"  # "g" comes after every key
    sample = table.drop(images_of(table)).filter(pl.col(KEY) < share).collect(engine="streaming")
    return float(sample.to_arrow().nbytes / max(1, sample.height))


def _column(of: str | pl.Expr) -> pl.Expr:
    return pl.col(of) if isinstance(of, str) else of


def _plain(kind: Any) -> pa.DataType:
    if pa.types.is_large_string(kind):
        return pa.string()
    if pa.types.is_large_binary(kind):
        return pa.binary()
    if pa.types.is_large_list(kind) or pa.types.is_list(kind):
        return pa.list_(_plain(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(_plain(field.type)) for field in kind])
    return kind
