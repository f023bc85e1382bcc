"""How well generators show the emotion that they were asked for: how often, how strongly, how well, how variedly."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final

import numpy as np
import polars as pl

from corpusmith.emotions import POLARITY, VOCABULARIES
from corpusmith.score import bootstrap, correlation, diversity, leaderboard
from corpusmith.score.scores import Measurement, score, table

Floats = np.ndarray[Any, np.dtype[np.float64]]
Bools = np.ndarray[Any, np.dtype[np.bool_]]
Rows = Iterator[dict[str, Any]]
Group = tuple[dict[str, Any], Bools]  # columns of SCORES, and the prompts that they speak of

TASK: Final = "generator"
ALL: Final = "all generators"
"""The subject of what is said of all of them together."""

PORTRAITS: Final = pl.Schema(
    {
        "generator": pl.String(),
        "prompt_id": pl.String(),
        "ekman": pl.String(),  # the emotion asked for, in Ekman's words
        "degree": pl.Int8(),  # asked intensity in thirds; 0: neutral
        "kept": pl.Boolean(),
        "emotion_seen": pl.String(),  # in Ekman's words; null: no portrait was kept, or nobody could tell
        "intensity": pl.Float32(),  # seen, 0 to 1
        "quality": pl.Float32(),  # seen, 0 to 1
        "embedding": pl.List(pl.Float32()),  # null where no portrait was kept
    }
)

METRICS: Final = {
    "score": "share of all portraits asked for that are kept and show the emotion asked for, equal prompts for all",
    "rank": "one more than the generators that are significantly better; high: the last rank it may have",
    "difference": "of the scores of this generator and the worse one in `other`, paired by prompt",
    "p_value": "that the two are equally good: sign-flip permutation test by prompt, Holm's correction",
    "kept": "share of the portraits asked for that are kept; Wilson's interval",
    "seen": "share of the kept portraits that show the emotion asked for; Wilson's interval",
    "intensity": "mean intensity seen (without a label: of all but neutral, or at the asked degree)",
    "srcc": "Spearman's correlation of asked and seen intensity, neutral left out",
    "quality": "mean quality seen",
    "spread": "mean cosine distance of two portraits of an emotion",
    "entropy": "diffusion spectral entropy of the portraits of an emotion, bits; no interval, for copies lower it",
    "positive_minus_negative": "difference of the scores at positive and at negative emotions",
}
"""What each metric of the table is."""


def generator_scores(
    portraits: pl.DataFrame, measured: Mapping[str, Measurement], vocabulary: str, draws: int
) -> pl.DataFrame:
    """SCORES of every generator (METRICS), by emotion in the vocabulary's words and over all.

    portraits: PORTRAITS, a row for each prompt and generator, also where none was kept. measured: by generator. 95 %
    intervals by ``draws`` bootstrap resamples of prompts within their emotion, the same for all generators. Over all
    emotions, diversity is the mean of the emotions'. Raises ValueError on two rows of one generator and prompt.
    """
    grid = Grid.of(portraits, draws)
    words = {ekman: word for word, ekman in VOCABULARIES[vocabulary].items()}
    return table(
        [
            *leaderboard.rows(grid.board(draws), measured),
            *_shares(grid, measured, words),
            *_means(grid, measured, words),
            *_rank_correlations(grid, measured, words),
            *_diversity(grid, portraits, measured, words),
            *_polarity(grid, measured),
        ]
    )


@dataclass(frozen=True)
class Grid:
    """Portraits as matrices: prompts in rows, generators in columns, NaN where nothing is known.

    prompts: prompt_id, ekman, degree; in order. asked: 1 for a portrait asked for. kept: 1 or 0. right: 1 where it
    shows the emotion asked for, 0 where it does not or was not kept. weights: how often each prompt is in each
    resample, (draws, prompts).
    """

    prompts: pl.DataFrame
    generators: pl.Series
    kept: Floats
    right: Floats
    intensity: Floats
    quality: Floats
    weights: Floats

    @classmethod
    def of(cls, portraits: pl.DataFrame, draws: int) -> Grid:
        """The grid of PORTRAITS."""
        prompts = portraits.select("prompt_id", "ekman", "degree").unique().sort("prompt_id")
        generators = portraits["generator"].unique().sort()
        at = (
            prompts["prompt_id"].search_sorted(portraits["prompt_id"]).to_numpy(),
            generators.search_sorted(portraits["generator"]).to_numpy(),
        )
        if portraits.select(pl.struct("generator", "prompt_id").is_duplicated().any()).item():
            raise ValueError("expected one portrait of each prompt and generator, found several")

        def matrix(values: pl.Expr) -> Floats:
            cells = np.full((len(prompts), len(generators)), np.nan)
            cells[at] = portraits.select(values.cast(pl.Float64)).to_series().to_numpy()
            return cells

        strata = prompts["ekman"].rank("dense").to_numpy().astype(np.int64)
        return cls(
            prompts,
            generators,
            matrix(pl.col("kept")),
            matrix((pl.col("kept") & (pl.col("emotion_seen") == pl.col("ekman"))).fill_null(False)),
            matrix(pl.col("intensity")),
            matrix(pl.col("quality")),
            bootstrap.weights(strata, _key(prompts), draws=draws),
        )

    @cached_property
    def emotions(self) -> list[str]:
        """The emotions asked for, in order."""
        return [emotion for emotion in POLARITY if (self.prompts["ekman"] == emotion).any()]

    def asking(self, emotion: str) -> Bools:
        """Which prompts ask for an emotion, (prompts,)."""
        return (self.prompts["ekman"] == emotion).to_numpy()

    def board(self, draws: int) -> leaderboard.Leaderboard:
        """Generators by the share of portraits asked for that show the emotion asked for."""
        asked = pl.DataFrame(self.right, schema=self.generators.to_list(), nan_to_null=True)
        columns = {"item": self.prompts["prompt_id"], "stratum": self.prompts["ekman"]}
        values = asked.with_columns(**columns).unpivot(index=list(columns), variable_name="subject")
        return leaderboard.leaderboard(values, _key(self.prompts), draws)

    def means(self, values: Floats, prompts: Bools) -> tuple[Floats, Floats, Floats]:
        """Each generator's mean (g,), in each resample (draws, g), and the number of values (g,), over some prompts."""
        known = ~np.isnan(values[prompts])
        filled = np.where(known, values[prompts], 0.0)
        weights = self.weights[:, prompts]
        n = known.sum(axis=0).astype(np.float64)
        return _share(filled.sum(axis=0), n), _share(weights @ filled, weights @ known), n


