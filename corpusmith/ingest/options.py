"""How a source is to be read, where the source itself does not say."""

from dataclasses import dataclass

Notes = dict[str, str]
"""What was found out of a source while it was read, for people: ``text``, ``encoding`` and ``damage``, where there is
something to say."""


@dataclass(frozen=True)
class Options:
    """What a user may say of a source; None: it is found out.

    text_column: the name of the column (or key of a JSON line) that holds the text, or of a table without header its
    number, from 0. header: whether the first row of a CSV or TSV names the columns. encoding: of a file of text, by
    Python's name. use_damaged: go on with what can be read of a damaged file.
    """

    text_column: str | None = None
    header: bool | None = None
    encoding: str | None = None
    use_damaged: bool = False
