"""Choose the same number of rows for every emotion, and splits that nothing leaks between."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from corpusmith.emotions import EMOTIONS
from corpusmith.errors import BalanceError, SettingsError

ORIGINS: Final = ("natural", "rewritten", "synthetic")
SPLITS: Final[Mapping[str, float]] = {"train": 0.8, "validation": 0.1, "test": 0.1}
SLACK = 1e-9

Counts = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def balanced(
    candidates: pl.DataFrame,
    rows_per_emotion: int | None = None,
    tolerance: float = 0.02,
    emotions: Sequence[str] = EMOTIONS,
) -> pl.DataFrame:
    """The chosen candidates, ``rows_per_emotion`` of each emotion, in the order of their keys.

    ``candidates`` has the columns key, emotion and origin. All natural rows of an emotion are taken before the first
    rewritten one, all rewritten before the first synthetic. Among rows of one origin the keys decide, which are hashes:
    a draw at random that is the same each time, whatever the order of the rows, and that leaves the judge's confidence
    and the sources distributed as they were. Choosing the surest rows instead would make an easier corpus.

    Without ``rows_per_emotion`` it is as many as the scarcest emotion has. With it, an emotion may have less by the
    share ``tolerance``; raises BalanceError when one has still less, or none.
    """
    missing = shortfall(candidates, rows_per_emotion, emotions)
    wanted = missing["wanted"].max()
    if not wanted or missing["missing"].max() > tolerance * wanted + SLACK:  # type: ignore[operator]
        raise BalanceError(explanation(missing, tolerance))
    place = pl.struct(pl.col("origin").cast(pl.Enum(ORIGINS)).to_physical(), "key").rank("ordinal").over("emotion")
    return candidates.filter(pl.col("emotion").is_in(emotions)).filter(place <= wanted).sort("key")


def shortfall(
    candidates: pl.DataFrame, rows_per_emotion: int | None = None, emotions: Sequence[str] = EMOTIONS
) -> pl.DataFrame:
    """What each emotion has and lacks: columns emotion, natural, rewritten, synthetic, wanted, missing (rows).

    Without ``rows_per_emotion`` as many are wanted as the scarcest emotion has, so none is missing.
    """
    counts = candidates.group_by("emotion").agg(
        [(pl.col("origin") == origin).sum().alias(origin) for origin in ORIGINS]
    )
    table = pl.DataFrame({"emotion": emotions}).join(counts, on="emotion", how="left", maintain_order="left")
    table = table.with_columns(pl.col(ORIGINS).fill_null(0).cast(pl.Int64))
    has = pl.sum_horizontal(ORIGINS)
    wanted = has.min() if rows_per_emotion is None else pl.lit(rows_per_emotion, pl.Int64)
    return table.with_columns(wanted=wanted).with_columns(missing=(pl.col("wanted") - has).clip(0))


def explanation(missing: pl.DataFrame, tolerance: float = 0.02) -> str:
    """A shortfall in words: which emotions, how many rows are missing, and what would help."""
    wanted = int(missing["wanted"].max() or 0)  # type: ignore[arg-type]
    rows = missing.with_columns(has=pl.sum_horizontal(ORIGINS)).sort("has", maintain_order=True)
    least = int(rows["has"][0])
    if wanted:
        short = rows.filter(pl.col("missing") > tolerance * wanted + SLACK)
        goal = f"{wanted:,} rows of each emotion are asked for (tolerance {tolerance:.0%})"
    else:
        short, goal = rows.filter(pl.col("has") == 0), "every emotion needs a row"
    lines = [f"The corpus cannot be balanced: {goal}, but {len(short)} of {len(rows)} fall short."]
    lines += [f"  {_lack(row)}" for row in short.iter_rows(named=True)]
    lines += ["What would help:", f"  - {_larger_source(missing, short)}"]
    if least:
        lines += [f"  - ask for {least} rows of each emotion (or null: as many as the scarcest has);"]
    return "\n".join(lines)


def _lack(row: Mapping[str, Any]) -> str:
    parts = ", ".join(f"{row[origin]:,} {origin}" for origin in ORIGINS)
    return f"{row['emotion']}: {max(row['missing'], 1):,} missing, has {row['has']:,} ({parts})"


def _larger_source(missing: pl.DataFrame, short: pl.DataFrame) -> str:
    """How many more natural rows would fill the emotions by themselves, at the rate in which they occur."""
    natural = int(missing["natural"].sum())
    if short["natural"].min() == 0 or not natural:
        return "a larger source, one in which these emotions occur;"
    rows = short.select((pl.col("missing").clip(1) * natural / pl.col("natural")).max()).item()
    return f"a larger source: about {round(rows, -2 if rows > 1000 else 0):,.0f} more usable comments;"


def groups(rows: pl.DataFrame) -> pl.Series:
    """The group of each row, which no split may divide: the smallest key of all rows that belong together.

    ``rows`` has the columns key, source_key, thread and cluster (the last three may be null). A rewrite belongs with
    its source and with the other rewrites of it, a thread with itself, near-duplicates (one cluster) with one another,
    and so does all that these connect.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    row = pl.int_range(pl.len(), dtype=pl.Int64).alias("row")
    links = pl.concat(
        [
            rows.select(row, kind=pl.lit(kind), value=pl.col(column)).drop_nulls("value")
            for kind, column in [("row", "key"), ("row", "source_key"), ("thread", "thread"), ("cluster", "cluster")]
        ]
    ).select("row", node=len(rows) - 1 + pl.struct("kind", "value").rank("dense").cast(pl.Int64))
    size = len(rows) + len(links)  # nodes at most
    graph = coo_array((np.ones(len(links), np.bool_), (links["row"], links["node"])), shape=(size, size))
    _, component = connected_components(graph, directed=False)
    return rows.select(group=pl.col("key").min().over(pl.Series(component[: len(rows)])))["group"]


