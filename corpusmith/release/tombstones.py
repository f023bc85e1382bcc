"""What was taken down, for good: a small table for each corpus that says which rows, and nothing of what they held."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Final

import polars as pl

from corpusmith.errors import UserError
from corpusmith.release.plain import shown
from corpusmith.whole import whole

FOLDER: Final = "takedowns"
COLUMNS: Final = ("key", "holds", "version", "reason")
"""Of the table: a row's key (or the SHA-256 of an image, or of a source's id, of which nothing may be made), what else
names the row (SHA-256 of its text and images, keys and digests of what it was put together from) with spaces between,
the version that it was in (empty: none) and why it was taken down. No time: a build is decided by this table, and git
knows when."""
_KEY: Final = r"^(?:[0-9a-f]{32}|[0-9a-f]{64})$"
_HOLDS: Final = r"^(?:[0-9a-f]{32}|[0-9a-f]{64})(?: (?:[0-9a-f]{32}|[0-9a-f]{64}))*$"


def path_of(home: Path, corpus: str) -> Path:
    """Where the tombstones of a corpus lie: in a checkout beside params.yaml, so that git keeps them."""
    return home / FOLDER / f"{corpus}.csv"


def above(release: Path, corpus: str) -> Path:
    """The same of the home that a release lies in, as HOME/data/<corpus> or HOME/versions/<corpus>/<version>."""
    _, *homes = Path(os.path.abspath(release)).parents[:3]
    return next((path for home in homes if (path := path_of(home, corpus)).exists()), path_of(homes[0], corpus))


def read(path: Path) -> pl.DataFrame:
    """The tombstones (COLUMNS, as text), empty where nothing was taken down.

    Raises UserError, which names the file and the line, where somebody's hand or a merge has broken it: what was taken
    down must not come back for that.
    """
    if not path.exists():
        return pl.DataFrame(schema=dict.fromkeys(COLUMNS, pl.String))
    try:
        table = pl.read_csv(path, infer_schema=False).fill_null("")
    except (pl.exceptions.PolarsError, OSError) as error:
        raise UserError(f"cannot read {path} ({shown(str(error).partition(chr(10))[0])}): {_MEND}") from None
    if tuple(table.columns) != COLUMNS:
        raise UserError(
            f"{path}:1 has the columns {shown(', '.join(table.columns))}, expected {', '.join(COLUMNS)}: {_MEND}"
        )
    is_whole = pl.col("key").str.contains(_KEY) & (pl.col("holds").str.contains(_HOLDS) | (pl.col("holds") == ""))
    broken = table.with_row_index("line", 2).filter(~is_whole)
    if broken.height:
        line, key = broken.select("line", "key").row(0)
        raise UserError(f"{path}:{line} is no row that was taken down ({shown(key)[:80]!r}): {_MEND}")
    return table


_MEND: Final = "mend it, or get it again from git"


def add(path: Path, rows: pl.DataFrame) -> None:
    """Write more tombstones, each key once and as it was first said, in the order of the keys; whole or not at all.

    Whoever calls it sees to it that nobody else does at the same moment.
    """
    together = pl.concat([read(path), rows.select(COLUMNS)]).unique("key", keep="first").sort("key")
    with whole(path) as temporary:
        together.write_csv(temporary)


def marks(table: pl.DataFrame) -> frozenset[str]:
    """All that names what was taken down: keys of rows, and keys and digests of what they held."""
    held = table.select(pl.col("holds").str.split(" ").explode()).to_series().to_list()
    return frozenset(name for name in (*table["key"].to_list(), *held) if name)


def everywhere(home: Path) -> frozenset[str]:
    """The marks of all corpora of a home."""
    return frozenset().union(*(marks(read(path)) for path in sorted((home / FOLDER).glob("*.csv"))))


def digest(home: Path, corpus: str) -> str:
    """SHA-256 of what is taken down of a corpus: of no reason, and of no order."""
    named = "\n".join(sorted(marks(read(path_of(home, corpus)))))
    return hashlib.sha256(named.encode()).hexdigest()
