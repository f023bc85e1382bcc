"""What is read of tables, folders and datasets."""

import gzip
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from corpusmith.errors import SourceError
from corpusmith.ingest import Options, read
from corpusmith.ingest.records import SCHEMA
from corpusmith.ingest.tables import read_dataset


def everything(source: Path | str, skip: int = 0, **options: Any) -> pl.DataFrame:
    frame = pl.concat([pl.DataFrame(schema=SCHEMA), *read(source, skip=skip, options=Options(**options))])
    assert frame.schema == SCHEMA
    return frame


def written(path: Path, text: str) -> Path:
    path.write_text(text, newline="")
    return path


def test_a_csv_with_quoted_lines_is_read_row_by_row(tmp_path: Path) -> None:
    text = 'id,Text,author\n1,"two\nlines, and ""quotes""",ann\n2,plain,bob\n'
    frame = everything(written(tmp_path / "a.csv", text))
    assert frame["raw"].to_list() == ['two\nlines, and "quotes"', "plain"]
    assert frame["author"].to_list() == ["ann", "bob"]
    assert frame["line"].to_list() == [1, 2]


def test_a_tsv_without_header_has_its_text_in_the_longest_column(tmp_path: Path) -> None:
    path = written(tmp_path / "a.tsv", "12\tI like this a lot\tabc\n7\tMe too\tabd\n")
    assert everything(path)["raw"].to_list() == ["I like this a lot", "Me too"]
    assert everything(path, text_column="2")["raw"].to_list() == ["abc", "abd"]


def test_a_table_of_posts_has_titles_and_texts(tmp_path: Path) -> None:
    text = (
        'created_utc,id,title,selftext,over_18\n1366595026.0,1c,Hello,"some\ntext",True\n1366595027.0,1d,Link,,False\n'
    )
    frame = everything(written(tmp_path / "a.csv", text))
    assert frame["raw"].to_list() == ["Hello\n\nsome\ntext", "Link"]
    assert frame["created_utc"].to_list() == [1366595026, 1366595027]
    assert frame["nsfw"].to_list() == [True, False]
    assert frame["thread"].to_list() == ["t3_1c", "t3_1d"]


def test_rows_of_another_width_are_broken_and_keep_their_place(tmp_path: Path) -> None:
    frame = everything(written(tmp_path / "a.csv", "text,n\na b,1\nonly\n\nc d,2,3\ne f,4\n"))
    assert frame["broken"].to_list() == [False, True, True, True, False]
    assert frame["raw"].to_list() == ["a b", "only", "", "c d\t2\t3", "e f"]


def test_an_open_quote_does_not_take_in_the_whole_file(tmp_path: Path) -> None:
    rows = "".join(f"row {n} of the table,{n}\n" for n in range(20_000))
    frame = everything(written(tmp_path / "a.csv", f'text,n\na,1\n"open,2\n{rows}'))
    assert frame["broken"].any()
    assert frame["raw"][-1] == "row 19999 of the table"


def test_compressed_tables_and_a_byte_order_mark_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress("\ufefftext,n\ncafé,1\n".encode()))
    assert everything(path)["raw"].to_list() == ["café"]


def test_skipping_and_batches_count_rows_not_lines(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", "text\n" + "".join(f'"row\n{n}"\n' for n in range(250)))
    batches = list(read(path, 40, skip=105))
    assert [batch.height for batch in batches] == [40, 40, 40, 25]
    assert [line for batch in batches for line in batch["line"]] == list(range(106, 251))
    assert batches[0]["raw"][0] == "row\n105"


def test_a_table_without_a_text_column_says_which_it_has(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pl.DataFrame({"a": ["x"], "b": ["y"]}).write_parquet(path)
    with pytest.raises(SourceError, match=r"a\.parquet: which column holds the text\? .* a, b"):
        everything(path)
    with pytest.raises(SourceError, match="no column 'c'; it has a, b"):
        everything(path, text_column="c")
    assert everything(path, text_column="b")["raw"].to_list() == ["y"]


def test_parquet_of_any_types_takes_the_same_form(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    when = datetime(2020, 1, 1, tzinfo=UTC)
    pl.DataFrame(
        {"body": ["x", None, "z"], "id": [1, 2, 3], "created_utc": [when, when, None], "over_18": [True, False, None]}
    ).write_parquet(path, row_group_size=2)
    frame = everything(path)
    assert frame["raw"].to_list() == ["x", None, "z"]
    assert frame["broken"].to_list() == [False, True, False]
    assert frame["created_utc"].to_list() == [1577836800, 1577836800, None]
    assert frame["nsfw"].to_list() == [True, False, False]
    assert everything(path, skip=2)["line"].to_list() == [3]


def test_a_folder_is_read_file_after_file_and_skipped_across_them(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    written(tmp_path / "b.csv", "text\nthird\n")
    written(tmp_path / "a.ndjson", '{"body": "first"}\n{"body": "second"}\n')
    written(tmp_path / "sub" / "c.tsv", "text\tn\nfourth\t1\n")
    written(tmp_path / "README.md", "not data")
    written(tmp_path / "_b.csv", "text\nhidden\n")
    frame = everything(tmp_path)
    assert frame["raw"].to_list() == ["first", "second", "third", "fourth"]
    assert frame["source"].to_list() == ["a.ndjson", "a.ndjson", "b.csv", "sub/c.tsv"]
    assert frame["line"].to_list() == [1, 2, 1, 1]
    assert everything(tmp_path, skip=3).equals(frame[3:])


def test_datasets_are_read_from_disk_and_streamed(tmp_path: Path) -> None:
    import datasets

    rows = {"text": [f"row {n}" for n in range(10)], "label": list(range(10))}
    datasets.Dataset.from_dict(rows).save_to_disk(tmp_path / "saved")
    assert everything(tmp_path / "saved", skip=7)["raw"].to_list() == ["row 7", "row 8", "row 9"]
    (tmp_path / "hub").mkdir()
    pl.DataFrame(rows).write_parquet(tmp_path / "hub" / "train.parquet")
    streamed = pl.concat(read_dataset(str(tmp_path / "hub"), 0, Options(), {}))
    assert streamed["raw"].to_list() == rows["text"]
    assert streamed["line"].to_list() == list(range(1, 11))


@pytest.mark.parametrize("source", ["no/such/file", "nothing.zst", "folder/nothing.zst"])
def test_what_is_not_there_is_an_error_that_says_what_may_be(source: str) -> None:
    with pytest.raises(SourceError, match=r"no file, folder or dataset .* a dump"):
        read(source)


def test_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="holds no dump and no table"):
        list(read(tmp_path))


def test_an_error_and_an_early_end_leave_no_thread_behind(tmp_path: Path) -> None:
    import threading

    path = written(tmp_path / "a.csv", "text\n" + "some words\n" * 5000)
    batches = read(path, 100)
    next(batches)
    batches.close()  # type: ignore[attr-defined]
    assert "corpusmith-read" not in {thread.name for thread in threading.enumerate()}


def test_real_tables_are_read_to_the_last_row(shared_data: Path) -> None:
    train = everything(shared_data / "goemotions" / "ekman" / "train.tsv")
    assert train.height == 43_410
    assert train["raw"].str.len_chars().mean() > 50
    posts = everything(shared_data / "reddit_top_posts" / "data")
    assert posts.height == 34_396
    for frame in (train, posts):
        assert not frame["broken"].any()
        assert frame["raw"].null_count() == 0
