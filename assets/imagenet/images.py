"""What the generators make of the conditions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import polars as pl

from corpusmith.assets.imagenet.makers import Drawer
from corpusmith.assets.imagenet.ways import FINETUNED, FROM_IMAGE, WAY, Way
from corpusmith.errors import PlanError
from corpusmith.work.plan import canonical
from corpusmith.work.produce import Make, Maker, with_failed


def blocks(classes: pl.DataFrame, block: int) -> dict[str, list[str]]:
    """The partitions of the images, ``000-249`` and so on by the class's place among the 1,000, each with its wnids.

    They do not depend on which classes are asked for: another class more or less moves none to another block.
    """
    first = pl.col("index") // block * block
    named = pl.format("{}-{}", *(bound.cast(pl.String).str.zfill(3) for bound in (first, first + (block - 1))))
    return dict(classes.sort("index").group_by(named.alias("block"), maintain_order=True).agg("wnid").rows())


def generate(
    conditions: pl.LazyFrame, sources: pl.LazyFrame, wnids: list[str], drawer: Callable[[Way], Drawer], make: Make
) -> pl.LazyFrame:
    """The images of some classes, in the order of ``conditions``; one that failed has a key and no image.

    sources: in the order of the conditions of each way, so that their images are laid beside these and never joined.
    """
    asked = conditions.filter(pl.col("wnid").is_in(wnids))
    here = sources.filter(pl.col("wnid").is_in(wnids), pl.col("image_sha256").is_not_null())
    drawn_by: dict[str, tuple[Drawer, list[Way]]] = {}
    for way in asked.select(WAY).unique(maintain_order=True).collect().to_dicts():
        maker = drawer(way)
        drawn_by.setdefault(maker.fingerprint, (maker, []))[1].append(way)
    return pl.concat([_drawn(asked, here, maker, ways, make) for maker, ways in drawn_by.values()])


def _drawn(asked: pl.LazyFrame, sources: pl.LazyFrame, maker: Drawer, ways: Sequence[Way], make: Make) -> pl.LazyFrame:
    """What one generator makes in all the ways that are its."""
    plan = pl.concat([_plan(asked, sources, way) for way in ways])
    made = with_failed(make(plan, maker), plan, maker).drop("image_before", strict=False)
    provenance = maker.provenance
    stated = {**provenance, "strength": provenance["arguments"].get("strength")}
    led = (pl.col("strategy") != "image") | (maker.role == "variation")  # by a guidance
    scheduler = (provenance["scheduler"] or {}).get("name")  # null: the one that the model came with
    return made.with_columns(
        finetuned=pl.col("generator") == FINETUNED,
        model=pl.lit(provenance["model"]),
        revision=pl.lit(provenance["revision"]),
        steps=pl.lit(stated["steps"], pl.Int32),
        guidance=pl.when(led).then(pl.lit(stated["guidance"], pl.Float32)),
        strength=pl.lit(stated["strength"], pl.Float32),
        scheduler=pl.lit(scheduler, pl.String),
        plan=canonical(maker.inputs),
        fingerprint=pl.lit(maker.fingerprint),
    )


def _plan(asked: pl.LazyFrame, sources: pl.LazyFrame, way: Way) -> pl.LazyFrame:
    """What is drawn in one way, each beside the real image that it is drawn from."""
    plan = asked.filter(pl.col(name).eq_missing(way[name]) for name in WAY).drop("guidance", "steps", "strength")
    if way["strategy"] not in FROM_IMAGE:
        return plan
    _check_order(plan, sources)
    return pl.concat([plan, sources.select(image_before="image")], how="horizontal")


def _check_order(plan: pl.LazyFrame, sources: pl.LazyFrame) -> None:
    places = [table.select("source").collect() for table in (plan, sources)]
    if not places[0].equals(places[1]):
        raise PlanError(
            "imagenet/conditions was made from other sources than there are now: materialize it and what follows it"
        )


def all_of(images: Mapping[str, pl.LazyFrame], wanted: Mapping[str, list[str]]) -> pl.LazyFrame:
    """The images of all blocks that the settings name, in their order."""
    return pl.concat([images[block] for block in wanted])


def seen(images: pl.LazyFrame, maker: Maker, make: Make, **columns: pl.Expr) -> pl.LazyFrame:
    """What a maker that looks at images says of each, by the image's ``key``; failed images are absent.

    columns: what else its plan has, of the columns of ``images``.
    """
    plan = images.filter(pl.col("image_sha256").is_not_null()).select("image_sha256", "image", sample="key", **columns)
    return make(plan, maker).select(pl.col("sample").alias("key"), *maker.schema.names)
