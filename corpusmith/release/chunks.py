"""Where the bytes of each column of a Parquet file lie, so that some columns can be fetched alone, and proved."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Final, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from corpusmith.errors import ReleaseError
from corpusmith.release.plain import shown

TAIL: Final = 8
"""Bytes at the end of a Parquet file: the length of its footer, and PAR1 (Apache Parquet, File Format)."""
LONGEST_FOOTER: Final = 64 << 20
BLOCK: Final = 8 << 20
HUGGINGFACE: Final = b"huggingface"
"""The entry of a file's metadata in which `datasets` says what the columns hold."""

Read = Callable[[int, int], bytes]
"""The bytes of a file from the first number to before the second."""


class Span(NamedTuple):
    """The bytes from ``start`` to before ``stop``."""

    start: int
    stop: int


def spans(footer: pq.FileMetaData) -> dict[str, list[Span]]:
    """Where the chunks of each top-level column lie, in the order of the row groups and of the columns within."""
    found: dict[str, list[Span]] = {}
    for group in range(footer.num_row_groups):
        for number in range(footer.num_columns):
            chunk = footer.row_group(group).column(number)
            offsets = [offset for offset in (chunk.data_page_offset, chunk.dictionary_page_offset) if offset]
            held = found.setdefault(chunk.path_in_schema.partition(".")[0], [])
            if offsets:  # a row group without rows has no page
                held.append(Span(min(offsets), min(offsets) + chunk.total_compressed_size))
    return found


def digests(path: Path) -> dict[str, str]:
    """SHA-256 of the bytes of each column's chunks, and of the footer under the empty name."""
    with path.open("rb") as file:

        def read(start: int, stop: int) -> bytes:
            file.seek(start)
            return file.read(stop - start)

        footer = footer_of(read, path.stat().st_size)
        columns = spans(pq.read_metadata(path)).items()
        return {"": sha256(read, [footer]), **{name: sha256(read, held) for name, held in columns}}


def sha256(read: Read, held: Collection[Span]) -> str:
    """SHA-256 over the bytes of some spans, one after the other."""
    found = hashlib.sha256()
    for block in _blocks(held):
        found.update(read(*block))
    return found.hexdigest()


def footer_of(read: Read, size: int) -> Span:
    """Where the footer of a Parquet file lies, with its length and the mark at the end.

    Raises ReleaseError where the file has none.
    """
    tail = read(max(0, size - TAIL), size)
    length = int.from_bytes(tail[:4], "little")
    if tail[4:] != b"PAR1" or not 0 < length <= min(size - TAIL, LONGEST_FOOTER):
        raise ReleaseError("it ends with no Parquet footer")
    return Span(size - TAIL - length, size)


def fetch(read: Read, size: int, columns: Collection[str], said: dict[str, str], to: Path) -> None:
    """Write the footer and the chunks of some columns where they lie, in a file with holes in all other places.

    said: what `digests` gave for the whole file. Readers that ask for these columns alone see no hole. Raises
    ReleaseError for bytes that are not those, or a column that is not there.
    """
    with to.open("wb") as file:
        file.truncate(size)

        def copy(held: Collection[Span], name: str) -> None:
            found = hashlib.sha256()
            for block in _blocks(held):
                data = read(*block)
                found.update(data)
                file.seek(block.start)
                file.write(data)
            if found.hexdigest() != said.get(name):
                what = f"the column {name}" if name else "the footer"
                raise ReleaseError(f"{what} is not as it was released: sha256 {found.hexdigest()}")

        copy([footer_of(read, size)], "")
        file.flush()
        there = spans(pq.read_metadata(to))
        for name in columns:
            if name not in there:
                raise ReleaseError(f"it has no column {shown(name)}: it has {', '.join(map(shown, there))}")
            copy(there[name], name)


def project(whole: Path, columns: list[str], to: Path) -> int:
    """Write some columns of a Parquet file as one of their own, a row group at a time; its rows."""
    with pq.ParquetFile(whole, pre_buffer=False) as file:
        schema = pa.schema([file.schema_arrow.field(name) for name in columns], _features(file.schema_arrow, columns))
        with pq.ParquetWriter(to, schema, compression="zstd") as out:
            for group in range(file.num_row_groups):
                out.write_table(file.read_row_group(group, columns=columns).select(columns).cast(schema))
        return int(file.metadata.num_rows)


def _features(schema: pa.Schema, columns: list[str]) -> dict[bytes, bytes] | None:
    """What `datasets` wrote into a file about some of its columns: that one holds images, say."""
    said = (schema.metadata or {}).get(HUGGINGFACE)
    if not said:
        return None
    features = json.loads(said)["info"]["features"]
    return {HUGGINGFACE: json.dumps({"info": {"features": {name: features[name] for name in columns}}}).encode()}


def _blocks(held: Collection[Span]) -> Iterator[Span]:
    for span in held:
        for start in range(span.start, span.stop, BLOCK):
            yield Span(start, min(start + BLOCK, span.stop))
