"""Photographs of ImageNet's classes as they lie around: folders of wnids, in splits or not, flat names, datasets."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import polars as pl

from corpusmith.assets.imagenet import labels
from corpusmith.assets.imagenet.classes import COUNT, few, table
from corpusmith.errors import SettingsError, SourceError
from corpusmith.ingest.photographs import (
    ENDINGS,
    FILE,
    HIDDEN,
    digests,
    image_column,
    opened_dataset,
)
from corpusmith.ingest.sources import check_name, is_hub_id, is_saved_dataset, pinned
from corpusmith.settings import Splits
from corpusmith.whole import write_whole

SPLITS: Final = {"train": "train", "validation": "validation", "val": "validation", "test": "test"}
"""What folders and splits of datasets are called, and what that is here."""
PHOTOGRAPH: Final = pl.Schema(
    {
        "source": pl.String,
        "wnid": pl.String,
        "name": pl.String,
        "index": pl.Int32,
        "split": pl.String,
        "caption": pl.String,
        "path": pl.String,
        "bytes": pl.Int64,
        "file_sha256": pl.String,
    }
)
"""source: the path within the folder that was named. split: as the source has it, null where it has none."""

CAPTION: Final = 10_000  # bytes

_LAYOUTS: Final = (
    "expected the folders of wnids that ImageNet has, as in train/n01440764/x.JPEG or n01440764/x.JPEG, or files named "
    "by them, as in n01440764_tench.JPEG"
)


@dataclass(frozen=True)
class Found:
    """The photographs of a source (PHOTOGRAPH), and what was left out, in sentences."""

    rows: pl.DataFrame
    notes: tuple[str, ...]


def photographs(source: str, classes: pl.DataFrame, home: Path) -> Found:
    """The photographs of some classes in a source, in the order of their paths: a folder, a saved dataset, or one of
    the Hub.

    The folder of a wnid, or a name that begins with one, says the class; a folder above it the split, where it is
    called like one. A text beside an image, of the same name, is its caption. What is hidden does not count.

    Raises SourceError: there is no such source, nothing in it says a class, or a wnid is none of ImageNet's 1,000.
    """
    check_name(source)
    path = Path(source).expanduser()
    if path.is_dir() and is_saved_dataset(path):
        folder, notes = _unpacked(source, home)
    elif path.is_dir():
        folder, notes = path, ()
    elif is_hub_id(source) and not path.exists():
        folder, notes = _unpacked(source, home)
    else:
        raise SourceError(
            f"no folder or dataset {source!r}: {_LAYOUTS}, a dataset saved with save_to_disk, or a Hugging Face "
            "dataset id such as owner/name"
        )
    found = _of_folder(folder, source, classes)
    memory = (
        home / ".corpusmith" / "images" / f"{hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16]}.parquet"
    )
    return Found(
        found.rows.with_columns(digests(found.rows.select(*FILE), memory)).select(*PHOTOGRAPH), (*notes, *found.notes)
    )


def once(rows: pl.DataFrame) -> Found:
    """Each photograph once, in one split and under one class.

    Of those with the same bytes one stays, in test before validation before train; what lies under two classes says
    nothing sure of either, and goes.
    """
    classes = pl.col("wnid").n_unique().over("file_sha256")
    sure = rows.filter(classes == 1)
    first = pl.col("split").replace_strict({"test": 0, "validation": 1}, default=2, return_dtype=pl.Int8)
    kept = sure.sort(first, "source").unique("file_sha256", keep="first", maintain_order=True)
    notes = []
    if unsure := rows.height - sure.height:
        one = rows.filter(classes > 1)["source"].min()
        notes.append(f"{unsure:,} images lie under two classes and were left out, {one} the first")
    if copies := sure.height - kept.height:
        parted = sure.filter(pl.col("split").n_unique().over("file_sha256") > 1)["file_sha256"].n_unique()
        notes.append(
            f"{copies:,} images repeat another's bytes and were left out; {parted:,} lay in several splits and stayed "
            "in one"
        )
    return Found(kept.sort("index", "source"), tuple(notes))


def with_splits(rows: pl.DataFrame, shares: Splits) -> pl.DataFrame:
    """The rows, each in a split: its own, where the source has several, else one that its digest draws.

    Drawn splits have their shares within each class, and over the classes where these are too small for that: a class
    of one image is in one of them. What lies outside the folders of a source's splits is train.

    Raises SettingsError: there are so few that a drawn split has none.
    """
    if rows["split"].drop_nulls().n_unique() > 1:
        return rows.with_columns(pl.col("split").fill_null("train"))
    wnids = rows["wnid"].unique().to_list()
    order = {wnid: place for place, wnid in enumerate(sorted(wnids, key=_hashed))}
    start = pl.col("wnid").replace_strict(order, return_dtype=pl.Float64) / max(1, len(wnids))
    at = (pl.col("file_sha256").rank("ordinal").over("wnid") - 1 + start) / pl.len().over("wnid")
    drawn = (
        pl.when(at < shares.test)
        .then(pl.lit("test"))
        .when(at < shares.test + shares.validation)
        .then(pl.lit("validation"))
        .otherwise(pl.lit("train"))
    )
    placed = rows.with_columns(split=drawn)
    if empty := [split for split in dict.fromkeys(SPLITS.values()) if split not in placed["split"]]:
        raise SettingsError(
            f"imagenet.splits: {rows.height:,} images of {len(wnids):,} classes leave none for {' and '.join(empty)}; "
            "raise the shares, or name a source with more images"
        )
    return placed


def _of_folder(folder: Path, source: str, classes: pl.DataFrame) -> Found:
    """PHOTOGRAPH without digests, and ``modified``."""
    files = _files(folder)
    named = files.with_columns(
        wnid=pl.coalesce(
            pl.col("source").str.extract(r"^(?:.*/)?(n\d{8})/", 1),
            pl.col("source").str.extract(r"^(?:.*/)?(n\d{8})_[^/]*$", 1),
        ),
        split=pl.col("source")
        .str.extract(rf"^(?:.*?/)??({'|'.join(SPLITS)})/", 1)
        .replace_strict(SPLITS, default=None),
    )
    images = _by_number(named.filter("is_image"), source)
    _check_classes(images, source)
    return Found(*_chosen(named, images, classes))


def _chosen(named: pl.DataFrame, images: pl.DataFrame, classes: pl.DataFrame) -> tuple[pl.DataFrame, tuple[str, ...]]:
    known = classes.select("wnid", "name", "index")
    rows = images.drop_nulls("wnid").join(known, on="wnid", how="inner", maintain_order="left").sort("source")
    captioned = rows.with_columns(caption=_captions(rows, named))
    left = [
        (images.filter(pl.col("wnid").is_null()), "images whose class nothing says"),
        (images.drop_nulls("wnid").join(known, on="wnid", how="anti"), "images of classes that are not asked for"),
        (_no_images(named), "files that are no images by their names"),
    ]
    notes = [
        f"{part.height:,} {what} were left out, {part['source'].min()} the first" for part, what in left if part.height
    ]
    return captioned, tuple(notes)


def _files(folder: Path) -> pl.DataFrame:
    """All files that are not hidden: source, is_image, path, bytes, modified."""
    is_split = folder.name in SPLITS and not any((folder / split).is_dir() for split in SPLITS)
    root = folder.parent if is_split else folder
    rows = []
    for place in _places(folder):
        inside = place.relative_to(root).as_posix()
        above = "" if inside == "." else f"{inside}/"
        for file in os.scandir(place):
            if file.name.startswith(HIDDEN) or not file.is_file():
                continue
            check_name(file.path)
            status = file.stat()
            rows.append((above + file.name, file.path, status.st_size, status.st_mtime_ns))
    found = pl.DataFrame(rows, {"source": pl.String, **FILE}, orient="row").sort("source")
    ending = pl.col("source").str.extract(r"(\.[^./]*)$", 1).str.to_lowercase()
    return found.with_columns(is_image=ending.is_in(ENDINGS).fill_null(False))


def _places(folder: Path) -> Iterator[Path]:
    """A folder and those below it, links followed once."""
    seen: set[tuple[int, int]] = set()
    for place, folders, _ in os.walk(folder, followlinks=True, onerror=_unreadable):
        status = os.stat(place)
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        folders[:] = [name for name in folders if not name.startswith(HIDDEN)]
        yield Path(place)


def _unreadable(error: OSError) -> None:
    raise SourceError(f"cannot read the folder {error.filename}: {error.strerror}") from error


def _by_number(images: pl.DataFrame, source: str) -> pl.DataFrame:
    """The same with wnids, where folders are the indexes 0 to 999, as ImageNet-V2 has them. Raises SourceError: they
    are other numbers, and so may be the devkit's."""
    number = pl.col("source").str.extract(r"^(?:.*/)?(\d{1,4})/[^/]*$", 1)
    numbers = images.select(number)["source"].drop_nulls().unique()
    if images["wnid"].null_count() < images.height or numbers.is_empty():
        return images
    if set(numbers) != set(map(str, range(COUNT))):
        raise SourceError(
            f"{source} has folders named by numbers, {few(sorted(numbers, key=int))}; only a set of all of 0 to "
            f"{COUNT - 1} is sure to be numbered in the order of wnids (the ILSVRC devkit has another, from 1): name "
            "each by its wnid"
        )
    index = number.cast(pl.Int32).replace_strict(table()["index"], table()["wnid"], return_dtype=pl.String)
    return images.with_columns(wnid=index)


