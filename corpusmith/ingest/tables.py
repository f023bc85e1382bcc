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
from corpusmith.ingest.records import FIELDS, records
from corpusmith.ingest.streams import blocks

if TYPE_CHECKING:
    import pyarrow as pa

TEXT_NAMES: Final = ("body", "text", "comment", "comment_text", "content", "sentence", "message", "post", "review")
"""Names that a column of text goes by, best first; else a title, with selftext beside it, as in a post."""
POST_NAMES: Final = ("title", "selftext")
ROWS_AT_ONCE: Final = 20_000
SNIFFED_ROWS: Final = 100
MAX_GROUP_BYTES: Final = 4 << 30
"""Of the columns that are read, decompressed, in one row group of a Parquet file."""


def read_delimited(path: Path, skip: int = 0, text_column: str | None = None) -> Iterator[pl.DataFrame]:
    """Frames of records.SCHEMA, one row for each row of a CSV or TSV, which may be compressed and hold quoted newlines.

    The header is the first row if it names a text column; without one, the text is the column of the longest values, or
    the one whose number, from 0, ``text_column`` is. A row of another width than the first is broken.
    """
    rows = _rows(path)
    head = list(itertools.islice(rows, SNIFFED_ROWS))
    if not head[0]:
        raise SourceError(f"{path}: expected the first row or the header of a table, found a blank or broken line")
    named = _named(head[0])
    header = text_column in head[0] or any(name in named for name in (*TEXT_NAMES, *POST_NAMES))
    width = len(head[0])
    names = head.pop(0) if header else [str(place) for place in range(width)]
    if not header and text_column is None:
        text_column = _longest(head, width)
    columns = _columns(names, text_column, str(path))
    rest = itertools.islice(itertools.chain(head, rows), skip, None)
    line = skip + 1
    while batch := list(itertools.islice(rest, ROWS_AT_ONCE)):
        whole = [row if len(row) == width else [None] * width for row in batch]
        values = dict(zip(names, zip(*whole, strict=True), strict=True))
        frame = pl.DataFrame(
            {field: values[name] for field, name in columns.items()}, schema=dict.fromkeys(columns, pl.String)
        )
        made = _records(frame, path.name, line)
        if made["broken"].any():
            starts = [None if len(row) == width else "\t".join(row)[:1000] for row in batch]
            made = made.with_columns(raw=pl.coalesce("raw", pl.Series(starts, dtype=pl.String)))
        line += made.height
        yield made


def read_parquet(path: Path, skip: int = 0, text_column: str | None = None) -> Iterator[pl.DataFrame]:
    """Frames of records.SCHEMA, one row for each row of a Parquet file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
        columns = _columns(file.schema_arrow.names, text_column, str(path))
        _check_size(file, set(columns.values()), path)
        batches = file.iter_batches(ROWS_AT_ONCE, columns=list(dict.fromkeys(columns.values())))
        yield from _from_arrow(batches, columns, path.name, skip)
    except (pa.ArrowException, OSError) as error:
        raise SourceError(f"{path} is not a readable Parquet file: {error}") from error


def read_dataset(name: str, skip: int = 0, text_column: str | None = None) -> Iterator[pl.DataFrame]:
    """Frames of records.SCHEMA, one row for each row of a Hugging Face dataset: an id, or a folder of save_to_disk.

    Of a dataset with splits it is the train split, or the first; it is streamed, not downloaded as a whole.
    """
    import datasets

    try:
        if is_saved_dataset(Path(name)):
            found: Any = datasets.load_from_disk(name)
        else:
            found = datasets.load_dataset(name, streaming=True)
    except Exception as error:  # datasets raises what its back-ends raise
        raise SourceError(f"cannot open the dataset {name!r}: {type(error).__name__}: {error}") from error
    if isinstance(found, dict):
        found = found.get("train", next(iter(found.values())))
    batches = found.with_format("arrow").iter(batch_size=ROWS_AT_ONCE)
    first = next(batches, None)
    if first is None:
        raise SourceError(f"the dataset {name!r} has no rows")
    columns = _columns(first.column_names, text_column, name)
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
        table: Any = pl.from_arrow(batch.slice(passed))
        frame = table.select(**{field: pl.col(name) for field, name in columns.items()})
        yield _records(frame.with_columns(cs.temporal().dt.epoch("s")).cast(pl.String), source, line)
        line += frame.height


def _records(found: pl.DataFrame, source: str, first_line: int) -> pl.DataFrame:
    missing = [pl.lit(None, pl.String).alias(name) for name in FIELDS if name not in found.columns]
    return records(found.with_columns(missing), source, first_line)


def _columns(names: Sequence[str], text_column: str | None, source: str) -> dict[str, str]:
    """Which column of a table gives which of FIELDS."""
    known = _named(names)
    columns: dict[str, str] = {field: known[field] for field in FIELDS if field in known}
    if text_column is not None:
        if text_column not in names:
            raise SourceError(f"{source} has no column {text_column!r}; it has {', '.join(names)}")
        return {"body": text_column} | {f: n for f, n in columns.items() if f not in ("body", *POST_NAMES)}
    text = next((known[name] for name in TEXT_NAMES if name in known), None)
    if text is not None:
        return {"body": text} | {f: n for f, n in columns.items() if f not in ("body", *POST_NAMES)}
    if "title" in columns:
        return columns
    if len(names) == 1:
        return {"body": names[0]}
    raise SourceError(f"{source}: which column holds the text? Set reddit.text_column to one of {', '.join(names)}")


def _named(names: Sequence[str]) -> dict[str, str]:
    return {name.strip().lower(): name for name in reversed(names)}


def _longest(rows: Sequence[Sequence[str]], width: int) -> str:
    whole = [row for row in rows if len(row) == width]
    lengths = [sum(len(row[place]) for row in whole) for place in range(width)]
    return str(lengths.index(max(lengths)))


def _rows(path: Path) -> Iterator[list[str]]:
    """The rows of a delimited file; one that cannot be read is an empty list."""
    lines = _lines(path)
    first = next(lines)
    delimiter = _delimiter(path, first)
    reader = csv.reader(itertools.chain([first], lines), delimiter=delimiter)
    while True:
        try:
            yield next(reader)
        except StopIteration:
            return
        except csv.Error:  # a field beyond csv.field_size_limit(), so an open quote does not take in the whole file
            yield []


def _lines(path: Path) -> Iterator[str]:
    for number, block in enumerate(blocks(path)):
        if number == 0 and b"\0" in block[:4096]:
            raise SourceError(f"{path}: expected a table of text (CSV, TSV), found binary data")
        text = block.decode("utf-8-sig" if number == 0 else "utf-8", "replace")
        yield from io.StringIO(text, newline="")


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
