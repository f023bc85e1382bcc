"""What must hold of the corpus of generated ImageNet before it is released, and of any release of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from corpusmith.curate.balance import SPLITS
from corpusmith.curate.verdicts import REASONS
from corpusmith.ingest.imagenet import classes
from corpusmith.validation import tables
from corpusmith.validation.image_facts import copies_across_splits, image_facts
from corpusmith.validation.schema import IMAGENET, IMAGENET_REJECTED, STRATEGIES
from corpusmith.validation.suite import Suite, Table

if TYPE_CHECKING:
    from great_expectations.expectations.expectation import Expectation

SENTENCES: Final[dict[str, str]] = {
    "schema": "The table has the columns of a release, with their types, and no other.",
    "key_unique": "No two rows have the same key.",
    "values_present": "Image, class, strategy, source and split are there in every row, and what its strategy asks "
    "for: a prompt, a template, a real image.",
    "strategy_known": "Every strategy is one of the five.",
    "prompt_absent": "No row of the strategy image has a prompt.",
    "wnid_known": "Every wnid is one of ImageNet's 1,000.",
    "label_of_wnid": "Every label is the name of its wnid.",
    "decodes": "Every image can be decoded.",
    "size_as_stated": "Every image has the width and height that its row states.",
    "mode_as_stated": "Every image has the mode that its row states.",
    "not_blank": "No image is of a single grey.",
    "hash_matches": "Every image's bytes have the SHA-256 that its row states.",
    "no_copies_across_splits": "No image is nearly the same as one in another split ({max_hash_distance} bits of its "
    "hash, then its pixels).",
    "sharp": "Every image is at least as sharp as {min_sharpness:g} (variance of the Laplacian).",
    "contrasted": "Every image has a contrast of at least {min_contrast:g}.",
    "of_its_class": "Every image passed at least {agree} tests of its class, where so many could be applied.",
    "seen_as_asked": "The recognizer sees the class in at least {min_agreement:.0%} of each class's images.",
    "no_real_copies": "No image is nearly a real one: {max_source_similarity:g} by cosine, {max_source_distance} bits.",
    "splits_filled": "Train, validation and test all have rows.",
    "split_known": "Every split is train, validation or test.",
    "source_in_one_split": "All images that are paired with a real one are in one split.",
    "source_one_class": "All images that are paired with a real one are of one class.",
    "real_in_one_split": "No real image, by its digest, is paired with images of two splits.",
    "one_image_each": "No real image has two images of one strategy, generator and setting.",
    "classes_in_balance": "No class has fewer than {min_kept:.0%} of the rows of the commonest.",
    "provenance_complete": "Every row says what made it: generator, model, revision, seed, steps, plan, fingerprint.",
    "key_recomputes": "Every key is the hash of its plan and fingerprint.",
    "seed_from_key": "Every seed is the one that its key gives.",
    "rejected_schema": "The rejected table has its columns and no other.",
    "rejected_reasons_known": "Every rejected row has a reason, and every reason is a known code.",
    "rejected_values_present": "Every rejected row has a key, a class, a strategy, a source, a plan and a fingerprint.",
    "kept_or_rejected": "No row is both released and rejected.",
    "pairs_complete": "Every real image was asked for in every way, kept or rejected.",
    "all_accounted": "As many images were kept or rejected as were asked for, of each strategy.",
}
"""Every expectation by its slug, in the order of a report; numbers are those of `Limits`."""

PROVENANCE: Final = ("generator", "model", "revision", "seed", "steps", "batch", "plan", "fingerprint")
FACTS: Final = ("image_sha256", "width", "height", "mode")
UNSEEN: Final = (*PROVENANCE, "image", "tests")
WAY: Final = ("strategy", "generator", "guidance", "steps", "strength")


@dataclass(frozen=True)
class Limits:
    """The bounds that a corpus must keep.

    max_hash_distance: bits by which the hashes of two copies differ at most. agree: tests of its class that an image
    passes. min_agreement: share of a class's images in which the recognizer sees it. min_kept: how much rarer than the
    commonest a class may be, as a share of it: a generator may fail at a class, which is a finding and no fault. made:
    how many images each strategy asked for; unchecked when None.
    """

    min_sharpness: float = 50.0
    min_contrast: float = 0.03
    max_hash_distance: int = 2
    agree: int = 2
    min_agreement: float = 0.5
    max_source_similarity: float = 0.995
    max_source_distance: int = 6
    min_kept: float = 0.1
    made: Mapping[str, int] | None = None

    @classmethod
    def of(cls, imagenet: Mapping[str, Any], made: Mapping[str, int] | None = None) -> Limits:
        """The bounds in the settings of the corpus, as plain data (`imagenet` of params.yaml)."""
        curated = imagenet["curated"]
        names = ("min_sharpness", "min_contrast", "agree", "min_agreement", "max_source_similarity")
        return cls(
            **{name: curated[name] for name in names},
            max_hash_distance=min(2, curated["max_hash_distance"]),
            max_source_distance=curated["max_source_distance"],
            made=made,
        )


def _released(rows: pl.LazyFrame, limits: Limits) -> dict[str, Table]:
    typed = tables.conformed(rows, IMAGENET).with_columns(origin="strategy")
    return {
        "columns": tables.columns(rows, IMAGENET, "schema"),
        "images": _images(typed, limits),
        "classes": _classes(typed, limits),
        "pairs": _pairs(typed),
        "makers": _makers(typed),
    }


def _images(typed: pl.LazyFrame, limits: Limits) -> Table:
    import great_expectations.expectations as gx

    from corpusmith.validation import image_expectations as own

    real = ("nearest_similarity", "nearest_bits")

    def facts() -> pl.DataFrame:
        found = image_facts(typed)
        copies = copies_across_splits(typed, found, limits.max_hash_distance)
        copy = copies.group_by("key").agg(copy=pl.col("value").min())
        stated = typed.select("key", *FACTS, "sharpness", "contrast", *real).collect()
        near = (pl.col("nearest_similarity") >= limits.max_source_similarity) & (
            pl.col("nearest_bits") <= limits.max_source_distance
        )
        stated = stated.with_columns(copies_real=near.fill_null(False)).drop(real)
        return pl.concat([stated, found.drop("key", "real_phash")], how="horizontal").join(
            copy, on="key", how="left", maintain_order="left"
        )

    expectations: dict[str, Expectation] = {
        "decodes": own.ExpectImagesToDecode(),
        "size_as_stated": own.ExpectStatedFacts(stated={"width": "real_width", "height": "real_height"}),
        "mode_as_stated": own.ExpectStatedFacts(stated={"mode": "real_mode"}),
        "not_blank": own.ExpectNoBlankImages(),
        "hash_matches": own.ExpectStatedFacts(stated={"image_sha256": "real_sha256"}),
        "no_copies_across_splits": own.ExpectNoCopies(),
        "sharp": gx.ExpectColumnValuesToBeBetween(column="sharpness", min_value=limits.min_sharpness),
        "contrasted": gx.ExpectColumnValuesToBeBetween(column="contrast", min_value=limits.min_contrast),
        "no_real_copies": gx.ExpectColumnValuesToBeInSet(column="copies_real", value_set=[False]),
    }
    return Table(facts, expectations)


def _classes(typed: pl.LazyFrame, limits: Limits) -> Table:
    import great_expectations.expectations as gx

    from corpusmith.validation import expectations as own

    every_class = classes()
    names = dict(every_class.select("wnid", "name").rows())
    required = tables.required(IMAGENET, but=UNSEEN)
    enough = (pl.col("tests_passed") >= limits.agree) | (pl.col("tests_applied") < limits.agree)
    seen = (pl.col("seen") == pl.col("label")).mean().over("label")
    shown = typed.select(
        *required,
        "seen",
        origin="strategy",
        image=pl.when(pl.col("image").struct.field("bytes").is_not_null()).then(True),
        enough=enough,
        unprompted=(pl.col("strategy") != "image") | pl.col("prompt").is_null(),
        called=pl.col("wnid").replace_strict(names, default=pl.col("label"), return_dtype=pl.String),
        agreement=seen,
    )
    every = required | {"image": list(STRATEGIES)}
    return Table(
        shown.collect,
        {
            "key_unique": gx.ExpectColumnValuesToBeUnique(column="key"),
            "values_present": own.ExpectRequiredValues(required=every),
            "strategy_known": gx.ExpectColumnValuesToBeInSet(column="strategy", value_set=list(STRATEGIES)),
            "prompt_absent": gx.ExpectColumnValuesToBeInSet(column="unprompted", value_set=[True]),
            "wnid_known": gx.ExpectColumnValuesToBeInSet(column="wnid", value_set=every_class["wnid"].to_list()),
            "label_of_wnid": gx.ExpectColumnPairValuesToBeEqual(column_A="label", column_B="called"),
            "of_its_class": gx.ExpectColumnValuesToBeInSet(column="enough", value_set=[True]),
            "seen_as_asked": gx.ExpectColumnValuesToBeBetween(column="agreement", min_value=limits.min_agreement),
            "splits_filled": gx.ExpectColumnDistinctValuesToContainSet(column="split", value_set=list(SPLITS)),
            "split_known": gx.ExpectColumnValuesToBeInSet(column="split", value_set=list(SPLITS)),
        },
    )


def _pairs(typed: pl.LazyFrame) -> Table:
    import great_expectations.expectations as gx

    from corpusmith.validation import expectations as own
    from corpusmith.validation import image_expectations as images

    way = pl.concat_str("source", *(pl.col(name).cast(pl.String).fill_null("") for name in WAY), separator=" ")
    rows = typed.select("key", "source", "label", "split", "source_sha256", asked=way)
    return Table(
        rows.collect,
        {
            "source_in_one_split": own.ExpectOneSplitEach(column="source"),
            "source_one_class": images.ExpectOneValueEach(column="source", same=["label"]),
            "real_in_one_split": own.ExpectOneSplitEach(column="source_sha256"),
            "one_image_each": gx.ExpectColumnValuesToBeUnique(column="asked"),
        },
    )


def _makers(typed: pl.LazyFrame) -> Table:
    from corpusmith.validation import expectations as own

    required = {name: list(STRATEGIES) for name in PROVENANCE}
    return Table(
        lambda: typed.select("key", "origin", *PROVENANCE).collect(),
        {
            "provenance_complete": own.ExpectRequiredValues(required=required),
            "key_recomputes": own.ExpectKeyToRecompute(),
            "seed_from_key": own.ExpectSeedFromKey(),
        },
    )


def _rejected(rejected: pl.LazyFrame, rows: pl.LazyFrame, limits: Limits) -> dict[str, Table]:
    import great_expectations.expectations as gx

    from corpusmith.validation import expectations as own

    with_images = {"image": IMAGENET["image"]} if "image" in rejected.collect_schema() else {}
    kept, typed = tables.conformed(rows, IMAGENET), tables.conformed(rejected, IMAGENET_REJECTED)
    required = tables.required(IMAGENET_REJECTED, but=["reasons"])
    codes = "|".join(sorted(REASONS))
    shown = typed.select(
        *required,
        origin="strategy",
        reasons=pl.col("reasons").list.join(" ", ignore_nulls=False).fill_null(""),
        released=pl.col("key").is_in(kept.select("key").collect()["key"].implode()),
    )
    both = pl.concat([table.select("key", "label", "source", *WAY) for table in (kept, typed)])
    every = both.with_columns(way=pl.struct(WAY))
    asked = every.select("source", "key", ways=pl.len().over("source"), all=pl.col("way").n_unique())
    counted = both.group_by("label").agg(kept=pl.col("key").is_in(kept.select("key").collect()["key"].implode()).sum())
    balance = counted.select("label", share=pl.col("kept") / pl.col("kept").max()).sort("label")
    found = {
        "rejected-columns": tables.columns(rejected, IMAGENET_REJECTED | with_images, "rejected_schema"),
        "rejected": Table(
            shown.collect,
            {
                "rejected_reasons_known": gx.ExpectColumnValuesToMatchRegex(
                    column="reasons", regex=f"^(?:{codes})(?: (?:{codes}))*$"
                ),
                "rejected_values_present": own.ExpectRequiredValues(required=required),
                "kept_or_rejected": gx.ExpectColumnValuesToBeInSet(column="released", value_set=[False]),
            },
        ),
        "balance": Table(
            balance.collect,
            {"classes_in_balance": gx.ExpectColumnValuesToBeBetween(column="share", min_value=limits.min_kept)},
        ),
    }
    if limits.made is None or sum(limits.made.values()) >= _pairs_of(both):  # else some were taken down since
        complete = gx.ExpectColumnPairValuesToBeEqual(column_A="ways", column_B="all")
        found["asked"] = Table(asked.collect, {"pairs_complete": complete})
    if limits.made is not None:
        found["counts"] = tables.counts(limits.made, "strategy", kept, typed, "all_accounted")
    return found


def _pairs_of(rows: pl.LazyFrame) -> int:
    """How many images were asked for: of each source one in each way."""
    return int(rows.select(pl.col("source").n_unique() * pl.struct(WAY).n_unique()).collect().item())


SUITE: Final = Suite("imagenet", SENTENCES, Limits, _released, _rejected)
