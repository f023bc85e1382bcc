"""Hand a release's images to people: a folder with the images, a sheet for each rater, and how to fill it in."""

from __future__ import annotations

import csv
import hashlib
import re
import shutil
import tempfile
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Final

import polars as pl

from corpusmith.errors import ReleaseError, UserError
from corpusmith.ingest.ratings import GRADES, SHEET, WORDS

CELL: Final = ("generator", "emotion")
"""What a choice of images is balanced over."""
BATCH_ROWS: Final = 64

HOW: Final = """How to rate

Open images/ beside your sheet, and fill in a row for each picture, in the order of the sheet. Rate what you see; do not
talk about it with other raters. Rows that you leave blank count as not rated.

emotion   what the face shows, one of: {words}
degree    how strongly it shows it, from {low:g} (hardly) to {high:g} (extremely); leave it blank for a neutral face
quality   how good the picture itself is: {low:g} bad, 2 poor, 3 fair, 4 good, {high:g} excellent

Then: corpusmith annotate import ratings-*.csv
"""


def keys(release: Path) -> pl.Series:
    """The keys of a release's images. Raises ReleaseError for a folder that is none."""
    return _table(release).select("key").collect().to_series()


def write_sheets(release: Path, folder: Path, raters: Sequence[str], images: int | None, seed: int) -> int:
    """Write a sheet (SHEET) for each rater, images/ and README.txt into a new folder; returns how many images.

    Without ``images`` all of them; else so many, as evenly from every generator and emotion as can be. The file names
    are the keys, so that nobody sees who made a picture or what was asked for, and each sheet has an order of its own.
    The seed decides choice and orders. Raises UserError for names of raters or a folder that cannot be used: what was
    filled in is never overwritten.
    """
    if bad := [name for name in raters if not re.fullmatch(r"[\w-]+", name)]:
        raise UserError(f"a rater's name is of letters, digits, - and _: {', '.join(map(repr, bad))}")
    if not raters or len(set(raters)) < len(raters):
        raise UserError(f"expected one rater at least and each once, found {', '.join(raters) or 'none'}")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder} is there already and may hold ratings: choose another folder")
    chosen = _chosen(release, images, seed)
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
    try:
        names = _write_images(release, set(chosen), unfinished / "images")
        for rater in raters:
            _write_sheet(unfinished / f"ratings-{rater}.csv", rater, [names[key] for key in _order(names, rater, seed)])
        how = HOW.format(words=", ".join(dict.fromkeys(WORDS)), low=GRADES[0], high=GRADES[1])
        (unfinished / "README.txt").write_text(how)
        unfinished.chmod(0o755)
        unfinished.rename(folder)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    return len(chosen)


def _table(release: Path) -> pl.LazyFrame:
    if not (shards := sorted((release / "data").glob("*.parquet"))):
        raise ReleaseError(f"{release} is no release: it has no data/*.parquet. Build one: corpusmith build portraits")
    table = pl.scan_parquet(shards)
    if lacking := {"key", "image", *CELL} - set(table.collect_schema()):
        raise ReleaseError(f"{release} is no release of portraits: it has no column {', '.join(sorted(lacking))}")
    return table


def _chosen(release: Path, images: int | None, seed: int) -> list[str]:
    """Keys of the first images of each cell, then the second, and so on, each cell in an order of its own."""
    table = _table(release).select("key", *CELL).collect()
    shuffled = table.with_columns(pl.Series("order", [_drawn(seed, "", key) for key in table["key"]])).sort("order")
    ranked = shuffled.with_columns(rank=pl.int_range(pl.len()).over(CELL)).sort("rank", "order")
    return ranked["key"].head(len(ranked) if images is None else images).to_list()


def _write_images(release: Path, chosen: Collection[str], folder: Path) -> dict[str, str]:
    """Write the images as they are, a batch at a time; returns the file name of each key."""
    import pyarrow.parquet as pq

    folder.mkdir()
    names = {}
    for shard in sorted((release / "data").glob("*.parquet")):
        for batch in pq.ParquetFile(shard).iter_batches(BATCH_ROWS, columns=["key", "image"]):
            for key, image in zip(batch["key"].to_pylist(), batch["image"], strict=True):
                if key in chosen:
                    names[key] = f"{key}{Path(image['path'].as_py() or '').suffix or '.png'}"
                    (folder / names[key]).write_bytes(image["bytes"].as_py())
    return names


def _write_sheet(path: Path, rater: str, images: Sequence[str]) -> None:
    with path.open("w", newline="", encoding="utf-8-sig") as file:  # a spreadsheet knows UTF-8 by its mark
        rows = csv.writer(file)
        rows.writerow(SHEET)
        rows.writerows([rater, image, "", "", ""] for image in images)


def _order(keys: Collection[str], rater: str, seed: int) -> list[str]:
    return sorted(keys, key=lambda key: _drawn(seed, rater, key))


def _drawn(seed: int, rater: str, key: str) -> str:
    return hashlib.blake2b(f"{seed}/{rater}/{key}".encode(), digest_size=8).hexdigest()
