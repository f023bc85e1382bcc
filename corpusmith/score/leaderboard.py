"""Who is best, and of whom it can be said: subjects that were given the same items, ranked with their uncertainty."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import polars as pl

from corpusmith.score import bootstrap
from corpusmith.score.scores import Measurement

Floats = np.ndarray[Any, np.dtype[np.float64]]

ALPHA: Final = 0.05
FLIPS: Final = 20_000  # of the permutation test: enough for 45 subjects, whose 990 pairs Holm multiplies p by
CHUNK_CELLS: Final = 1 << 20  # signs that are held at once: 8 MB
VALUES: Final = pl.Schema({"subject": pl.String, "item": pl.String, "stratum": pl.String, "value": pl.Float64})


@dataclass(frozen=True)
class Leaderboard:
    """The best first.

    standings: subject, value (mean over all rows), low, high, n (rows), rank, last_rank. ``rank`` is one more than the
    subjects that are significantly better, so that those between which nothing is shown share theirs; ``last_rank`` is
    how far down it may be: all subjects less those that are significantly worse. Both together hold every subject's
    true rank with 95 % (Mogstad et al. 2024, Review of Economic Studies 91, section 3).
    pairs: subject (the better one), other, difference, low, high, p (after Holm), n (rows that both have).
    """

    standings: pl.DataFrame
    pairs: pl.DataFrame


def leaderboard(values: pl.DataFrame, key: str, draws: int) -> Leaderboard:
    """Means of ``values`` (VALUES) with 95 % bootstrap intervals, and which differences between them are significant.

    Items are resampled within their stratum, the same for all subjects; several rows of a subject and an item are one
    cluster. Pairs are compared on the items that both have: by a sign-flip permutation test over items, which for
    values of 0 and 1 is McNemar's, corrected over all pairs by Holm's method. A null value is no row.
    """
    known = values.drop_nulls("value")
    items = known.group_by("item").agg(pl.col("stratum").min()).sort("item")
    subjects = known["subject"].unique().sort()
    sums, counts = _matrices(known, items["item"], subjects)
    weights = bootstrap.weights(items["stratum"].rank("dense").to_numpy().astype(np.int64), key, draws=draws)
    means, resampled = sums.sum(axis=0) / counts.sum(axis=0), (weights @ sums) / _positive(weights @ counts)
    pairs = _pairs(subjects, sums, counts, weights, key)
    intervals = [bootstrap.percentiles(column) for column in resampled.T]
    standings = pl.DataFrame(
        {
            "subject": subjects,
            "value": means,
            "low": [low for low, _ in intervals],
            "high": [high for _, high in intervals],
            "n": counts.sum(axis=0).astype(np.int64),
        }
    )
    return Leaderboard(_ranked(standings, pairs), pairs)


def rows(board: Leaderboard, measured: Mapping[str, Measurement]) -> list[dict[str, Any]]:
    """The same as rows of SCORES, the measurements by subject.

    Metrics: score; rank (``high``: the last rank); of each pair under the better one, with ``other``: difference, and
    p_value (after Holm).
    """
    found: list[dict[str, Any]] = []
    for row in board.standings.iter_rows(named=True):
        of = measured[row["subject"]].row | {"n": row["n"]}
        found.append(of | {"metric": "score", **{name: row[name] for name in ("value", "low", "high")}})
        found.append(of | {"metric": "rank", "value": row["rank"], "low": row["rank"], "high": row["last_rank"]})
    for row in board.pairs.iter_rows(named=True):
        of = measured[row["subject"]].row | {"n": row["n"], "other": row["other"]}
        found.append(of | {"metric": "difference", "value": row["difference"], "low": row["low"], "high": row["high"]})
        found.append(of | {"metric": "p_value", "value": row["p"]})
    return found


def sign_flips(differences: Floats, key: str, flips: int = FLIPS) -> Floats:
    """Two-sided p-values that the columns of paired differences (items, m) have mean zero; shape (m,).

    The share of random sign changes of the items that give a sum at least as far from zero, itself counted (Phipson &
    Smyth 2010, Statistical Applications in Genetics and Molecular Biology 9).
    """
    random = bootstrap.generator(key)
    observed = np.abs(differences.sum(axis=0)) - 1e-9 * np.abs(differences).sum(axis=0)  # sums differ by rounding
    at_once = max(1, CHUNK_CELLS // max(1, len(differences)))
    as_far = np.zeros(differences.shape[1])
    for start in range(0, flips, at_once):
        shape = (min(at_once, flips - start), len(differences))
        signs = random.integers(0, 2, size=shape, dtype=np.int8) * 2.0 - 1.0
        as_far += (np.abs(signs @ differences) >= observed).sum(axis=0)
    return np.asarray((as_far + 1) / (flips + 1))


def holm(p: Floats) -> Floats:
    """P-values (m,) corrected for being m: the chance that any at all below a level errs is no larger than that level.

    Holm 1979, Scandinavian Journal of Statistics 6.
    """
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    corrected = np.empty(len(p))
    corrected[order] = np.minimum(stepped, 1)
    return corrected


def _matrices(known: pl.DataFrame, items: pl.Series, subjects: pl.Series) -> tuple[Floats, Floats]:
    """Sums of values and counts of rows, each (items, subjects)."""
    ordered = known.sort("item", "subject", "value")  # sums are the same to the last bit whatever the rows' order
    at = (items.search_sorted(ordered["item"]) * len(subjects) + subjects.search_sorted(ordered["subject"])).to_numpy()
    shape, cells = (len(items), len(subjects)), len(items) * len(subjects)
    sums: Floats = np.bincount(at, ordered["value"].to_numpy(), minlength=cells).astype(np.float64)
    counts: Floats = np.bincount(at, minlength=cells).astype(np.float64)
    return sums.reshape(shape), counts.reshape(shape)


def _pairs(subjects: pl.Series, sums: Floats, counts: Floats, weights: Floats, key: str) -> pl.DataFrame:
    means = sums / np.maximum(counts, 1)
    left, right = np.triu_indices(len(subjects), k=1)
    shared = np.minimum(counts[:, left], counts[:, right])
    differences = shared * (means[:, left] - means[:, right])
    whole = differences.sum(axis=0) / _positive(shared.sum(axis=0))
    resampled = (weights @ differences) / _positive(weights @ shared)
    intervals = np.array([bootstrap.percentiles(column) for column in resampled.T]).reshape(-1, 2)
    turned = whole < 0
    names = subjects.to_numpy()
    found = pl.DataFrame(
        {
            "subject": pl.Series(np.where(turned, names[right], names[left]), dtype=pl.String),
            "other": pl.Series(np.where(turned, names[left], names[right]), dtype=pl.String),
            "difference": np.abs(whole),
            "low": np.where(turned, -intervals[:, 1], intervals[:, 0]),
            "high": np.where(turned, -intervals[:, 0], intervals[:, 1]),
            "p": holm(sign_flips(differences, f"{key}/signs")),
            "n": shared.sum(axis=0).astype(np.int64),
        }
    )
    return found.fill_nan(None)


def _ranked(standings: pl.DataFrame, pairs: pl.DataFrame) -> pl.DataFrame:
    shown = pairs.filter(pl.col("p") <= ALPHA)
    better = shown.group_by(subject="other").agg(better=pl.len().cast(pl.Int64))
    worse = shown.group_by("subject").agg(worse=pl.len().cast(pl.Int64))
    joined = standings.join(better, on="subject", how="left").join(worse, on="subject", how="left")
    ranked = joined.with_columns(
        rank=1 + pl.col("better").fill_null(0), last_rank=pl.len() - pl.col("worse").fill_null(0)
    )
    return ranked.drop("better", "worse").sort("value", "subject", descending=[True, False])


def _positive(counts: Floats) -> Floats:
    """The same with NaN for nothing."""
    return np.where(counts > 0, counts, np.nan)
