"""The one form that a row of any source takes."""

from typing import Final

import polars as pl

from corpusmith.ingest.times import seconds

SCHEMA: Final = pl.Schema(
    {
        "source": pl.String,
        "line": pl.Int64,
        "id": pl.String,
        "thread": pl.String,
        "author": pl.String,
        "subreddit": pl.String,
        "created_utc": pl.Int64,
        "nsfw": pl.Boolean,
        "distinguished": pl.String,
        "raw": pl.String,
        "broken": pl.Boolean,
    }
)
"""Columns of what `read` yields: line counts from 1 in each file, created_utc is in seconds, raw is the body of a
comment or the title and text of a post (of a broken line: its start), author is the plain name."""

FIELDS: Final = (
    "body",
    "title",
    "selftext",
    "id",
    "name",
    "link_id",
    "author",
    "subreddit",
    "created_utc",
    "over_18",
    "distinguished",
)
"""What is read of a row, each as text: sources disagree on types, and even the rows of one file do."""

TRUE: Final = ("true", "1", "1.0", "t", "yes")


def records(fields: pl.DataFrame, source: str, first_line: int) -> pl.DataFrame:
    """Rows of SCHEMA but for broken ones' raw, from a frame with the columns FIELDS; broken is a row without a text."""
    post = pl.col("title").is_not_null()
    text = pl.when(pl.col("selftext").str.len_bytes() > 0).then(pl.concat_str("title", "selftext", separator="\n\n"))
    return fields.select(
        pl.lit(source).alias("source"),
        pl.int_range(first_line, first_line + pl.len(), dtype=pl.Int64).alias("line"),
        "id",
        pl.coalesce("link_id", "name", pl.when(post).then("t3_" + pl.col("id"))).alias("thread"),
        "author",
        "subreddit",
        seconds(fields["created_utc"]),
        pl.col("over_18").str.to_lowercase().is_in(TRUE).fill_null(False).alias("nsfw"),
        "distinguished",
        pl.coalesce("body", text, "title").alias("raw"),
        pl.all_horizontal(pl.col("body").is_null(), ~post).alias("broken"),
    )
