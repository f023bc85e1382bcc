"""The expectations of the portraits corpus as blocking checks: nothing that breaks one can be released."""

from collections.abc import Iterator

import dagster as dg
import polars as pl

from assets.checked import checked, results
from assets.portraits import images as generating
from assets.portraits import rows
from assets.resources import Workshop
from validation.portraits import SENTENCES, Limits, validate
from validation.suite import sentences

ANNOTATIONS = dg.AssetKey(["portraits", "annotations"])
OTHERS = [dg.AssetKey(["portraits", name]) for name in ("images", "curated")]


@dg.multi_asset_check(
    name="portraits_holds",
    specs=[
        dg.AssetCheckSpec(name, asset=ANNOTATIONS, blocking=True, description=sentence, additional_deps=OTHERS)
        for name, sentence in sentences(SENTENCES, Limits()).items()
    ],
    ins={key.path[1]: dg.AssetIn(key=key) for key in (*OTHERS, ANNOTATIONS)},
    can_subset=False,
)
def portraits_holds(
    images: dict[str, pl.LazyFrame],
    curated: pl.LazyFrame,
    annotations: pl.LazyFrame,
    workshop: dg.ResourceParam[Workshop],
) -> Iterator[dg.AssetCheckResult]:
    """Every expectation of the suite over what would be released, with the rows that fail it."""
    settings = workshop.settings.portraits
    every = generating.all_of(images, settings)
    kept, refused = rows.released(every, curated, annotations), rows.rejected(every, curated).drop("image")
    limits = Limits.of(settings.model_dump(), rows.made(curated))
    tables = {"rows": kept, "rejected": refused}
    yield from results(checked(workshop, tables, limits, lambda: validate(kept, refused, limits)), ANNOTATIONS)
