"""What the tables of a Reddit release hold: each column's type, what it says, and which rows must have it."""

from __future__ import annotations

from typing import Final, NamedTuple

import polars as pl

from corpusmith.curate.balance import ORIGINS
from corpusmith.emotions import EMOTIONS

EVERY: Final = ORIGINS
WRITTEN: Final = ("rewritten", "synthetic")


class Column(NamedTuple):
    """One column: its type, a sentence about it, and the origins whose rows may not lack it."""

    dtype: pl.DataType
    sentence: str
    required: tuple[str, ...] = ()


TEXT, NUMBER, PROBABILITY = pl.String(), pl.Int64(), pl.Float32()

PROBABILITIES: Final = tuple(f"p_{emotion}" for emotion in EMOTIONS)

SAMPLE: Final[dict[str, Column]] = {
    "key": Column(TEXT, "The row's identity: a hash of its plan and of the fingerprint of what made it.", EVERY),
    "text": Column(TEXT, "The comment, normalised; personal data is replaced by typed tokens.", EVERY),
    "emotion": Column(TEXT, "The emotion that the judge sees in the text.", EVERY),
    "confidence": Column(PROBABILITY, "The judge's probability of that emotion.", EVERY),
    **{f"p_{e}": Column(PROBABILITY, f"The judge's probability of {e}.", EVERY) for e in EMOTIONS},
    "origin": Column(TEXT, "natural (a person's comment), rewritten (from a neutral one) or synthetic.", EVERY),
    "target": Column(TEXT, "The emotion that the writer was asked for.", WRITTEN),
    "source_key": Column(TEXT, "The key of the comment that was rewritten.", ("rewritten",)),
    "source_text": Column(TEXT, "The text of the comment that was rewritten.", ("rewritten",)),
    "thread": Column(TEXT, "The thread that the comment, or the rewritten one, stood in, where the source says so."),
    "subreddit": Column(TEXT, "The subreddit it stood in, where the source says so."),
    "created_utc": Column(NUMBER, "When it was posted, in seconds since 1970 (UTC), where the source says so."),
    "author": Column(TEXT, "A salted hash of its author's name; the same author has the same hash."),
    "language": Column(TEXT, "The language of the text, as an ISO 639-1 code.", EVERY),
    "writer": Column(TEXT, "The model that wrote the text, as model@revision.", WRITTEN),
    "judge": Column(TEXT, "The model that judged the text, as model@revision.", EVERY),
    "seed": Column(NUMBER, "The seed that the writer drew with; it comes from the key.", WRITTEN),
    "plan": Column(TEXT, "What the maker was given, as JSON; it and the fingerprint decide the key.", EVERY),
    "fingerprint": Column(TEXT, "What made the row, as name:model@revision+settings.", EVERY),
}

RELEASE: Final[dict[str, Column]] = {
    **SAMPLE,
    "group": Column(TEXT, "What belongs together (source, thread, near-duplicates); no split parts it.", EVERY),
    "split": Column(TEXT, "train, validation or test.", EVERY),
}

REJECTED: Final[dict[str, Column]] = {
    **{name: column._replace(required=()) for name, column in SAMPLE.items()},
    "key": SAMPLE["key"],
    "origin": SAMPLE["origin"],
    "plan": SAMPLE["plan"]._replace(sentence="What the maker was given; of a comment: its source and line in it."),
    "fingerprint": SAMPLE["fingerprint"],
    "reasons": Column(pl.List(pl.String()), "Why the row was rejected, as codes.", EVERY),
    "duplicate_of": Column(TEXT, "The key of the row that it repeats."),
}


def schema(columns: dict[str, Column]) -> pl.Schema:
    """The polars schema of a table."""
    return pl.Schema({name: column.dtype for name, column in columns.items()})
