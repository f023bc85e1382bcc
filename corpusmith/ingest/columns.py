"""Which column of a table gives which field of a row, and why."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from corpusmith.errors import SourceError
from corpusmith.ingest.headers import has_header, wordiest
from corpusmith.ingest.options import Notes, Options
from corpusmith.ingest.records import FIELDS

if TYPE_CHECKING:
    import pyarrow as pa

TEXT_NAMES: Final = ("body", "text", "comment", "comment_text", "content", "sentence", "message", "post", "review")
"""Names that a column of text goes by, best first; else a title, with selftext beside it, as in a post."""
POST_NAMES: Final = ("title", "selftext")
TEXTS: Final = ("body", *POST_NAMES)


def typed_columns(schema: "pa.Schema", text_column: str | None, source: str, notes: Notes) -> dict[str, str]:
    """Which column of an Arrow table gives which of FIELDS. Raises SourceError for one of a type that gives none."""
    import pyarrow.types as types

    columns, why = _columns(schema.names, text_column, source)
    notes["text"] = why
    for field, name in columns.items():
        kind = schema.field(name).type
        held = kind.value_type if types.is_dictionary(kind) else kind
        is_text = types.is_string(held) or types.is_large_string(held) or types.is_string_view(held)
        is_plain = types.is_primitive(held) or types.is_decimal(held) or types.is_null(held)
        if is_text or (field not in TEXTS and is_plain and not (types.is_duration(held) or types.is_time(held))):
            continue
        expected = "text (string)" if field in TEXTS else "text, a number or a time"
        raise SourceError(
            f"{source}: column {name!r} is {kind}, expected {expected}; name the column of the text by text_column, "
            "or convert it"
        )
    return columns


def delimited_columns(
    names: list[str], rows: list[list[str]], text_column: str | None, source: str, notes: Notes
) -> dict[str, str]:
    """Which column of a table of text gives which of FIELDS; ``text_column`` may be a number, from 0.

    Without a column that is known by its name, the text is the one of the most words. Raises SourceError where another
    has about as many, and for a column that is not there.
    """
    if text_column is not None and text_column not in names and text_column.isdecimal():
        text_column = names[int(text_column)] if int(text_column) < len(names) else text_column
    known = _named(names)
    if text_column is None and len(names) > 1 and not any(name in known for name in (*TEXT_NAMES, "title")):
        text_column = wordiest(names, rows, source)
        columns, _ = _columns(names, text_column, source)
        notes["text"] = f"column {text_column} of {', '.join(names)}: it has the most words"
    else:
        columns, notes["text"] = _columns(names, text_column, source)
    return columns


def is_header(head: Sequence[Sequence[str]], options: Options) -> bool:
    """Whether the first rows of a table begin with a header: as ``options`` say, by a known name, or by its looks."""
    if options.header is not None:
        return options.header
    named = _named(head[0])
    return (
        options.text_column in head[0] or any(name in named for name in (*TEXT_NAMES, *POST_NAMES)) or has_header(head)
    )


def _columns(names: Sequence[str], text_column: str | None, source: str) -> tuple[dict[str, str], str]:
    """Which column of a table gives which of FIELDS, and why that of the text was taken."""
    known = _named(names)
    columns: dict[str, str] = {field: known[field] for field in FIELDS if field in known}
    others = {field: name for field, name in columns.items() if field not in ("body", *POST_NAMES)}
    of = f"of {', '.join(names)}"
    if text_column is not None:
        if text_column not in names:
            raise SourceError(f"{source} has no column {text_column!r}; it has {', '.join(names)}")
        return {"body": text_column} | others, f"column {text_column} {of}: as text_column says"
    text = next((known[name] for name in TEXT_NAMES if name in known), None)
    if text is not None:
        return {"body": text} | others, f"column {text} {of}: by its name"
    if "title" in columns:
        taken = " and ".join(columns[name] for name in POST_NAMES if name in columns)
        return columns, f"column {taken} {of}: by name"
    if len(names) == 1:
        return {"body": names[0]}, f"column {names[0]}: there is no other"
    raise SourceError(f"{source}: which column holds the text? Set text_column to one of {', '.join(names)}")


def _named(names: Sequence[str]) -> dict[str, str]:
    return {name.strip().lower(): name for name in reversed(names)}
