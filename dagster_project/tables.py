"""Tables between assets: lazy Parquet, whole or not there, with counts and reasons shown in the UI."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dagster as dg
import polars as pl
from dagster_polars import PolarsParquetIOManager

if TYPE_CHECKING:
    from upath import UPath


class Tables(PolarsParquetIOManager):
    """dagster-polars' Parquet tables, written beside and renamed into place."""

    def sink_df_to_path(self, context: dg.OutputContext, df: pl.LazyFrame, path: UPath) -> None:
        """Stream ``df`` to ``path``."""
        temporary = path.with_name(f".{path.name}.tmp")
        temporary.parent.mkdir(parents=True, exist_ok=True)
        df.sink_parquet(str(temporary), compression="zstd", compression_level=1)
        temporary.rename(path)
        context.add_output_metadata(describe(pl.scan_parquet(str(path))))

    def scan_df_from_path(self, path: UPath, context: dg.InputContext) -> pl.LazyFrame:
        """The table, lazily. (dagster-polars 0.27 still passes an argument that polars 2 has dropped.)"""
        return pl.scan_parquet(str(path))

    def load_partitions(self, context: dg.InputContext) -> dict[str, pl.LazyFrame]:
        """A frame for each partition that was materialised, also where there is just one."""
        loaded = super().load_partitions(context)
        return loaded if isinstance(loaded, dict) else {context.asset_partition_keys[0]: loaded}

    def get_metadata(self, context: dg.OutputContext, obj: Any) -> dict[str, Any]:
        """Nothing before the table is written: a lazy frame would be computed twice."""
        return {}


def describe(table: pl.LazyFrame) -> dict[str, Any]:
    """Rows, columns, and how many rows were rejected for which reason."""
    schema = table.collect_schema()
    rows = table.select(pl.len()).collect().item()
    metadata: dict[str, Any] = {
        "dagster/row_count": rows,
        "dagster/column_schema": dg.TableSchema(
            columns=[dg.TableColumn(name, str(dtype)) for name, dtype in schema.items()]
        ),
    }
    if "reasons" in schema:
        reasons = table.select(pl.col("reasons").explode()).drop_nulls().collect().to_series().value_counts(sort=True)
        rejected = table.filter(pl.col("verdict") == "rejected").select(pl.len()).collect().item()
        metadata["kept"] = rows - rejected
        metadata["rejected"] = rejected
        metadata["rejected by reason"] = dg.MetadataValue.md(_markdown(reasons)) if reasons.height else "none"
    return metadata


def _markdown(table: pl.DataFrame) -> str:
    head = f"| {' | '.join(table.columns)} |\n|{'---|' * table.width}\n"
    return head + "\n".join(f"| {' | '.join(map(str, row))} |" for row in table.rows())
