"""What the corpus is made from: photographs of its classes, drawings in their place, or the list of classes alone."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import polars as pl
import pyarrow as pa

from corpusmith.assets.imagenet import classes, images, makers
from corpusmith.assets.imagenet.photographs import Found, once, photographs, with_splits
from corpusmith.assets.imagenet.settings import ImageNet
from corpusmith.assets.imagenet.ways import FROM_IMAGE, strategies
from corpusmith.assets.resources import Workshop
from corpusmith.drawings import objects
from corpusmith.errors import SettingsError, SourceError
from corpusmith.ingest.photographs import KEPT, Photographs, kept
from corpusmith.models import classifiers
from corpusmith.models.diffusion import runs_on
from corpusmith.models.images import PipelineMaker
from corpusmith.models.perceivers.network import ImageModel
from corpusmith.models.preflight import preflight
from corpusmith.release import tombstones
from corpusmith.release.inputs import Source
from corpusmith.release.takedown import sha256_of
from corpusmith.work.plan import canonical, fingerprint, seeds
from corpusmith.work.produce import Maker, with_failed

VERSION: Final = 1  # of how objects are drawn: raise it when that changes
SPLITS: Final = ("train", "validation", "test")

SOURCES: Final = pl.Schema(
    {
        "source": pl.String,
        "kind": pl.String,
        "wnid": pl.String,
        "name": pl.String,
        "index": pl.Int32,
        "split": pl.String,
        "image": pl.Struct({"bytes": pl.Binary, "path": pl.String}),
        "image_sha256": pl.String,
        "width": pl.Int32,
        "height": pl.Int32,
        "caption": pl.String,
        "licence": pl.String,
        "source_plan": pl.String,
        "source_fingerprint": pl.String,
    }
)
"""source: the path within the folder of the source, ``drawn/<split>/<wnid>/<number>``, or ``none/<wnid>/<number>``.
kind: real, drawn, or none (a place in a class, without an image). image: PNG, RGB, upright; null where it could not be
opened, and of none. source_plan and source_fingerprint: of who opened or drew it."""


class ObjectDrawer:
    """Draws an object of the class ``name``, as the seed that the key gives wants it, with a sentence that says it."""

    name = "objects"
    inputs = ("name", "number", "split", "seed")
    schema = pa.schema([*KEPT, pa.field("caption", pa.string())])
    batch_rows = 256
    fingerprint = fingerprint("objects", "corpusmith/drawings", str(VERSION), {})
    provenance: Final[dict[str, Any]] = {
        "model": "corpusmith/drawings",
        "revision": str(VERSION),
        "licence": "apache-2.0",
    }

    def make(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        """A drawing of each row."""
        keys, names = rows["key"].to_pylist(), rows["name"].to_pylist()
        made = []
        for key, name, seed in zip(keys, names, seeds(keys), strict=True):
            traits = traits_of(name, int(seed))
            made.append({**kept(key, objects.draw(traits)), "caption": traits["prompt"]})
        return pa.RecordBatch.from_pylist(made, self.schema)


def traits_of(name: str, seed: int) -> dict[str, Any]:
    """What to draw of a class (a row of `objects.traits`), by a seed."""
    every = objects.traits(len(objects.classes()), seed)  # each class once
    return every.row(by_predicate=pl.col("name") == name, named=True)


def ready(workshop: Workshop) -> None:
    """What would stop the work later is found before it begins. Raises ModelError, SettingsError and SourceError."""
    settings = workshop.settings.imagenet
    classes.templates(settings.templates)
    classes.check_names(settings.names)
    check_rules(settings)
    sentences(workshop)
    plan(workshop)
    test_sets(workshop)
    for maker in makers.all_of(settings, classes_of(workshop)["name"].to_list(), None):
        if isinstance(maker, ImageModel):
            maker.ready()
        if isinstance(maker, PipelineMaker):
            preflight(maker.entry, runs_on(maker.entry)[0])


def check_rules(settings: ImageNet) -> None:
    """Raises SettingsError for settings that cannot be met together, and ModelError for an unknown network."""
    from_image = [strategy for strategy in strategies(settings) if strategy in FROM_IMAGE]
    if kind_of(settings) == "none" and from_image:
        raise SettingsError(
            f"imagenet.strategies: {' and '.join(from_image)} are drawn from real images, and there are none: name a "
            "source, or leave them out"
        )
    tests = 2 + len(settings.curated.embedders)
    if settings.curated.agree > tests:
        raise SettingsError(
            f"imagenet.curated.agree is {settings.curated.agree}, and there are {tests} tests of a class: the "
            "recognizer, the text, and the real images by each embedder"
        )
    for network in settings.scores.networks:
        classifiers.revision(network)


def classes_of(workshop: Workshop) -> pl.DataFrame:
    """The classes that the settings ask for (classes.CLASSES)."""
    return classes.asked_for(workshop.settings.imagenet)


def sentences(workshop: Workshop) -> dict[str, list[str]]:
    """What is said of each class, by its name; nothing without captions.by_class. Raises SourceError."""
    by_class = workshop.settings.imagenet.captions.by_class
    return classes.descriptions(Path(by_class).expanduser(), classes_of(workshop)) if by_class else {}


def sources(workshop: Workshop) -> pl.LazyFrame:
    """Every real image, or what stands in its place (SOURCES), in the order of classes; those that failed, without an
    image, last."""
    settings = workshop.settings.imagenet
    planned, maker = plan(workshop).lazy(), maker_of(settings)
    if maker is None:
        return _typed(planned.with_columns(kind=pl.lit("none")))
    made = with_failed(workshop.make(planned, maker), planned, maker)
    taken = tombstones.everywhere(workshop.home)
    gone = [source for source in plan(workshop)["source"] if sha256_of(source) in taken] if taken else []
    return _typed(
        made.filter(
            ~pl.col("source").is_in(gone), ~pl.col("image_sha256").is_in(list(taken)).fill_null(False)
        ).with_columns(
            kind=pl.lit(kind_of(settings)),
            licence=pl.lit(maker.provenance.get("licence"), pl.String),
            source_plan=canonical(maker.inputs),
            source_fingerprint=pl.lit(maker.fingerprint),
        )
    )


def kind_of(settings: ImageNet) -> str:
    """What the images are: real with a source; without one drawn, where all classes can be and no number of each is
    asked for; else none."""
    if settings.source:
        return "real"
    can_be = set(classes.asked_for(settings)["name"]) <= set(objects.classes())
    return "drawn" if can_be and not settings.of_each_class else "none"


def maker_of(settings: ImageNet) -> Maker | None:
    """Who opens or draws the images; None: there are none."""
    return {"real": Photographs(settings.max_edge), "drawn": ObjectDrawer(), "none": None}[kind_of(settings)]


def plan(workshop: Workshop) -> pl.DataFrame:
    """What is opened or drawn, or the places without an image: source, wnid, name, index, split, and what the maker
    reads. Raises SettingsError and SourceError."""
    settings, wanted = workshop.settings.imagenet, classes_of(workshop)
    kind = kind_of(settings)
    if kind == "real":
        return _real(_each(workshop), workshop).rows
    if kind == "drawn":
        return _drawn(wanted, settings)
    if not settings.of_each_class:
        raise SettingsError(
            "imagenet.of_each_class is 0, and there is no source: nothing to make images of. Name a source, ask for so "
            "many of each class, or for the classes that can be drawn (imagenet.classes: drawn)"
        )
    listed = wanted.join(pl.DataFrame({"number": range(settings.of_each_class)}), how="cross")
    places = _called(listed, "none/{}/{}", "wnid")
    hashed = [hashlib.sha256(source.encode()).hexdigest() for source in places["source"]]
    bare = places.with_columns(split=pl.lit(None, pl.String), file_sha256=pl.Series(hashed))
    return with_splits(bare, settings.splits).drop("file_sha256")


def blocks(workshop: Workshop) -> dict[str, list[str]]:
    """The partitions of imagenet/images, each with its wnids: those of which there is something to make."""
    return _blocks(plan(workshop), workshop)


def partitions(workshop: Workshop) -> dict[str, str]:
    """The same, each with a digest of what it is made from."""
    planned = plan(workshop).drop("path", strict=False)
    return {
        block: _digest(planned.filter(pl.col("wnid").is_in(wnids)))
        for block, wnids in _blocks(planned, workshop).items()
    }


def described(workshop: Workshop) -> list[Source]:
    """The sources and test sets as a release names them, with what was left out of each; what was left out of all
    sources together is said of the first."""
    parts = _each(workshop)
    found = [_described(Path(source).name, part) for source, part in parts.items()]
    if found:
        found[0] = replace(found[0], notes=(*found[0].notes, *_real(parts, workshop).notes))
    return [*found, *(_described(f"test set {name}", part) for name, part in test_sets(workshop).items())]


def _described(name: str, part: Found) -> Source:
    lines = "".join(f"{sha}  {source}\n" for sha, source in part.rows.select("file_sha256", "source").iter_rows())
    count = f"{part.rows.height:,} images of {part.rows['wnid'].n_unique():,} classes"
    digest = hashlib.sha256(lines.encode()).hexdigest()
    return Source(name, digest, part.rows["bytes"].sum(), (count, *part.notes))


def inputs(workshop: Workshop) -> dict[str, str]:
    """Digests of the photographs, of what is said of classes, and of the test sets."""
    settings, found = workshop.settings.imagenet, {}
    if settings.source:
        found["photographs"] = _digest(plan(workshop).drop("path"))
    if said := sentences(workshop):
        found["captions"] = _digest(pl.DataFrame({"name": list(said), "sentences": list(said.values())}))
    for name, part in test_sets(workshop).items():
        found[f"set {name}"] = _digest(part.rows.drop("path"))
    return found


def test_sets(workshop: Workshop) -> dict[str, Found]:
    """The photographs of each of the test sets that are named, all of them in the split test.

    Raises SourceError: one cannot be read, or has none of the corpus's classes.
    """
    wanted = classes_of(workshop)
    found = {}
    for name, folder in workshop.settings.imagenet.scores.sets.items():
        part = photographs(folder, wanted, workshop.home)
        unique = once(part.rows.with_columns(split=pl.lit("test")))
        if unique.rows.is_empty():
            raise SourceError(
                f"imagenet.scores.sets: {name} ({folder}) shares no class with the {wanted.height:,} of the corpus: "
                "nothing to test on. Leave it out, or ask for its classes (imagenet.classes)"
            )
        found[name] = Found(unique.rows, (*part.notes, *unique.notes))
    return found


def _blocks(planned: pl.DataFrame, workshop: Workshop) -> dict[str, list[str]]:
    there = classes_of(workshop).filter(pl.col("wnid").is_in(planned["wnid"].unique().implode()))
    return images.blocks(there, workshop.settings.imagenet.block)


def _each(workshop: Workshop) -> dict[str, Found]:
    """The photographs of each source."""
    wanted = classes_of(workshop)
    return {source: photographs(source, wanted, workshop.home) for source in workshop.settings.imagenet.source}


def _real(parts: Mapping[str, Found], workshop: Workshop) -> Found:
    """The plan of all photographs, and what was left out of them together."""
    settings, wanted = workshop.settings.imagenet, classes_of(workshop)
    rows = pl.concat([part.rows for part in parts.values()])
    if rows.is_empty():
        raise SourceError(
            f"{', '.join(settings.source)}: there is no image of the {wanted.height:,} classes that imagenet.classes "
            "asks for: name others, or another source"
        )
    found = once(rows)
    if twice := found.rows.filter(pl.col("source").is_duplicated())["source"].to_list():
        raise SourceError(
            f"two of the sources have {classes.few(sorted(set(twice)))}: name the folder above them, so that paths "
            "differ"
        )
    placed = with_splits(found.rows, settings.splits)
    return Found(placed, (*found.notes, *_absent(placed, wanted)))


def _absent(rows: pl.DataFrame, wanted: pl.DataFrame) -> Iterator[str]:
    lacking = wanted.filter(~pl.col("wnid").is_in(rows["wnid"].implode()))["wnid"].to_list()
    if lacking:
        yield f"{len(lacking):,} of {wanted.height:,} classes have no image: {classes.few(lacking)}"
    if without := [split for split in SPLITS if split not in rows["split"]]:
        yield f"the source has no {' and no '.join(without)} split"


def _drawn(wanted: pl.DataFrame, settings: ImageNet) -> pl.DataFrame:
    counts = [(split, number) for split in SPLITS for number in range(getattr(settings.drawn, split))]
    numbers = pl.DataFrame(counts, {"split": pl.String, "number": pl.Int64}, orient="row")
    listed = wanted.join(numbers, how="cross").with_columns(seed=pl.lit(settings.drawn.seed, pl.Int64))
    return _called(listed, "drawn/{}/{}/{}", "split", "wnid")


def _called(listed: pl.DataFrame, pattern: str, *columns: str) -> pl.DataFrame:
    number = pl.col("number").cast(pl.String).str.zfill(4)
    return listed.drop("synonyms").with_columns(source=pl.format(pattern, *columns, number))


def _typed(table: pl.LazyFrame) -> pl.LazyFrame:
    there = table.collect_schema()
    return table.select(
        (pl.col(name) if name in there else pl.lit(None)).cast(kind).alias(name) for name, kind in SOURCES.items()
    )


def _digest(table: pl.DataFrame) -> str:
    said = hashlib.sha256()
    for part in table.iter_slices():
        said.update(part.write_ndjson().encode())
    return said.hexdigest()
