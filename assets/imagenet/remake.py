"""Make published images anew from what they say of themselves, to compare with what was published."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl
import pyarrow as pa

from corpusmith.assets.imagenet import classes, finetuned, makers
from corpusmith.assets.imagenet import sources as reading
from corpusmith.assets.imagenet.ways import FINETUNED, ways
from corpusmith.assets.resources import Workshop
from corpusmith.assets.samples import batch, made_here, make
from corpusmith.errors import UserError
from corpusmith.work.plan import keys

SEEN = ("recognized", "seen", "seen_probability")


def remaker(workshop: Workshop) -> Callable[[pl.DataFrame], pl.DataFrame]:
    """A function from release rows of one fingerprint to the same rows made anew: key, image, its digest, its seed, and
    what the recognizer sees in the published image.

    An image is drawn in a batch of the recorded shape; a real image that it is drawn from is the release's own, or that
    of the source here. Raises UserError when a row was made by another model or version than is here, or from a real
    image that is not.
    """
    settings = workshop.settings.imagenet
    plain = [way for way in ways(settings) if way["generator"] != FINETUNED]
    here = {maker.fingerprint: maker for maker in (makers.drawer(way, None) for way in plain)}

    def adapted() -> dict[str, makers.Drawer]:
        """The adapted generator, which is trained anew where this home has not done it yet."""
        learned = finetuned.finetuned(reading.sources(workshop), workshop)
        entry = finetuned.entry(learned, workshop)
        own = [way for way in ways(settings) if way["generator"] == FINETUNED]
        return {maker.fingerprint: maker for maker in (makers.drawer(way, entry) for way in own)}

    names = tuple(classes.asked_for(settings)["name"])

    def remake(rows: pl.DataFrame) -> pl.DataFrame:
        if rows["fingerprint"][0] not in here and settings.finetuned.base is not None:
            here.update(adapted())
        maker = made_here(rows["fingerprint"][0], here)
        inputs = pl.DataFrame([dict(row) for row in rows["plan"].str.json_decode(infer_schema_length=None)])
        anew = inputs.with_columns(keys(inputs, maker.fingerprint, maker.inputs), rows["batch"])
        if "before" in inputs.columns:
            anew = anew.with_columns(image_before=_real(rows, workshop))
        drawn = pl.DataFrame(pl.from_arrow(pa.Table.from_batches([maker.remake(batch(anew))])))
        asked = rows.with_columns(asked="label")
        read = make(asked, makers.recognizer(settings.curated.recognizer, names))
        seen = read.select(pl.when(rows["recognized"].is_not_null()).then(pl.col(SEEN)))
        return pl.concat([anew.select("key"), drawn.select("image", "image_sha256", "seed"), seen], how="horizontal")

    return remake


def _real(rows: pl.DataFrame, workshop: Workshop) -> pl.Series:
    """The real image of each row."""
    wanted = rows.select("source_sha256", mine="source_image")
    here = reading.sources(workshop).filter(pl.col("image_sha256").is_in(wanted["source_sha256"].implode()))
    theirs = here.select(source_sha256="image_sha256", theirs="image").collect().unique("source_sha256")
    found = wanted.join(theirs, on="source_sha256", how="left", maintain_order="left")
    image = found.select(pl.coalesce("mine", "theirs").alias("image_before"))["image_before"]
    if lacking := image.struct.field("bytes").is_null().sum():
        raise UserError(
            f"{lacking} of {rows.height} images were made from photographs that the release does not hold: name where "
            "they are with --source"
        )
    return image
