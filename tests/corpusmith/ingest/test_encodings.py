"""Text is decoded as its file says, or refused with the first line; nothing is put in the place of a letter."""

from pathlib import Path

import polars as pl
import pytest

from corpusmith.errors import SourceError
from corpusmith.ingest import Notes, Options, read
from corpusmith.ingest.encodings import whole_characters

TEXT = "text,n\nplain,1\ncafé “au lait”,2\n"


def raw(path: Path, notes: Notes | None = None, **said: str) -> list[str]:
    return pl.concat(list(read(path, options=Options(**said), notes=notes)))["raw"].to_list()  # type: ignore[arg-type]


@pytest.mark.parametrize("encoding", ["cp1252", "mac_roman", "cp1250"])
def test_a_table_in_another_encoding_is_refused_with_its_first_line(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(TEXT.encode(encoding))
    with pytest.raises(SourceError, match=r"a\.csv: line 3 is not text in utf-8: 'caf.*set encoding") as refused:
        raw(path)
    assert "\n" not in str(refused.value)
    assert raw(path, encoding=encoding) == ["plain", "café “au lait”"]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-8-sig"])
def test_a_byte_order_mark_says_the_encoding(tmp_path: Path, encoding: str) -> None:
    path, dump = tmp_path / "a.csv", tmp_path / "RC"
    path.write_bytes(TEXT.encode(encoding))
    dump.write_bytes('{"body": "café"}\n'.encode(encoding))
    assert raw(path) == ["plain", "café “au lait”"]
    assert raw(dump) == ["café"]


def test_what_was_said_of_the_encoding_is_noted(tmp_path: Path) -> None:
    path = tmp_path / "RC"
    path.write_bytes('{"body": "café"}\n'.encode("cp1252"))
    notes: Notes = {}
    assert raw(path, notes, encoding="cp1252") == ["café"]
    assert notes["encoding"] == "cp1252, as the setting says"


def test_a_line_that_is_not_in_the_encoding_that_was_said_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"text,n\n" + b"fine,1\n" * 100_000 + b"caf\x81,2\n")
    with pytest.raises(SourceError, match="line 100002 is not text in cp1252"):
        raw(path, encoding="cp1252")


def test_a_replacement_character_that_the_source_has_is_its_own(tmp_path: Path) -> None:
    path = tmp_path / "RC"
    path.write_bytes('{"body": "a \ufffd b"}\n{"body": "c \\ufffd d"}\n'.encode())
    assert raw(path) == ["a \ufffd b", "c \ufffd d"]


@pytest.mark.parametrize("text", ["é", "aé", "“", "a😀", "abc", ""])
def test_a_cut_leaves_no_part_of_a_character(text: str) -> None:
    whole = text.encode()
    for end in range(len(whole) + 1):
        assert whole[:end].decode(errors="ignore").encode() == whole_characters(whole[:end])


def test_a_parquet_with_text_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": pa.array([b"caf\xe9"]).cast(pa.string(), safe=False)}), path)
    with pytest.raises(SourceError, match=r"a\.parquet: rows 1 to 1 hold text that is not UTF-8"):
        raw(path)
