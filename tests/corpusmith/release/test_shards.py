import re
from hashlib import sha256
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpusmith.release import shards
from corpusmith.release.shards import as_arrow, splits_of, write_parquet, write_shards

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


def in_places(count: int, seed: int = 0) -> pl.DataFrame:
    """Rows of a few places each, some without one."""
    random = np.random.default_rng(seed)
    one = pl.Series(random.choice(["x", "y", "", None], count).tolist(), dtype=pl.String)
    return rows(count, seed).with_columns(one=one, other=pl.Series(random.integers(0, 3, count)))


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 300),
    st.lists(st.sampled_from(["one", "other", pl.col("text").str.head(1)]), max_size=3),
    st.integers(500, 20_000),
)
def test_rows_of_one_value_lie_side_by_side_and_the_same_table_gives_the_same_bytes(
    tmp_path_factory: pytest.TempPathFactory, count: int, order: list[str | pl.Expr], shard_bytes: int
) -> None:
    table, folder = in_places(count), tmp_path_factory.mktemp("shards")
    paths = write_shards(table.lazy(), folder / "a", "train", order=order, shard_bytes=shard_bytes)
    again = write_shards(table.reverse().lazy(), folder / "b", "train", order=order, shard_bytes=shard_bytes)
    assert [path.read_bytes() for path in paths] == [path.read_bytes() for path in again]
    found = pl.concat([pl.read_parquet(path) for path in paths])
    assert found.sort("key").equals(table.sort("key"))
    columns = [(pl.col(each) if isinstance(each, str) else each).alias(str(i)) for i, each in enumerate(order)]
    value = found.with_columns(value=pl.struct(pl.lit(0).alias("none"), *columns))["value"]
    assert value.rle_id().n_unique() == value.n_unique()
    assert all(part["key"].is_sorted() for part in found.with_columns(value).partition_by("value"))


def test_shards_of_few_large_places_are_none_of_them_large_and_none_small(tmp_path: Path) -> None:
    table = rows(20_000).with_columns(place=pl.when(pl.col("p") < 0.9).then(pl.lit("large")).otherwise(pl.lit("small")))
    paths = write_shards(table.lazy(), tmp_path, "train", order=["place"], shard_bytes=200_000)
    sizes = [pl.read_parquet(path).to_arrow().nbytes for path in paths]
    assert len(sizes) > 8
    assert max(sizes) < 1.05 * 200_000
    assert min(sizes) > 0.95 * 100_000


def test_a_place_that_changes_changes_its_shards_and_no_others(tmp_path: Path) -> None:
    table = rows(4_000).with_columns(
        place=pl.lit([f"{number:02d}" for number in range(20)]).list.get(
            pl.col("key").str.tail(2).str.to_integer(base=16) % 20
        )
    )
    changed = pl.concat([table.filter(pl.col("place") != "07"), rows(210, seed=1).with_columns(place=pl.lit("07"))])
    before, after = (
        {
            path.read_bytes()
            for path in write_shards(each.lazy(), tmp_path / name, "train", order=["place"], shard_bytes=30_000)
        }
        for name, each in (("before", table), ("after", changed))
    )
    assert len(before) > 12
    assert len(after - before) <= 3


def test_a_shard_of_ordered_rows_is_all_that_is_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[int] = []
    monkeypatch.setattr(shards, "as_arrow", lambda rows: held.append(rows.to_arrow().nbytes) or as_arrow(rows))
    write_shards(in_places(10_000).lazy(), tmp_path, "train", order=["one", "other"], shard_bytes=100_000)
    assert len(held) > 8
    assert max(held) < 105_000


def test_what_changes_in_one_place_is_all_that_a_new_version_uploads(tmp_path: Path) -> None:
    table = rows(60_000, characters=400).with_columns(place=pl.col("key").str.tail(1))
    changed = pl.concat(
        [table.filter(pl.col("place") != "7"), rows(3_700, seed=1, characters=400).with_columns(place=pl.lit("7"))]
    )
    old, new = (
        pages(write_shards(each.lazy(), tmp_path / name, "train", order=["place"])[0])
        for name, each in (("old", table), ("new", changed))
    )
    assert sum(size for digest, size in new.items() if digest in old) > 0.85 * sum(new.values())


def test_images_are_stored_as_they_are_and_only_what_repeats_has_a_dictionary(tmp_path: Path) -> None:
    image = pl.struct(bytes=pl.col("key").cast(pl.Binary), path=pl.col("key"))
    [path] = write_shards(rows(50).with_columns(image=image, kind=pl.lit("a")).lazy(), tmp_path, "train")
    group = pq.read_metadata(path).row_group(0)
    stored = {group.column(i).path_in_schema: group.column(i) for i in range(group.num_columns)}
    assert {name for name, column in stored.items() if column.compression == "UNCOMPRESSED"} == {"image.bytes"}
    assert {name for name, column in stored.items() if column.has_dictionary_page} == {"kind"}


def test_only_splits_with_rows_are_named_in_the_usual_order() -> None:
    table = pl.LazyFrame({"split": ["test", "extra", "train", "test"]})
    assert splits_of(table) == ["train", "test", "extra"]
