import re
from hashlib import sha256
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpusmith.release.shards import splits_of, write_parquet, write_shards

ZSTD_FRAME = b"\x28\xb5\x2f\xfd"  # each page begins with it


def rows(count: int, seed: int = 0, characters: int = 40) -> pl.DataFrame:
    random = np.random.default_rng(seed)
    letters = random.integers(97, 123, (count, characters), dtype=np.uint8).view(f"S{characters}").astype(str)
    keys = [f"{high:016x}{low:016x}" for high, low in random.integers(0, 2**64, (count, 2), dtype=np.uint64)]
    return pl.DataFrame({"key": keys, "text": letters[:, 0], "p": random.random(count).astype(np.float32)})


@settings(max_examples=25, deadline=None)
@given(st.sets(st.text("0123456789abcdef", min_size=32, max_size=32), max_size=60), st.integers(500, 5000))
def test_any_table_comes_back_whole_and_in_the_order_of_its_keys(
    tmp_path_factory: pytest.TempPathFactory, keys: set[str], shard_bytes: int
) -> None:
    table = pl.DataFrame(
        {"key": list(keys), "text": [f"text of {key}" for key in keys]}, schema={"key": pl.String, "text": pl.String}
    )
    paths = write_shards(table.lazy(), tmp_path_factory.mktemp("shards"), "train", shard_bytes=shard_bytes)
    assert pl.concat([pl.read_parquet(path) for path in paths]).equals(table.sort("key"))


def test_shards_are_named_as_the_hub_expects(tmp_path: Path) -> None:
    paths = write_shards(rows(400).lazy(), tmp_path, "train", shard_bytes=9_000)
    assert len(paths) > 2
    assert [path.name for path in paths] == [f"train-{i:05d}-of-{len(paths):05d}.parquet" for i in range(len(paths))]


def test_shards_have_about_the_size_that_was_asked_for(tmp_path: Path) -> None:
    table = rows(20_000)
    paths = write_shards(table.lazy(), tmp_path, "train", shard_bytes=200_000)
    heights = [pl.read_parquet(path).height for path in paths]
    assert max(heights) < 1.2 * min(heights)
    assert max(heights) * table.to_arrow().nbytes / table.height < 240_000


def test_the_order_of_the_rows_does_not_change_a_byte(tmp_path: Path) -> None:
    table = rows(500)
    one = write_shards(table.lazy(), tmp_path / "one", "train", shard_bytes=10_000)
    other = write_shards(
        table.sample(fraction=1.0, shuffle=True).lazy(), tmp_path / "other", "train", shard_bytes=10_000
    )
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in other]


def test_a_row_that_is_added_changes_one_shard(tmp_path: Path) -> None:
    table = rows(500)
    more = pl.concat([table, rows(1, seed=1)])
    before, after = (
        [path.read_bytes() for path in write_shards(each.lazy(), tmp_path / name, "train", shard_bytes=10_000)]
        for name, each in (("before", table), ("after", more))
    )
    assert len(before) == len(after) > 2
    assert sum(old != new for old, new in zip(before, after, strict=True)) == 1


def test_row_groups_are_cut_by_bytes(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    write_parquet(rows(10_000), path, row_group_bytes=250_000)
    metadata = pq.read_metadata(path)
    sizes = [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)]
    assert len(sizes) == 4
    assert max(sizes) - min(sizes) <= len(sizes)


def test_shards_have_a_page_index_and_the_features_of_datasets(tmp_path: Path) -> None:
    [path] = write_shards(rows(10).with_columns(reasons=pl.lit(["a"])).lazy(), tmp_path, "train")
    file = pq.ParquetFile(path)
    assert file.metadata.row_group(0).column(0).has_column_index
    assert file.metadata.row_group(0).column(0).compression == "ZSTD"
    assert b'"dtype": "string"' in file.schema_arrow.metadata[b"huggingface"]
    assert [str(field.type) for field in file.schema_arrow] == ["string", "string", "float", "list<element: string>"]


def test_a_new_version_shares_most_bytes_with_the_old(tmp_path: Path) -> None:
    table = rows(40_000, characters=400)
    grown = pl.concat([table, rows(3, seed=1, characters=400)])
    old, new = (
        pages(write_shards(each.lazy(), tmp_path / name, "train")[0]) for name, each in (("old", table), ("new", grown))
    )
    shared = sum(size for digest, size in new.items() if digest in old)
    assert shared > 0.75 * sum(new.values())


def pages(path: Path) -> dict[bytes, int]:
    data = path.read_bytes()
    cuts = [match.start() for match in re.finditer(re.escape(ZSTD_FRAME), data)]
    parts = [data[start:end] for start, end in zip(cuts, [*cuts[1:], len(data)], strict=True)]
    return {sha256(part[:-64]).digest(): len(part) for part in parts}  # the next page's header is cut off


def test_only_splits_with_rows_are_named_in_the_usual_order() -> None:
    table = pl.LazyFrame({"split": ["test", "extra", "train", "test"]})
    assert splits_of(table) == ["train", "test", "extra"]
