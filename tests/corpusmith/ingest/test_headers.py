"""Which row is the header of a table, and which column its text."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from corpusmith.errors import SourceError
from corpusmith.ingest import Notes, Options, read

WORDS = ["I went to the shop", "me too", "no way that is right", "well I never saw that", "it is what it is"]


def table(path: Path, header: str, row: str, rows: int = 60) -> Path:
    lines = [row.format(n=n, text=WORDS[n % 5], more=WORDS[(n + 2) % 5]) for n in range(rows)]
    path.write_text("\n".join([*([header] if header else []), *lines]) + "\n")
    return path


def found(path: Path, **said: Any) -> tuple[pl.DataFrame, str]:
    notes: Notes = {}
    frame = pl.concat(list(read(path, options=Options(**said), notes=notes)))
    return frame, notes["text"]


@pytest.mark.parametrize(
    ("header", "row", "column"),
    [
        ("body_text,posted,sub", "{text} {n},13000{n:05},pics", "body_text"),
        ("id;note;mark", "{n};{text};4", "note"),
        ("remark", "{text} {n}", "remark"),
        ("Länge|Äußerung", "{n}|{text}", "Äußerung"),
    ],
)
def test_a_header_of_unknown_names_is_found(tmp_path: Path, header: str, row: str, column: str) -> None:
    frame, why = found(table(tmp_path / "a.csv", header, row))
    assert frame.height == 60
    assert frame["raw"][1].startswith("me too")
    assert why.startswith(f"column {column}")
    assert why.endswith("row 1 names the columns")


@pytest.mark.parametrize("row", ["{text} {n},{n}", "c{n:05},{text}", "{text} {n},joy", "{text} {n}"])
def test_a_table_without_header_loses_no_row(tmp_path: Path, row: str) -> None:
    frame, why = found(table(tmp_path / "a.csv", "", row))
    assert frame.height == 60
    assert why.endswith("no row names the columns")


def test_the_setting_decides_what_the_first_row_is(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", "note,n", "{text} {n},{n}")
    assert found(path, header=False)[0].height == 61
    assert found(table(tmp_path / "b.csv", "", "{text} {n},{n}"), header=True)[0].height == 59


def test_two_columns_that_may_be_the_text_are_a_question(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", "id;note;reply", "{n};{text};{more}")
    with pytest.raises(SourceError, match=r"note and reply have about as many words: .* one of id, note, reply"):
        found(path)
    assert found(path, text_column="reply")[1].startswith("column reply of id, note, reply: as text_column says")
    assert found(path, text_column="2")[1].startswith("column reply")


def test_a_column_that_is_not_there_lists_the_names_of_the_header(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", "id;note;mark", "{n};{text};4")
    with pytest.raises(SourceError, match="no column 'nope'; it has id, note, mark"):
        found(path, text_column="nope")


def test_what_is_taken_is_noted_for_every_reader(tmp_path: Path) -> None:
    pl.DataFrame({"text": ["x"], "n": [1]}).write_parquet(tmp_path / "a.parquet")
    (tmp_path / "RC").write_text('{"body": "x"}\n')
    assert found(tmp_path / "a.parquet")[1] == "column text of text, n: by its name"
    assert found(tmp_path / "RC")[1] == "body, or title and selftext"


def test_emotions_of_real_comments_have_no_header(shared_data: Path) -> None:
    frame, why = found(shared_data / "goemotions" / "original" / "train.tsv")
    assert frame.height == 43_410
    assert why.startswith("column 0")
