"""What must hold of the corpus of emotion portraits before it is released, and of any release of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from corpusmith.curate.balance import SPLITS
from corpusmith.curate.verdicts import REASONS
from corpusmith.emotions import EMOTIONS, POLARITY, VOCABULARIES
from corpusmith.validation import tables
from corpusmith.validation.image_facts import copies_across_splits, image_facts
from corpusmith.validation.schema import DRAWN, GENERATED, PORTRAITS, PORTRAITS_REJECTED, PROBABILITIES
from corpusmith.validation.suite import Suite, Table

if TYPE_CHECKING:
    from great_expectations.expectations.expectation import Expectation

SENTENCES: Final[dict[str, str]] = {
    "schema": "The table has the columns of a release, with their types, and no other.",
    "key_unique": "No two rows have the same key.",
    "values_present": "Image, prompt, emotion, measures, annotations and split are there in every row.",
    "decodes": "Every image can be decoded.",
    "size_as_stated": "Every image has the width and height that its row states.",
    "mode_as_stated": "Every image has the mode that its row states.",
    "not_blank": "No image is of a single grey.",
    "hash_matches": "Every image's bytes have the SHA-256 that its row states.",
    "no_copies_across_splits": "No image is nearly the same as one in another split ({max_hash_distance} bits of its "
    "hash, then its pixels).",
    "sharp": "Every image is at least as sharp as {min_sharpness:g} (variance of the Laplacian).",
    "contrasted": "Every image has a contrast of at least {min_contrast:g}.",
    "one_face": "Every image shows exactly one face, where the classifier can tell.",
    "emotion_known": "Every emotion is one of the vocabulary {vocabulary}.",
    "emotion_mapped": "Ekman's word and the polarity are those of the emotion.",
    "degree_as_asked": "Neutral has degree 0, every other emotion 1 to 3, and the asked intensity is a third of it.",
    "emotion_seen_known": "Every emotion seen is one of Ekman's six or neutral.",
    "probabilities_sum": "The seven probabilities lie between 0 and 1 and sum to 1.",
    "emotion_most_probable": "The emotion seen is the most probable one.",
    "intensity_in_range": "Every intensity lies between 0 and 1.",
    "quality_in_range": "Every quality lies between 0 and 1.",
    "annotated": "At least one annotator looked at every image.",
    "kept_in_balance": "No emotion has fewer than {min_kept:.0%} of the rows of the commonest.",
    "splits_filled": "Train, validation and test all have rows.",
    "split_known": "Every split is train, validation or test.",
    "prompts_distinct": "No two prompts have the same words.",
    "prompt_the_same": "A prompt has the same words, emotion and degree for every generator.",
    "prompt_in_one_split": "All images of a prompt are in one split.",
    "one_image_each": "No generator has two images of a prompt.",
    "provenance_complete": "Every row says what made it: generator, model, revision, seed, steps, plan, fingerprint.",
    "key_recomputes": "Every key is the hash of its plan and fingerprint.",
    "seed_from_key": "Every seed is the one that its key gives.",
    "rejected_schema": "The rejected table has its columns and no other.",
    "rejected_reasons_known": "Every rejected row has a reason, and every reason is a known code.",
    "rejected_values_present": "Every rejected row has a key, a generator, a prompt, a plan and a fingerprint.",
    "kept_or_rejected": "No row is both released and rejected.",
    "asked_in_balance": "Every generator was asked for every emotion equally often.",
    "same_prompts": "Every generator was asked for the same prompts.",
    "all_accounted": "As many images were kept or rejected as were asked for, of each generator.",
}
"""Every expectation by its slug, in the order of a report; numbers are those of `Limits`."""

PROVENANCE: Final = ("generator", "model", "revision", "seed", "steps", "batch", "plan", "fingerprint")
FACTS: Final = ("image_sha256", "width", "height", "mode")
UNSEEN: Final = (*PROVENANCE, "image", "annotations")
"""Columns that another table looks at, or that are present in another form."""


@dataclass(frozen=True)
class Limits:
    """The bounds that a corpus must keep.

    max_hash_distance: bits by which the hashes of two copies differ at most; min_kept: how much rarer than the
    commonest an emotion may be, as a share of it: generators may fail at an emotion, which is a finding and no fault;
    made: how many images were asked of each generator, but for those taken down; unchecked when None. taken_down: how
    many these are: then the generators were not asked for the same, as far as a release says.
    """

    vocabulary: str = "memo"
    min_sharpness: float = 50.0
    min_contrast: float = 0.03
    one_face: bool = True
    max_hash_distance: int = 2
    min_kept: float = 0.2
    made: Mapping[str, int] | None = None
    taken_down: int = 0

    @classmethod
    def of(cls, portraits: Mapping[str, Any], made: Mapping[str, int] | None = None) -> Limits:
        """The bounds in the settings of the corpus, as plain data (`portraits` of params.yaml)."""
        names = ("min_sharpness", "min_contrast", "one_face", "max_hash_distance")
        of_each = len(VOCABULARIES[portraits["vocabulary"]]) * portraits.get("prompts", {}).get("per_emotion", 0)
        gone = sum(max(0, of_each - count) for count in (made or {}).values())
        vocabulary, curated = portraits["vocabulary"], portraits["curated"]
        return cls(vocabulary, *(curated[name] for name in names), made=made, taken_down=gone)


def _released(rows: pl.LazyFrame, limits: Limits) -> dict[str, Table]:
    typed = tables.conformed(rows, PORTRAITS).with_columns(origin=pl.lit(GENERATED[0]))
    return {
        "columns": tables.columns(rows, PORTRAITS, "schema"),
        "images": _images(typed, limits),
        "labels": _labels(typed, limits),
        "seen": _seen(typed),
        "prompts": _prompts(typed),
        "makers": _makers(typed),
    }


def _images(typed: pl.LazyFrame, limits: Limits) -> Table:
    import great_expectations.expectations as gx

    from corpusmith.validation import image_expectations as own

    def facts() -> pl.DataFrame:
        found = image_facts(typed)
        copies = copies_across_splits(typed, found, limits.max_hash_distance)
        copy = copies.group_by("key").agg(copy=pl.col("value").min())
        stated = typed.select("key", *FACTS, "sharpness", "contrast", "faces").collect()
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
        "one_face": gx.ExpectColumnValuesToBeInSet(column="faces", value_set=[1] if limits.one_face else [0, 1, 2]),
    }
    return Table(facts, expectations)


def _labels(typed: pl.LazyFrame, limits: Limits) -> Table:
    import great_expectations.expectations as gx

    from corpusmith.validation import expectations as own

    ekman = VOCABULARIES[limits.vocabulary]
    mapped = pl.col("emotion").replace_strict(ekman, default=None, return_dtype=pl.String)
    polarity = mapped.replace_strict(POLARITY, default=None, return_dtype=pl.String)
    degree = pl.col("degree")
    asked = pl.when(pl.col("ekman") == "neutral").then(degree == 0).otherwise(degree.is_between(1, 3))
    third = (pl.col("asked_intensity") - degree / 3).abs() < 1e-5
    required = tables.required(PORTRAITS, but=UNSEEN)
    shown = typed.select(
        *required,
        "origin",
        image=pl.when(pl.col("image").struct.field("bytes").is_not_null()).then(True),
        annotations=pl.when(pl.col("annotations").list.len() > 0).then(True),
        mapped=((pl.col("ekman") == mapped) & (pl.col("polarity") == polarity)).fill_null(pl.col("emotion").is_null()),
        asked=(asked & third).fill_null(True),
    )
    every = required | {name: list(GENERATED) for name in ("image", "annotations")}
    return Table(
        shown.collect,
        {
            "key_unique": gx.ExpectColumnValuesToBeUnique(column="key"),
            "values_present": own.ExpectRequiredValues(required=every),
            "emotion_known": gx.ExpectColumnValuesToBeInSet(column="emotion", value_set=list(ekman)),
            "emotion_mapped": gx.ExpectColumnValuesToBeInSet(column="mapped", value_set=[True]),
            "degree_as_asked": gx.ExpectColumnValuesToBeInSet(column="asked", value_set=[True]),
            "annotated": gx.ExpectColumnValuesToBeBetween(column="annotators", min_value=1),
            "kept_in_balance": own.ExpectEmotionsInBalance(emotions=list(ekman), tolerance=1 - limits.min_kept),
            "splits_filled": gx.ExpectColumnDistinctValuesToContainSet(column="split", value_set=list(SPLITS)),
            "split_known": gx.ExpectColumnValuesToBeInSet(column="split", value_set=list(SPLITS)),
        },
    )


def _seen(typed: pl.LazyFrame) -> Table:
    """Rows that were seen to show an emotion; an annotator need not say how likely each is."""
    import great_expectations.expectations as gx

    from corpusmith.validation import expectations as own

    columns = ("key", "emotion_seen", *PROBABILITIES, "intensity", "quality")
    told = typed.filter(pl.any_horizontal(pl.col(PROBABILITIES).is_not_null()))
    sure = told.select(*columns, confidence=pl.max_horizontal(PROBABILITIES))
    share = {"min_value": 0, "max_value": 1}
    return Table(
        sure.collect,
        {
            "emotion_seen_known": gx.ExpectColumnValuesToBeInSet(column="emotion_seen", value_set=list(EMOTIONS)),
            "probabilities_sum": own.ExpectProbabilitiesToSumToOne(column_list=list(PROBABILITIES)),
            "emotion_most_probable": own.ExpectMostProbableLabel(
                label="emotion_seen", labels=list(EMOTIONS), confidence="confidence"
            ),
            "intensity_in_range": gx.ExpectColumnValuesToBeBetween(column="intensity", **share),
            "quality_in_range": gx.ExpectColumnValuesToBeBetween(column="quality", **share),
        },
    )


def _prompts(typed: pl.LazyFrame) -> Table:
    import great_expectations.expectations as gx

    from corpusmith.validation import expectations as own
    from corpusmith.validation import image_expectations as images

    asked = pl.concat_str("generator", "prompt_id", separator=" ")
    rows = typed.select("key", "prompt_id", "prompt", "emotion", "degree", "split", asked=asked)
    return Table(
        rows.collect,
        {
            "prompts_distinct": images.ExpectOneValueEach(column="prompt", same=["prompt_id"]),
            "prompt_the_same": images.ExpectOneValueEach(column="prompt_id", same=["prompt", "emotion", "degree"]),
            "prompt_in_one_split": own.ExpectOneSplitEach(column="prompt_id"),
            "one_image_each": gx.ExpectColumnValuesToBeUnique(column="asked"),
        },
    )


def _makers(typed: pl.LazyFrame) -> Table:
    from corpusmith.validation import expectations as own

    required = {name: list(GENERATED) for name in PROVENANCE}
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
    from corpusmith.validation import image_expectations as images

    with_images = {"image": DRAWN["image"]} if "image" in rejected.collect_schema() else {}
    kept, typed = tables.conformed(rows, PORTRAITS), tables.conformed(rejected, PORTRAITS_REJECTED)
    required = tables.required(PORTRAITS_REJECTED, but=["reasons"])
    codes = "|".join(sorted(REASONS))
    shown = typed.select(
        *required,
        origin=pl.lit(GENERATED[0]),
        reasons=pl.col("reasons").list.join(" ", ignore_nulls=False).fill_null(""),
        released=pl.col("key").is_in(kept.select("key").collect()["key"].implode()),
    )
    every = pl.concat([table.select("key", "generator", "prompt_id", "emotion") for table in (kept, typed)])
    generators = pl.col("generator").n_unique()
    asked = every.with_columns(generators=generators.over("prompt_id"), all=generators)
    found = {
        "rejected-columns": tables.columns(rejected, PORTRAITS_REJECTED | with_images, "rejected_schema"),
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
    }
    if not limits.taken_down:
        found["asked"] = Table(
            asked.collect,
            {
                "asked_in_balance": images.ExpectCellsInBalance(
                    column="generator", label="emotion", labels=list(VOCABULARIES[limits.vocabulary])
                ),
                "same_prompts": gx.ExpectColumnPairValuesToBeEqual(column_A="generators", column_B="all"),
            },
        )
    if limits.made is not None:
        found["counts"] = tables.counts(limits.made, "generator", kept, typed, "all_accounted")
    return found


SUITE: Final = Suite("portraits", SENTENCES, Limits, _released, _rejected)
