"""What is read of Pushshift dumps, whole and damaged."""

import bz2
import contextlib
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from corpusmith.errors import SourceError
from corpusmith.ingest import Options, dumps, read, streams
from corpusmith.ingest.records import SCHEMA


def comment(number: int, **more: Any) -> dict[str, Any]:
    row = {
        "id": f"c{number}",
        "link_id": "t3_9",
        "author": "someone",
        "subreddit": "pics",
        "created_utc": 1_200_000_000 + number,
    }
    return row | {"body": f"comment number {number}"} | more


def lines(*rows: Any) -> bytes:
    return b"".join((row if isinstance(row, bytes) else orjson.dumps(row)) + b"\n" for row in rows)


def everything(source: Path, **options: Any) -> pl.DataFrame:
    frame = pl.concat([pl.DataFrame(schema=SCHEMA), *read(source, options=Options(**options))])
    assert frame.schema == SCHEMA
    return frame


def dump(path: Path, *rows: Any) -> Path:
    path.write_bytes(lines(*rows))
    return path


def long_window(content: bytes) -> bytes:
    parameters = zstandard.ZstdCompressionParameters.from_level(3, window_log=31)
    compressor = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    return compressor.compress(content) + compressor.flush()


PACKINGS: dict[str, Callable[[bytes], bytes]] = {
    "zst": long_window,
    "bz2": bz2.compress,
    "gz": gzip.compress,
    "ndjson": bytes,
}


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("suffix", ["", ".wrong", ".json"])
def test_packing_is_told_by_the_first_bytes_not_by_the_name(tmp_path: Path, packing: str, suffix: str) -> None:
    path = tmp_path / f"RC_2006-01{suffix}"
    path.write_bytes(PACKINGS[packing](lines(comment(1), comment(2))))
    assert everything(path)["raw"].to_list() == ["comment number 1", "comment number 2"]


@pytest.mark.parametrize("packing", ["zst", "bz2", "gz"])
def test_files_put_one_after_the_other_are_read_as_one(tmp_path: Path, packing: str) -> None:
    path = tmp_path / "dump"
    path.write_bytes(PACKINGS[packing](lines(comment(1))) + PACKINGS[packing](lines(comment(2))))
    assert everything(path)["id"].to_list() == ["c1", "c2"]


def test_comments_and_posts_with_other_keys_and_types_take_one_form(tmp_path: Path) -> None:
    path = dump(
        tmp_path / "mixed.ndjson",
        comment(1, created_utc="1138751932", over_18=True, all_awardings=[{"x": {}}]),
        {"title": "A post", "selftext": "with text", "id": "5y", "created_utc": 1.5e9, "over_18": "false"},
        {"title": "A link", "selftext": "", "id": "5z", "name": "t3_5z", "distinguished": "moderator"},
        comment(4, created_utc=None, author=None),
        comment(5, created_utc="soon", id=7),
    )
    frame = everything(path)
    assert frame["raw"].to_list()[1:3] == ["A post\n\nwith text", "A link"]
    assert frame["created_utc"].to_list() == [1138751932, 1500000000, None, None, None]
    assert frame["nsfw"].to_list() == [True, False, False, False, False]
    assert frame["thread"].to_list() == ["t3_9", "t3_5y", "t3_5z", "t3_9", "t3_9"]
    assert frame["distinguished"].to_list() == [None, None, "moderator", None, None]
    assert frame["id"].to_list() == ["c1", "5y", "5z", "c4", "7"]
    assert not frame["broken"].any()


BROKEN = [
    b"",
    b"not json",
    b'{"body": "cut sh',
    b"null",
    b"[1, 2]",
    b'"text"',
    b'{"id": "no text"}',
    b'{"body": null}',
    b'{"body": "one"} {"body": "two"}',
    b'{"body": "control \x01"}',
    b'{"body": "nul"}\0',
    b"[" * 100_000,
    b'{"body": "x", "deep": ' + b"[" * 5000 + b"]" * 5000 + b"}",
]


