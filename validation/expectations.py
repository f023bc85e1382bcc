"""What Great Expectations does not know yet, as expectations of our own: vectorised, with the failing rows named."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from typing import Any, ClassVar

import polars as pl
from great_expectations.expectations.expectation import BatchExpectation

from corpusmith.curate.duplicates import near_duplicates
from corpusmith.curate.privacy import find
from corpusmith.validation.report import LISTED
from corpusmith.work.plan import KEY_HEX


class RowsExpectation(BatchExpectation, ABC):
    """Something that must hold of every row, or of counts over them, worked out in polars.

    A subclass names the columns that it reads and returns the rows that fail, as columns ``key`` (their name) and
    ``value`` (what is wrong with it). Its fields are in ``success_keys``.
    """

    @abstractmethod
    def reads(self) -> list[str]:
        """The columns that are needed."""

    @abstractmethod
    def failing(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The rows that fail: columns key, value."""

    def observed(self, rows: pl.DataFrame) -> str | None:
        """What is worth saying of the table as a whole."""
        return None

    def _validate(
        self, metrics: dict[str, Any], runtime_configuration: dict[str, Any] | None = None, execution_engine: Any = None
    ) -> dict[str, Any]:
        rows = pl.from_pandas(execution_engine.dataframe[self.reads()])
        failing = self.failing(rows)
        listed = failing.head(LISTED)
        counts = listed["value"].value_counts().sort("count", "value", descending=[True, False])
        result = {
            "element_count": len(rows),
            "unexpected_count": len(failing),
            "unexpected_percent": 100 * len(failing) / max(len(rows), 1),
            "partial_unexpected_list": listed["value"].to_list(),
            "partial_unexpected_counts": counts.to_dicts(),
            "partial_unexpected_index_list": listed["key"].to_list(),
            "observed_value": self.observed(rows),
        }
        return {"success": failing.is_empty(), "result": result}


class ExpectRequiredValues(RowsExpectation):
    """Each column is filled in every row of the origins that require it: ``required`` is column -> origins."""

    required: dict[str, list[str]]
    success_keys: ClassVar[tuple[str, ...]] = ("required",)

    def reads(self) -> list[str]:
        return list(dict.fromkeys(["key", "origin", *self.required]))

    def failing(self, rows: pl.DataFrame) -> pl.DataFrame:
        lacks = [
            pl.when(_empty(rows, name) & pl.col("origin").is_in(origins)).then(pl.lit(name))
            for name, origins in self.required.items()
        ]
        lacking = pl.concat_list(lacks).list.drop_nulls()
        missing = rows.select("key", lacking=lacking).filter(pl.col("lacking").list.len() > 0)
        return missing.select("key", value="no " + pl.col("lacking").list.join(", "))


def _empty(rows: pl.DataFrame, name: str) -> pl.Expr:
    column = pl.col(name)
    return column.is_null() | (column == "") if rows.schema[name] == pl.String else column.is_null()


class ExpectEmotionsInBalance(RowsExpectation):
    """Every emotion has as many rows as the commonest, less a share of ``tolerance`` at the most."""

    emotions: list[str]
    tolerance: float
    success_keys: ClassVar[tuple[str, ...]] = ("emotions", "tolerance")

    def reads(self) -> list[str]:
        return ["emotion"]

    def failing(self, rows: pl.DataFrame) -> pl.DataFrame:
        count, most = pl.col("count"), pl.col("count").max()
        few = count < most - self.tolerance * most - 1e-9
        return self._counts(rows).filter(few | (count == 0)).select(key="emotion", value=pl.format("{} rows", "count"))

    def observed(self, rows: pl.DataFrame) -> str | None:
        return ", ".join(f"{emotion} {count}" for emotion, count in self._counts(rows).rows())

    def _counts(self, rows: pl.DataFrame) -> pl.DataFrame:
        found = rows.group_by("emotion").len("count")
        every = pl.DataFrame({"emotion": self.emotions})
        return every.join(found, on="emotion", how="left", maintain_order="left").fill_null(0)