def wilson(hits: Floats, n: Floats) -> tuple[Floats, Floats]:
    """Lower and upper bound of the shares hits / n at 95 % (Wilson 1927, JASA 22), each (k,); NaN for a share of none.

    Unlike the bootstrap's it has a width at 0 and at 1.
    """
    z = 1.959963984540054
    centre, width = hits + z**2 / 2, z * np.sqrt(_share(hits * (n - hits), n) + z**2 / 4)
    return np.maximum(_share(centre - width, n + z**2), 0), np.minimum(_share(centre + width, n + z**2), 1)


def _shares(grid: Grid, measured: Mapping[str, Measurement], words: Mapping[str, str]) -> Rows:
    """Kept of those asked for, and right of those kept."""
    groups: list[Group] = [({}, np.ones(len(grid.prompts), dtype=bool))]
    groups += [({"label": words[emotion]}, grid.asking(emotion)) for emotion in grid.emotions]
    for columns, prompts in groups:
        asked = (~np.isnan(grid.kept[prompts])).sum(axis=0).astype(np.float64)
        kept, right = np.nansum(grid.kept[prompts], axis=0), np.nansum(grid.right[prompts], axis=0)
        for metric, hits, n in (("kept", kept, asked), ("seen", right, kept)):
            low, high = wilson(hits, n)
            for i, name in enumerate(grid.generators):
                bounds = {"value": _share(hits, n)[i], "low": low[i], "high": high[i], "n": int(n[i])}
                yield measured[name].row | columns | {"metric": metric} | bounds


def _means(grid: Grid, measured: Mapping[str, Measurement], words: Mapping[str, str]) -> Rows:
    """Intensity, by degree too, and quality."""
    every = np.ones(len(grid.prompts), dtype=bool)
    degrees = grid.prompts["degree"]
    by_emotion: list[Group] = [({"label": words[emotion]}, grid.asking(emotion)) for emotion in grid.emotions]
    by_degree: list[Group] = [({"degree": d}, (degrees == d).to_numpy()) for d in degrees.unique().sort()]
    groups = {
        "intensity": (grid.intensity, [({}, ~grid.asking("neutral")), *by_degree, *by_emotion]),
        "quality": (grid.quality, [({}, every), *by_emotion]),
    }
    for metric, (values, parts) in groups.items():
        for columns, prompts in parts:
            means, resampled, n = grid.means(values, prompts)
            for i, name in enumerate(grid.generators):
                yield score(measured[name], metric, float(means[i]), resampled[:, i], int(n[i]), **columns)