def _check_classes(images: pl.DataFrame, source: str) -> None:
    if images.is_empty():
        raise SourceError(f"the folder {source} holds no images: expected files named {' '.join(ENDINGS)}")
    if images["wnid"].null_count() == images.height:
        raise SourceError(
            f"nothing in {source} says which class an image is of, {images['source'][0]} the first: {_LAYOUTS}"
        )
    unknown = images.drop_nulls("wnid").filter(~pl.col("wnid").is_in(table()["wnid"].implode()))
    if unknown.height:
        wnids = unknown["wnid"].unique(maintain_order=True).to_list()
        raise SourceError(
            f"{source}: {few(wnids)} {'is' if len(wnids) == 1 else 'are'} none of ImageNet's {COUNT:,} classes "
            f"({unknown['source'][0]} the first of {unknown.height:,} images): take what is not of the 1,000 out"
        )


def _captions(rows: pl.DataFrame, named: pl.DataFrame) -> pl.Series:
    """What the texts beside images say of them."""
    texts = named.filter(pl.col("source").str.ends_with(".txt")).select(_stem(), text="path")
    beside = rows.select(_stem()).join(texts, on="stem", how="left", maintain_order="left")["text"]
    said = [None if path is None else _caption(path) for path in beside]
    return pl.Series(said, dtype=pl.String)


