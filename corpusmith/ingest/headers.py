"""Whether the first row of a table names its columns, and which column holds the text, where no name says so."""

import csv
import io
import re
from collections.abc import Sequence
from typing import Final

from corpusmith.errors import SourceError

NAME: Final = re.compile(r"[^\W\d][\w .:/()-]{0,59}")
"""What a column may be called."""
MAX_WORDS: Final = 4
LIKE: Final = 0.5
"""From which share of the most words another column may be the text as well."""


class _Parsed(csv.Sniffer):
    """Python's sniffer for rows whose separator is known."""

    def sniff(self, sample: str, delimiters: str | None = None) -> type[csv.Dialect]:
        return csv.excel


def has_header(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first of a table's rows names its columns, as csv.Sniffer finds by the types and lengths of the rest.

    It has nothing to go by in a table of texts alone: there the first row is a header if each of its cells is one word
    and those below hold sentences. A cell that cannot be a name settles it: the row is no header.
    """
    first = [cell.strip() for cell in rows[0]]
    if len(set(first)) < len(first) or not all(_may_name(cell) for cell in first):
        return False
    rest = [row for row in rows[1:] if len(row) == len(first)]
    sample = io.StringIO()
    csv.writer(sample).writerows([first, *([" ".join(cell.split()) for cell in row] for row in rest)])
    return _Parsed().has_header(sample.getvalue()) or _sentences_under_words(first, rest)


def wordiest(names: Sequence[str], rows: Sequence[Sequence[str]], source: str) -> str:
    """The column with the most words. Raises SourceError where another has about as many."""
    whole = [row for row in rows if len(row) == len(names)]
    words = [sum(len(row[place].split()) for row in whole) for place in range(len(names))]
    most = max(words)
    like = [name for name, count in zip(names, words, strict=True) if count >= most * LIKE]
    if len(like) > 1:
        raise SourceError(
            f"{source}: which column holds the text? {' and '.join(like)} have about as many words: "
            f"set text_column to one of {', '.join(names)}"
        )
    return like[0]


def _may_name(cell: str) -> bool:
    return bool(NAME.fullmatch(cell)) and len(cell.split()) <= MAX_WORDS


def _sentences_under_words(first: Sequence[str], rest: Sequence[Sequence[str]]) -> bool:
    if any(re.search(r"\s", cell) for cell in first):
        return False
    columns = list(zip(*rest, strict=True))
    return any(2 * sum(" " in cell.strip() for cell in column) > len(column) for column in columns)
