"""What the edits are made from: photographs of folders, files and Hub datasets, with COCO annotations or without."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import polars as pl

from corpusmith.assets.edits import makers
from corpusmith.assets.resources import Workshop
from corpusmith.errors import SettingsError, SourceError
from corpusmith.ingest import coco
from corpusmith.ingest.photographs import ENDINGS, digest, image_column, is_image, opened_dataset
from corpusmith.ingest.sources import check_name, is_hub_id, is_saved_dataset, pinned
from corpusmith.models.diffusion import runs_on
from corpusmith.models.perceivers.network import ImageModel
from corpusmith.models.preflight import preflight
from corpusmith.release.inputs import Source

PHOTOGRAPH: Final = pl.Schema(
    {
        "file_sha256": pl.String,
        "annotations": pl.String,
        "path": pl.String,
        "source": pl.String,
        "licence": pl.String,
    }
)


def ready(workshop: Workshop) -> None:
    """What would stop the work later is found before it begins. Raises ModelError, SettingsError and
    SourceError."""
    settings = workshop.settings.edits
    if not (settings.source or settings.scenes.drawn or settings.scenes.generated):
        raise SettingsError("edits.scenes: drawn and generated are both 0, and there is no source: nothing to edit")
    files(workshop)
    for maker in makers.all_of(settings):
        if isinstance(maker, ImageModel):
            maker.ready()
    for editor in makers.editors(settings):
        preflight(editor.entry, runs_on(editor.entry)[0])


def files(workshop: Workshop) -> list[Path]:
    """The image files of all sources, in the order of their names.

    Raises SourceError for a path that is not there, a folder without images, and annotations alone.
    """
    found: list[Path] = []
    _annotations(workshop)
    for source in _images(workshop):
        path = Path(source).expanduser()
        check_name(source)
        if path.is_dir() and not is_saved_dataset(path):
            inside = sorted(file for file in path.rglob("*") if is_image(file.relative_to(path)) and file.is_file())
            if not inside:
                raise SourceError(f"the folder {path} holds no images: expected files named {' '.join(ENDINGS)}")
            found += inside
        elif path.is_file():
            if not is_image(Path(path.name)):
                raise SourceError(f"{path} is no image by its name: expected one that ends in {' '.join(ENDINGS)}")
            found.append(path)
        elif path.is_dir() or is_hub_id(source):
            found += _unpacked(source, workshop)
        else:
            raise SourceError(
                f"no file, folder or dataset {source!r}: expected images, a folder of them, COCO annotations (.json) "
                "beside these, or a Hugging Face dataset id such as owner/name"
            )
    if workshop.settings.edits.source and not found:
        raise SourceError("edits.source names annotations alone: name the folder of their images too")
    return found


def photographs(workshop: Workshop) -> pl.LazyFrame | None:
    """The plan of all photographs, PHOTOGRAPH; None without a source. Raises SourceError."""
    settings = workshop.settings.edits
    if not settings.source:
        return None
    said = _annotated(workshop)
    rows = []
    for path in files(workshop):
        known = said.get(path.name, {})
        rows.append(
            {
                "file_sha256": digest(path),
                "annotations": known.get("annotations"),
                "path": str(path),
                "source": known.get("url") or path.name,
                "licence": known.get("licence"),
            }
        )
    return pl.DataFrame(rows, PHOTOGRAPH).unique("file_sha256", maintain_order=True).lazy()


def described(workshop: Workshop) -> list[Source]:
    """The sources as a release names them: annotations and Hub datasets each, the images of a folder together."""
    found = []
    for source in workshop.settings.edits.source:
        path = Path(source).expanduser()
        if path.is_file():
            notes = tuple(_unmatched(path, workshop)) if path.suffix == ".json" else ()
            found.append(Source(path.name, digest(path), path.stat().st_size, notes))
        else:
            inside = [file for file in files(workshop) if file.is_relative_to(path)] if path.is_dir() else []
            lines = "".join(f"{digest(file)}  {file.name}\n" for file in inside) or pinned(source)
            size = sum(file.stat().st_size for file in inside)
            found.append(
                Source(path.name, hashlib.sha256(lines.encode()).hexdigest(), size, (f"{len(inside)} images",))
            )
    return found


def inputs(workshop: Workshop) -> dict[str, str]:
    """A digest of the photographs and what is said of them."""
    plan = photographs(workshop)
    if plan is None:
        return {}
    said = plan.select("file_sha256", "annotations", "licence").collect().write_ndjson()
    return {"photographs": hashlib.sha256(said.encode()).hexdigest()}


def _images(workshop: Workshop) -> list[str]:
    return [source for source in workshop.settings.edits.source if Path(source).suffix.lower() != ".json"]


def _annotations(workshop: Workshop) -> list[Path]:
    named = [Path(source).expanduser() for source in workshop.settings.edits.source]
    found = [path for path in named if path.suffix.lower() == ".json"]
    for path in found:
        if not path.is_file():
            raise SourceError(f"no file {path}: expected the instances of COCO as JSON")
    return found


def _annotated(workshop: Workshop) -> dict[str, dict[str, Any]]:
    """By file name: annotations (JSON of width, height, things), url, licence. Crowds are left out."""
    found: dict[str, dict[str, Any]] = {}
    for path in _annotations(workshop):
        names = coco.categories(path)
        images = {row["image_id"]: row for row in coco.images(path).to_dicts()}
        things: dict[int, list[dict[str, Any]]] = {number: [] for number in images}
        for frame in coco.instances(path):
            for row in frame.filter(~pl.col("iscrowd")).iter_rows(named=True):
                name = names.get(row["category_id"])
                if name is not None and row["image_id"] in things:
                    said = {"annotation_id": row["annotation_id"], "name": name, "segmentation": row["segmentation"]}
                    things[row["image_id"]].append(said)
        for number, row in images.items():
            said = {"width": row["width"], "height": row["height"], "things": things[number]}
            found[Path(row["file_name"]).name] = {
                "annotations": json.dumps(said, sort_keys=True),
                "url": row["url"],
                "licence": row["licence"],
            }
    return found


def _unmatched(annotations: Path, workshop: Workshop) -> Iterator[str]:
    """What annotations and images do not know of one another."""
    named = {Path(name).name for name in coco.images(annotations)["file_name"]}
    here = {path.name for path in files(workshop)}
    if absent := sorted(named - here):
        yield f"{len(absent):,} of {len(named):,} images that it names are not here, {absent[0]} the first"
    if unknown := sorted(here - named):
        yield f"{len(unknown):,} images are not in it, {unknown[0]} the first: their regions are found by a model"


def _unpacked(source: str, workshop: Workshop) -> list[Path]:
    """The images of a dataset as files, written once. Raises SourceError where it has no column of images."""
    import datasets

    name = pinned(source)
    folder = workshop.home / ".corpusmith" / "images" / hashlib.sha256(name.encode()).hexdigest()[:16]
    done = folder / "done"
    if not done.exists():
        found = opened_dataset(source)
        if isinstance(found, dict):
            found = found.get("train", next(iter(found.values())))
        column = image_column(found.features, source)
        folder.mkdir(parents=True, exist_ok=True)
        for number, row in enumerate(found.select_columns(column).cast_column(column, datasets.Image(decode=False))):
            image = row[column]
            (folder / f"{number:08d}.image").write_bytes(image["bytes"] or Path(image["path"]).read_bytes())
        done.touch()
    return sorted(folder.glob("*.image"))
