"""Read tables with a column of text: CSV and TSV, Parquet, and Hugging Face datasets."""

import csv
import io
import itertools
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import polars as pl
import polars.selectors as cs

from corpusmith.errors import SourceError
from corpusmith.ingest.columns import delimited_columns, is_header, typed_columns
from corpusmith.ingest.encodings import decoded
from corpusmith.ingest.options import Notes, Options
from corpusmith.ingest.records import FIELDS, records
from corpusmith.ingest.streams import BROKEN_END, blocks

if TYPE_CHECKING:
    import pyarrow as pa

ROWS_AT_ONCE: Final = 20_000
SNIFFED_ROWS: Final = 100
MAX_GROUP_BYTES: Final = 4 << 30
"""Of the columns that are read, decompressed, in one row group of a Parquet file."""


def read_delimited(path: Path, skip: int, options: Options, notes: Notes) -> Iterator[pl.DataFrame]:
    """Frames of records.SCHEMA, one row for each row of a CSV or TSV, which may be compressed and hold quoted newlines.

    The first row is a header if it names a text column, or as headers.has_header finds, unless ``options`` say. Without
    a column that is known by its name, the text is the one of the most words. A row of another width than the first is
    broken. Raises SourceError for a file that is not UTF-8 and whose encoding is not said.
    """
    rows = _rows(path, options, notes)
    head = list(itertools.islice(rows, SNIFFED_ROWS))
    if not head or not head[0]:
        raise SourceError(f"{path}: expected the first row or the header of a table, found a blank or broken line")
    header = is_header(head, options)
    width = len(head[0])
    names = head.pop(0) if header else [str(place) for place in range(width)]
    columns = delimited_columns(names, head, options.text_column, str(path), notes)
    notes["text"] += "; row 1 names the columns" if header else "; no row names the columns"
    rest = itertools.islice(itertools.chain(head, rows), skip, None)
    line = skip + 1
    while batch := list(itertools.islice(rest, ROWS_AT_ONCE)):
        whole = [row if _is_whole(row, width) else [None] * width for row in batch]
        values = dict(zip(names, zip(*whole, strict=True), strict=True))
        frame = pl.DataFrame(
            {field: values[name] for field, name in columns.items()}, schema=dict.fromkeys(columns, pl.String)
        )
        made = _records(frame, path.name, line)
        if made["broken"].any():
            starts = [None if _is_whole(row, width) else "\t".join(row)[:1000] for row in batch]
            made = made.with_columns(raw=pl.coalesce("raw", pl.Series(starts, dtype=pl.String)))
        line += made.height
        yield made


