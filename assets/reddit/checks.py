"""The expectations of the Reddit corpus as blocking checks: nothing that breaks one can be released."""

from collections.abc import Iterator

import dagster as dg
import polars as pl

from assets.checked import checked, results
from assets.reddit.rejected import made, rejected
from assets.resources import Workshop
from validation.reddit import SENTENCES, Limits, validate
from validation.suite import sentences

BALANCED = dg.AssetKey(["reddit", "balanced"])
TABLES = ("comments", "labelled", "rewritten", "synthesized", "balanced")
OTHERS = [dg.AssetKey(["reddit", name]) for name in TABLES if name != "balanced"]


@dg.multi_asset_check(
    name="reddit_holds",
    specs=[
        dg.AssetCheckSpec(name, asset=BALANCED, blocking=True, description=sentence, additional_deps=OTHERS)
        for name, sentence in sentences(SENTENCES, Limits()).items()
    ],
    ins={name: dg.AssetIn(key=["reddit", name]) for name in TABLES},
    can_subset=False,
)
def reddit_holds(
    comments: pl.LazyFrame,
    labelled: pl.LazyFrame,
    rewritten: pl.LazyFrame,
    synthesized: pl.LazyFrame,
    balanced: pl.LazyFrame,
    workshop: dg.ResourceParam[Workshop],
) -> Iterator[dg.AssetCheckResult]:
    """Every expectation of the suite, with the rows that fail it."""
    stages = [labelled, rewritten, synthesized]
    limits = Limits.of(workshop.settings.reddit.model_dump(), made(comments, stages))
    refused = rejected(comments, stages, balanced)
    tables = {"rows": balanced, "rejected": refused}
    yield from results(checked(workshop, tables, limits, lambda: validate(balanced, refused, limits)), BALANCED)
