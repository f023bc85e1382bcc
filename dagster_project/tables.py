"""Tables between assets: lazy Parquet, whole or not there, with counts and reasons shown in the UI."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import polars as pl
from dagster_polars import PolarsParquetIOManager
from pydantic import Field

from corpusmith.assets import pictures
from corpusmith.assets.asset import BEGAN, PICTURES, lasting_faults
from corpusmith.assets.resources import TOOK
from corpusmith.whole import whole

if TYPE_CHECKING:
    from upath import UPath

ROW_GROUP = 1 << 14  # a table is read in a stream, several row groups at once: small ones keep memory down
IMAGE_ROW_GROUP = 1 << 7  # the same where a row is an image


class Tables(PolarsParquetIOManager):
    """dagster-polars' Parquet tables, written beside and renamed into place; ``sentences``: by group and column."""

    sentences: dict[str, dict[str, str]] = Field(default_factory=dict)

    def sink_df_to_path(self, context: dg.OutputContext, df: pl.LazyFrame, path: UPath) -> None:
        """Stream ``df`` to ``path``."""
        with lasting_faults():
            self._sink(context, df, path)

    def _sink(self, context: dg.OutputContext, df: pl.LazyFrame, path: UPath) -> None:
        rows = IMAGE_ROW_GROUP if "image" in df.collect_schema() else ROW_GROUP
        with whole(Path(str(path))) as temporary:
            df.sink_parquet(temporary, compression="zstd", compression_level=1, row_group_size=rows)
        table = pl.scan_parquet(str(path), glob=False)
        seconds = time.perf_counter() - BEGAN.get()
        metadata = describe(table, seconds, self.sentences.get(context.asset_key.path[0], {}))
        metadata |= taken(TOOK.get([]))
        if drawn := picture(context.asset_key, table):
            metadata["picture"] = dg.MetadataValue.md(drawn)
        context.add_output_metadata(metadata)

    def scan_df_from_path(self, path: UPath, context: dg.InputContext) -> pl.LazyFrame:
        """The table, lazily. (dagster-polars 0.27 still passes an argument that polars 2 has dropped.)"""
        return pl.scan_parquet(str(path), glob=False)

    def load_partitions(self, context: dg.InputContext) -> dict[str, pl.LazyFrame]:
        """A frame for each partition that was materialised, also where there is just one."""
        paths = self._get_paths_for_partitions(context)
        return {name: self.load_from_path(context, path) for name, path in paths.items() if path.exists()}

    def get_metadata(self, context: dg.OutputContext, obj: Any) -> dict[str, Any]:
        """Nothing before the table is written: a lazy frame would be computed twice."""
        return {}


def describe(table: pl.LazyFrame, seconds: float, sentences: Mapping[str, str]) -> dict[str, Any]:
    """Rows, columns, how fast they came, and how many were rejected."""
    schema = table.collect_schema()
    rows = table.select(pl.len()).collect().item()
    metadata: dict[str, Any] = {
        "dagster/row_count": rows,
        "seconds": round(seconds, 2),
        "rows per second": round(rows / max(seconds, 1e-9), 1),
        "dagster/column_schema": dg.TableSchema(
            columns=[dg.TableColumn(name, str(dtype), sentences.get(name)) for name, dtype in schema.items()]
        ),
    }
    if "reasons" in schema:
        rejected = table.filter(pl.col("reasons").list.len() > 0).select(pl.len()).collect().item()
        metadata |= {"kept": rows - rejected, "rejected": rejected}
    return metadata


def taken(frames: Sequence[pl.LazyFrame]) -> dict[str, Any]:
    """What language models took for the rows of frames (key and usage.COLUMNS), each row once; empty: nobody said."""
    if not frames:
        return {}
    rows = pl.concat(frames).unique("key").with_columns(pl.col(pl.Int32).cast(pl.Int64))  # more than 2^31 in all
    counted = rows.select(pl.exclude("key").sum(), priced=pl.col("cost").count(), rows=pl.len())
    sums = counted.collect().row(0, named=True)
    metadata = {
        "prompt tokens": sums["prompt_tokens"],
        "cached tokens": sums["cached_tokens"],
        "answer tokens": sums["completion_tokens"],
    }
    if sums["priced"]:
        metadata |= {"cost": float(f"{sums['cost']:.6g}"), "rows without a cost": sums["rows"] - sums["priced"]}
    return metadata if sums["prompt_tokens"] or sums["completion_tokens"] else {}


def picture(key: dg.AssetKey, table: pl.LazyFrame) -> str | None:
    """What the UI shows of an asset's table, as Markdown; None: nothing."""
    by_default = [pictures.reasons] if "reasons" in table.collect_schema() else []
    return pictures.markdown(key.path[-1], [draw(table) for draw in PICTURES.get(key) or by_default])
