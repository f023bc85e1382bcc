"""The layout of DiffSeg30k (arXiv 2511.19111): numbered pairs of an image and its label map, in folders or tars."""

from __future__ import annotations

import io
import json
import re
import tarfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import polars as pl

from corpusmith.errors import UserError
from corpusmith.release import manifest, parquet

SHARD: Final = 1_000  # samples of a tar, as WebDataset has them
BATCH: Final = 64  # rows that are in memory at once
NAMES: Final = "editors.json"
"""Beside the pairs: who the labels from 1 on are. The published set has no such file, nor the JSON of each pair."""
PAIR: Final = re.compile(r"(?P<number>\d+)\.image\.png")

Write = Callable[[str, bytes], None]


def export(release: Path, to: Path, tar: bool = False) -> int:
    """Write the rows of a release as pairs, numbered by key in each split: ``train/00000000.image.png``, ``.mask.png``
    and ``.json`` (key, prompts, editors, operations, scene), or the same as members of ``train-00000.tar``.

    Returns how many. Raises UserError: ``to`` holds something already. A batch of rows is in memory at a time.
    """
    if to.exists() and (not to.is_dir() or any(to.iterdir())):
        raise UserError(f"{to} is no empty folder: name another one")
    said = manifest.read(release)
    manifest.check_whole(said, release)
    editors = said.params.get("edits", {}).get("editors")
    if not editors:
        raise UserError(f"{release} is no release of edits")
    to.mkdir(parents=True, exist_ok=True)
    (to / NAMES).write_text(json.dumps({str(label): name for label, name in enumerate(editors, 1)}, indent=2) + "\n")
    rows = parquet.scan(release)
    count = 0
    for split in ("train", "validation", "test"):
        of_split = rows.filter(pl.col("split") == split).sort("key")
        with ExitStack() as stack:
            for number, row in enumerate(_rows(of_split)):
                if number % SHARD == 0:
                    stack.close()
                    write = _tar(stack, to / f"{split}-{number // SHARD:05d}.tar") if tar else _folder(to / split)
                for ending, data in _parts(row):
                    write(f"{number:08d}.{ending}", data)
                count += 1
    return count


def pairs(folder: Path) -> Iterator[dict[str, Any]]:
    """What such a folder holds, split by split: split, image, mask (bytes), and what the JSON of a pair says.

    Raises UserError: there are no pairs, or an image has no mask.
    """
    found = False
    for place in sorted({path.parent for path in folder.rglob("*.image.png")}):
        for image in sorted(path for path in place.iterdir() if PAIR.fullmatch(path.name)):
            found = True
            stem = image.name.removesuffix(".image.png")
            mask, said = place / f"{stem}.mask.png", place / f"{stem}.json"
            if not mask.is_file():
                raise UserError(f"{image} has no mask: expected {mask.name} beside it")
            told = table_in(said)
            split = place.name if place.name in ("train", "validation", "test") else None
            yield {"split": split, "image": image.read_bytes(), "mask": mask.read_bytes(), "name": stem, **told}
    if not found:
        raise UserError(f"{folder} has no pairs: expected files like 00000000.image.png and 00000000.mask.png")


def labels(folder: Path) -> dict[int, str]:
    """The editor of each label, where the folder says it. Raises UserError: not as `export` writes it."""
    said = table_in(folder / NAMES)
    if not all(label.isdecimal() and isinstance(name, str) for label, name in said.items()):
        raise UserError(f'{folder / NAMES}: expected {{"1": "name of an editor", …}}')
    return {int(label): name for label, name in said.items()}


def table_in(path: Path) -> dict[str, Any]:
    """The table that a JSON file holds; empty where there is no file. Raises UserError: it is none."""
    try:
        said = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except ValueError as error:
        raise UserError(f"{path} is no JSON: {error}") from None
    if not isinstance(said, dict):
        raise UserError(f"{path}: expected a table, found {type(said).__name__}")
    return said


def _rows(table: pl.LazyFrame) -> Iterator[dict[str, Any]]:
    for batch in table.collect_batches(chunk_size=BATCH, maintain_order=True):
        yield from batch.iter_rows(named=True)


def _parts(row: dict[str, Any]) -> Iterator[tuple[str, bytes]]:
    said = {name: row[name] for name in ("key", "scene", "kind", "editors", "operations")}
    said["prompts"] = [turn["prompt"] for turn in row["turns"]]
    yield "image.png", row["image"]["bytes"]
    yield "mask.png", row["mask"]["bytes"]
    yield "json", json.dumps(said, sort_keys=True, ensure_ascii=False).encode()


def _folder(place: Path) -> Write:
    place.mkdir(exist_ok=True)

    def write(name: str, data: bytes) -> None:
        (place / name).write_bytes(data)

    return write


def _tar(stack: ExitStack, path: Path) -> Write:
    archive = stack.enter_context(tarfile.open(path, "w"))  # noqa: SIM115

    def write(name: str, data: bytes) -> None:
        member = tarfile.TarInfo(name)  # no time, no owner: the same rows give the same bytes
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))

    return write
