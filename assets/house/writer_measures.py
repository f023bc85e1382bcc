"""Measures the writer on comments that it has not seen, and writes its card from the numbers."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
import pyarrow as pa

from corpusmith.assets.house import language_text as material
from corpusmith.curate.memorised import WORDS, index_of, longest_overlap
from corpusmith.curate.similarity import content_kept
from corpusmith.emotions import EMOTIONS
from corpusmith.hardware import machine
from corpusmith.models.text.adapted_writer import AdaptedWriter, generator, rewriter, topics
from corpusmith.models.text.classify import predict
from corpusmith.score import naturalness
from corpusmith.score.scores import Measurement
from corpusmith.work.plan import keys

JUDGE: Final = "house/emotion-judge"
CARD: Final = Path(__file__).with_name("writer_card.md")
PER_EMOTION: Final = 40  # comments that are written, and as many that are rewritten
DRAWS: Final = 200
EXACT: Final = 32_000_000  # bytes of a filter that is large enough to be as good as exact


def measure(folder: Path, data: Path) -> dict[str, Any]:
    """What comes of asking for comments of each emotion, and for neutral comments in it: read, told apart, repeated."""
    unseen = material.goemotions(data / "goemotions" / "ekman" / "dev.tsv").filter(pl.col("labels").list.len() == 1)
    people = unseen.select("text", emotion=pl.col("labels").list.first()).unique("text", maintain_order=True)
    calm = people.filter(pl.col("text").str.count_matches(r"\S+").is_between(5, 30), emotion="neutral")
    plans = {"rewritten": to_rewrite(calm), "synthetic": to_write(calm)}
    makers = {"rewritten": rewriter(str(folder)), "synthetic": generator(str(folder))}
    known = index_of(pl.concat([_read(data), material.posts(data / "reddit_top_posts" / "data")["text"]]), EXACT)
    return {
        "judge": JUDGE,
        "made_on": machine().sentence("float32"),
        "held_out": "GoEmotions dev, rows with one label, filtered like the training text",
        **{origin: _measured(makers[origin], plan, people, known) for origin, plan in plans.items()},
    }


def to_rewrite(calm: pl.DataFrame) -> pl.DataFrame:
    """Neutral comments (``text``) and the emotion that each is put into (``target``)."""
    others = [emotion for emotion in EMOTIONS if emotion != "neutral"]
    texts = calm["text"].head(PER_EMOTION * len(others))
    return pl.DataFrame({"text": texts, "target": [others[place % len(others)] for place in range(len(texts))]})


def to_write(calm: pl.DataFrame) -> pl.DataFrame:
    """What the generator is asked: emotions, with the length and a topic of neutral comments."""
    texts = calm["text"].tail(PER_EMOTION * len(EMOTIONS))
    return pl.DataFrame(
        {
            "emotion": [EMOTIONS[place % len(EMOTIONS)] for place in range(len(texts))],
            "words": texts.str.count_matches(r"\S+").cast(pl.Int64),
            "topic": topics(texts).list.first().fill_null(""),
            "number": np.arange(len(texts)),
        }
    )


def _read(data: Path) -> pl.Series:
    return material.goemotions(data / "goemotions" / "ekman" / "train.tsv")["text"]


def _measured(maker: AdaptedWriter, plan: pl.DataFrame, people: pl.DataFrame, known: Any) -> dict[str, Any]:
    asked = plan.insert_column(0, keys(plan, maker.name, maker.inputs))  # the weights do not choose the seeds
    began = time.monotonic()
    batches = asked.to_arrow(compat_level=pl.CompatLevel.oldest()).to_batches(maker.batch_rows)
    texts = pl.Series(pa.concat_arrays([maker.make(batch)[maker.task.made] for batch in batches]))
    seconds = time.monotonic() - began
    seen = np.array(EMOTIONS)[predict(JUDGE, texts.to_arrow()).argmax(axis=1)]
    source = asked["text"] if maker.task.source else pl.Series([None] * len(texts), dtype=pl.String)
    made = pl.DataFrame(
        {
            "key": asked["key"],
            "text": texts,
            "target": asked[maker.task.emotion],
            "emotion": seen.tolist(),
            "source_text": source,
            "writer": ["house/writer"] * len(texts),
        }
    )
    fit = made.filter(pl.col("emotion") == pl.col("target")).with_columns(origin=pl.lit("written"))
    natural = people.with_columns(
        key=pl.format("n{}", pl.int_range(pl.len()).cast(pl.String).str.zfill(6)),
        origin=pl.lit("natural"),
        source_text=pl.lit(None, pl.String),
        writer=pl.lit(None, pl.String),
    )
    columns = ["key", "text", "emotion", "origin", "source_text", "writer"]
    this = Measurement("naturalness", "writer", "writer", "", {}, "")
    board = naturalness.score(pl.concat([natural.select(columns), fit.select(columns)]), this, DRAWS)
    return {
        "texts": made.height,
        "read_as_asked": _shares(made),
        "kept_content": _kept(made),
        **{kind: _values(board.filter(pl.col("subject") == kind)) for kind in ("written", "natural")},
        f"over_{WORDS}_words_verbatim": round(float((longest_overlap(texts, known) > WORDS).mean() or 0), 4),
        "texts_per_second": round(len(texts) / seconds, 2),
    }


def _shares(made: pl.DataFrame) -> dict[str, float]:
    right = made.group_by("target").agg(share=(pl.col("emotion") == pl.col("target")).mean())
    shares = dict(right.iter_rows())
    return {emotion: round(shares[emotion], 3) for emotion in EMOTIONS if emotion in shares} | {
        "mean": round(float(np.mean(list(shares.values()))), 3)
    }


def _kept(made: pl.DataFrame) -> float | None:
    """The share of the rewrites that keep four fifths of their source's content words, and every number and name."""
    if made["source_text"].is_null().all():
        return None
    return round(float((content_kept(made["source_text"], made["text"]) >= 0.8).mean() or 0), 3)


