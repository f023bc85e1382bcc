"""What must hold of the corpus of multi-turn edits before it is released, and of any release of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from corpusmith.curate.balance import SPLITS
from corpusmith.curate.verdicts import REASONS
from corpusmith.validation import tables
from corpusmith.validation.edit_facts import edit_facts
from corpusmith.validation.image_facts import copies_across_splits, image_facts
from corpusmith.validation.schema import EDITS, EDITS_REJECTED, GENERATED
from corpusmith.validation.suite import Suite, Table

if TYPE_CHECKING:
    from great_expectations.expectations.expectation import Expectation

IMPORTED: Final = "imported"
"""The kind of what somebody else made: what nobody says of it may be missing, and what is there must hold."""

SENTENCES: Final[dict[str, str]] = {
    "schema": "The table has the columns of a release, with their types, and no other.",
    "key_unique": "No two rows have the same key.",
    "values_present": "Every row says what was edited, how often, by whom, from which plan and in which split.",
    "opens": "Every image can be decoded, and every mask is a lossless PNG of a single channel.",
    "sizes_agree": "Image, label map, base, and the image and region of each turn are of the size that the row states.",
    "labels_known": "Every value of a label map is 0 or the number of an editor.",
    "map_composed": "The label map is that of the turns' regions, later over earlier: none is missing, none is moved.",
    "outside_unchanged": "Outside its region, no turn changed a pixel of the image before it.",
    "turns_linked": "Every turn's plan names the turn before it, the first one's the base, and its own region.",
    "image_is_last": "The image is that of the last turn.",
    "hash_matches": "Every image and label map has the SHA-256 that its row states.",
    "area_in_bounds": "Every region covers {min_area:g} to {max_area:g} of its image, widened by its margin.",
    "prompts_present": "Every turn has a prompt, an operation and an editor.",
    "turns_counted": "Every row has one to {most} turns, as many as it states, by the editors that it states.",
    "editor_known": "Every editor is one of the settings.",
    "splits_filled": "Train, validation and test all have rows.",
    "split_known": "Every split is train, validation or test.",
    "base_in_one_split": "All chains of a base are in one split.",
    "no_copies_across_splits": "No base is nearly the same as one in another split ({max_hash_distance} bits of its "
    "hash, then its pixels).",
    "key_recomputes": "Every key, of rows and of their turns, is the hash of its plan and fingerprint.",
    "seed_from_key": "Every seed is the one that its key gives.",
    "rejected_schema": "The rejected table has its columns and no other.",
    "rejected_reasons_known": "Every rejected row has a reason, and every reason is a known code.",
    "rejected_values_present": "Every rejected row has a key, a scene, its kind, a plan and a fingerprint.",
    "kept_or_rejected": "No scene is both released and rejected.",
    "all_accounted": "As many scenes were kept or rejected as there were, of each kind.",
}
"""Every expectation by its slug, in the order of a report; numbers are those of `Limits`."""


@dataclass(frozen=True)
class Limits:
    """The bounds that a corpus must keep.

    editors: in the order of their labels; None: those that the rows name. made: scenes of each kind; unchecked if None.
    """

    editors: tuple[str, ...] | None = None
    min_area: float = 0.0
    max_area: float = 1.0
    most: int = 3
    max_hash_distance: int = 2
    made: Mapping[str, int] | None = None

    @classmethod
    def of(cls, edits: Mapping[str, Any], made: Mapping[str, int] | None = None) -> Limits:
        """The bounds in the settings of the corpus, as plain data (`edits` of params.yaml)."""
        areas = (edits["regions"]["min_area"], edits["regions"]["max_area"])
        near = edits["curated"]["max_hash_distance"]
        return cls(tuple(edits["editors"]), *areas, edits["turns"]["most"], near, made)


def _released(rows: pl.LazyFrame, limits: Limits) -> dict[str, Table]:
    is_ours = pl.col("kind").ne_missing(IMPORTED)
    typed = tables.conformed(rows, EDITS).with_columns(
        origin=pl.when(is_ours).then(pl.lit(GENERATED[0])).otherwise(pl.lit(IMPORTED))
    )
    return {
        "columns": tables.columns(rows, EDITS, "schema"),
        "chains": _chains(typed, limits),
        "pixels": _pixels(typed, limits),
        "bases": _bases(typed, limits),
        "makers": _makers(typed),
    }


def _known(typed: pl.LazyFrame, limits: Limits) -> list[str]:
    if limits.editors is not None:
        return list(limits.editors)
    return sorted(typed.select(pl.col("editors").explode().drop_nulls().unique()).collect().to_series())


def _chains(typed: pl.LazyFrame, limits: Limits) -> Table:
    import great_expectations.expectations as gx

    from corpusmith.validation import expectations as own

    pictures = ("image", "mask", "base")
    required = tables.required(EDITS, but=[*pictures, "turns", "dropped", "editors", "operations"])
    turn = pl.col("turns").list
    named = pl.element().struct
    said = turn.eval(
        (named.field("prompt").str.strip_chars().str.len_chars() > 0)
        & named.field("operation").is_not_null()
        & named.field("editor").is_not_null()
    ).list.all()
    theirs = pl.col("origin") == IMPORTED
    counted = (
        turn.len().is_between(1, limits.most)
        & (turn.len() == pl.col("turn_count"))
        & (turn.eval(named.field("editor")) == pl.col("editors"))
        & (theirs | (turn.eval(named.field("operation")) == pl.col("operations")))
        & (pl.col("editors").list.last() == pl.col("editor"))
    )
    known = pl.col("editors").list.set_difference(_known(typed, limits)).list.len() == 0
    shown = typed.select(
        *required,
        "origin",
        said=theirs | said.fill_null(False),
        counted=(theirs & (turn.len() == 0)) | counted.fill_null(False),
        known=known,
    )
    true = {"value_set": [True]}
    return Table(
        shown.collect,
        {
            "key_unique": gx.ExpectColumnValuesToBeUnique(column="key"),
            "values_present": own.ExpectRequiredValues(required=required),
            "prompts_present": gx.ExpectColumnValuesToBeInSet(column="said", **true),
            "turns_counted": gx.ExpectColumnValuesToBeInSet(column="counted", **true),
            "editor_known": gx.ExpectColumnValuesToBeInSet(column="known", **true),
            "splits_filled": gx.ExpectColumnDistinctValuesToContainSet(column="split", value_set=list(SPLITS)),
            "split_known": gx.ExpectColumnValuesToBeInSet(column="split", value_set=list(SPLITS)),
        },
    )


def _pixels(typed: pl.LazyFrame, limits: Limits) -> Table:
    import great_expectations.expectations as gx

    from corpusmith.validation import image_expectations as own

    def facts() -> pl.DataFrame:
        editors = _known(typed, limits)
        highest = pl.col("labels").list.max() <= len(editors)
        small = pl.col("areas").list.min() >= limits.min_area - 1e-6
        large = pl.col("areas").list.max() <= limits.max_area + 1e-6
        return edit_facts(typed, editors).select(
            *("key", "problem", "sizes", "composed", "outside", "last", "linked", "digests"),
            known=highest,
            area=small & large,
        )

    expectations: dict[str, Expectation] = {
        "opens": own.ExpectImagesToDecode(),
        "sizes_agree": gx.ExpectColumnValuesToBeInSet(column="sizes", value_set=[True]),
        "labels_known": gx.ExpectColumnValuesToBeInSet(column="known", value_set=[True]),
        "map_composed": gx.ExpectColumnValuesToBeInSet(column="composed", value_set=[True]),
        "outside_unchanged": gx.ExpectColumnValuesToBeInSet(column="outside", value_set=[0]),
        "turns_linked": gx.ExpectColumnValuesToBeInSet(column="linked", value_set=[True]),
        "image_is_last": gx.ExpectColumnValuesToBeInSet(column="last", value_set=[True]),
        "hash_matches": gx.ExpectColumnValuesToBeInSet(column="digests", value_set=[True]),
        "area_in_bounds": gx.ExpectColumnValuesToBeInSet(column="area", value_set=[True]),
    }
    return Table(facts, expectations)


def _bases(typed: pl.LazyFrame, limits: Limits) -> Table:
    from corpusmith.validation import expectations as own
    from corpusmith.validation import image_expectations as images

    def facts() -> pl.DataFrame:
        bases = typed.drop_nulls("base_sha256").select("key", "split", "base_sha256", image="base")
        copies = copies_across_splits(bases, image_facts(bases), limits.max_hash_distance)
        copy = copies.group_by("key").agg(copy=pl.col("value").min())
        stated = bases.select("key", "base_sha256", "split").collect()
        return stated.join(copy, on="key", how="left", maintain_order="left")

    return Table(
        facts,
        {
            "base_in_one_split": own.ExpectOneSplitEach(column="base_sha256"),
            "no_copies_across_splits": images.ExpectNoCopies(),
        },
    )


def _makers(typed: pl.LazyFrame) -> Table:
    from corpusmith.validation import expectations as own

    def every() -> pl.DataFrame:
        """Every turn of every chain by its own key, and the chains by theirs, which is that of their last turn."""
        parts = ("key", "plan", "fingerprint", "seed")
        turn = pl.col("turns").struct
        turns = typed.select("turns").explode("turns").drop_nulls().select(turn.field(name) for name in parts).collect()
        chains = (
            typed.select("key", "plan", "fingerprint").collect().join(turns.select("key", "seed"), on="key", how="left")
        )
        return pl.concat([turns, chains]).unique(maintain_order=True)

    return Table(every, {"key_recomputes": own.ExpectKeyToRecompute(), "seed_from_key": own.ExpectSeedFromKey()})


def _rejected(rejected: pl.LazyFrame, rows: pl.LazyFrame, limits: Limits) -> dict[str, Table]:
    import great_expectations.expectations as gx

    from corpusmith.validation import expectations as own

    with_images = {"image": EDITS["image"]} if "image" in rejected.collect_schema() else {}
    kept, typed = tables.conformed(rows, EDITS), tables.conformed(rejected, EDITS_REJECTED)
    required = tables.required(EDITS_REJECTED, but=["reasons", "dropped"])
    codes = "|".join(sorted(REASONS))
    shown = typed.select(
        *required,
        origin=pl.lit(GENERATED[0]),
        reasons=pl.col("reasons").list.join(" ", ignore_nulls=False).fill_null(""),
        released=pl.col("scene").is_in(kept.select("scene").collect()["scene"].implode()),
    )
    found = {
        "rejected-columns": tables.columns(rejected, EDITS_REJECTED | with_images, "rejected_schema"),
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
    if limits.made is not None:
        found["counts"] = tables.counts(limits.made, "kind", kept, typed, "all_accounted")
    return found


SUITE: Final = Suite("edits", SENTENCES, Limits, _released, _rejected)