def _no_images(named: pl.DataFrame) -> pl.DataFrame:
    captions = named.filter("is_image").select(_stem())
    return named.filter(~pl.col("is_image")).with_columns(_stem()).join(captions, on="stem", how="anti")


def _stem() -> pl.Expr:
    return pl.col("source").str.replace(r"\.[^./]*$", "").alias("stem")


def _caption(path: str) -> str | None:
    with open(path, "rb") as file:
        data = file.read(CAPTION + 1)
    try:
        if len(data) > CAPTION:
            raise ValueError
        return " ".join(data.decode().split()) or None
    except ValueError:
        raise SourceError(
            f"{path} is beside an image and should be its caption: expected UTF-8 of at most {CAPTION:,} bytes"
        ) from None


def _unpacked(source: str, home: Path) -> tuple[Path, tuple[str, ...]]:
    """The images of a dataset as files in ImageNet's layout, written once, with their captions beside."""
    path = Path(source).expanduser()
    states = [state.read_text() for state in sorted(path.rglob("state.json"))]  # of a folder: they name its content
    said = "\0".join(("classes", pinned(source), *states))
    folder = home / ".corpusmith" / "images" / hashlib.sha256(said.encode()).hexdigest()[:16]
    done = folder / ".done"
    if not done.exists():
        found = opened_dataset(source)
        parts = found if isinstance(found, dict) else {"": found}
        notes: list[str] = []
        for split, part in parts.items():
            notes += _unpack(part, folder / SPLITS.get(split, ""), split, source)
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(done, "\n".join(notes))
    return folder, tuple(done.read_text().splitlines())


def _unpack(part: Any, folder: Path, split: str, source: str) -> Iterator[str]:
    """Write a split of a dataset; says what was left out or taken for granted."""
    import datasets

    column = image_column(part.features, source)
    label = labels.column_of(part.features, source)
    wnid_of = labels.reader(part.features[label], source, label)
    caption = next((name for name in ("caption", "text") if name in part.features), None)
    chosen = part.select_columns([name for name in (column, label, caption) if name])
    if labels.is_number(part.features[label]):
        yield f"the numbers in {label} of {split or 'it'} have no names: taken for indexes in the order of wnids"
    left = 0
    for number, row in enumerate(chosen.cast_column(column, datasets.Image(decode=False))):
        wnid = wnid_of(row[label])
        if wnid is None or row[column] is None:
            left += 1
            continue
        place = folder / wnid
        place.mkdir(parents=True, exist_ok=True)
        data = row[column]["bytes"] or Path(row[column]["path"]).read_bytes()
        stem = f"{split}-{number:08d}" if split else f"{number:08d}"
        ending = ".png" if data.startswith(b"\x89PNG") else ".jpg"
        (place / f"{stem}{ending}").write_bytes(data)
        if caption and isinstance(row[caption], str):
            (place / f"{stem}.txt").write_text(row[caption], encoding="utf-8")
    if left:
        yield f"{left:,} images of {split or 'it'} have no label and were left out"


def _hashed(wnid: str) -> bytes:
    return hashlib.blake2b(wnid.encode(), digest_size=8).digest()
