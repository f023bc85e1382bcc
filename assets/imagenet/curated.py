"""Which images are fit: measured one by one, held against their class, against real images and against one another."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import polars as pl

from corpusmith.assets.imagenet import makers
from corpusmith.assets.imagenet.images import seen
from corpusmith.assets.imagenet.settings import Curated, ImageNet
from corpusmith.assets.imagenet.ways import PLAIN
from corpusmith.curate import agreement
from corpusmith.curate.image_hashes import duplicates
from corpusmith.curate.image_quality import Inspector, Thresholds, verdicts
from corpusmith.curate.nearest import nearest
from corpusmith.models.perceivers import Recognizer
from corpusmith.work.produce import Make

Floats = np.ndarray[Any, np.dtype[np.float32]]

RECOGNIZER, TEXT, REAL = "recognizer", "text", "real images"
"""The tests of a class: does a classifier see it; is the image near to its name; is it near to real images of it, by
each embedder."""


@dataclass(frozen=True)
class Looked:
    """What models see in images, in the order of ``rows``: key, name (of the class), phash, recognized, seen,
    seen_probability, and a column for each test; embeddings (n, d) by embedder, NaN where it failed.
    """

    rows: pl.DataFrame
    embeddings: dict[str, Floats]


def curate(
    sources: pl.LazyFrame, images: pl.LazyFrame, names: Iterable[str], make: Make, settings: ImageNet
) -> pl.LazyFrame:
    """Every image without its bytes, in the order given: measures, what its class's tests say, its nearest real image,
    verdict and reasons. An image that was not made has ``not_made`` for its only reason.

    names: of the classes that the recognizer tells apart.
    """
    rules = settings.curated
    real_images = sources.filter(pl.col("image_sha256").is_not_null()).with_columns(key="source")
    recognizer = makers.recognizer(rules.recognizer, tuple(names))
    real = _looked(real_images, recognizer, make, settings)
    made = _looked(images, recognizer, make, settings)
    blind = _unseen_in_real(real, rules)
    real, made = _without(real, blind), _without(made, blind)
    real, made = _beside_real(real, real, rules), _beside_real(made, real, rules)
    facts = _measured(images, make, settings).join(
        made.rows.drop("wnid", "name", "phash"), on="key", how="left", maintain_order="left"
    )
    return (
        facts.join(_tested(made.rows, real.rows, rules), on="key", how="left", maintain_order="left")
        .join(_nearest(made, real, rules), on="key", how="left", maintain_order="left")
        .pipe(_judged, made, rules)
        .lazy()
    )


def _measured(images: pl.LazyFrame, make: Make, settings: ImageNet) -> pl.DataFrame:
    """The images' facts with measures, verdict and reasons of each picture as such."""
    facts = images.drop("image").collect()
    looked = [seen(images, Inspector(), make)]
    if settings.curated.safety:
        looked.append(seen(images, makers.safety(settings.curated.safety), make))
    for table in looked:
        facts = facts.join(table.collect(), on="key", how="left", maintain_order="left")
    return verdicts(facts, thresholds(settings.curated))


def _looked(images: pl.LazyFrame, recognizer: Recognizer, make: Make, settings: ImageNet) -> Looked:
    """What each model sees in images that are there."""
    rules = settings.curated
    there = images.filter(pl.col("image_sha256").is_not_null())
    rows = there.select("key", "wnid", "name").collect()
    called = {wnid: settings.names.get(wnid, name) for wnid, name in rows.select("wnid", "name").unique().rows()}
    # by a table: polars 2.1 panics where a streamed plan of two parts formats strings
    prompt = pl.col("wnid").replace_strict(
        {wnid: PLAIN.replace("{}", name) for wnid, name in called.items()}, return_dtype=pl.String
    )
    said = [
        seen(there, Inspector(), make).select("key", "phash"),
        seen(there, recognizer, make, asked=pl.col("name")),
        seen(there, makers.text_similarity(rules.embedders[0]), make, prompt=prompt),
    ]
    for table in said:
        rows = rows.join(table.collect(), on="key", how="left", maintain_order="left")
    embeddings = {name: _embedded(there, rows["key"], name, make) for name in rules.embedders}
    unseen = pl.col("name").is_in(list(recognizer.knows)) & pl.col("recognized").is_null()
    blind = pl.Series(np.any([np.isnan(each).any(axis=1) for each in embeddings.values()], axis=0), dtype=pl.Boolean)
    known = pl.col("recognized").is_not_null()
    return Looked(
        rows.with_columns(
            pl.when(known).then(pl.col("seen", "seen_probability")),
            pl.col("recognized").alias(RECOGNIZER),
            pl.col("text_similarity").alias(TEXT),
            unjudged=unseen | pl.col("text_similarity").is_null() | blind,
        ),
        embeddings,
    )


def _unseen_in_real(real: Looked, rules: Curated) -> list[str]:
    """The classes that the recognizer does not see in their real images either: of those it can say nothing."""
    seen_as = pl.col("seen") == pl.col("name")
    shares = real.rows.drop_nulls("seen").group_by("name").agg(share=seen_as.mean())
    return shares.filter(pl.col("share") < rules.min_agreement)["name"].to_list()


def _without(looked: Looked, blind: list[str]) -> Looked:
    """The same without what the recognizer says of some classes."""
    said = pl.col("recognized", "seen", "seen_probability", RECOGNIZER)
    return Looked(looked.rows.with_columns(pl.when(~pl.col("name").is_in(blind)).then(said)), looked.embeddings)


