"""Which edits are fit, judged one by one, and what becomes of the chains that they are part of."""

from __future__ import annotations

import polars as pl

from corpusmith.assets.edits.settings import Curated, Edits
from corpusmith.curate.balance import assign_splits
from corpusmith.curate.image_hashes import duplicates
from corpusmith.curate.image_quality import Inspector
from corpusmith.errors import SettingsError
from corpusmith.models.perceivers.edits import JUDGED, EditJudge
from corpusmith.work.produce import Make

TURN = ("key", "scene", "turn", "operation", "editor", "name", "thing", "colour", "prompt", "region", "area", "leak")


def curate(scenes: pl.LazyFrame, turns: pl.LazyFrame, judge: EditJudge, make: Make, settings: Edits) -> pl.LazyFrame:
    """Every edit without its images: what the judge sees, its verdict with reasons, and its chain's split.

    A turn that is not fit ends its chain: those after it are rejected as ``after_failed`` (failed_turn: cut), or all of
    the chain (reject). The images of chains are not compared with one another, their bases are: what nearly repeats a
    base goes into its split.
    """
    facts = turns.select(*TURN, "image_sha256", "before").collect()
    seen = judged(scenes, turns, judge, make).collect()
    found = verdicts(facts.join(seen, on="key", how="left", maintain_order="left"), settings.curated)
    splits = split_of(scenes.filter(pl.col("scene").is_in(facts["scene"].unique().implode())), make, settings)
    return (
        chained(found, settings.curated.failed_turn).join(splits, on="scene", how="left", maintain_order="left").lazy()
    )


def judged(scenes: pl.LazyFrame, turns: pl.LazyFrame, judge: EditJudge, make: Make) -> pl.LazyFrame:
    """What the judge sees of each edit that was made: key, JUDGED."""
    made = turns.filter(pl.col("image_sha256").is_not_null())
    first = scenes.select(before="image_sha256", before_sha256="image_sha256", image_before="image")
    later = made.select(before="key", before_sha256="image_sha256", image_before="image")
    earlier = pl.concat([first.drop_nulls("before").unique("before", maintain_order=True), later])
    asked = made.select(
        *("before", "image_sha256", "region", "operation", "thing", "prompt", "mask"), edit="key", image_after="image"
    ).join(earlier, on="before", how="inner", maintain_order="left")
    return make(asked, judge).select("edit", *JUDGED.names).rename({"edit": "key"})


def verdicts(turns: pl.DataFrame, settings: Curated) -> pl.DataFrame:
    """Edits, each by itself: verdict and reasons."""
    made = pl.col("image_sha256").is_not_null()
    seen = made & pl.col("change").is_not_null()
    unseen_thing = pl.col("match").is_null()
    when = {
        "not_made": ~made,
        "not_judged": made & pl.col("change").is_null(),
        "unchanged": seen & ((pl.col("change") < settings.min_change) | (pl.col("distance") < settings.min_distance)),
        "not_as_asked": seen
        & pl.when(unseen_thing).then(pl.col("nearer") <= 0).otherwise(pl.col("match") < settings.min_match),
        "outside_changed": seen & (pl.col("outside") > 0),
    }
    reasons = pl.concat_list(
        pl.when(holds.fill_null(False)).then(pl.lit(reason)) for reason, holds in when.items()
    ).list.drop_nulls()
    return turns.with_columns(reasons=reasons)


def chained(turns: pl.DataFrame, failed_turn: str) -> pl.DataFrame:
    """The verdict of each edit with regard to its chain."""
    fit = pl.col("reasons").list.len() == 0
    ordered = turns.sort("scene", "turn", maintain_order=True)
    if failed_turn == "reject":
        lost = fit & ~fit.all().over("scene")
        reason = "chain_failed"
    else:
        lost = fit & ~fit.cast(pl.Int8).cum_min().over("scene").cast(pl.Boolean)
        reason = "after_failed"
    marked = ordered.with_columns(
        reasons=pl.when(lost).then(pl.lit([reason])).otherwise("reasons"),
    )
    return marked.with_columns(
        verdict=pl.when(pl.col("reasons").list.len() == 0).then(pl.lit("kept")).otherwise(pl.lit("rejected"))
    )


def split_of(scenes: pl.LazyFrame, make: Make, settings: Edits) -> pl.DataFrame:
    """The split of each scene: scene, split; bases that look alike are in one. Raises SettingsError for too few."""
    plan = scenes.filter(pl.col("image_sha256").is_not_null()).select("image_sha256", "image", "scene", "kind")
    hashed = make(plan, Inspector()).select("scene", "kind", "image_sha256", "phash").collect()
    alike = duplicates(
        hashed.select(key="scene", image_sha256="image_sha256", phash="phash"), settings.curated.max_hash_distance
    ).select(scene="key", group="cluster")
    grouped = hashed.join(alike, on="scene", how="left", maintain_order="left").select(
        "scene", emotion="kind", group=pl.coalesce("group", "scene")
    )
    shares = settings.splits
    fractions = {"train": 1 - shares.validation - shares.test, "validation": shares.validation, "test": shares.test}
    placed = grouped.select("scene", split=assign_splits(grouped, fractions))
    if empty := [name for name in fractions if name not in placed["split"]]:
        raise SettingsError(
            f"edits.splits: {placed.height} scenes leave none for {' and '.join(empty)}; raise the shares, or "
            "the number of scenes"
        )
    return placed