def read_parquet(path: Path, skip: int, options: Options, notes: Notes) -> Iterator[pl.DataFrame]:
    """Frames of records.SCHEMA, one row for each row of a Parquet file, whose pages are as their checksums say.

    Raises SourceError for a column of another type than it should have.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path, page_checksum_verification=True)
        columns = typed_columns(file.schema_arrow, options.text_column, str(path), notes)
        _check_size(file, set(columns.values()), path)
        batches = file.iter_batches(ROWS_AT_ONCE, columns=list(dict.fromkeys(columns.values())))
        yield from _from_arrow(batches, columns, path.name, skip)
    except (pa.ArrowException, OSError) as error:
        raise SourceError(f"{path} is not a readable Parquet file: {error}") from error


def read_dataset(name: str, skip: int, options: Options, notes: Notes) -> Iterator[pl.DataFrame]:
    """Frames of records.SCHEMA, one row for each row of a Hugging Face dataset: ``id@commit``, or a folder of
    save_to_disk.

    Of a dataset with splits it is the train split, or the first; it is streamed, not downloaded as a whole. Raises
    SourceError for a column of another type than it should have.
    """
    import datasets

    try:
        if is_saved_dataset(Path(name)):
            found: Any = datasets.load_from_disk(name)
        else:
            name, _, commit = name.partition("@")
            found = datasets.load_dataset(name, revision=commit, streaming=True)
    except Exception as error:  # datasets raises what its back-ends raise
        raise SourceError(f"cannot open the dataset {name!r}: {type(error).__name__}: {error}") from error
    if isinstance(found, dict):
        found = found.get("train", next(iter(found.values())))
    batches = found.with_format("arrow").iter(batch_size=ROWS_AT_ONCE)
    first = next(batches, None)
    if first is None:
        raise SourceError(f"the dataset {name!r} has no rows")
    columns = typed_columns(first.schema, options.text_column, name, notes)
    yield from _from_arrow(itertools.chain([first], batches), columns, Path(name).name, skip)


def is_saved_dataset(folder: Path) -> bool:
    """Whether a folder is what ``Dataset.save_to_disk`` writes."""
    return (folder / "state.json").is_file() or (folder / "dataset_dict.json").is_file()


def _from_arrow(
    batches: "Iterable[pa.RecordBatch | pa.Table]", columns: dict[str, str], source: str, skip: int
) -> Iterator[pl.DataFrame]:
    line = 1
    for batch in batches:
        passed = min(max(skip + 1 - line, 0), batch.num_rows)
        line += passed
        if passed == batch.num_rows:
            continue
        chosen = batch.slice(passed).select(list(dict.fromkeys(columns.values())))
        _check_text(chosen, source, line)
        table: Any = pl.from_arrow(chosen)
        frame = table.select(**{field: pl.col(name) for field, name in columns.items()})
        yield _records(frame.with_columns(cs.temporal().dt.epoch("s")).cast(pl.String), source, line)
        line += frame.height


def _check_text(batch: "pa.RecordBatch | pa.Table", source: str, first_row: int) -> None:
    import pyarrow as pa

    try:
        batch.validate(full=True)
    except pa.ArrowInvalid as error:
        rows = f"rows {first_row} to {first_row + batch.num_rows - 1}"
        raise SourceError(f"{source}: {rows} hold text that is not UTF-8 ({error}); write the file anew") from error


def _records(found: pl.DataFrame, source: str, first_line: int) -> pl.DataFrame:
    missing = [pl.lit(None, pl.String).alias(name) for name in FIELDS if name not in found.columns]
    return records(found.with_columns(missing), source, first_line)


def _is_whole(row: Sequence[str], width: int) -> bool:
    """Whether a row has all its cells, and is not what was left of a damaged file."""
    return len(row) == width and not row[-1].endswith("\0")


def _rows(path: Path, options: Options, notes: Notes) -> Iterator[list[str]]:
    """The rows of a delimited file; one that cannot be read is an empty list."""
    lines = _lines(path, options, notes)
    first = next(lines, "")
    delimiter = _delimiter(path, first)
    reader = csv.reader(itertools.chain([first], lines), delimiter=delimiter)
    while True:
        try:
            yield next(reader)
        except StopIteration:
            return
        except csv.Error:  # a field beyond csv.field_size_limit(), so an open quote does not take in the whole file
            yield []


def _lines(path: Path, options: Options, notes: Notes) -> Iterator[str]:
    line = 1
    for block in blocks(path, options, notes):
        if line == 1 and b"\0" in block[:4096].removesuffix(BROKEN_END):
            raise SourceError(f"{path}: expected a table of text (CSV, TSV), found binary data")
        text = decoded(block, line, path)
        yield from io.StringIO(text.removeprefix("\ufeff") if line == 1 else text, newline="")
        line += block.count(b"\n")


def _delimiter(path: Path, first: str) -> str:
    if ".tsv" in path.suffixes:
        return "\t"
    return max(",\t;|", key=first.count)


def _check_size(file: Any, columns: set[str], path: Path) -> None:
    for number in range(file.metadata.num_row_groups):
        group = file.metadata.row_group(number)
        chunks = [group.column(place) for place in range(group.num_columns)]
        size = sum(chunk.total_uncompressed_size for chunk in chunks if chunk.path_in_schema in columns)
        if size > MAX_GROUP_BYTES:
            raise SourceError(f"{path}: row group {number} holds {size} bytes of text, more than {MAX_GROUP_BYTES}")