class ExpectSplitsInBalance(RowsExpectation):
    """In each split every emotion is within a share of ``tolerance``, or ``slack`` rows, of the split's mean."""

    emotions: list[str]
    tolerance: float
    slack: int
    success_keys: ClassVar[tuple[str, ...]] = ("emotions", "tolerance", "slack")

    def reads(self) -> list[str]:
        return ["emotion", "split"]

    def failing(self, rows: pl.DataFrame) -> pl.DataFrame:
        mean = pl.col("count").mean().over("split")
        allowed = (self.tolerance * mean).clip(lower_bound=self.slack)
        off = self._counts(rows).filter((pl.col("count") - mean).abs() > allowed)
        return off.select(key=pl.format("{} in {}", "emotion", "split"), value=pl.format("{} rows", "count"))

    def observed(self, rows: pl.DataFrame) -> str | None:
        split = (
            self._counts(rows).group_by("split").agg(pl.col("count").min(), most=pl.col("count").max()).sort("split")
        )
        return ", ".join(f"{name} {least} to {most}" for name, least, most in split.rows())

    def _counts(self, rows: pl.DataFrame) -> pl.DataFrame:
        every = rows.select(pl.col("split").drop_nulls().unique()).join(
            pl.DataFrame({"emotion": self.emotions}), how="cross"
        )
        found = rows.group_by("split", "emotion").len("count")
        counts = every.join(found, on=["split", "emotion"], how="left")
        return counts.with_columns(pl.col("count").fill_null(0).cast(pl.Int64)).sort("split", "emotion")


class ExpectProbabilitiesToSumToOne(RowsExpectation):
    """The columns are probabilities: each from 0 to 1, together 1 within ``tolerance``."""

    column_list: list[str]
    tolerance: float = 1e-3
    success_keys: ClassVar[tuple[str, ...]] = ("column_list", "tolerance")

    def reads(self) -> list[str]:
        return ["key", *self.column_list]

    def failing(self, rows: pl.DataFrame) -> pl.DataFrame:
        total = pl.sum_horizontal(pl.col(self.column_list).cast(pl.Float64), ignore_nulls=False)
        inside = pl.all_horizontal(pl.col(self.column_list).is_between(0, 1))
        holds = ((total - 1).abs() <= self.tolerance) & inside
        return rows.filter(~holds.fill_null(False)).select("key", value=total.round(4))


class ExpectMostProbableLabel(RowsExpectation):
    """``label`` is the most probable one of ``p_<label>``, and ``confidence`` is its probability.

    Labels that are none of ``labels`` are left to another expectation.
    """

    label: str
    labels: list[str]
    confidence: str
    success_keys: ClassVar[tuple[str, ...]] = ("label", "labels", "confidence")

    def reads(self) -> list[str]:
        return ["key", self.label, self.confidence, *(f"p_{label}" for label in self.labels)]

    def failing(self, rows: pl.DataFrame) -> pl.DataFrame:
        most = pl.max_horizontal(f"p_{label}" for label in self.labels)
        own = pl.coalesce(pl.when(pl.col(self.label) == label).then(f"p_{label}") for label in self.labels)
        confident = (pl.col(self.confidence) - most).abs() <= 1e-5
        holds = (own >= most) & confident
        said = pl.format("{} at {} (confidence {}), the highest is {}", self.label, own, self.confidence, most)
        return rows.filter(~holds).select("key", value=said)


class ExpectWords(RowsExpectation):
    """``column`` has at least ``min_words`` words."""

    column: str
    min_words: int
    success_keys: ClassVar[tuple[str, ...]] = ("column", "min_words")

    def reads(self) -> list[str]:
        return ["key", self.column]

    def failing(self, rows: pl.DataFrame) -> pl.DataFrame:
        few = pl.col(self.column).str.count_matches(r"\S+").fill_null(0) < self.min_words
        return rows.filter(few).select("key", value=self.column)


class ExpectNoPersonalData(RowsExpectation):
    """No column holds a user name, e-mail address, phone number, IP address, card number or URL."""

    column_list: list[str]
    success_keys: ClassVar[tuple[str, ...]] = ("column_list",)

    def reads(self) -> list[str]:
        return ["key", *self.column_list]

    def failing(self, rows: pl.DataFrame) -> pl.DataFrame:
        found = pl.concat([find(rows[name]).with_columns(column=pl.lit(name)) for name in self.column_list])
        said = found.select(rows["key"].gather(found["row"]), value=pl.format("{} in {}", "kind", "column"))
        return said.group_by("key").agg(pl.col("value").sort().str.join(", ")).sort("key")


class ExpectOneSplitEach(RowsExpectation):
    """Rows with the same value of ``column`` (or of ``otherwise`` where it is null) are all in one split."""

    column: str
    otherwise: str | None = None
    success_keys: ClassVar[tuple[str, ...]] = ("column", "otherwise")

    def reads(self) -> list[str]:
        return list(dict.fromkeys(["key", "split", self.column, *([self.otherwise] if self.otherwise else [])]))

    def failing(self, rows: pl.DataFrame) -> pl.DataFrame:
        value = pl.coalesce(self.column, self.otherwise) if self.otherwise else pl.col(self.column)
        valued = rows.select("key", "split", value=value).drop_nulls("value")
        return valued.filter(pl.col("split").n_unique().over("value") > 1).select("key", "value")