def _rank_correlations(grid: Grid, measured: Mapping[str, Measurement], words: Mapping[str, str]) -> Rows:
    groups: list[Group] = [({}, ~grid.asking("neutral"))]
    groups += [({"label": words[e]}, grid.asking(e)) for e in grid.emotions if e != "neutral"]
    degrees = grid.prompts["degree"].to_numpy().astype(np.float64)
    for columns, prompts in groups:
        for i, name in enumerate(grid.generators):
            rows = np.flatnonzero(prompts & ~np.isnan(grid.intensity[:, i]))
            asked, seen = degrees[rows], grid.intensity[rows, i]
            value = correlation.whole(correlation.spearman, asked, seen)
            resampled = correlation.spearman(asked, seen, rows, grid.weights)
            yield score(measured[name], "srcc", value, resampled, len(rows), **columns)


def _diversity(
    grid: Grid, portraits: pl.DataFrame, measured: Mapping[str, Measurement], words: Mapping[str, str]
) -> Rows:
    embedded = portraits.drop_nulls("embedding").sort("generator", "prompt_id")
    if embedded.is_empty():
        return
    vectors = diversity.unit(embedded["embedding"].explode().to_numpy().reshape(len(embedded), -1))
    bandwidth = round(diversity.bandwidth(diversity.drawn(vectors, "bandwidth")), 6)
    rows = grid.prompts["prompt_id"].search_sorted(embedded["prompt_id"]).to_numpy()
    for name in grid.generators:
        by_generator = (embedded["generator"] == name).to_numpy()
        entropy_of = replace(measured[name], settings={**measured[name].settings, "bandwidth": bandwidth})
        spreads, resamples, entropies = [], [], []
        for emotion in grid.emotions:
            these = by_generator & (embedded["ekman"] == emotion).to_numpy()
            n, label, found = int(these.sum()), words[emotion], vectors[these]
            spreads.append(float(diversity.spread(found, np.ones((1, n)))[0]))
            resamples.append(diversity.spread(found, grid.weights[:, rows[these]]))
            entropies.append(diversity.spectral_entropy(diversity.drawn(found, f"{name}/{emotion}"), bandwidth))
            yield score(measured[name], "spread", spreads[-1], resamples[-1], n, label=label)
            yield entropy_of.row | {"metric": "entropy", "value": entropies[-1], "n": n, "label": label}
        n = int(by_generator.sum())
        yield score(measured[name], "spread", float(np.mean(spreads)), np.mean(resamples, axis=0), n)
        yield entropy_of.row | {"metric": "entropy", "value": float(np.mean(entropies)), "n": n}


def _polarity(grid: Grid, measured: Mapping[str, Measurement]) -> Rows:
    """The finding of MEMO-Bench (arXiv 2411.11235) that positive emotions come out better than negative ones."""
    polarity = grid.prompts["ekman"].replace_strict(POLARITY)
    sides = [(polarity == side).to_numpy() for side in ("positive", "negative")]
    if not all(side.any() for side in sides):
        return
    (better, better_in, n), (worse, worse_in, m) = (grid.means(grid.right, side) for side in sides)
    difference, resampled, rows = better - worse, better_in - worse_in, n + m
    for i, name in enumerate(grid.generators):
        yield score(measured[name], "positive_minus_negative", float(difference[i]), resampled[:, i], int(rows[i]))
    together = replace(next(iter(measured.values())), subject=ALL, model=ALL, revision="")
    yield score(
        together, "positive_minus_negative", float(np.nanmean(difference)), resampled.mean(axis=1), int(rows.sum())
    )


def _key(prompts: pl.DataFrame) -> str:
    """What decides the resamples: the prompts, so that any two generators given them are compared on the same."""
    return f"{TASK}/{'/'.join(prompts['prompt_id'])}"


def _share(part: Floats, of: Any) -> Floats:
    return np.asarray(np.divide(part, of, out=np.full(np.shape(part), np.nan), where=np.asarray(of) > 0))
