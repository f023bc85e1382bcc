"""How far annotators agree beyond chance: Krippendorff's alpha, with whatever each of them left out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

import numpy as np
import polars as pl

from corpusmith.emotions import EMOTIONS, POLARITY

Floats = np.ndarray[Any, np.dtype[np.float64]]
Ints = np.ndarray[Any, np.dtype[np.int64]]
Level = Literal["nominal", "ordinal", "interval"]

MEASURES: Final[Mapping[str, Level]] = {
    "polarity": "nominal",
    "emotion": "nominal",
    "intensity": "interval",
    "quality": "interval",
}
"""What annotators say of a portrait, from coarse to fine, and the level on which it is measured."""

AGREEMENT: Final = pl.Schema(
    {
        "measure": pl.String,
        "annotators": pl.Int64,  # who said it of at least one sample
        "samples": pl.Int64,  # of which at least two annotators said it
        "values": pl.Int64,  # that could be paired
        "alpha": pl.Float64,  # 1: they agree, 0: as by chance; null: nothing varies, or nothing can be paired
    }
)


def alpha(values: Floats, level: Level) -> float:
    """Krippendorff's alpha of ``values`` (units, annotators), float64, NaN where nothing was said; NaN if undefined.

    Krippendorff 2011, Computing Krippendorff's alpha-reliability: 1 - observed / expected disagreement over all pairs
    of values within units, and within the whole, units of one value left out. The pairs are never listed: within a
    group of m values, squared differences sum to m times the squares about the mean, and unlike nominal pairs to m²
    less the squared counts. An ordinal difference is the interval difference of mid-ranks (its equation, resummed).
    """
    said = ~np.isnan(values)
    pairable = said & (said.sum(axis=1, keepdims=True) > 1)
    values, pairable = values[pairable.any(axis=1)], pairable[pairable.any(axis=1)]
    n = int(pairable.sum())
    if len(np.unique(values[pairable])) < 2:
        return float("nan")
    if level == "ordinal":
        values = np.where(pairable, _midranks(values, pairable), np.nan)
    unlike = _unlike_names if level == "nominal" else _squared_differences
    sizes = pairable.sum(axis=1)
    observed = float((unlike(values, pairable) / (sizes - 1)).sum()) / n
    expected = float(unlike(values[pairable][None], np.ones((1, n), dtype=bool))[0]) / (n * (n - 1))
    return 1 - observed / expected


def of_two(confusion: Ints) -> Floats:
    """Nominal alpha of two annotators who both said something of every unit: (…,), NaN where nothing varies.

    confusion: units by what the one (row) and the other (column) said, (…, k, k). The same as ``alpha`` of the units,
    for any number of tables at once (Krippendorff 2011, section B: the coincidences are the table and its transpose).
    """
    coincidences = confusion + np.swapaxes(confusion, -1, -2)
    each = coincidences.sum(axis=-1)
    n = each.sum(axis=-1)
    unlike = n - np.trace(coincidences, axis1=-2, axis2=-1)
    by_chance = n**2 - (each**2).sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(1 - (n - 1) * unlike / np.where(by_chance > 0, by_chance, np.nan), dtype=np.float64)


def agreement(annotations: pl.DataFrame) -> pl.DataFrame:
    """Alpha (AGREEMENT) of each of MEASURES between the annotators of a long table: key, annotator, emotion, intensity
    and quality, null for what an annotator does not say. Raises polars' error for an annotator who says a sample twice.
    """
    polarity = pl.col("emotion").replace_strict(POLARITY, default=None, return_dtype=pl.String)
    coded = annotations.with_columns(polarity=polarity).with_columns(
        pl.col("polarity").replace_strict({name: i for i, name in enumerate(sorted(set(POLARITY.values())))}),
        pl.col("emotion").replace_strict({name: i for i, name in enumerate(EMOTIONS)}),
    )
    return pl.DataFrame([_row(coded, measure) for measure in MEASURES], schema=AGREEMENT)


def _row(coded: pl.DataFrame, measure: str) -> dict[str, Any]:
    wide = coded.pivot("annotator", index="key", values=measure).drop("key")
    values = wide.cast(pl.Float64).fill_null(float("nan")).to_numpy()
    said = ~np.isnan(values)
    several = said.sum(axis=1) > 1
    found = alpha(values, MEASURES[measure])
    return {
        "measure": measure,
        "annotators": int(said.any(axis=0).sum()),
        "samples": int(several.sum()),
        "values": int(said[several].sum()),
        "alpha": None if np.isnan(found) else found,
    }


def _squared_differences(values: Floats, counted: np.ndarray[Any, np.dtype[np.bool_]]) -> Floats:
    """The squared differences of all ordered pairs within each row: (rows,)."""
    sizes = counted.sum(axis=1)
    mean = np.where(counted, values, 0).sum(axis=1) / sizes
    about = np.where(counted, values - mean[:, None], 0)
    squares: Floats = 2 * sizes * (about**2).sum(axis=1)
    return squares


def _unlike_names(values: Floats, counted: np.ndarray[Any, np.dtype[np.bool_]]) -> Floats:
    """How many ordered pairs of each row differ: (rows,)."""
    names, codes = np.unique(values[counted], return_inverse=True)
    counts = np.zeros((len(values), len(names)))
    np.add.at(counts, (np.nonzero(counted)[0], codes), 1)
    unlike: Floats = counts.sum(axis=1) ** 2 - (counts**2).sum(axis=1)
    return unlike


def _midranks(values: Floats, counted: np.ndarray[Any, np.dtype[np.bool_]]) -> Floats:
    names, counts = np.unique(values[counted], return_counts=True)
    middle = np.cumsum(counts) - counts / 2
    places = np.searchsorted(names, np.where(counted, values, names[0]))
    return np.asarray(middle[places], dtype=np.float64)
