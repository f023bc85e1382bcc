"""Test sets under shift: drawings in other looks and with ever more of a nuisance, or photographs of folders."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import polars as pl
import pyarrow as pa

from corpusmith.assets.imagenet.settings import ImageNet
from corpusmith.assets.imagenet.sources import classes_of, kind_of, test_sets, traits_of
from corpusmith.assets.resources import Workshop
from corpusmith.drawings import nuisances, objects
from corpusmith.drawings import shifts as looks
from corpusmith.errors import SettingsError
from corpusmith.ingest.photographs import KEPT, Photographs, kept
from corpusmith.work.plan import fingerprint, keys, seeds
from corpusmith.work.produce import Maker, with_failed

if TYPE_CHECKING:
    from PIL import Image

VERSION: Final = 1  # of how test sets are drawn: raise it when that changes
NATURAL: Final = "natural"

SHIFTS: Final = pl.Schema(
    {
        "set": pl.String,
        "severity": pl.Int8,
        "sample": pl.String,
        "wnid": pl.String,
        "name": pl.String,
        "index": pl.Int32,
        "image": pl.Struct({"bytes": pl.Binary, "path": pl.String}),
        "image_sha256": pl.String,
    }
)
"""set: natural (drawn like the sources), a look of `looks.SHIFTS`, a nuisance of `nuisances.NUISANCES`, or the name of
a folder. severity: 1 to 5 of a nuisance, else null. sample: the same drawing has the same in every set."""


class ShiftDrawer:
    """Draws an object of the class ``name`` by ``seed``, in the look or under the nuisance that ``set`` names."""

    name = "shifts"
    inputs = ("set", "severity", "name", "seed")
    schema = KEPT
    batch_rows = 256
    fingerprint = fingerprint("shifts", "corpusmith/drawings", str(VERSION), {})
    provenance: Final[dict[str, Any]] = {
        "model": "corpusmith/drawings",
        "revision": str(VERSION),
        "licence": "apache-2.0",
    }

    def make(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        """A drawing of each row."""
        made = [kept(row["key"], _shifted(row)) for row in rows.to_pylist()]
        return pa.RecordBatch.from_pylist(made, self.schema)


def shifts(workshop: Workshop) -> pl.LazyFrame:
    """All test sets (SHIFTS): drawn ones where the sources are drawn, and the folders of ``scores.sets``; those that
    failed, without an image, last in theirs.

    Raises SourceError: a folder cannot be read, or has no class of the corpus; SettingsError: it is called like a drawn
    set.
    """
    settings = workshop.settings.imagenet
    parts, is_drawn = [], kind_of(settings) == "drawn"
    if is_drawn:
        parts.append(_made(plan(classes_of(workshop), settings).lazy(), ShiftDrawer(), workshop))
    for name, part in test_sets(workshop).items():
        if is_drawn and name in (NATURAL, *looks.SHIFTS, *nuisances.NUISANCES):
            raise SettingsError(f"imagenet.scores.sets: {name} is a set that is drawn: call the folder otherwise")
        planned = part.rows.with_columns(set=pl.lit(name), severity=pl.lit(None, pl.Int8)).rename({"source": "sample"})
        parts.append(_made(planned.lazy(), Photographs(settings.max_edge), workshop))
    return pl.concat([pl.LazyFrame(schema=SHIFTS), *parts])


def plan(classes: pl.DataFrame, settings: ImageNet) -> pl.DataFrame:
    """What is drawn: every drawing in all sets, one after the other; set, severity, sample, wnid, name, index, seed.

    The seed of a drawing comes from its class and number alone, and is none of the sources'.
    """
    plain = [(name, None) for name in (NATURAL, *looks.SHIFTS)]
    strong = [(name, severity) for name in nuisances.NUISANCES for severity in nuisances.SEVERITIES]
    sets = pl.DataFrame([*plain, *strong], {"set": pl.String, "severity": pl.Int8}, orient="row")
    numbers = pl.DataFrame({"number": range(settings.scores.drawn)}, {"number": pl.Int64})
    drawings = classes.join(numbers, how="cross").with_columns(seed=pl.lit(settings.drawn.seed, pl.Int64))
    drawn_by = seeds(keys(drawings, ShiftDrawer.fingerprint, ("name", "number", "seed")).to_list())
    number = pl.col("number").cast(pl.String).str.zfill(4)
    named = drawings.with_columns(
        sample=pl.format("shifted/{}/{}", "wnid", number), seed=pl.Series(drawn_by, dtype=pl.Int64)
    )
    return named.join(sets, how="cross").select("set", "severity", "sample", "wnid", "name", "index", "seed")


def _made(plan: pl.LazyFrame, maker: Maker, workshop: Workshop) -> pl.LazyFrame:
    made = with_failed(workshop.make(plan, maker), plan, maker)
    return made.select(pl.col(name).cast(kind) for name, kind in SHIFTS.items())


def _shifted(row: dict[str, Any]) -> Image.Image:
    image, seed = _drawing(row["name"], row["seed"]), row["seed"]
    if row["severity"] is not None:
        return nuisances.under(image, row["set"], row["severity"], seed)
    return image if row["set"] == NATURAL else looks.SHIFTS[row["set"]](image, seed)


@lru_cache(maxsize=8)
def _drawing(name: str, seed: int) -> Image.Image:
    """Kept for the next set, which wants it too."""
    return objects.draw(traits_of(name, seed))
