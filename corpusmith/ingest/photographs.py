"""Photographs as files: which they are, what their bytes are, and how they are opened and kept."""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl
import pyarrow as pa

from corpusmith.curate.images import PROBLEMS, SUFFIXES, Opened, opened
from corpusmith.errors import SourceError
from corpusmith.ingest.sources import pinned
from corpusmith.models.images import UnusableError, png
from corpusmith.whole import whole
from corpusmith.work.plan import fingerprint

if TYPE_CHECKING:
    from PIL import Image

VERSION: Final = 1  # of how photographs are opened and kept: raise it when that changes
ENDINGS: Final = tuple(dict.fromkeys(ending for endings in SUFFIXES.values() for ending in endings))

HIDDEN: Final = (".", "_")
"""How the names of files and folders begin that do not count."""

KEPT: Final = pa.schema(
    [
        pa.field("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
        pa.field("image_sha256", pa.string()),
        pa.field("width", pa.int32()),
        pa.field("height", pa.int32()),
    ]
)
"""image: PNG, RGB, upright."""
FILE: Final = pl.Schema({"path": pl.String, "bytes": pl.Int64, "modified": pl.Int64})
"""modified: ns since 1970."""


class Photographs:
    """Opens image files, bounded and upright: rows are plans of a file's digest, with its ``path``.

    A file that is no image fails alone (UnusableError).
    """

    name = "opened"
    inputs = ("file_sha256",)
    carried = ("path",)
    schema = KEPT
    batch_rows = 16

    def __init__(self, max_edge: int) -> None:
        self.max_edge = max_edge
        self.fingerprint = fingerprint("opened", "corpusmith/ingest", str(VERSION), {"max_edge": max_edge})
        self.provenance = {"model": "corpusmith/ingest", "revision": str(VERSION), "max_edge": max_edge}

    def make(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        """One image of each row; raises UnusableError."""
        made = []
        for key, path in zip(rows["key"].to_pylist(), rows["path"].to_pylist(), strict=True):
            _, image = read(path, self.max_edge)
            made.append(kept(key, image))
        return pa.RecordBatch.from_pylist(made, self.schema)


def read(path: str, max_edge: int) -> tuple[Opened, Image.Image]:
    """What is known of an image file, and its pixels: RGB, upright, ``max_edge`` a side at most. Raises
    UnusableError."""
    found = opened(Path(path).read_bytes(), max_edge)
    if found.pixels is None:
        raise UnusableError(f"{path}: {PROBLEMS[str(found.problem)]}")
    return found, found.pixels


def kept(key: str, image: Image.Image) -> dict[str, Any]:
    """An image as a row of KEPT."""
    encoded = png(np.asarray(image))
    return {
        "image": {"bytes": encoded, "path": f"{key}.png"},
        "image_sha256": hashlib.sha256(encoded).hexdigest(),
        "width": image.width,
        "height": image.height,
    }


def is_image(path: PurePath) -> bool:
    """Whether a file of a folder is an image by its name; a hidden one, or one in a hidden folder, is not."""
    return not any(part.startswith(HIDDEN) for part in path.parts) and path.suffix.lower() in ENDINGS


def digest(path: Path | str) -> str:
    """SHA-256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digests(files: pl.DataFrame, memory: Path) -> pl.Series:
    """SHA-256 of each of some files (FILE), ``file_sha256``.

    ``memory`` is a Parquet file that remembers them: one of the same size and time is not read again, for a large
    source takes hours to read. Raises SourceError: one cannot be read.
    """
    known = pl.DataFrame(schema={**FILE, "file_sha256": pl.String})
    if memory.exists():
        known = pl.read_parquet(memory)
    found = files.join(known, on=list(FILE), how="left", maintain_order="left")
    unread = found.filter(pl.col("file_sha256").is_null())
    if unread.is_empty():
        return found["file_sha256"]
    try:
        with ThreadPoolExecutor(os.cpu_count(), "digest") as pool:
            now = pl.Series("file_sha256", list(pool.map(digest, unread["path"])), pl.String)
    except OSError as error:
        raise SourceError(f"cannot read {error.filename}: {error.strerror}") from error
    table = pl.concat([known, unread.with_columns(now)]).unique("path", keep="last", maintain_order=True)
    with whole(memory) as temporary:
        table.write_parquet(temporary)
    return files.join(table, on=list(FILE), how="left", maintain_order="left")["file_sha256"]


def opened_dataset(source: str) -> Any:
    """A dataset of the Hub, streamed, or of a folder of save_to_disk: a Dataset, or one by each split.

    Raises SourceError: it cannot be opened.
    """
    import datasets

    name, path = pinned(source), Path(source).expanduser()
    try:
        if path.is_dir():
            return datasets.load_from_disk(str(path))
        bare, _, commit = name.partition("@")
        return datasets.load_dataset(bare, revision=commit, streaming=True)
    except Exception as error:  # datasets raises what its back-ends raise
        raise SourceError(f"cannot open the dataset {source!r}: {type(error).__name__}: {error}") from error


def image_column(features: Any, source: str) -> str:
    """The first column of images of a dataset. Raises SourceError: it has none."""
    import datasets

    columns = [name for name, kind in (features or {}).items() if isinstance(kind, datasets.Image)]
    if not columns:
        raise SourceError(f"the dataset {source!r} has no column of images, but {', '.join(features or {})}")
    return str(columns[0])
