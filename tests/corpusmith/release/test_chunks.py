"""The bytes of columns: where they lie, what they hash to, and files that hold some of them alone."""

import io
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpusmith.errors import ReleaseError
from corpusmith.release import chunks

VALUES = {
    "plain": (st.integers(-5, 5), pa.int64()),
    "word": (st.none() | st.text(max_size=9), pa.string()),
    "image": (st.none() | st.fixed_dictionaries({"bytes": st.binary(max_size=99), "path": st.none()}), None),
    "turns": (st.lists(st.fixed_dictionaries({"n": st.integers(0, 9), "said": st.text(max_size=3)}), max_size=3), None),
}
TYPES = {
    "image": pa.struct([("bytes", pa.binary()), ("path", pa.string())]),
    "turns": pa.list_(pa.struct([("n", pa.int64()), ("said", pa.string())])),
}
SCHEMA = pa.schema([(name, kind or TYPES[name]) for name, (_, kind) in VALUES.items()])
ROWS = st.lists(st.fixed_dictionaries({name: values for name, (values, _) in VALUES.items()}), max_size=30)


class Counted:
    """A file from which bytes are read, and how many were."""

    def __init__(self, path: Path) -> None:
        self.data, self.count = path.read_bytes(), 0

    def __call__(self, start: int, stop: int) -> bytes:
        self.count += stop - start
        return self.data[start:stop]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Three row groups."""
    rows = pl.DataFrame(
        {"a": range(3000), "b": [f"row {n}" for n in range(3000)], "c": [{"x": n} for n in range(3000)]}
    )
    rows.write_parquet(tmp_path / "whole.parquet", row_group_size=1000)
    return tmp_path / "whole.parquet"


@settings(max_examples=20)
@given(rows=ROWS, columns=st.lists(st.sampled_from(list(VALUES)), min_size=1, unique=True), group=st.integers(1, 40))
def test_some_columns_are_what_they_are_in_the_whole(rows, columns: list[str], group: int, tmp_path_factory) -> None:
    folder = tmp_path_factory.mktemp("chunks")
    table = pa.Table.from_pylist(rows, SCHEMA)
    pq.write_table(table, folder / "whole", row_group_size=group)
    read = Counted(folder / "whole")
    chunks.fetch(read, len(read.data), columns, chunks.digests(folder / "whole"), folder / "holes")
    count = chunks.project(folder / "holes", columns, folder / "part")
    assert count == len(rows)
    assert pq.read_table(folder / "part").equals(table.select(columns))


def test_the_digests_cover_footer_and_every_column(path: Path) -> None:
    before, data = chunks.digests(path), path.read_bytes()
    assert list(before) == ["", "a", "b", "c"]
    for column, held in chunks.spans(pq.read_metadata(path)).items():
        assert len(held) == 3
        changed = bytearray(data)
        changed[held[1].stop - 1] ^= 1
        path.write_bytes(changed)
        assert [name for name, digest in chunks.digests(path).items() if digest != before[name]] == [column]


def test_only_the_bytes_of_the_columns_are_read(path: Path, tmp_path: Path) -> None:
    read = Counted(path)
    chunks.fetch(read, len(read.data), ["a"], chunks.digests(path), tmp_path / "part")
    held = chunks.spans(pq.read_metadata(path))["a"]
    footer = chunks.footer_of(read, len(read.data))
    footer_bytes = footer.stop - footer.start
    assert read.count == sum(span.stop - span.start for span in held) + footer_bytes + 2 * chunks.TAIL


def test_a_column_that_is_not_there_is_told_with_those_that_are(path: Path, tmp_path: Path) -> None:
    read = Counted(path)
    with pytest.raises(ReleaseError, match="it has no column d: it has a, b, c"):
        chunks.fetch(read, len(read.data), ["d"], chunks.digests(path), tmp_path / "part")


@pytest.mark.parametrize(
    "data", [b"", b"PAR1", b"x" * 99, b"\xff\xff\xff\xffPAR1", b"\0\0\0\0PAR1", b"\xff\xff\xff\x7fPAR1"]
)
def test_what_is_no_parquet_is_told(data: bytes, tmp_path: Path) -> None:
    read = io.BytesIO(data).getvalue()
    with pytest.raises(ReleaseError, match="ends with no Parquet footer"):
        chunks.fetch(lambda start, stop: read[start:stop], len(read), ["a"], {}, tmp_path / "part")
