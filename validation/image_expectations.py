"""What must hold of generated images, as expectations of our own: over facts about them, never over their bytes."""

from __future__ import annotations

from typing import ClassVar

import polars as pl

from corpusmith.validation.expectations import RowsExpectation


class ExpectImagesToDecode(RowsExpectation):
    """Every image can be opened: ``problem`` is null."""

    def reads(self) -> list[str]:
        return ["key", "problem"]

    def failing(self, rows: pl.DataFrame) -> pl.DataFrame:
        return rows.drop_nulls("problem").select("key", value="problem")


class ExpectStatedFacts(RowsExpectation):
    """What a row states of its image is so: ``stated`` is column -> the column of the fact.

    Rows whose fact is unknown, for their image cannot be opened, are left to another expectation.
    """

    stated: dict[str, str]
    success_keys: ClassVar[tuple[str, ...]] = ("stated",)

    def reads(self) -> list[str]:
        return ["key", *self.stated, *self.stated.values()]

    def failing(self, rows: pl.DataFrame) -> pl.DataFrame:
        wrong = [
            pl.when(pl.col(fact).is_not_null() & pl.col(name).ne_missing(pl.col(fact))).then(
                pl.format("{} is {}, stated {}", pl.lit(name), fact, pl.col(name).cast(pl.String).fill_null("nothing"))
            )
            for name, fact in self.stated.items()
        ]
        said = rows.select("key", value=pl.concat_list(wrong).list.drop_nulls().list.join(", "))
        return said.filter(pl.col("value") != "")


class ExpectNoBlankImages(RowsExpectation):
    """No image is of a single grey."""

    def reads(self) -> list[str]:
        return ["key", "blank"]

    def failing(self, rows: pl.DataFrame) -> pl.DataFrame:
        return rows.filter("blank").select("key", value=pl.lit("blank"))


class ExpectNoCopies(RowsExpectation):
    """No image has a copy: ``copy`` names none."""

    def reads(self) -> list[str]:
        return ["key", "copy"]

    def failing(self, rows: pl.DataFrame) -> pl.DataFrame:
        return rows.drop_nulls("copy").select("key", value="copy")


class ExpectCellsInBalance(RowsExpectation):
    """Each value of ``column`` comes with each of ``labels`` equally often."""

    column: str
    label: str
    labels: list[str]
    success_keys: ClassVar[tuple[str, ...]] = ("column", "label", "labels")

    def reads(self) -> list[str]:
        return [self.column, self.label]

    def failing(self, rows: pl.DataFrame) -> pl.DataFrame:
        most = pl.col("count").max()
        off = self._counts(rows).filter(pl.col("count") != most)
        return off.select(key=pl.format("{}: {}", self.column, self.label), value=pl.format("{} rows", "count"))

    def observed(self, rows: pl.DataFrame) -> str | None:
        counts = self._counts(rows)["count"]
        return f"{counts.min()} to {counts.max()} rows" if len(counts) else None

    def _counts(self, rows: pl.DataFrame) -> pl.DataFrame:
        every = rows.select(pl.col(self.column).drop_nulls().unique()).join(
            pl.DataFrame({self.label: self.labels}), how="cross"
        )
        found = rows.group_by(self.column, self.label).len("count")
        counts = every.join(found, on=[self.column, self.label], how="left")
        return counts.with_columns(pl.col("count").fill_null(0).cast(pl.Int64)).sort(self.column, self.label)


class ExpectOneValueEach(RowsExpectation):
    """Rows with the same value of ``column`` have the same of each of ``same``."""

    column: str
    same: list[str]
    success_keys: ClassVar[tuple[str, ...]] = ("column", "same")

    def reads(self) -> list[str]:
        return list(dict.fromkeys(["key", self.column, *self.same]))

    def failing(self, rows: pl.DataFrame) -> pl.DataFrame:
        several = [pl.when(pl.col(name).n_unique().over(self.column) > 1).then(pl.lit(name)) for name in self.same]
        said = rows.drop_nulls(self.column).select(
            "key", self.column, several=pl.concat_list(several).list.drop_nulls()
        )
        off = said.filter(pl.col("several").list.len() > 0)
        return off.select("key", value=pl.format("{}: several of {}", self.column, pl.col("several").list.join(", ")))