def _embedded(images: pl.LazyFrame, keys: pl.Series, name: str, make: Make) -> Floats:
    """The vectors of images by their keys; one that the embedder failed at is NaN."""
    found = seen(images, makers.embedder(name), make).select("key", "embedding").collect()
    placed = keys.to_frame("key").join(found, on="key", how="left", maintain_order="left")["embedding"]
    if found.is_empty():
        return np.full((len(keys), 1), np.nan, np.float32)
    nothing = [float("nan")] * len(found["embedding"][0])
    return np.stack(placed.fill_null(pl.Series([nothing])).to_numpy()).astype(np.float32)


def _beside_real(looked: Looked, real: Looked, rules: Curated) -> Looked:
    """The same with how near each image is to the real ones of its class, but for itself, by each embedder."""
    columns = [
        pl.Series(
            f"{REAL} ({name})",
            agreement.prototype_similarity(
                looked.embeddings[name],
                looked.rows["name"],
                real.embeddings[name],
                real.rows["name"],
                leave_one_out=looked is real,
            ),
            dtype=pl.Float32,
        )
        for name in rules.embedders
    ]
    return Looked(looked.rows.with_columns(columns), looked.embeddings)


def _tested(made: pl.DataFrame, real: pl.DataFrame, rules: Curated) -> pl.DataFrame:
    """What the tests say: key, tests (what each says), tests_applied, tests_passed, out_of_class.

    Thresholds are those at which ``removed`` of the real images would fail a test (CNS-Bench, arXiv 2507.17651).
    """
    tests = [RECOGNIZER, TEXT, *(f"{REAL} ({name})" for name in rules.embedders)]
    bounds = agreement.thresholds(real, tests, rules.removed)
    said = [
        pl.struct(
            test=pl.lit(test),
            value=pl.col(test).cast(pl.Float32),
            threshold=pl.lit(bounds.get(test), pl.Float32),
            passed=pl.col(test) >= pl.lit(bounds.get(test), pl.Float64),
        )
        for test in tests
    ]
    agreed = agreement.agreed(made, bounds, rules.agree)
    return made.select("key", tests=pl.concat_list(said)).hstack(agreed)


def _nearest(made: Looked, real: Looked, rules: Curated) -> pl.DataFrame:
    """Which real image each is most like, by the first embedder: key and NEAREST."""
    first = rules.embedders[0]
    if real.rows.is_empty():
        return pl.DataFrame(schema={"key": pl.String, **NEAREST})
    place, cosine = nearest(made.embeddings[first], real.embeddings[first])
    rows = pl.Series(place).replace(-1, None)
    theirs, mine = real.rows["phash"].gather(rows), made.rows["phash"]
    known = {
        "nearest_real": real.rows["key"].gather(rows),
        "nearest_similarity": pl.Series(cosine).fill_nan(None),
        "nearest_bits": (theirs ^ mine).bitwise_count_ones(),
    }
    return made.rows.select("key").hstack(pl.DataFrame(known).cast(dict(NEAREST)))


NEAREST: Final = {"nearest_real": pl.String, "nearest_similarity": pl.Float32, "nearest_bits": pl.Int8}


def _judged(facts: pl.DataFrame, made: Looked, rules: Curated) -> pl.DataFrame:
    """Verdict and reasons of each image, all told; copies are looked for among those that are fit so far."""
    there = pl.col("image_sha256").is_not_null()
    copied = (pl.col("nearest_similarity") >= rules.max_source_similarity) & (
        pl.col("nearest_bits") <= rules.max_source_distance
    )
    when = {
        "not_judged": pl.col("unjudged"),
        "out_of_class": pl.col("out_of_class"),
        "copies_real": copied,
    }
    found = [pl.when(holds.fill_null(False)).then(pl.lit(code)) for code, holds in when.items()]
    more = pl.concat_list(found).list.drop_nulls()
    reasons = facts.with_columns(
        reasons=pl.when(there).then(pl.concat_list("reasons", more)).otherwise(pl.lit(["not_made"]))
    )
    fit = reasons.filter(pl.col("reasons").list.len() == 0).select("key", "image_sha256", "phash")
    rows = made.rows["key"].to_frame().with_row_index("row").join(fit, on="key", maintain_order="right")
    vectors = made.embeddings[rules.embedders[0]][rows["row"].to_numpy()]
    alike = duplicates(rows.drop("row"), rules.max_hash_distance, vectors, rules.min_similarity)
    copies = alike.drop_nulls("reason").select("key", "duplicate_of", "reason")
    return (
        reasons.join(copies, on="key", how="left", maintain_order="left")
        .with_columns(
            reasons=pl.when(pl.col("reason").is_null()).then("reasons").otherwise(pl.concat_list("reasons", "reason"))
        )
        .with_columns(
            verdict=pl.when(pl.col("reasons").list.len() == 0).then(pl.lit("kept")).otherwise(pl.lit("rejected"))
        )
        .drop("reason", "unjudged", "out_of_class", "problem", "format", "misnamed", strict=False)
    )


def thresholds(settings: Curated) -> Thresholds:
    """The settings as the library takes them."""
    return Thresholds(
        min_sharpness=settings.min_sharpness,
        min_contrast=settings.min_contrast,
        max_dark_share=settings.max_dark_share,
        max_bright_share=settings.max_bright_share,
        one_face=False,
        min_safety=settings.min_safety if settings.safety else None,
    )
