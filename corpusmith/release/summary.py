"""What card, report, metrics and manifest say of the rows, counted once from the files of the release."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from corpusmith.release.inputs import CardText

EXAMPLES = 3
LONGEST_EXAMPLE = 400  # characters
JUDGED = "asked and judged: "  # begins the name of a matrix of what was asked for against what the judge saw


@dataclass(frozen=True)
class Summary:
    """Counts and examples of one release.

    balance: split, origin, label, rows. reasons: reason, origin, rows (a row with two reasons counts for both).
    flow: stage, origin, rows_in, rejected, rows_out, in the order of the recipe. confusions: name, actual, predicted,
    rows. depth: the probes' accuracy; subject, form, layer, depth, value, low, high. overall: the scores of no single
    class, of a probe those of its best layer. examples: label, origin, text, source_text. refused: reason, text.
    """

    rows: int
    rejected: int
    balance: pl.DataFrame
    reasons: pl.DataFrame
    flow: pl.DataFrame
    confusions: pl.DataFrame
    depth: pl.DataFrame
    overall: pl.DataFrame
    examples: pl.DataFrame
    refused: pl.DataFrame

    def count(self, column: str) -> dict[str, int]:
        """Rows by one column of the balance."""
        return dict(self.balance.group_by(column, maintain_order=True).agg(pl.col("rows").sum()).rows())


def summarize(
    rows: pl.LazyFrame, rejected: pl.LazyFrame, scores: pl.DataFrame, made: dict[str, int], text: CardText
) -> Summary:
    """Everything that is said of the rows; tables are in the order of the corpus's labels, origins and stages."""
    balance = _balance(rows, text)
    reasons = _reasons(rejected, text)
    return Summary(
        rows=int(balance["rows"].sum()),
        rejected=rejected.select(pl.len()).collect(engine="streaming").item(),
        balance=balance,
        reasons=reasons,
        flow=_flow(rejected, made, text),
        confusions=pl.concat([_judged(rows, rejected, text), _scored(scores)]),
        depth=_depth(scores),
        overall=_overall(scores),
        examples=_examples(rows, text),
        refused=_refused(rejected, reasons),
    )


def _balance(rows: pl.LazyFrame, text: CardText) -> pl.DataFrame:
    found = rows.group_by("split", "origin", label=text.label).agg(rows=pl.len().cast(pl.Int64)).collect()
    order = [
        _place("split", ("train", "validation", "test")),
        _place("origin", text.origins),
        _place("label", text.labels),
    ]
    return found.sort(*order, "split", "origin", "label")


def _reasons(rejected: pl.LazyFrame, text: CardText) -> pl.DataFrame:
    found = rejected.select("origin", reason="reasons").explode("reason").drop_nulls("reason")
    counted = found.group_by("reason", "origin").agg(rows=pl.len().cast(pl.Int64)).collect()
    return counted.sort(_place("reason", tuple(text.reasons)), _place("origin", text.origins), "reason")


def _flow(rejected: pl.LazyFrame, made: dict[str, int], text: CardText) -> pl.DataFrame:
    """Rows in and out of each stage; a row falls at the first stage that rejects for one of its reasons."""
    rows = []
    for origin in text.origins:
        left = made.get(origin, 0)
        waiting = rejected.filter(pl.col("origin") == origin).select("reasons")
        fallen = _first_stage(waiting, origin, text)
        for number, stage in enumerate(text.stages):
            if origin in stage.origins:
                out = left - fallen.get(number, 0)
                rows.append((stage.name, origin, left, left - out, out))
                left = out
    columns = {"stage": pl.String, "origin": pl.String, "rows_in": pl.Int64, "rejected": pl.Int64, "rows_out": pl.Int64}
    return pl.DataFrame(rows, schema=columns, orient="row")


def _first_stage(waiting: pl.LazyFrame, origin: str, text: CardText) -> dict[int, int]:
    stage = pl.lit(None, pl.Int64)
    for number, each in reversed(list(enumerate(text.stages))):
        if origin in each.origins and each.reasons:
            fell = pl.any_horizontal(pl.col("reasons").list.contains(reason) for reason in each.reasons)
            stage = pl.when(fell).then(pl.lit(number)).otherwise(stage)
    return dict(waiting.group_by(stage=stage).agg(pl.len().cast(pl.Int64)).collect().drop_nulls("stage").rows())


