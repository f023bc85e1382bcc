"""A damaged file stops the reading with one line, or is used and noted."""

import bz2
import gzip
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest
import zstandard

from corpusmith.errors import SourceError
from corpusmith.ingest import Notes, Options, read

LINES = b"".join(
    orjson.dumps({"body": f"comment {n} {n * 7919 % 10007}", "id": f"c{n}"}) + b"\n" for n in range(60_000)
)
TABLE = b"text,n\n" + b"".join(f"row {n} of the table {n * 7919 % 10007},{n}\n".encode() for n in range(60_000))


def with_checksum(content: bytes) -> bytes:
    return zstandard.ZstdCompressor(write_checksum=True).compress(content)


PACKINGS: dict[str, Callable[[bytes], bytes]] = {"zst": with_checksum, "bz2": bz2.compress, "gz": gzip.compress}


def rows(path: Path, options: Options, notes: Notes | None = None) -> int:
    return sum(frame.height for frame in read(path, options=options, notes=notes))


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize(("name", "content"), [("RC", LINES), ("t.csv", TABLE)])
def test_a_file_that_was_cut_stops_and_says_how_much_of_it_can_be_read(
    tmp_path: Path, packing: str, name: str, content: bytes
) -> None:
    packed = PACKINGS[packing](content)
    path = tmp_path / f"{name}.{packing}"
    path.write_bytes(packed[: len(packed) // 2])
    with pytest.raises(
        SourceError, match=r"is damaged: .*; [\d,]+ lines can be read of it.*source_damage: use"
    ) as stop:
        rows(path, Options())
    assert "\n" not in str(stop.value)
    notes: Notes = {}
    assert 0 < rows(path, Options(use_damaged=True), notes) < 60_000
    assert "lines can be read of it" in notes["damage"]


@pytest.mark.parametrize("packing", PACKINGS)
def test_a_flipped_byte_is_noticed_by_the_checksum_of_the_format(tmp_path: Path, packing: str) -> None:
    packed = bytearray(PACKINGS[packing](LINES))
    packed[len(packed) * 2 // 3] ^= 0x10
    path = tmp_path / "RC"
    path.write_bytes(packed)
    with pytest.raises(SourceError, match="damaged"):
        rows(path, Options())


def test_a_parquet_page_that_is_not_as_its_checksum_says_is_damaged(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / "a.parquet"
    table = pa.table({"text": [f"some words {n * 7919 % 10007}" for n in range(2000)]})
    pq.write_table(table, path, compression="none", use_dictionary=False, write_page_checksum=True)
    content = path.read_bytes()
    path.write_bytes(content.replace(b"some words 7919", b"some wards 7919", 1))
    with pytest.raises(SourceError, match=r"a\.parquet is not a readable Parquet file.*CRC"):
        rows(path, Options())


def test_a_table_that_is_used_though_it_is_damaged_has_no_half_row(tmp_path: Path) -> None:
    packed = gzip.compress(b"text\n" + b"".join(f"row {n * 7919 % 10007}\n".encode() for n in range(60_000)))
    path = tmp_path / "a.csv.gz"
    path.write_bytes(packed[: len(packed) // 2])
    frames = list(read(path, options=Options(use_damaged=True)))
    assert frames[-1]["broken"][-1]
    assert not any(frame["raw"].str.contains("\0").any() for frame in frames[:-1])


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.csv", b"text,n\n"), ("RC.zst", zstandard.compress(b"")), ("a.csv.gz", gzip.compress(b"", mtime=0))],
)
def test_a_source_without_rows_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SourceError, match=r"has no rows|expected the first row"):
        rows(tmp_path / name, Options())


def test_a_parquet_without_rows_is_refused(tmp_path: Path) -> None:
    import polars as pl

    pl.DataFrame({"text": []}, schema={"text": pl.String}).write_parquet(tmp_path / "a.parquet")
    with pytest.raises(SourceError, match="has no rows"):
        rows(tmp_path / "a.parquet", Options())
