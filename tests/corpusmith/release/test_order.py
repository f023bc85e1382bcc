"""A release lies in the order that its corpus asks for, as far as each of its tables has the columns."""

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from corpora import reddit

from corpusmith.release.write import write_release


@pytest.mark.parametrize("table", ["data", "rejected"])
def test_rows_of_one_value_lie_side_by_side_in_a_release(tmp_path: Path, table: str) -> None:
    release = reddit()
    text = replace(release.text, order=(pl.col("origin").str.len_chars(), "emotion", "only of rows"))
    rows = release.rows.with_columns(pl.lit("x").alias("only of rows"))
    write_release(replace(release, text=text, rows=rows), tmp_path / "release")
    for shard in sorted((tmp_path / "release" / table).glob("*.parquet")):
        place = pl.read_parquet(shard).select(pl.struct(pl.col("origin").str.len_chars(), "emotion")).to_series()
        assert place.len() > 3
        assert place.rle_id().n_unique() == place.n_unique()
