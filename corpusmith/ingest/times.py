"""When something was posted, in seconds, whatever form and unit a source writes it in."""

import time
from typing import Final

import polars as pl

EARLIEST: Final = 1_104_537_600
"""2005-01-01: Reddit began that year."""
DAY: Final = 86_400
UNITS: Final = ((1e17, 1e9), (1e14, 1e6), (1e11, 1e3))
"""From which number on a time is in so many parts of a second; seconds reach 1e11 in the year 5138."""
FORMS: Final = ("%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%d")


def seconds(said: pl.Series) -> pl.Series:
    """Seconds since 1970 (UTC), of numbers or ISO 8601 as text; null for what is neither, before 2005 or to come."""
    number = said.cast(pl.Float64, strict=False)
    if number.null_count() > said.null_count():
        number = number.fill_null(_iso(said))
    scaled = pl.lit(number)
    for least, parts in reversed(UNITS):
        scaled = pl.when(number >= least).then(number / parts).otherwise(scaled)
    usable = scaled.is_between(EARLIEST, time.time() + DAY)
    return pl.select(pl.when(usable).then(scaled).cast(pl.Int64).alias(said.name)).to_series()


def _iso(said: pl.Series) -> pl.Series:
    """Seconds of ISO 8601 times; one without an offset is in UTC."""
    text = pl.lit(said).str.strip_chars().str.replace(r"\s*(?:[Zz]|UTC)$", "").str.replace(r"(\d)[Tt](\d)", "$1 $2")
    offset = text.str.extract(r"\d\d:\d\d.*([+-]\d\d:?\d\d)$").str.replace(":", "")
    plain = pl.when(offset.is_null()).then(text).otherwise(text.str.replace(r"\s*[+-]\d\d:?\d\d$", ""))
    when = pl.coalesce(plain.str.to_datetime(form, time_unit="us", strict=False) for form in FORMS)
    ahead = (offset.str.slice(1, 2).cast(pl.Int64) * 3600 + offset.str.slice(3, 2).cast(pl.Int64) * 60) * (
        pl.when(offset.str.starts_with("-")).then(-1).otherwise(1)
    )
    found = when.dt.epoch("us") / 1e6 - ahead.fill_null(0)
    return pl.select(found.alias(said.name)).to_series()