@pytest.mark.parametrize("line", BROKEN, ids=range(len(BROKEN)))
def test_a_broken_line_is_a_row_that_keeps_its_place(tmp_path: Path, line: bytes) -> None:
    frame = everything(dump(tmp_path / "d", comment(1), line, comment(3)))
    assert frame["broken"].to_list() == [False, True, False]
    assert frame["line"].to_list() == [1, 2, 3]
    assert frame["raw"][1] == line[: dumps.BROKEN_CHARACTERS].decode()
    assert frame["raw"][2] == "comment number 3"


def test_a_line_that_is_not_utf8_is_broken_and_nothing_is_put_in_its_place(tmp_path: Path) -> None:
    frame = everything(dump(tmp_path / "d", comment(1), b'{"body": "caf\xe9 au lait"}', comment(3)))
    assert frame["broken"].to_list() == [False, True, False]
    assert not frame["raw"].str.contains("\ufffd").any()


def test_a_line_that_looks_compressed_is_not_decompressed() -> None:
    for magic in (
        zstandard.ZstdCompressor().compress(orjson.dumps(comment(2))),
        gzip.compress(b"{}", mtime=0),
        b"\x28\xb5\x2f\xfd",
    ):
        block = magic.replace(b"\n", b"") + b"\n" + lines(comment(1))
        assert dumps._parsed(block, "d", 1, None)["broken"].to_list() == [True, False]


def test_a_byte_order_mark_does_not_break_the_first_line(tmp_path: Path) -> None:
    path = tmp_path / "d"
    path.write_bytes(b"\xef\xbb\xbf" + lines(comment(1), comment(2)))
    assert everything(path)["id"].to_list() == ["c1", "c2"]


@given(st.lists(st.one_of(st.binary(max_size=40), st.sampled_from(BROKEN[:9]), st.just(orjson.dumps(comment(1))))))
def test_whatever_a_block_holds_every_line_is_one_row(found: list[bytes]) -> None:
    rows = [row.replace(b"\n", b" ") for row in found]
    frame = dumps._parsed(lines(comment(0), *rows), "d", 1, None)
    assert frame["line"].to_list() == list(range(1, len(rows) + 2))
    assert frame["raw"].null_count() == 0
    for row, broken in zip(rows, frame["broken"][1:], strict=True):
        alone = dumps._parsed(lines(row), "d", 1, None)
        assert alone["broken"][0] == broken, "a line is judged alike alone and beside others"


@given(
    st.lists(st.integers(0, 300), min_size=1, max_size=60), st.integers(1, 70), st.integers(0, 70), st.integers(1, 500)
)
def test_skipping_rows_gives_the_rest_whatever_the_batches_and_blocks(
    sizes: list[int], batch_rows: int, skip: int, block_bytes: int
) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(dumps, "blocks", lambda *given: streams.blocks(*given, block_bytes))
        path = dump(Path(folder) / "d", *(comment(n, body="x" * size) for n, size in enumerate(sizes)))
        rest = list(read(path, batch_rows, skip=skip))
        assert all(frame.height == batch_rows for frame in rest[:-1])
        assert all(frame.height <= batch_rows for frame in rest)
        assert [line for frame in rest for line in frame["line"]] == list(range(skip + 1, len(sizes) + 1))
        assert [text for frame in rest for text in frame["raw"]] == ["x" * size for size in sizes[skip:]]


def test_many_short_lines_in_one_block_are_cut_into_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "BLOCK_LINES", 7)
    path = dump(tmp_path / "d", *(comment(n) for n in range(30)))
    assert [block.count(b"\n") for block in streams.blocks(path)] == [7, 7, 7, 7, 2]
    assert everything(path).height == 30


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("length", [streams.MAX_LINE_BYTES + 1, 5 * streams.MAX_LINE_BYTES, 20 << 20])
def test_an_over_long_line_is_broken_and_never_held_whole(tmp_path: Path, packing: str, length: int) -> None:
    path = tmp_path / "d"
    path.write_bytes(PACKINGS[packing](lines(comment(1), comment(2, body="y" * length), comment(3))))
    assert max(len(block) for block in streams.blocks(path)) < 3 * streams.MAX_LINE_BYTES
    frame = everything(path)
    assert frame["broken"].to_list() == [False, True, False]
    assert frame["id"].to_list() == ["c1", None, "c3"]
    assert len(frame["raw"][1]) == dumps.BROKEN_CHARACTERS


