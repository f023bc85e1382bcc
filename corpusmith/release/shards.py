"""Write a table as Parquet shards in the order of its keys, in memory that does not grow with it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from corpusmith.release.columns import images_of

if TYPE_CHECKING:
    from datasets import Features

KEY = "key"
SHARD_BYTES = 256 << 20  # of a shard in memory; of text it is about a third of that on disk, of images all
ROW_GROUP_BYTES = 64 << 20  # in memory: well above 10 MB on disk for most text, far below the Hub viewer's 286 MiB
_PREFIX = 8  # hexadecimal digits of a key that place it in a shard
_SAMPLE = 10_000  # rows, about, that tell how large one is


def write_shards(
    table: pl.LazyFrame,
    folder: Path,
    name: str,
    *,
    shard_bytes: int = SHARD_BYTES,
    row_group_bytes: int = ROW_GROUP_BYTES,
) -> list[Path]:
    """Paths of ``<name>-00000-of-00004.parquet``…, sorted by key; a table without rows is one shard without rows.

    A shard holds one range of keys. Keys are hashes, so ranges hold equally many rows and equally many bytes, and a row
    that is added changes one shard. ``table`` should be a cheap scan: it is filtered once for each shard, and one shard
    is in memory at a time. Shards have content-defined chunks, a page index and the features that `datasets` reads.
    """
    folder.mkdir(parents=True, exist_ok=True)
    count = max(1, math.ceil(_bytes(table) / shard_bytes))
    paths = []
    for number in range(count):
        part = table.filter(_in_range(number, count)) if count > 1 else table
        path = folder / f"{name}-{number:05d}-of-{count:05d}.parquet"
        write_parquet(part.sort(KEY).collect(engine="streaming"), path, row_group_bytes)
        paths.append(path)
    return paths


def write_parquet(rows: pl.DataFrame, path: Path, row_group_bytes: int = ROW_GROUP_BYTES) -> None:
    """One Parquet file in the given order, with row groups of equally many rows and at most about the given bytes."""
    table = as_arrow(rows)
    groups = max(1, math.ceil(table.nbytes / row_group_bytes))
    pq.write_table(
        table,
        path,
        row_group_size=max(1, math.ceil(table.num_rows / groups)),
        compression="zstd",
        write_page_index=True,
        use_content_defined_chunking=True,
    )


def as_arrow(rows: pl.DataFrame) -> pa.Table:
    """Rows with plain Arrow types (string, list) and the features of `datasets` in the schema's metadata.

    An image column is an Image there, so that `load_dataset` and the Hub's viewer show pictures.
    """
    from datasets import Features, Image

    table = rows.to_arrow(compat_level=pl.CompatLevel.oldest())
    plain = pa.schema([field.with_type(_plain(field.type)) for field in table.schema])
    features = Features.from_arrow_schema(plain) | {name: Image() for name in images_of(rows.lazy())}
    return table.cast(plain).replace_schema_metadata(Features(features).arrow_schema.metadata)


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


def _bytes(table: pl.LazyFrame) -> float:
    """Bytes in memory: of the images exactly, of all else by those keys that come first."""
    images = images_of(table)
    sizes = [pl.col(name).struct.field("bytes").bin.size().sum() for name in images]
    rows, *weights = (
        table.select(pl.len(), *(size.alias(str(i)) for i, size in enumerate(sizes))).collect(engine="streaming").row(0)
    )
    sample = table.drop(images).filter(_in_range(0, max(1, rows // _SAMPLE))).collect(engine="streaming")
    return float(sum(weights) + rows * sample.to_arrow().nbytes / max(1, sample.height))


def _in_range(number: int, count: int) -> pl.Expr:
    def bound(i: int) -> str:
        return f"{i * 16**_PREFIX // count:0{_PREFIX}x}"

    above = pl.col(KEY) >= bound(number)
    return above & (pl.col(KEY) < bound(number + 1)) if number + 1 < count else above


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
