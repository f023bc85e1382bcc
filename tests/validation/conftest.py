"""A small corpus in which everything holds, for tests to plant one fault in."""

import random
import sys
from pathlib import Path

import polars as pl
import pytest

from corpusmith.curate.balance import assign_splits
from corpusmith.emotions import EMOTIONS
from corpusmith.validation.schema import REJECTED, RELEASE, schema
from corpusmith.work.plan import canonical, fingerprint, keys, seeds

sys.path.insert(0, str(Path(__file__).parents[1] / "corpusmith" / "release"))  # portraits_corpus

EACH = 60
SPLITS = {"train": 0.6, "validation": 0.2, "test": 0.2}
WORDS = [
    first + second for first in ("ba", "de", "ki", "lo", "mu", "na") for second in ("ra", "te", "sil", "mon", "dup")
]


@pytest.fixture(scope="session")
def valid() -> pl.DataFrame:
    """EACH rows of every emotion: half natural, a quarter rewritten from some of these, a quarter synthetic."""
    natural = _made("natural", EACH // 2, "comments", ["source", "line"])
    sources = natural.select(source_key="key", source_text="text", thread="thread", group="key").sample(
        7 * EACH // 4, seed=1
    )
    rewritten = _made("rewritten", EACH // 4, "house-rewriter", ["source_text", "target"], sources)
    synthetic = _made("synthetic", EACH // 4, "house-language", ["number", "target"])
    rows = pl.concat([natural, rewritten, synthetic], how="diagonal_relaxed")
    rows = rows.with_columns(group=pl.coalesce("group", "key"), created_utc=pl.lit(1_136_073_600, pl.Int64))
    rows = rows.with_columns(group=pl.col("group").min().over(pl.coalesce("thread", "key")))
    rows = rows.with_columns(split=assign_splits(rows, SPLITS))
    return rows.cast({name: dtype for name, dtype in schema(RELEASE).items() if name in rows.columns}).select(
        list(RELEASE)
    )


@pytest.fixture(scope="session")
def valid_rejected() -> pl.DataFrame:
    """Twenty rejected comments, one of them a broken line without any text."""
    rows = _made("natural", 3, "comments", ["source", "line"], start=1_000).head(20)
    rows = rows.with_columns(
        reasons=pl.Series([["too_short", "bot"], *[["non_english"]] * 19]),
        duplicate_of=pl.lit(None, pl.String),
        created_utc=pl.lit(None, pl.Int64),
        source_key=pl.lit(None, pl.String),
        source_text=pl.lit(None, pl.String),
        text=pl.when(pl.int_range(pl.len()) > 0).then("text"),
    )
    return rows.select(list(REJECTED)).cast(dict(schema(REJECTED)))


def _made(
    origin: str, each: int, maker: str, inputs: list[str], sources: pl.DataFrame | None = None, start: int = 0
) -> pl.DataFrame:
    draw = random.Random(f"{origin} {start}")
    emotions = [emotion for emotion in EMOTIONS for _ in range(each)]
    written = origin != "natural"
    made = fingerprint(maker, f"house/{maker}", "0123456789abcdef", {})
    rows = pl.DataFrame(
        {
            "emotion": emotions,
            "text": [" ".join(draw.choices(WORDS, k=draw.randint(5, 30))) for _ in emotions],
            "line": range(start, start + len(emotions)),
            "number": range(len(emotions)),
        }
    )
    rows = rows.with_columns(
        thread=pl.format("t3_{}", pl.col("line") // 2) if not written else pl.lit(None, pl.String),
        source=pl.lit("RC_2006-01.zst"),
        target="emotion" if written else pl.lit(None, pl.String),
        subreddit=pl.lit("pics"),
        author=pl.lit("00ff" * 8),
        language=pl.lit("en"),
        origin=pl.lit(origin),
        judge=pl.lit("house/emotion-judge@0123456789ab"),
        writer=pl.lit(f"house/{maker}@0123456789ab") if written else pl.lit(None, pl.String),
        fingerprint=pl.lit(made),
        confidence=pl.lit(0.7),
        second_emotion="emotion",
        second_confidence=pl.lit(0.6),
        second_judge=pl.lit("house/other-judge@0123456789ab"),
        valence=pl.lit(0.1),
        arousal=pl.lit(None, pl.Float32),
        dominance=pl.lit(None, pl.Float32),
        **{f"p_{e}": pl.when(pl.col("emotion") == e).then(0.7).otherwise(0.05) for e in EMOTIONS},
    )
    rows = pl.concat([rows.drop("thread"), sources], how="horizontal") if sources is not None else rows
    key = keys(rows, made, inputs)
    seed = pl.Series("seed", seeds(key.to_list())).cast(pl.Int64) if written else pl.lit(None, pl.Int64)
    return rows.with_columns(key, plan=canonical(inputs), seed=seed)