class ExpectNoNearDuplicatesAcrossSplits(RowsExpectation):
    """No text is nearly the same (Jaccard of word shingles ``threshold`` or more) as one in another split."""

    threshold: float
    success_keys: ClassVar[tuple[str, ...]] = ("threshold",)

    def reads(self) -> list[str]:
        return ["key", "text", "split"]

    def failing(self, rows: pl.DataFrame) -> pl.DataFrame:
        texts = rows.lazy().drop_nulls("text").select("key", "text")
        near = near_duplicates(texts, self.threshold).join(rows.select("key", "split"), on="key", maintain_order="left")
        return near.filter(pl.col("split").n_unique().over("cluster") > 1).select("key", value="cluster")


class ExpectWriterNotJudge(RowsExpectation):
    """No row was judged by the very model that wrote it, or by one model twice, whatever the revision."""

    def reads(self) -> list[str]:
        return ["key", "writer", "judge", "second_judge"]

    def failing(self, rows: pl.DataFrame) -> pl.DataFrame:
        writer, first, second = _model("writer"), _model("judge"), _model("second_judge")
        return rows.filter((writer == first) | (writer == second) | (first == second)).select(
            "key", value=pl.coalesce("writer", "judge")
        )


def _model(column: str) -> pl.Expr:
    return pl.col(column).str.replace("@[^@]*$", "")


class ExpectSecondOpinion(RowsExpectation):
    """A second judge's emotion is one of ``labels``, beside a probability and its name; all three or none are there.

    agree: every row has one, and it is the first judge's.
    """

    labels: list[str]
    agree: bool
    success_keys: ClassVar[tuple[str, ...]] = ("labels", "agree")

    def reads(self) -> list[str]:
        return ["key", "emotion", "second_emotion", "second_confidence", "second_judge"]

    def failing(self, rows: pl.DataFrame) -> pl.DataFrame:
        emotion, confidence, judge = (pl.col(f"second_{name}") for name in ("emotion", "confidence", "judge"))
        faults = [
            ~emotion.is_in(self.labels),
            ~confidence.is_between(0, 1 + 1e-6),
            emotion.is_null() != confidence.is_null(),
            emotion.is_not_null() & judge.is_null(),
        ]
        if self.agree:
            faults.append(emotion.ne_missing(pl.col("emotion")))
        wrong = rows.filter(pl.any_horizontal(fault.fill_null(False) for fault in faults))
        return wrong.select("key", value=pl.format("{} beside {}", emotion.fill_null("nothing"), "emotion"))


class ExpectKeyToRecompute(RowsExpectation):
    """The key is what plan and fingerprint give (see corpusmith.work.plan)."""

    def reads(self) -> list[str]:
        return ["key", "plan", "fingerprint"]

    def failing(self, rows: pl.DataFrame) -> pl.DataFrame:
        parts = [_recomputed(part) for part in rows.partition_by("fingerprint")]
        every = pl.concat([rows.clear().select("key", value="key"), *parts])
        return every.filter(pl.col("key").ne_missing(pl.col("value"))).sort("key")


def _recomputed(rows: pl.DataFrame) -> pl.DataFrame:
    """The keys of rows with one fingerprint, stored and anew: columns key, value."""
    fingerprint = rows["fingerprint"][0] or ""
    seeded = hashlib.blake2b(fingerprint.encode() + b"\0", digest_size=KEY_HEX // 2)

    def key(plan: str | None) -> str:
        state = seeded.copy()
        state.update((plan or "").encode())
        return state.hexdigest()

    return pl.DataFrame({"key": rows["key"], "value": [key(plan) for plan in rows["plan"]]})


class ExpectSeedFromKey(RowsExpectation):
    """A seed is the first 64 bits of its key, without the last one (see corpusmith.work.plan.seeds)."""

    def reads(self) -> list[str]:
        return ["key", "seed"]

    def failing(self, rows: pl.DataFrame) -> pl.DataFrame:
        high, low = (pl.col("key").str.slice(at, 8).str.to_integer(base=16, strict=False) for at in (0, 8))
        wanted = high * 2**31 + low // 2
        wrong = pl.col("seed").is_not_null() & pl.col("seed").ne_missing(wanted)
        return rows.filter(wrong).select("key", value="seed")
