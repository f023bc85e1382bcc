"""What card, report, metrics and manifest say of the rows, counted once from the files of the release."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import polars as pl

from corpusmith.release import examples
from corpusmith.release.inputs import CardText, Published
from corpusmith.release.order import place

JUDGED = "asked and judged: "  # begins the name of a matrix of what was asked for against what the judge saw
BINS = 24  # of a measure's spread


@dataclass(frozen=True)
class Summary:
    """Counts and examples of one release; ``origin`` is the value of the corpus's column of that role.

    balance: split, origin, label, rows. reasons: reason, origin, rows (a row with two reasons counts for both).
    flow: stage, origin, rows_in, rejected, rows_out, in the order of the recipe. confusions: name, actual, predicted,
    rows. depth: the probes' accuracy; subject, form, layer, depth, value, low, high. overall: the scores of no single
    class, of a probe those of its best layer, without leaderboards. boards: all scores of the leaderboards.
    beside: scores beside which others published one: theirs in published and where.
    spreads: measure, low and high (of a bin), kept, rejected (rows in it). texts, sheet, refused,
    strips: see corpusmith.release.examples.
    """

    rows: int
    rejected: int
    balance: pl.DataFrame
    reasons: pl.DataFrame
    flow: pl.DataFrame
    confusions: pl.DataFrame
    depth: pl.DataFrame
    overall: pl.DataFrame
    boards: pl.DataFrame
    beside: pl.DataFrame
    spreads: pl.DataFrame
    texts: pl.DataFrame
    sheet: pl.DataFrame
    refused: pl.DataFrame
    strips: list[dict[str, Any]]

    def count(self, column: str) -> dict[str, int]:
        """Rows by one column of the balance."""
        return dict(self.balance.group_by(column, maintain_order=True).agg(pl.col("rows").sum()).rows())


def summarize(
    rows: pl.LazyFrame, rejected: pl.LazyFrame, scores: pl.DataFrame, made: dict[str, int], text: CardText
) -> Summary:
    """Everything that is said of the rows; tables are in the order of the corpus's labels, origins and stages."""
    rows, rejected = (table.with_columns(origin=pl.col(text.origin)) for table in (rows, rejected))
    balance = _balance(rows, text)
    reasons = _reasons(rejected, text)
    ranked = pl.col("task").is_in([board.task for board in text.boards])
    chosen = _chosen(scores)
    return Summary(
        rows=int(balance["rows"].sum()),
        rejected=rejected.select(pl.len()).collect(engine="streaming").item(),
        balance=balance,
        reasons=reasons,
        flow=_flow(rejected, made, text),
        confusions=pl.concat([_judged(rows, rejected, text), _scored(chosen)]),
        depth=_depth(scores.filter(~ranked)),
        overall=_overall(chosen.filter(~ranked)),
        boards=chosen.filter(ranked & (pl.col("metric") != "count")),
        beside=_beside(scores, text.published),
        spreads=_spreads(rows, rejected, text.measures),
        texts=examples.texts(rows, text),
        sheet=examples.sheet(rows, rejected, text),
        refused=examples.refused(rejected, reasons["reason"].unique(maintain_order=True).to_list()),
        strips=examples.strips(rows, text),
    )


def _balance(rows: pl.LazyFrame, text: CardText) -> pl.DataFrame:
    found = rows.group_by("split", "origin", label=text.label).agg(rows=pl.len().cast(pl.Int64)).collect()
    order = [
        place("split", ("train", "validation", "test")),
        place("origin", text.origins),
        place("label", text.labels),
    ]
    return found.sort(*order, "split", "origin", "label")


def _reasons(rejected: pl.LazyFrame, text: CardText) -> pl.DataFrame:
    found = rejected.select("origin", reason="reasons").explode("reason").drop_nulls("reason")
    counted = found.group_by("reason", "origin").agg(rows=pl.len().cast(pl.Int64)).collect()
    return counted.sort(place("reason", tuple(text.reasons)), place("origin", text.origins), "reason")


def _flow(rejected: pl.LazyFrame, made: dict[str, int], text: CardText) -> pl.DataFrame:
    """Rows in and out of each stage; a row falls at the first stage that rejects for one of its reasons."""
    rows = []
    for origin in text.origins:
        left = made.get(origin, 0)
        waiting = rejected.filter(pl.col("origin") == origin).select("reasons")
        fallen = _first_stage(waiting, origin, text)
        for number, stage in enumerate(text.stages):
            if origin in (stage.origins or text.origins):
                out = left - fallen.get(number, 0)
                rows.append((stage.name, origin, left, left - out, out))
                left = out
    columns = {"stage": pl.String, "origin": pl.String, "rows_in": pl.Int64, "rejected": pl.Int64, "rows_out": pl.Int64}
    return pl.DataFrame(rows, schema=columns, orient="row")


def _first_stage(waiting: pl.LazyFrame, origin: str, text: CardText) -> dict[int, int]:
    stage = pl.lit(None, pl.Int64)
    for number, each in reversed(list(enumerate(text.stages))):
        if origin in (each.origins or text.origins) and each.reasons:
            fell = pl.any_horizontal(pl.col("reasons").list.contains(reason) for reason in each.reasons)
            stage = pl.when(fell).then(pl.lit(number)).otherwise(stage)
    return dict(waiting.group_by(stage=stage).agg(pl.len().cast(pl.Int64)).collect().drop_nulls("stage").rows())


