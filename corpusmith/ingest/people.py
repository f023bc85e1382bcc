"""What people said of a corpus, kept in the home: their ratings as they were, and what follows from them."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import polars as pl

from corpusmith.errors import SourceError
from corpusmith.ingest.ratings import merged
from corpusmith.release.parquet import damage
from corpusmith.score import raters
from corpusmith.whole import whole

ANNOTATIONS: Final = raters.as_annotations(pl.DataFrame(schema=raters.OPINIONS)).schema


def keep(home: Path, corpus: str, ratings: pl.DataFrame) -> pl.DataFrame:
    """Add ratings (RATINGS) to those kept, and return the opinions (OPINIONS) of the panel as it is now.

    The ratings as they were read lie in .corpusmith/ratings/CORPUS/ratings.parquet: a panel may come in one after the
    other, a rater may correct himself, and screening is applied once, to all. Beside them lie opinions.parquet; the
    same as rows of the annotations table are .corpusmith/annotations/CORPUS/people.parquet.
    """
    folder = home / ".corpusmith" / "ratings" / corpus
    panel = merged(kept(home, corpus), ratings)
    opinions = raters.opinions(panel)
    _write(panel, folder / "ratings.parquet")
    _write(opinions, folder / "opinions.parquet")
    _write(raters.as_annotations(opinions), _annotations(home, corpus))
    return opinions


def kept(home: Path, corpus: str) -> pl.DataFrame:
    """All ratings (RATINGS) that were ever added."""
    path = home / ".corpusmith" / "ratings" / corpus / "ratings.parquet"
    return _scan(path, pl.Schema(raters.RATINGS)).collect()


def said(home: Path, corpus: str) -> pl.LazyFrame:
    """What people see in each image, as rows of the annotations table (ANNOTATIONS); none before the first ratings."""
    return _scan(_annotations(home, corpus), ANNOTATIONS)


def _scan(path: Path, schema: pl.Schema) -> pl.LazyFrame:
    """A table that `keep` wrote, without rows before it did. Raises SourceError for a damaged one."""
    if not path.is_file():
        return pl.LazyFrame(schema=schema)
    if why := damage(path):
        raise SourceError(f"{path} is not a whole Parquet file ({why}); move it elsewhere and import every sheet again")
    return pl.scan_parquet(path, glob=False)


def _annotations(home: Path, corpus: str) -> Path:
    return home / ".corpusmith" / "annotations" / corpus / "people.parquet"


def _write(table: pl.DataFrame, path: Path) -> None:
    with whole(path) as temporary:
        table.write_parquet(temporary)
