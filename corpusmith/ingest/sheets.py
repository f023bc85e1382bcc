"""Hand a release's images to people: a folder with the images, a sheet for each rater, and how to fill it in."""

from __future__ import annotations

import csv
import hashlib
import shutil
import tempfile
import unicodedata
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Final

import polars as pl

from corpusmith.curate.images import PROBLEMS, opened
from corpusmith.emotions import VOCABULARIES
from corpusmith.errors import ReleaseError, UserError
from corpusmith.ingest.ratings import GRADES, SHEET
from corpusmith.release import parquet
from corpusmith.release.columns import images_of
from corpusmith.release.folder import check_folder

CELL: Final = ("generator", "emotion")
"""What a choice of images is balanced over."""
BATCH_ROWS: Final = 64
SIDE: Final = 64
"""Pixels a side at which an image is opened to see that it can be: a JPEG is decoded no larger than it must be."""

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
    with parquet.naming_damage(release):
        return _table(release).select("key").collect().to_series()


def write_sheets(release: Path, folder: Path, raters: Sequence[str], images: int | None, seed: int) -> int:
    """Write a sheet (SHEET) for each rater, images/ and README.txt into a new folder; returns how many images.

    Without ``images`` all of them; else so many, as evenly from every generator and emotion as can be. The file names
    are the keys, so that nobody sees who made a picture or what was asked for, and each sheet has an order of its own.
    The seed decides choice and orders. Raises UserError for names of raters or a folder that cannot be used: what was
    filled in is never overwritten; ReleaseError for a release that is damaged, naming the file or the key.
    """
    raters = [unicodedata.normalize("NFC", name) for name in raters]
    if bad := [name for name in raters if not _is_name(name)]:
        raise UserError(f"a rater's name is of letters of any script, digits, - and _: {', '.join(map(repr, bad))}")
    if not raters or len(set(raters)) < len(raters):
        raise UserError(f"expected one rater at least and each once, found {', '.join(raters) or 'none'}")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder} is there already and may hold ratings: choose another folder")
    check_folder(folder)
    with parquet.naming_damage(release):
        return _write(release, folder, raters, images, seed)


def _is_name(name: str) -> bool:
    """Whether a name is of letters with their marks (é in two parts, the vowels of Devanagari), digits, - and _."""
    return bool(name) and all(letter in "-_" or unicodedata.category(letter)[0] in "LMN" for letter in name)


def _write(release: Path, folder: Path, raters: Sequence[str], images: int | None, seed: int) -> int:
    chosen = _chosen(release, images, seed)
    how = HOW.format(words=", ".join(_words(release)), low=GRADES[0], high=GRADES[1])
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
    try:
        names = _write_images(release, set(chosen), unfinished / "images")
        for rater in raters:
            _write_sheet(unfinished / f"ratings-{rater}.csv", rater, [names[key] for key in _order(names, rater, seed)])
        (unfinished / "README.txt").write_text(how)
        unfinished.chmod(0o755)
        unfinished.rename(folder)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    return len(chosen)


def _table(release: Path) -> pl.LazyFrame:
    table = parquet.scan(release)
    there = {name for name in table.collect_schema() if name != "image"} | set(images_of(table))
    if lacking := {"key", "image", *CELL} - there:
        raise ReleaseError(f"{release} is no release of portraits: it has no column {', '.join(sorted(lacking))}")
    return table


def _chosen(release: Path, images: int | None, seed: int) -> list[str]:
    """Keys of the first images of each cell, then the second, and so on, each cell in an order of its own."""
    table = _table(release).select("key", *CELL).collect()
    shuffled = table.with_columns(pl.Series("order", [_drawn(seed, "", key) for key in table["key"]])).sort("order")
    ranked = shuffled.with_columns(rank=pl.int_range(pl.len()).over(CELL)).sort("rank", "order")
    return ranked["key"].head(len(ranked) if images is None else images).to_list()


def _write_images(release: Path, chosen: Collection[str], folder: Path) -> dict[str, str]:
    """Write the images as they are, a batch at a time; returns the file name of each key.

    Raises ReleaseError for one that cannot be opened.
    """
    folder.mkdir()
    names = {}
    wanted = _table(release).filter(pl.col("key").is_in(list(chosen)))
    rows = wanted.select("key", pl.col("image").struct.field("bytes", "path"))
    for batch in rows.collect_batches(chunk_size=BATCH_ROWS):
        for key, data, path in batch.iter_rows():
            if problem := opened(data, SIDE).problem:
                raise ReleaseError(
                    f"{release}: the image of {key} cannot be opened ({PROBLEMS[problem]}); pull or build it again"
                )
            names[key] = f"{key}{Path(path or '').suffix or '.png'}"
            (folder / names[key]).write_bytes(data)
    return names


def _words(release: Path) -> list[str]:
    """The words that a release names emotions by. Raises ReleaseError where they are of no vocabulary."""
    named = set(_table(release).select(pl.col("emotion").unique()).collect().to_series().drop_nulls())
    for words in VOCABULARIES.values():
        if named <= set(words):
            return list(words)
    raise ReleaseError(
        f"{release} names emotions {', '.join(sorted(named))}: expected those of {' or '.join(VOCABULARIES)}; "
        "build it again"
    )


def _write_sheet(path: Path, rater: str, images: Sequence[str]) -> None:
    with path.open("w", newline="", encoding="utf-8-sig") as file:  # a spreadsheet knows UTF-8 by its mark
        rows = csv.writer(file)
        rows.writerow(SHEET)
        rows.writerows([rater, image, "", "", ""] for image in images)


def _order(keys: Collection[str], rater: str, seed: int) -> list[str]:
    return sorted(keys, key=lambda key: _drawn(seed, rater, key))


def _drawn(seed: int, rater: str, key: str) -> str:
    return hashlib.blake2b(f"{seed}/{rater}/{key}".encode(), digest_size=8).hexdigest()