def _judged(rows: pl.LazyFrame, rejected: pl.LazyFrame, text: CardText) -> pl.DataFrame:
    """What was asked for against what the judge saw, over the rows of each origin that were asked and judged."""
    seen = text.seen or text.label
    tables = [table for table in (rows, rejected) if {text.asked, seen} <= set(table.collect_schema())]
    if not tables:
        return pl.DataFrame(schema=_CONFUSION)
    asked = [table.select("origin", actual=text.asked, predicted=seen) for table in tables]
    name = pl.concat_str(pl.lit(JUDGED), "origin")
    counted = (
        pl.concat(asked).drop_nulls("actual").group_by("origin", name=name, actual="actual", predicted="predicted")
    )
    found = counted.agg(rows=pl.len().cast(pl.Int64)).collect().with_columns(pl.col("predicted").fill_null(""))
    return found.sort(place("origin", text.origins), "name", "actual", "predicted").select(list(_CONFUSION))


_CONFUSION = {"name": pl.String, "actual": pl.String, "predicted": pl.String, "rows": pl.Int64}
_MEASURED = ("task", "subject", "form", "layer")


def _scored(chosen: pl.DataFrame) -> pl.DataFrame:
    """The confusion matrices of the scores."""
    counts = chosen.filter((pl.col("metric") == "count") & (pl.col("value") > 0))
    found = counts.select(name=curve(), actual="label", predicted="predicted", rows=pl.col("value").cast(pl.Int64))
    return found.sort("name", "actual", "predicted")


def curve() -> pl.Expr:
    """A measurement's name: the task, who was measured, how the text was shown, at which layer."""
    form = pl.format(" ({})", "form")
    layer = pl.format(", layer {}", "layer")
    return pl.concat_str("task", pl.lit(": "), "subject", form.fill_null(""), layer.fill_null(""))


def _depth(scores: pl.DataFrame) -> pl.DataFrame:
    layers = _accuracy(scores).drop_nulls(["layer", "value", "low", "high"])
    return layers.select("subject", "form", "layer", "depth", "value", "low", "high").sort("subject", "form", "layer")


def _chosen(scores: pl.DataFrame) -> pl.DataFrame:
    """Of several layers the scores of the most accurate one (the lower of equals), and all that are of no layer."""
    best = (
        _accuracy(scores)
        .sort("value", "layer", descending=[True, False], nulls_last=True)
        .unique(["task", "subject", "form"], keep="first", maintain_order=True)
        .select(*_MEASURED, best=pl.lit(True))
    )
    marked = scores.join(best, on=_MEASURED, how="left", nulls_equal=True, maintain_order="left")
    return marked.filter(pl.col("layer").is_null() | pl.col("best")).drop("best")


def _overall(chosen: pl.DataFrame) -> pl.DataFrame:
    """Scores of no single class."""
    return chosen.filter(pl.col("label").is_null() & (pl.col("metric") != "count"))


def _beside(scores: pl.DataFrame, published: tuple[Published, ...]) -> pl.DataFrame:
    """What others published, in their order, with our score of the same name in the same form; without one it is left
    out."""
    theirs = pl.DataFrame([asdict(each) for each in published], schema=_PUBLISHED).rename({"value": "published"})
    whole = scores.filter(pl.all_horizontal(pl.col("label", "degree", "other").is_null())).drop_nulls("value")
    same = ["task", "subject", "form", "depth", "metric"]
    ours = whole.select(*same, "value", "low", "high", "n")
    return theirs.join(ours, on=same, how="inner", nulls_equal=True, maintain_order="left")


_PUBLISHED = {
    **dict.fromkeys(("task", "subject", "metric"), pl.String),
    **{"value": pl.Float64, "where": pl.String, "form": pl.String, "depth": pl.Float64},
}


def _accuracy(scores: pl.DataFrame) -> pl.DataFrame:
    return scores.filter((pl.col("metric") == "accuracy") & pl.col("label").is_null())


def _spreads(rows: pl.LazyFrame, rejected: pl.LazyFrame, measures: tuple[str, ...]) -> pl.DataFrame:
    """How many kept and rejected rows have which values; the last bin holds the largest hundredth too."""
    found = []
    for measure in measures:
        tables = {"kept": rows, "rejected": rejected}
        sides = [
            table.select(value=pl.col(measure).cast(pl.Float64), side=pl.lit(side)).drop_nulls("value")
            for side, table in tables.items()
            if measure in table.collect_schema()
        ]
        values = pl.concat(sides).collect() if sides else pl.DataFrame()
        if values.is_empty():
            continue
        low, high = values.select(pl.col("value").min(), high=pl.col("value").quantile(0.99)).row(0)
        width = (high - low) / BINS or 1.0
        place = ((pl.col("value") - low) / width).floor().clip(0, BINS - 1)
        counted = values.group_by(bin=place).agg(
            *((pl.col("side") == side).sum().cast(pl.Int64).alias(side) for side in tables)
        )
        every = pl.DataFrame({"bin": [float(number) for number in range(BINS)]})
        filled = every.join(counted, on="bin", how="left", maintain_order="left").fill_null(0)
        edges = {"low": low + pl.col("bin") * width, "high": low + (pl.col("bin") + 1) * width}
        found.append(filled.select(measure=pl.lit(measure), **edges, kept="kept", rejected="rejected"))
    return pl.concat(found) if found else pl.DataFrame(schema=_SPREAD)


_SPREAD = {"measure": pl.String, "low": pl.Float64, "high": pl.Float64, "kept": pl.Int64, "rejected": pl.Int64}
