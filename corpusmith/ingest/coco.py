"""Read COCO instances files: images, categories and outlined objects, streamed, however many there are.

The format: https://cocodataset.org/#format-data (object detection).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
import orjson
import polars as pl

from corpusmith.curate import masks
from corpusmith.errors import SourceError

ROWS_AT_ONCE: Final = 10_000
MAX_DEPTH: Final = 64
"""Lists and objects within each other: COCO's have 5, and ijson keeps the whole path of each, so 100,000 take 25 GB."""

_NO_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))

INSTANCES: Final = pl.Schema(
    {
        "image_id": pl.Int64,
        "annotation_id": pl.Int64,
        "category_id": pl.Int64,
        "iscrowd": pl.Boolean,
        "area": pl.Float64,
        "segmentation": pl.String,
    }
)
IMAGES: Final = pl.Schema(
    {
        "image_id": pl.Int64,
        "file_name": pl.String,
        "width": pl.Int64,
        "height": pl.Int64,
        "licence": pl.String,
        "url": pl.String,
    }
)


def instances(annotations: Path) -> Iterator[pl.DataFrame]:
    """Frames of INSTANCES with at most ROWS_AT_ONCE rows, in the order of the file; segmentation is JSON for `mask_of`.

    iscrowd is false and area null where the file has none. Raises SourceError for a file that is not whole JSON or has
    no list of annotations, and for an annotation without id, image_id, category_id or segmentation.
    """
    rows = (_instance(found, f"{annotations}: annotation") for found in _listed(annotations, "annotations"))
    yield from _frames(rows, INSTANCES)


def images(annotations: Path) -> pl.DataFrame:
    """The images of the file (IMAGES): file_name as it stands there, the name of the licence, coco_url or flickr_url.

    The licence is null where the file does not name it. Raises SourceError for a file that is not whole JSON or has no
    list of images, and for an image without id, file_name, width or height.
    """
    licences = _names(next(_values(annotations, "licenses"), []))
    rows = (_image(found, licences, f"{annotations}: image") for found in _listed(annotations, "images"))
    return pl.concat([pl.DataFrame(schema=IMAGES), *_frames(rows, IMAGES)])


def categories(annotations: Path) -> dict[int, str]:
    """The names of the categories by id. Raises SourceError for a file that is not JSON or has no list of them."""
    found = next(_values(annotations, "categories"), None)
    names = _names(found)
    if not isinstance(found, list) or len(names) != len(found):
        raise SourceError(f'{annotations}: expected a list "categories", each of another id and with a name')
    return names


def mask_of(segmentation: str, height: int, width: int) -> masks.Mask:
    """The mask, bool (height, width), of polygons or of runs, compressed or not, as `instances` has them.

    Raises ValueError for what is no JSON of one of these, is broken, or is of another size.
    """
    found = orjson.loads(segmentation)
    if isinstance(found, list):
        return masks.from_polygons(found, height, width)
    counts = found.get("counts") if isinstance(found, dict) else None
    if not isinstance(counts, list | str):
        raise ValueError(f"expected a list of polygons, or counts and size of runs, found {segmentation[:60]}")
    if found.get("size") != [height, width]:
        raise ValueError(f"expected runs of the size {[height, width]}, found {found.get('size')}")
    return masks.from_rle(counts, height, width)


class _Shallow:
    """A file of JSON whose ``read`` raises SourceError before anything is nested deeper than MAX_DEPTH."""

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self._file, self._path = file, path
        self._depth, self._in_text, self._rest = 0, False, b""

    def read(self, size: int = -1) -> bytes:
        block = self._file.read(size)
        if self._deepest(block) > MAX_DEPTH:
            raise SourceError(f"{self._path}: expected COCO's JSON, found more than {MAX_DEPTH} lists in each other")
        return block

    def _deepest(self, block: bytes) -> int:
        """The depth that is reached in the next bytes of the file."""
        plain = (self._rest + block).replace(rb"\\", b"")
        self._rest = b"\\" if plain.endswith(b"\\") else b""  # what it escapes begins the next block
        parts = plain.replace(rb"\"", b"").split(b'"')
        outside = b"".join(parts[self._in_text :: 2])
        self._in_text ^= len(parts) % 2 == 0
        brackets = np.frombuffer(outside.translate(None, _NO_BRACKETS), np.uint8)
        depths = self._depth + np.cumsum(np.where((brackets == ord("[")) | (brackets == ord("{")), 1, -1))
        self._depth = int(depths[-1]) if len(depths) else self._depth
        return int(depths.max(initial=0))


def _values(path: Path, prefix: str) -> Iterator[Any]:
    """The values under ijson's prefix, as they are parsed; raises SourceError where the file stops being JSON."""
    import ijson

    try:
        with path.open("rb") as file:
            yield from ijson.items(_Shallow(file, path), prefix, use_float=True)
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error}") from error
    except ijson.JSONError as error:
        said = error.args[0] if error.args else ""
        reason = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
        raise SourceError(f"{path}: expected a whole JSON file, found a {reason.split(chr(10))[0]}") from error


def _listed(path: Path, name: str) -> Iterator[dict[str, Any]]:
    """The objects of a list at the top; raises SourceError where there is none, or something else in it."""
    count = 0
    for count, found in enumerate(_values(path, f"{name}.item"), 1):
        if not isinstance(found, dict):
            raise SourceError(f'{path}: expected objects in "{name}", number {count} is {str(found)[:60]}')
        yield found
    if not count and not isinstance(next(_values(path, name), None), list):
        raise SourceError(f'{path}: expected a COCO instances file, found no list "{name}" in it')


def _frames(rows: Iterator[tuple[Any, ...]], schema: pl.Schema) -> Iterator[pl.DataFrame]:
    while batch := list(itertools.islice(rows, ROWS_AT_ONCE)):
        yield pl.DataFrame(batch, schema=schema, orient="row")


def _instance(found: dict[str, Any], what: str) -> tuple[Any, ...]:
    where = f"{what} {found.get('id', 'without id')}"
    area = found.get("area")
    return (
        _field(found, "image_id", int, where),
        _field(found, "id", int, where),
        _field(found, "category_id", int, where),
        bool(found.get("iscrowd")),
        float(area) if isinstance(area, int | float) else None,
        orjson.dumps(_field(found, "segmentation", list | dict, where)).decode(),
    )


def _image(found: dict[str, Any], licences: dict[int, str], what: str) -> tuple[Any, ...]:
    where = f"{what} {found.get('id', 'without id')}"
    urls = (found.get(key) for key in ("coco_url", "flickr_url"))
    licence = found.get("license")
    return (
        _field(found, "id", int, where),
        _field(found, "file_name", str, where),
        _field(found, "width", int, where),
        _field(found, "height", int, where),
        licences.get(licence) if isinstance(licence, int) else None,
        next((url for url in urls if url and isinstance(url, str)), None),
    )


def _field(found: dict[str, Any], name: str, kind: Any, where: str) -> Any:
    """A field of an object; raises SourceError unless it is of its kind."""
    value = found.get(name)
    if not isinstance(value, kind) or isinstance(value, bool):
        wanted = {int: "a whole number", str: "a text"}.get(kind, "polygons or runs")
        raise SourceError(f"{where}: expected {wanted} as its {name}, found {str(value)[:60]}")
    return value


def _names(found: Any) -> dict[int, str]:
    """Name by id of the objects in a list that have both."""
    entries = [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []
    pairs = [(entry.get("id"), entry.get("name")) for entry in entries]
    return {number: name for number, name in pairs if isinstance(number, int) and isinstance(name, str)}