def _judged(rows: pl.LazyFrame, rejected: pl.LazyFrame, text: CardText) -> pl.DataFrame:
    """What was asked for against what the judge saw, over kept and rejected rows of the written origins."""
    if "target" not in rows.collect_schema():
        return pl.DataFrame(schema=_CONFUSION)
    asked = [table.select("origin", actual="target", predicted=text.label) for table in (rows, rejected)]
    name = pl.concat_str(pl.lit(JUDGED), "origin")
    counted = pl.concat(asked).drop_nulls("actual").group_by(name=name, actual="actual", predicted="predicted")
    found = counted.agg(rows=pl.len().cast(pl.Int64)).collect().with_columns(pl.col("predicted").fill_null(""))
    return _in_order(found.select(list(_CONFUSION)))


_CONFUSION = {"name": pl.String, "actual": pl.String, "predicted": pl.String, "rows": pl.Int64}
_MEASURED = ("task", "subject", "form", "layer")


def _scored(scores: pl.DataFrame) -> pl.DataFrame:
    """The confusion matrices of the scores: of a probe that of its best layer."""
    best = _overall(scores).select(_MEASURED).unique()
    counts = scores.filter(pl.col("metric") == "count").join(best, on=_MEASURED, how="semi", nulls_equal=True)
    found = counts.select(
        name=curve(), actual="label", predicted="predicted", rows=pl.col("value").cast(pl.Int64)
    ).filter(pl.col("rows") > 0)
    return _in_order(found)


def curve() -> pl.Expr:
    """A measurement's name: the task, who was measured, how the text was shown, at which layer."""
    form = pl.format(" ({})", "form")
    layer = pl.format(", layer {}", "layer")
    return pl.concat_str("task", pl.lit(": "), "subject", form.fill_null(""), layer.fill_null(""))


def _depth(scores: pl.DataFrame) -> pl.DataFrame:
    layers = _accuracy(scores).drop_nulls(["layer", "value", "low", "high"])
    return layers.select("subject", "form", "layer", "depth", "value", "low", "high").sort("subject", "form", "layer")


def _overall(scores: pl.DataFrame) -> pl.DataFrame:
    """Scores of no single class; of several layers those of the most accurate one (the lower of equals)."""
    best = (
        _accuracy(scores)
        .sort("value", "layer", descending=[True, False], nulls_last=True)
        .unique(["task", "subject", "form"], keep="first", maintain_order=True)
    )
    whole = scores.filter(pl.col("label").is_null() & (pl.col("metric") != "count"))
    return whole.join(best.select(_MEASURED), on=_MEASURED, how="semi", nulls_equal=True, maintain_order="left")


def _accuracy(scores: pl.DataFrame) -> pl.DataFrame:
    return scores.filter((pl.col("metric") == "accuracy") & pl.col("label").is_null())


def _examples(rows: pl.LazyFrame, text: CardText) -> pl.DataFrame:
    """The first few rows by key, which is a draw at random that is the same each time."""
    source = "source_text" if "source_text" in rows.collect_schema() else pl.lit(None, pl.String).alias("source_text")
    short = rows.filter(pl.col("text").str.len_chars() <= LONGEST_EXAMPLE)
    drawn = short.filter(pl.col("key").rank("ordinal").over(text.label, "origin") <= EXAMPLES)
    found = drawn.select("key", "origin", "text", source, label=text.label).collect()
    return found.sort(_place("label", text.labels), _place("origin", text.origins), "key").drop("key")


def _refused(rejected: pl.LazyFrame, reasons: pl.DataFrame) -> pl.DataFrame:
    first = rejected.filter(pl.col("text").str.len_chars().is_between(1, LONGEST_EXAMPLE))
    drawn = first.select("key", "text", reason=pl.col("reasons").list.first())
    found = drawn.filter(pl.col("key").rank("ordinal").over("reason") <= EXAMPLES).collect()
    order = reasons["reason"].unique(maintain_order=True).to_list()
    return found.sort(_place("reason", tuple(order)), "key").select("reason", "text")


def _in_order(found: pl.DataFrame) -> pl.DataFrame:
    return found.sort("name", "actual", "predicted")


def _place(column: str, order: tuple[str, ...]) -> pl.Expr:
    """Where a value stands in an order; unknown ones come last."""
    return pl.col(column).replace_strict(
        list(order), list(range(len(order))), default=len(order), return_dtype=pl.Int64
    )
