"""The layout of ImageNet-G (arXiv 2302.02503): a generated image where the real one lies, as ImageFolder reads it."""

from __future__ import annotations

import io
import json
import tarfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import polars as pl

from corpusmith.assets.imagenet.classes import few, table
from corpusmith.assets.imagenet.photographs import SPLITS
from corpusmith.errors import UserError
from corpusmith.release import manifest, parquet
from corpusmith.release.folder import replacing

SHARD: Final = 1_000  # images of a tar, as WebDataset has them
BATCH: Final = 64  # rows that are in memory at once
DIGITS: Final = 8  # of a key, in the names of images that would be called alike
PLACED: Final = ("key", "wnid", "strategy", "source", "split", "prompt")
LONGEST: Final = 200  # bytes of a name in a path, without what is added here
SAFE: Final = r"^(?:[^/\\\x00-\x1f\x7f]+/)*[^/\\\x00-\x1f\x7f]+$"
"""A path that stays where it is, once none of its parts is . or .. too."""

Write = Callable[[dict[str, Any]], None]


def export(release: Path, to: Path, tar: bool = False) -> int:
    """Write the images of a release as ``train/n01440764/x.png``, where the real image is ``train/n01440764/x.JPEG``,
    and beside each split its table of path, index of the class and prompt: ``train.csv``, without a header.

    A release of several strategies has a folder for each, for ImageNet-G is a data set for each. Images that would be
    called alike (several generators, or points of a grid) have the first digits of their keys in their names. With
    ``tar`` the same are members of ``train-00000.tar``, as WebDataset reads them: .png, .cls, .txt and .json.

    Returns how many. Raises UserError, and writes nothing: ``to`` holds something already, the release is not of this
    corpus, or a name in it would lie outside. A batch of images is in memory at a time.
    """
    if to.exists() and (not to.is_dir() or any(to.iterdir())):
        raise UserError(f"{to} is no empty folder: name another one")
    said = manifest.read(release)
    manifest.check_whole(said, release)
    if "imagenet" not in said.params:
        raise UserError(f"{release} is no release of imagenet")
    rows = parquet.scan(release)
    placed = _placed(rows.select(PLACED).collect(), tar, release)
    with replacing(to) as folder, ExitStack() as stack:
        write = _shards(folder, stack) if tar else _files(folder)
        for row in _with_images(rows, placed):
            write(row)
        if not tar:
            _tables(placed, folder)
    return placed.height


def _placed(rows: pl.DataFrame, tar: bool, release: Path) -> pl.DataFrame:
    """Where each image goes: key, index, prompt, place (of the strategy), folder (of the split), name."""
    classes = table().select("wnid", "index")
    parts = pl.col("source").str.split("/")
    short = parts.list.eval(pl.element().str.len_bytes()).list.max() <= LONGEST
    leaves = parts.list.eval(pl.element().is_in([".", ".."])).list.any()
    safe = pl.col("source").str.contains(SAFE) & short & ~leaves
    _refuse(rows.filter(~safe.fill_null(False)), release, "source")
    _refuse(rows.join(classes, on="wnid", how="anti"), release, "wnid")
    _refuse(rows.filter(~pl.col("strategy").str.contains(r"^[a-z_]{1,64}$").fill_null(False)), release, "strategy")
    _refuse(rows.filter(~pl.col("split").is_in(list(SPLITS)).fill_null(False)), release, "split")
    inside = pl.coalesce(
        pl.col("source").str.extract(r"^(?:.*/)?n\d{8}/(.+)$", 1), pl.col("source").str.extract("([^/]+)$", 1)
    ).str.replace(r"\.[^./]*$", "")
    own = pl.col("source").str.extract(rf"^(?:.*?/)??({'|'.join(SPLITS)})/", 1)
    named = rows.join(classes, on="wnid", how="left", maintain_order="left").with_columns(
        place=pl.col("strategy") if rows["strategy"].n_unique() > 1 else pl.lit("."),
        folder=pl.when(own.replace_strict(SPLITS, default=None) == pl.col("split")).then(own).otherwise("split"),
        # WebDataset takes all after the first dot of a name for its ending
        stem=inside.str.replace_all(".", "_", literal=True) if tar else inside,
    )
    alike = pl.struct("place", "folder", "wnid", pl.col("stem").str.to_lowercase()).is_duplicated()
    marked = pl.when(alike).then(pl.format("{}-{}", "stem", pl.col("key").str.head(DIGITS))).otherwise("stem")
    found = named.with_columns(name=pl.format("{}/{}", "wnid", marked)).sort("place", "folder", "name")
    if found.select(pl.struct("place", "folder", "name").is_duplicated().any()).item():
        raise UserError(f"{release}: two rows have the same source, strategy and first digits of the key")
    return found.select("key", "index", "prompt", "place", "folder", "name")


def _refuse(rows: pl.DataFrame, release: Path, column: str) -> None:
    if not rows.is_empty():
        said = few([repr(value)[:80] for value in rows[column].unique(maintain_order=True)])
        raise UserError(
            f"{release}: the {column} of row {rows['key'][0]} cannot be part of a path here ({said}); nothing was "
            "written"
        )


def _with_images(rows: pl.LazyFrame, placed: pl.DataFrame) -> Iterator[dict[str, Any]]:
    """The rows of a release in their order, with where they go; a batch in memory at a time."""
    for batch in rows.drop("index", "name", "prompt", strict=False).collect_batches(
        chunk_size=BATCH, maintain_order=True
    ):
        yield from batch.join(placed, on="key", maintain_order="left").iter_rows(named=True)


def _files(folder: Path) -> Write:
    def write(row: dict[str, Any]) -> None:
        path = folder / row["place"] / row["folder"] / f"{row['name']}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(row["image"]["bytes"])

    return write


def _tables(placed: pl.DataFrame, folder: Path) -> None:
    """Beside each split the table of its images."""
    for (place, split), part in placed.group_by("place", "folder", maintain_order=True):
        path = pl.format("{}/{}.png", "folder", "name")
        part.select(path, "index", "prompt").write_csv(folder / str(place) / f"{split}.csv", include_header=False)


def _shards(folder: Path, stack: ExitStack) -> Write:
    """Writes tars of SHARD images, several splits at once."""
    opened: dict[tuple[str, str], tarfile.TarFile] = {}
    counts: Counter[tuple[str, str]] = Counter()

    def write(row: dict[str, Any]) -> None:
        part = (row["place"], row["folder"])
        if counts[part] % SHARD == 0:
            if part in opened:
                opened[part].close()
            (folder / part[0]).mkdir(exist_ok=True)
            path = folder / part[0] / f"{part[1]}-{counts[part] // SHARD:05d}.tar"
            opened[part] = stack.enter_context(tarfile.open(path, "w"))  # noqa: SIM115
        counts[part] += 1
        for ending, data in _members(row):
            member = tarfile.TarInfo(f"{row['name']}.{ending}")  # no time, no owner: the same rows, the same bytes
            member.size = len(data)
            opened[part].addfile(member, io.BytesIO(data))

    return write


def _members(row: dict[str, Any]) -> Iterator[tuple[str, bytes]]:
    told = ("key", "wnid", "label", "index", "strategy", "generator", "source", "prompt")
    yield "png", row["image"]["bytes"]
    yield "cls", str(row["index"]).encode()
    yield "txt", (row["prompt"] or "").encode()
    yield "json", json.dumps({name: row.get(name) for name in told}, sort_keys=True, ensure_ascii=False).encode()
