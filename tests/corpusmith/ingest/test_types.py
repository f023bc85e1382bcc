"""A text is text: whatever else stands there is named, or is a broken line."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import pytest

from corpusmith.errors import SourceError
from corpusmith.ingest import Options, read
from corpusmith.ingest.times import seconds


def everything(path: Path | str, **said: Any) -> pl.DataFrame:
    return pl.concat(list(read(path, options=Options(**said))))


@pytest.mark.parametrize("body", [5, -1.5, 1e300, 10**30, True, {"a": 1}, {}, [], [1], ["x"], [[None]], [{"a": 1}]])
@pytest.mark.parametrize("key", ["body", "text", "title", "says"])
def test_a_body_that_is_no_string_is_a_broken_line(tmp_path: Path, body: Any, key: str) -> None:
    path = tmp_path / "RC"
    line = repr(body).replace("True", "true").replace("None", "null").replace("'", '"')
    path.write_text(f'{{"{key}": "fine"}}\n{{"{key}": {line}}}\n')
    frame = everything(path, text_column="says" if key == "says" else None)
    assert frame["broken"].to_list() == [False, True]


@pytest.mark.parametrize("body", ["5", "-1.5", "true", "[deleted]", "[1] see below", '{"a": 1}', "[]", '["x"]'])
def test_a_string_that_looks_like_json_stays_a_text(tmp_path: Path, body: str) -> None:
    path = tmp_path / "RC"
    path.write_bytes(orjson.dumps({"body": body}) + b"\n")
    assert everything(path)["raw"].to_list() == [body]


COLUMNS: dict[str, pl.Series] = {
    "list": pl.Series([["a", "b"]]),
    "struct": pl.Series([{"a": 1}]),
    "int64": pl.Series([7]),
    "double": pl.Series([7.5]),
    "bool": pl.Series([True]),
    "binary": pl.Series([b"abc"]),
    "date": pl.Series([date(2020, 1, 1)]),
    "null": pl.Series([None], dtype=pl.Null),
}


@pytest.mark.parametrize("found", COLUMNS)
def test_a_column_of_text_of_another_type_is_named_with_what_was_expected(tmp_path: Path, found: str) -> None:
    path = tmp_path / "a.parquet"
    pl.DataFrame({"text": COLUMNS[found], "id": ["x"]}).write_parquet(path)
    with pytest.raises(SourceError, match=rf"a\.parquet: column 'text' is .*{found}.*, expected text \(string\)"):
        everything(path)


@pytest.mark.parametrize(
    "other", [pl.Series([["a"]]), pl.Series([{"a": 1}]), pl.Series([b"x"]), pl.Series([timedelta(1)])]
)
def test_another_column_of_a_type_that_is_no_value_is_named(tmp_path: Path, other: pl.Series) -> None:
    path = tmp_path / "a.parquet"
    pl.DataFrame({"text": ["words"], "created_utc": other}).write_parquet(path)
    with pytest.raises(SourceError, match=r"column 'created_utc' is .*, expected text, a number or a time"):
        everything(path)


def test_a_saved_dataset_s_columns_are_checked_too(tmp_path: Path) -> None:
    import datasets

    datasets.Dataset.from_dict({"text": [["a"], ["b"]]}).save_to_disk(tmp_path / "saved")
    with pytest.raises(SourceError, match=r"saved: column 'text' is .*list"):
        everything(tmp_path / "saved")


def test_categories_are_text(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pl.DataFrame({"text": pl.Series(["words", "words"], dtype=pl.Categorical)}).write_parquet(path)
    assert everything(path)["raw"].to_list() == ["words", "words"]


WHEN = int(datetime(2024, 3, 2, 12, 2, 19, tzinfo=UTC).timestamp())


@pytest.mark.parametrize(
    "said",
    [
        str(WHEN),
        f"{WHEN}.0",
        f"{WHEN}123",
        f"{WHEN}123456",
        f"{WHEN}123456789",
        "2024-03-02T12:02:19Z",
        "2024-03-02 12:02:19",
        "2024-03-02T13:02:19.250+01:00",
        "2024-03-02T07:02:19-0500",
        "2024-03-02 12:02:19 UTC",
    ],
)
def test_seconds_parts_of_them_and_iso_8601_are_told_apart(said: str) -> None:
    assert seconds(pl.Series([said])).to_list() == [WHEN]


@pytest.mark.parametrize(
    "said", ["-5", "0", "1104537599", "99999999999", "9999-01-01T00:00:00Z", "nan", "soon", "", None]
)
def test_what_is_before_2005_or_to_come_or_no_time_is_null(said: str | None) -> None:
    assert seconds(pl.Series([said], dtype=pl.String)).to_list() == [None]