def _values(board: pl.DataFrame) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for row in board.iter_rows(named=True):
        name = row["metric"] if row["label"] is None else f"{row['metric']}.{row['label']}"
        interval = [round(row["low"], 3), round(row["high"], 3)] if row["low"] is not None else None
        value = None if row["value"] is None else round(row["value"], 4)
        found[name] = {"value": value, "interval": interval} if interval else value
    return found


def card(measured: dict[str, Any]) -> str:
    """The model card: what the adapter is, what it learned from, what was measured, what it is not for."""
    rows = "\n".join(
        f"| {said} | {_cell(measured['rewritten'], name)} | {_cell(measured['synthetic'], name)} | {natural} |"
        for said, name, natural in _lines(measured)
    )
    loss = measured["held_out_loss"]
    return CARD.read_text(encoding="utf-8").format(
        steps=f"{measured['steps']:,}",
        tokens=f"{measured['tokens']:,}",
        before=loss["before"],
        after=loss["after"],
        texts=f"{measured['rewritten']['texts']:,} rewritten and {measured['synthetic']['texts']:,} new",
        judge=measured["judge"],
        made_on=measured["made_on"],
        rows=rows,
    )


def _lines(measured: dict[str, Any]) -> list[tuple[str, str, Any]]:
    natural = measured["synthetic"]["natural"]
    asked = [(f"read as {emotion} when asked for it", f"read_as_asked.{emotion}", "") for emotion in EMOTIONS]
    return [
        *asked,
        ("mean of these", "read_as_asked.mean", ""),
        ("told from people's of the same emotion, AUC", "written.detectability", ""),
        ("4-grams in three rows or more", "written.repeated_4grams", natural.get("repeated_4grams")),
        ("different openings", "written.distinct_openings", natural.get("distinct_openings")),
        ("median words", "written.median_words", natural.get("median_words")),
        ("keep four fifths of the content words, every number and name", "kept_content", ""),
        (f"hold more than {WORDS} words of the training text in a row", f"over_{WORDS}_words_verbatim", ""),
        ("texts a second", "texts_per_second", ""),
    ]


def _cell(measured: dict[str, Any], name: str) -> str:
    value: Any = measured
    for part in name.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    if isinstance(value, dict):
        low, high = value["interval"]
        return f"{value['value']:.3f} ({low:.3f} to {high:.3f})" if value["value"] is not None else ""
    return "" if value is None else f"{value:g}"
