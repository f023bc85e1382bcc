"""Everything that did not come into the corpus, with its reasons, so that every row is accounted for."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from corpusmith.assets.reddit.comments import MAKER, PLACE
from corpusmith.validation.schema import REJECTED, schema
from corpusmith.work.plan import canonical


def rejected(comments: pl.LazyFrame, stages: Sequence[pl.LazyFrame], chosen: pl.LazyFrame) -> pl.LazyFrame:
    """Rejected comments, samples that a stage rejected, and samples that were fit but not needed (``surplus``)."""
    unfit = comments.filter(pl.col("verdict") == "rejected").with_columns(
        origin=pl.lit("natural"), plan=canonical(PLACE), fingerprint=pl.lit(MAKER)
    )
    samples = [_surplus_marked(stage, chosen).filter(pl.col("verdict") == "rejected") for stage in stages]
    return pl.concat([_conformed(table) for table in (unfit, *samples)])


def made(comments: pl.LazyFrame, stages: Sequence[pl.LazyFrame]) -> dict[str, int]:
    """How many rows came in of each origin: lines read, and samples written."""
    natural = comments.select(pl.len()).collect().item()
    written = pl.concat([stage.select("origin") for stage in stages]).filter(pl.col("origin") != "natural")
    return {"natural": natural, **dict(written.group_by("origin").len().sort("origin").collect().rows())}


def _surplus_marked(samples: pl.LazyFrame, chosen: pl.LazyFrame) -> pl.LazyFrame:
    needed = chosen.select("key", needed=pl.lit(True))
    spare = (pl.col("verdict") == "kept") & pl.col("needed").is_null()
    return samples.join(needed, on="key", how="left", maintain_order="left").with_columns(
        verdict=pl.when(spare).then(pl.lit("rejected")).otherwise("verdict"),
        reasons=pl.when(spare).then(pl.lit(["surplus"])).otherwise("reasons"),
    )


def _conformed(table: pl.LazyFrame) -> pl.LazyFrame:
    """The columns of the rejected table; those that a row never got are null."""
    has = table.collect_schema()
    return table.select(
        (pl.col(name) if name in has else pl.lit(None)).cast(dtype).alias(name)
        for name, dtype in schema(REJECTED).items()
    )
