"""Read the Parquet files of a release, which may be missing or damaged: an error names the file and what to do."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from corpusmith.errors import ReleaseError
from corpusmith.release import manifest
from corpusmith.release.plain import check_plain

LARGEST_GROUP = 1 << 30
"""Bytes of a row group at most, uncompressed: one is read at once, and ours have a tenth of it."""


def scan(release: Path, table: str = "data") -> pl.LazyFrame:
    """A table of a release. Raises ReleaseError: it has no files, or one is damaged or has other columns or rows."""
    paths = checked(release, table)
    first, *rest = ((path, _schema(path)) for path in paths)
    for path, schema in rest:
        if differ := sorted({name for name, _ in schema.items() ^ first[1].items()}):
            raise ReleaseError(
                f"{path} has other columns than {first[0].name}: {', '.join(differ)}; pull or build the release again"
            )
    return pl.scan_parquet(paths, glob=False)


def files(release: Path, table: str = "data") -> list[Path]:
    """The files of a table of a release, in order: those of its manifest, where it has one.

    Raises ReleaseError: there is none, one is no plain file, or the manifest is not one.
    """
    if (release / manifest.NAME).exists():
        paths = [release / name for name in manifest.read(release).tables(table)]
    else:
        folder = release / table
        paths = sorted(path for path in folder.iterdir() if path.suffix == ".parquet") if folder.is_dir() else []
    if not any(path.exists() for path in paths):
        raise ReleaseError(f"{release} is no release: it has no {table}/*.parquet; build or pull it again")
    for path in paths:
        with contextlib.suppress(FileNotFoundError):
            check_plain(path)
    return paths


def checked(release: Path, table: str = "data") -> list[Path]:
    """The same files by their footers, before any row is read.

    Raises ReleaseError, too, for one that is not whole, has a row group larger than LARGEST_GROUP, or other rows than
    the manifest says.
    """
    paths = files(release, table)
    said = manifest.read(release).files if (release / manifest.NAME).exists() else {}
    for path in paths:
        if why := damage(path):
            raise _not_whole(path, why)
        footer = pq.read_metadata(path)
        largest = max((footer.row_group(number).total_byte_size for number in range(footer.num_row_groups)), default=0)
        if largest > LARGEST_GROUP:
            raise ReleaseError(
                f"{path} has a row group of {largest:,} bytes, expected {LARGEST_GROUP:,} at most: it would be read at "
                "once; pull or build the release again"
            )
        name = path.relative_to(release).as_posix()
        if name in said and footer.num_rows != said[name]["rows"]:
            raise ReleaseError(
                f"{path} has {footer.num_rows:,} rows, expected {said[name]['rows']:,}; pull or build the release again"
            )
    return paths


def _schema(path: Path) -> pl.Schema:
    """The columns of a file, whatever its name: `read_parquet_schema` takes brackets for a pattern."""
    return pl.scan_parquet(path, glob=False).collect_schema()


def damage(path: Path) -> str | None:
    """Why a file cannot be opened as Parquet, in one line; None if it can."""
    try:
        _schema(path)
        pq.read_metadata(path)
    except (pl.exceptions.PolarsError, pa.ArrowException, OSError) as error:
        return _in_a_line(error)
    return None


@contextlib.contextmanager
def naming_damage(*releases: Path, tables: Sequence[str] = ("data",)) -> Iterator[None]:
    """Where reading fails inside a file of these tables, raise ReleaseError that names the file."""
    try:
        yield
    except (pl.exceptions.PolarsError, OSError):
        for path in (path for release in releases for table in tables for path in files(release, table)):
            if why := _damage_inside(path):
                raise _not_whole(path, why) from None
        raise


def _damage_inside(path: Path) -> str | None:
    try:
        for _ in pl.scan_parquet(path, glob=False).collect_batches():
            pass
    except (pl.exceptions.PolarsError, OSError) as error:
        return _in_a_line(error)
    return None


def _not_whole(path: Path, why: str) -> ReleaseError:
    return ReleaseError(f"{path} is not a whole Parquet file ({why}); pull or build the release again")


def _in_a_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
