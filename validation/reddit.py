"""What must hold of the Reddit corpus before it is released, and of any release of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from corpusmith.curate.balance import ORIGINS, SPLITS
from corpusmith.curate.verdicts import REASONS
from corpusmith.emotions import EMOTIONS
from corpusmith.validation import tables
from corpusmith.validation.schema import PROBABILITIES, REJECTED, RELEASE, WRITTEN
from corpusmith.validation.suite import Suite, Table

if TYPE_CHECKING:
    from great_expectations.expectations.expectation import Expectation

SENTENCES: Final[dict[str, str]] = {
    "schema": "The table has the columns of a release, with their types, and no other.",
    "key_unique": "No two rows have the same key.",
    "values_present": "Text, emotion, probabilities, valence, origin, language, group and split are in every row.",
    "origin_known": "Every row is natural, rewritten or synthetic.",
    "emotion_known": "Every emotion is one of the seven.",
    "target_met": "A written row shows the emotion that was asked for.",
    "confident": "The judge's confidence is at least {min_confidence} (and at most 1).",
    "probabilities_sum": "The seven probabilities lie between 0 and 1 and sum to 1.",
    "emotion_most_probable": "The emotion is the most probable one, and the confidence is its probability.",
    "second_opinion": (
        "What a second judge sees is one of the seven, with a probability and its name; where one is asked to agree, "
        "it does."
    ),
    "valence_bounded": "Valence lies between -1 and 1.",
    "balanced": "Every emotion has the same number of rows, within {tolerance:.0%} of the commonest.",
    "splits_balanced": "No emotion is far from the mean of its split ({split_tolerance:.0%}, or {split_slack} rows).",
    "splits_filled": "Train, validation and test all have rows.",
    "split_known": "Every split is train, validation or test.",
    "language_english": "Every row is in English.",
    "words": "Every text has at least {min_words} words.",
    "text_unique": "No two rows have the same text.",
    "no_near_duplicates_across_splits": "No text is nearly the same as one in another split (Jaccard {jaccard}).",
    "no_personal_data": "No text, source or plan holds personal data.",
    "author_hashed": "Authors are salted hashes, never names.",
    "provenance_complete": "Every row says what made and judged it; a written one also its writer, source and seed.",
    "writer_not_judge": "No row was judged by the model that wrote it, and none twice by the same.",
    "key_recomputes": "Every key is the hash of its plan and fingerprint.",
    "seed_from_key": "Every seed is the one that its key gives.",
    "group_in_one_split": "No group is in two splits.",
    "thread_in_one_split": "No thread is in two splits.",
    "source_in_one_split": "A rewrite is in the split of its source and of the source's other rewrites.",
    "rejected_schema": "The rejected table has its columns and no other: no raw text.",
    "rejected_reasons_known": "Every rejected row has a reason, and every reason is a known code.",
    "rejected_values_present": "Every rejected row has a key, an origin, a plan and a fingerprint.",
    "rejected_no_personal_data": "No rejected text, source or plan holds personal data.",
    "rejected_author_hashed": "Authors of rejected rows are salted hashes, never names.",
    "kept_or_rejected": "No row is both released and rejected.",
    "all_accounted": "As many rows were kept or rejected as came in, for each origin.",
}
"""Every expectation by its slug, in the order of a report; numbers are those of `Limits`."""

HASH: Final = "^[0-9a-f]{16,64}$"
SECOND: Final = ("second_emotion", "second_confidence", "second_judge")
PROVENANCE: Final = ("judge", "plan", "fingerprint", "target", "writer", "seed", "source_key", "source_text")


@dataclass(frozen=True)
class Limits:
    """The bounds that a corpus must keep.

    tolerance: how much rarer than the commonest an emotion may be, as a share; split_tolerance, split_slack: how far
    from the mean of its split an emotion may be, as a share or in rows, whichever is more; made: how many rows came in
    of each origin (lines read, rewrites and comments written); unchecked when None; agree: whether a second judge was
    asked of every row, and sees the same as the first.
    """

    tolerance: float = 0.02
    split_tolerance: float = 0.5
    split_slack: int = 5
    min_words: int = 3
    min_confidence: float = 0.4
    jaccard: float = 0.8
    made: Mapping[str, int] | None = None
    agree: bool = False

    @classmethod
    def of(cls, reddit: Mapping[str, Any], made: Mapping[str, int] | None = None) -> Limits:
        """The bounds in the settings of the Reddit corpus, as plain data (`reddit` of params.yaml)."""
        return cls(
            tolerance=reddit["balanced"]["tolerance"],
            min_words=reddit["comments"]["min_words"],
            min_confidence=reddit["labelled"]["min_confidence"],
            jaccard=reddit["comments"]["jaccard"],
            made=made,
            agree=bool(reddit["models"].get("second_judge")) and reddit["labelled"].get("disagreement") == "reject",
        )


def _released(rows: pl.LazyFrame, limits: Limits) -> dict[str, Table]:
    import great_expectations.expectations as gx

    from corpusmith.validation import expectations as own

    emotions = list(EMOTIONS)
    required = tables.required(RELEASE)
    provenance = {name: required.pop(name) for name in PROVENANCE}
    conformed = tables.conformed(rows, RELEASE)
    asked = pl.when(pl.col("origin").is_in(WRITTEN)).then("plan")
    labels: dict[str, Expectation] = {
        "key_unique": gx.ExpectColumnValuesToBeUnique(column="key"),
        "origin_known": gx.ExpectColumnValuesToBeInSet(column="origin", value_set=list(ORIGINS)),
        "emotion_known": gx.ExpectColumnValuesToBeInSet(column="emotion", value_set=emotions),
        "target_met": gx.ExpectColumnPairValuesToBeEqual(
            column_A="target", column_B="emotion", ignore_row_if="either_value_is_missing"
        ),
        "confident": gx.ExpectColumnValuesToBeBetween(
            column="confidence", min_value=limits.min_confidence - 1e-6, max_value=1 + 1e-6
        ),
        "probabilities_sum": own.ExpectProbabilitiesToSumToOne(column_list=list(PROBABILITIES)),
        "emotion_most_probable": own.ExpectMostProbableLabel(label="emotion", labels=emotions, confidence="confidence"),
        "second_opinion": own.ExpectSecondOpinion(labels=emotions, agree=limits.agree),
        "valence_bounded": gx.ExpectColumnValuesToBeBetween(column="valence", min_value=-1, max_value=1),
        "balanced": own.ExpectEmotionsInBalance(emotions=emotions, tolerance=limits.tolerance),
        "splits_balanced": own.ExpectSplitsInBalance(
            emotions=emotions, tolerance=limits.split_tolerance, slack=limits.split_slack
        ),
        "splits_filled": gx.ExpectColumnDistinctValuesToContainSet(column="split", value_set=list(SPLITS)),
        "split_known": gx.ExpectColumnValuesToBeInSet(column="split", value_set=list(SPLITS)),
        "language_english": gx.ExpectColumnValuesToBeInSet(column="language", value_set=["en"]),
    }
    texts: dict[str, Expectation] = {
        "values_present": own.ExpectRequiredValues(required=required),
        "words": own.ExpectWords(column="text", min_words=limits.min_words),
        "text_unique": gx.ExpectColumnValuesToBeUnique(column="text"),
        "no_near_duplicates_across_splits": own.ExpectNoNearDuplicatesAcrossSplits(threshold=limits.jaccard),
        "no_personal_data": own.ExpectNoPersonalData(column_list=["text", "source_text", "asked"]),
    }
    makers: dict[str, Expectation] = {
        "provenance_complete": own.ExpectRequiredValues(required=provenance),
        "writer_not_judge": own.ExpectWriterNotJudge(),
        "key_recomputes": own.ExpectKeyToRecompute(),
        "seed_from_key": own.ExpectSeedFromKey(),
        "author_hashed": gx.ExpectColumnValuesToMatchRegex(column="author", regex=HASH),
    }
    splits: dict[str, Expectation] = {
        "group_in_one_split": own.ExpectOneSplitEach(column="group"),
        "thread_in_one_split": own.ExpectOneSplitEach(column="thread"),
        "source_in_one_split": own.ExpectOneSplitEach(column="source_key", otherwise="key"),
    }
    judged = (
        "key",
        "origin",
        "emotion",
        "target",
        "confidence",
        *PROBABILITIES,
        *SECOND,
        "valence",
        "split",
        "language",
    )
    return {
        "columns": tables.columns(rows, RELEASE, "schema"),
        "labels": Table(lambda: conformed.select(judged).collect(), labels),
        "texts": Table(lambda: conformed.select(*required, "source_text", asked=asked).collect(), texts),
        "makers": Table(
            lambda: conformed.select("key", "origin", *PROVENANCE, "second_judge", "author").collect(), makers
        ),
        "splits": Table(lambda: conformed.select("key", "source_key", "group", "thread", "split").collect(), splits),
    }


def _rejected(rejected: pl.LazyFrame, rows: pl.LazyFrame, limits: Limits) -> dict[str, Table]:
    import great_expectations.expectations as gx

    from corpusmith.validation import expectations as own

    conformed = tables.conformed(rejected, REJECTED)
    codes = "|".join(sorted(REASONS))
    texts = conformed.select(
        *("key", "origin", "plan", "fingerprint", "text", "source_text", "author"),
        reasons=pl.col("reasons").list.join(" ", ignore_nulls=False).fill_null(""),
        asked=pl.when(pl.col("origin").is_in(WRITTEN)).then("plan"),
        released=pl.col("key").is_in(tables.conformed(rows, RELEASE).select("key").collect()["key"].implode()),
    )
    expectations: dict[str, Expectation] = {
        "rejected_reasons_known": gx.ExpectColumnValuesToMatchRegex(
            column="reasons", regex=f"^(?:{codes})(?: (?:{codes}))*$"
        ),
        "rejected_values_present": own.ExpectRequiredValues(required=tables.required(REJECTED, but=["reasons"])),
        "rejected_no_personal_data": own.ExpectNoPersonalData(column_list=["text", "source_text", "asked"]),
        "rejected_author_hashed": gx.ExpectColumnValuesToMatchRegex(column="author", regex=HASH),
        "kept_or_rejected": gx.ExpectColumnValuesToBeInSet(column="released", value_set=[False]),
    }
    looked_at = {
        "rejected-columns": tables.columns(rejected, REJECTED, "rejected_schema"),
        "rejected": Table(texts.collect, expectations),
    }
    if limits.made is not None:
        made = {origin: limits.made.get(origin, 0) for origin in ORIGINS}
        looked_at["counts"] = tables.counts(made, "origin", tables.conformed(rows, RELEASE), conformed, "all_accounted")
    return looked_at


SUITE: Final = Suite("reddit", SENTENCES, Limits, _released, _rejected)
