"""Make published portraits anew from what they say of themselves, to compare with what was published."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl
import pyarrow as pa

from corpusmith.assets.portraits import makers
from corpusmith.assets.portraits.annotations import PROBABILITIES, SAID, consensus
from corpusmith.assets.portraits.settings import Portraits
from corpusmith.assets.resources import Workshop
from corpusmith.assets.samples import batch, made_here, make
from corpusmith.work.plan import keys

JUDGED = ("emotion_seen", *PROBABILITIES, "intensity", "quality")


def remaker(workshop: Workshop) -> Callable[[pl.DataFrame], pl.DataFrame]:
    """A function from release rows of one fingerprint to the same rows made anew: key, image, its digest, JUDGED.

    An image is drawn in a batch of the recorded shape; annotators look at the published image again, people do not.
    Nothing is read from the ledger. Raises UserError when a row was made by another model or version than is here.
    """
    settings = workshop.settings.portraits

    def remake(rows: pl.DataFrame) -> pl.DataFrame:
        generator = _generator(rows["fingerprint"][0], settings)
        inputs = pl.DataFrame([dict(row) for row in rows["plan"].str.json_decode(infer_schema_length=None)])
        anew = inputs.with_columns(keys(inputs, generator.fingerprint, generator.inputs), rows["batch"])
        drawn = pl.DataFrame(pl.from_arrow(pa.Table.from_batches([generator.remake(batch(anew))])))
        images = pl.DataFrame({"key": anew["key"]}).hstack(drawn.select("image", "image_sha256", "seed"))
        return images.join(judged(rows, settings), on="key", how="left", maintain_order="left")

    return remake


def judged(rows: pl.DataFrame, settings: Portraits) -> pl.DataFrame:
    """What the annotators see in published images, beside what people said of them: key and JUDGED."""
    said = []
    for name in settings.annotators:
        read = make(rows, makers.perceiver(name, settings.servers))
        said.append(rows.select("key").hstack(read.select(SAID)).with_columns(annotator=pl.lit(name), human=False))
    people = rows.select("key", "annotations").explode("annotations").unnest("annotations").filter("human")
    said.append(people.select(said[0].columns).cast(dict(said[0].schema)))
    return consensus(pl.concat(said).lazy()).select("key", *JUDGED).collect()


def _generator(fingerprint: str, settings: Portraits) -> makers.Generator:
    here = {found.fingerprint: found for found in map(makers.generator, settings.generators)}
    return made_here(fingerprint, here)
