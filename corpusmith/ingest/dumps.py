"""Read Pushshift dumps: a JSON object a line, comments (RC) and submissions (RS), whatever keys a row has."""

import codecs
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import orjson
import polars as pl

from corpusmith.errors import SourceError
from corpusmith.ingest.options import Notes, Options
from corpusmith.ingest.records import FIELDS, records
from corpusmith.ingest.streams import blocks

BROKEN_CHARACTERS: Final = 1000
POST: Final = ("title", "selftext")
LOOKS_LIKE_JSON: Final = r"^(?:-?\d[\d.eE+-]*$|true$|false$|\{[\"}]|\[(?:[\[\]{\"]|-?\d|true|false|null))"
"""What a number, a truth value, an object or a list becomes when it is read as text; so may a text look."""


def read_dump(path: Path, skip: int, options: Options, notes: Notes) -> Iterator[pl.DataFrame]:
    """Frames of records.SCHEMA, one row for each line after the first ``skip``, which are decompressed but not parsed.

    A line that is not a JSON object in UTF-8 with a text (``text_column``, else body, title or text, a string) is
    broken; its raw is how it starts. Raises SourceError when that is so for every line of the first block, and for a
    damaged file unless it is to be used.
    """
    notes["text"] = options.text_column or "body, or title and selftext"
    line = 1
    for block in blocks(path, options, notes):
        if line == 1:
            block = block.removeprefix(codecs.BOM_UTF8)
        count = block.count(b"\n")
        passed = min(max(skip + 1 - line, 0), count)
        line += passed
        if passed == count:
            continue
        rest = _after(block, passed)
        frame = _parsed(rest, path.name, line, options.text_column)
        if line == 1 and frame["broken"].all():
            raise SourceError(
                f"{path}: expected a JSON object with a body or title on each line (a Pushshift dump) or a table with "
                f"the suffix .csv or .tsv; it starts with {frame['raw'][0][:60]!r}"
            )
        line += frame.height
        yield frame


def _after(block: bytes, lines: int) -> bytes:
    place = 0
    for _ in range(lines):
        place = block.index(b"\n", place) + 1
    return block[place:]


def _parsed(block: bytes, source: str, first_line: int, text_column: str | None) -> pl.DataFrame:
    names = dict.fromkeys((*FIELDS, text_column or "text"))
    schema = pl.Schema(dict.fromkeys(names, pl.String))
    found = _objects(block, schema)
    found = _texts_alone(found, block, (text_column,) if text_column else ("body", "text"))
    body = pl.col(text_column) if text_column else pl.coalesce("body", "text")
    frame = records(found.with_columns(body=body), source, first_line)
    broken = frame["broken"].arg_true()
    if not len(broken):
        return frame
    lines = block.split(b"\n")
    starts = [lines[i][:BROKEN_CHARACTERS].decode("utf-8", "backslashreplace") for i in broken.to_list()]
    return frame.with_columns(raw=frame["raw"].scatter(broken, starts))


def _texts_alone(found: pl.DataFrame, block: bytes, names: tuple[str, ...]) -> pl.DataFrame:
    """The same rows, without the texts of one whose text is a number, a truth value, an object or a list."""
    texts = (*names, *POST)
    suspects = found.select(pl.any_horizontal(pl.col(texts).str.contains(LOOKS_LIKE_JSON))).to_series().arg_true()
    if not len(suspects):
        return found
    lines = block.split(b"\n")
    wrong = [place for place in suspects.to_list() if not _holds_texts(lines[place], texts)]
    is_wrong = pl.int_range(pl.len()).is_in(wrong)
    return found.with_columns(pl.when(~is_wrong).then(pl.col(texts)).name.keep())


def _holds_texts(line: bytes, texts: tuple[str, ...]) -> bool:
    try:
        row = orjson.loads(line)
    except (json.JSONDecodeError, RecursionError):
        return False
    return all(isinstance(row.get(name), str | None) for name in texts)


def _objects(block: bytes, schema: pl.Schema) -> pl.DataFrame:
    """One row for each line of the block; a line that is not one JSON object gives a row of nulls."""
    if (frame := _all_objects(block, schema, block.count(b"\n"))) is not None:
        return frame
    lines = block.split(b"\n")[:-1]
    mended = [line if _is_object(line) or _all_objects(line, schema, 1) is not None else b"{}" for line in lines]
    frame = _all_objects(b"\n".join(mended), schema, len(lines))
    if frame is None:  # the two parsers disagree on a line
        mended = [line if _all_objects(line, schema, 1) is not None else b"{}" for line in mended]
        frame = pl.read_ndjson(io.BytesIO(b"\n".join(mended)), schema=schema)
    return frame


def _all_objects(block: bytes, schema: pl.Schema, rows: int) -> pl.DataFrame | None:
    if not block.startswith(b"{"):
        block = b" " + block  # polars would decompress what starts like a compressed file, without any bound
    try:
        frame = pl.read_ndjson(io.BytesIO(block), schema=schema)
    except pl.exceptions.ComputeError:
        return None
    return frame if frame.height == rows else None


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(orjson.loads(line), dict)
    except (json.JSONDecodeError, RecursionError):
        return False