def assign_splits(rows: pl.DataFrame, fractions: Mapping[str, float] = SPLITS) -> pl.Series:
    """The split of each row, such that no group is divided and every split has its fraction of each emotion.

    ``rows`` has the columns group (see `groups`) and emotion. Groups of several rows are dealt first, the largest
    first, each to the split that its digits draw, or that it fits best; the single rows then fill what each split still
    lacks of their emotion. So the fractions hold to a row wherever the single rows suffice, and as well as the groups
    allow elsewhere. The digits of a group are a hash: the order of the rows decides nothing.

    Raises SettingsError when ``fractions`` are not positive or do not add up to 1.
    """
    shares = np.array(list(fractions.values()))
    if (shares <= 0).any() or abs(shares.sum() - 1) > SLACK:
        raise SettingsError(f"fractions of the splits: expected positive ones that add up to 1, got {dict(fractions)}")
    emotions = sorted(rows["emotion"].unique())
    table = (
        rows.group_by("group")
        .agg([(pl.col("emotion") == emotion).sum().cast(pl.Float64).alias(emotion) for emotion in emotions])
        .sort(pl.col("group").str.tail(16), "group")  # a key's first digits decided already which rows are here
    )
    counts = table.select(emotions).to_numpy()
    split = np.empty(len(table), np.int64)
    lacking = shares[:, None] * counts.sum(axis=0)

    several = counts.sum(axis=1) > 1
    draw = table["group"].str.tail(8).str.to_integer(base=16).to_numpy() / 16**8
    drawn = np.searchsorted(shares.cumsum()[:-1], draw, side="right")
    split[several] = _dealt(counts[several], lacking, drawn[several])
    for emotion in range(len(emotions)):
        single = np.flatnonzero(~several & (counts[:, emotion] > 0))
        ends = np.maximum(lacking[:, emotion], 0).cumsum()
        ends *= len(single) / max(ends[-1], SLACK)
        split[single] = np.searchsorted(np.rint(ends[:-1]), np.arange(len(single)), side="right")

    names = pl.Series(list(fractions), dtype=pl.String)
    return rows.join(table.select("group", split=names.gather(split)), on="group", how="left", maintain_order="left")[
        "split"
    ]


def _dealt(groups: Counts, lacking: Counts, drawn: Ints) -> Ints:
    """The split of each group (shape (groups, emotions): rows), dealt largest first.

    A group goes to the split that its digits draw while that one lacks its rows, so that another version of a corpus
    splits most groups alike; else to the one that it fits best. ``lacking`` (splits, emotions) holds the rows that each
    split still lacks; what it gets is taken from it.
    """
    split = np.empty(len(groups), np.int64)
    wanted = np.maximum(lacking, SLACK).copy()
    for number in np.argsort(-groups.sum(axis=1), kind="stable"):
        group, best = groups[number], drawn[number]
        if (lacking[best] < group).any():
            best = np.argmax(((lacking - group) / wanted) @ group)
        split[number] = best
        lacking[best] -= group
    return split