@pytest.mark.parametrize("packing", ["zst", "bz2", "gz"])
def test_a_truncated_file_that_is_to_be_used_gives_what_it_has_and_one_broken_row(
    tmp_path: Path, packing: str, caplog: pytest.LogCaptureFixture
) -> None:
    content = lines(*(comment(n, body=json.dumps(list(range(n % 97)))) for n in range(20_000)))
    packed = PACKINGS[packing](content)
    path = tmp_path / "d"
    path.write_bytes(packed[: len(packed) * 3 // 4])
    frame = everything(path, use_damaged=True)
    assert 100 < frame.height < 20_000
    assert frame["broken"].sum() == 1
    assert frame["broken"][-1]
    assert "damaged" in caplog.text


@pytest.mark.parametrize("packing", ["zst", "bz2", "gz"])
def test_a_file_with_a_flipped_byte_is_an_error_or_broken_rows_never_a_crash(tmp_path: Path, packing: str) -> None:
    packed = bytearray(PACKINGS[packing](lines(*(comment(n) for n in range(500)))))
    path = tmp_path / "d"
    for place in range(8, len(packed), max(1, len(packed) // 40)):
        damaged = bytearray(packed)
        damaged[place] ^= 0x5A
        path.write_bytes(damaged)
        with contextlib.suppress(SourceError):
            assert everything(path, use_damaged=True)["line"].is_sorted()


@pytest.mark.parametrize("packing", ["zst", "bz2", "gz"])
def test_a_file_cut_before_its_first_block_is_an_error_that_names_it(tmp_path: Path, packing: str) -> None:
    path = tmp_path / "RC.x"
    path.write_bytes(PACKINGS[packing](lines(comment(1)))[:12])
    with pytest.raises(SourceError, match=rf"RC\.x is not a readable \.{packing} file"):
        everything(path)


@pytest.mark.parametrize("packing", ["zst", "bz2"])
def test_a_decompression_bomb_is_refused(tmp_path: Path, packing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "FREE_BYTES", 1 << 20)
    path = tmp_path / "bomb"
    path.write_bytes(PACKINGS[packing](lines(comment(1)) + b"\n" * (1 << 24)))
    with pytest.raises(SourceError, match="decompression bomb"):
        everything(path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "expected a JSON object"),
        (b'{\n  "body": "a"\n}\n', "expected a JSON object"),
        (b"ARROW1\0\0", "saved dataset"),
        (b"PAR1 but no parquet", "not a readable Parquet file"),
    ],
)
def test_a_file_that_is_no_dump_is_an_error_that_names_it(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "thing.ndjson"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=said) as raised:
        everything(path)
    assert "thing.ndjson" in str(raised.value)


def test_a_text_column_of_ones_own_is_read(tmp_path: Path) -> None:
    path = dump(tmp_path / "d.jsonl", {"says": "hello you", "text": "no"}, {"text": "no"})
    frame = everything(path, text_column="says")
    assert frame["raw"][0] == "hello you"
    assert frame["broken"].to_list() == [False, True]
    assert everything(path)["raw"].to_list() == ["no", "no"]


@pytest.mark.parametrize(
    ("name", "rows"), [("RC_2005-12.zst", 1075), ("RC_2006-01.zst", 3666), ("RS_2006-01.bz2", 145)]
)
def test_real_dumps_are_read_to_the_last_row(shared_data: Path, name: str, rows: int) -> None:
    frame = everything(shared_data / "pushshift_dumps" / name)
    assert frame["line"].to_list() == list(range(1, rows + 1))
    assert not frame["broken"].any()
    for column in ("id", "thread", "author", "subreddit", "created_utc", "raw"):
        assert frame[column].null_count() == 0, column
    assert frame["created_utc"].is_between(1134000000, 1139000000).all()
