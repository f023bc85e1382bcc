"""How recognizable and how varied generated images are, and what training on them is worth where the world shifts."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np
import polars as pl

from corpusmith.assets.imagenet import makers, robustness, training
from corpusmith.assets.imagenet.images import seen
from corpusmith.assets.imagenet.settings import ImageNet
from corpusmith.assets.imagenet.training import REAL, way
from corpusmith.models.loading import hardware
from corpusmith.score import bootstrap, diversity
from corpusmith.score.generators import wilson
from corpusmith.score.measured import measured
from corpusmith.score.scores import VERSION, Measurement, table
from corpusmith.work.produce import Make

Floats = np.ndarray[Any, np.dtype[np.float64]]
Rows = Iterator[dict[str, Any]]

CODE: Final = 1  # of how the corpus is scored: raise it when that changes
MOST_ROWS: Final = 100  # images of a class and way whose variety is measured

RECOGNITION, DIVERSITY, SHIFT, AMOUNT = "recognition", "diversity", "shift", "amount"
ALL_WAYS: Final = "all generated"

METRICS: Final[Mapping[str, str]] = {
    "recognized": "share of the images that the recognizer sees as their class; Wilson's interval",
    "spread": "mean cosine distance of two images of a class, mean over classes",
    "entropy": "diffusion spectral entropy of the images of a class, bits, mean over classes",
    "intrinsic_dimension": "directions in which the images of a class differ, mean over classes",
    **robustness.METRICS,
}
"""What each metric is. Variety is of as many images of each class in every way, and of the real ones beside; its
intervals are over classes."""


def of(
    sources: pl.LazyFrame,
    shifts: pl.LazyFrame,
    images: pl.LazyFrame,
    curated: pl.LazyFrame,
    make: Make,
    settings: ImageNet,
) -> pl.LazyFrame:
    """All scores of the corpus (SCORES). What cannot be measured has no rows: variety where a class has one image, all
    of training where there are real images to learn from of fewer than two classes, or none to test on.
    """
    parts = [
        recognition(curated, settings).lazy(),
        variety(sources, images, curated, make, settings),
        under_shift(sources, shifts, images, curated, make, settings),
    ]
    return pl.concat(parts)


def recognition(curated: pl.LazyFrame, settings: ImageNet) -> pl.DataFrame:
    """Which share of the images the recognizer sees as their class: by way and generator, of all and of the kept ones.

    The recognizability of Fan et al. 2024 (arXiv 2312.04567).
    """
    judged = curated.filter(pl.col("seen").is_not_null()).select(
        "key", "generator", strategy=way(), right=pl.col("seen") == pl.col("name"), kept=pl.col("verdict") == "kept"
    )
    found = judged.collect()
    decides = {"recognizer": settings.curated.recognizer, "scores": VERSION}
    of_it = Measurement(RECOGNITION, "", "corpusmith/curate", str(CODE), decides, _digest(found["key"]))
    rows: list[dict[str, Any]] = []
    for (strategy, generator), part in found.group_by("strategy", "generator", maintain_order=True):
        rows += _recognized(replace(of_it, subject=f"{strategy}, {generator}"), part)
    return table([*rows, *_recognized(replace(of_it, subject=ALL_WAYS), found)])


def variety(
    sources: pl.LazyFrame, images: pl.LazyFrame, curated: pl.LazyFrame, make: Make, settings: ImageNet
) -> pl.LazyFrame:
    """How varied the images of a class are, by way, and the real ones beside them: kept images of the train split.

    Of each class as many images in every way, since measures of variety compare at like sizes only.
    """
    embedder = makers.embedder(settings.curated.embedders[0])
    train = pl.col("split") == "train"
    real = sources.filter(train, pl.col("image_sha256").is_not_null()).with_columns(key="source", way=pl.lit(REAL))
    kept = training.fit(images, curated).filter(train).with_columns(way=way())
    chosen = alike(pl.concat([one.select("key", "way", "name", "image_sha256") for one in (real, kept)]).collect())
    if chosen.is_empty():
        return table([]).lazy()
    keys = chosen["key"].implode()
    embedded = pl.concat([seen(one.filter(pl.col("key").is_in(keys)), embedder, make) for one in (real, kept)])
    provenance = embedder.provenance
    of_it = Measurement(
        DIVERSITY, "", provenance["model"], str(provenance["revision"]),
        {"code": CODE, "draws": settings.scores.bootstrap, "scores": VERSION},
        _digest(chosen["way"] + chosen["name"] + chosen["image_sha256"]),
        device=str(hardware()["device"]), dtype=str(hardware()["dtype"]),
    )  # fmt: skip
    return measured(make, of_it, lambda: table(diversity_rows(chosen, embedded, of_it, settings.scores.bootstrap)))


def under_shift(
    sources: pl.LazyFrame,
    shifts: pl.LazyFrame,
    images: pl.LazyFrame,
    curated: pl.LazyFrame,
    make: Make,
    settings: ImageNet,
) -> pl.LazyFrame:
    """Classifiers that learned from real images, from generated ones and from both, tested under every shift."""
    study = training.study(sources, shifts, images, curated, settings)
    trained = None if study is None else training.trained(study, make, settings.scores)
    if study is None or trained is None or trained.is_empty():
        return table([]).lazy()
    decides = {**settings.scores.model_dump(exclude={"sets", "drawn"}), "code": CODE, "scores": VERSION}
    of_it = Measurement(
        SHIFT, "all", "corpusmith/classifiers", str(training.CODE), decides, _digest(trained["key"]),
        device=str(hardware()["device"]), dtype="float32", made_on=_made_on(images),
    )  # fmt: skip
    answers = robustness.Answers.of(study, trained, settings.scores.bootstrap)
    curve = replace(of_it, task=AMOUNT)
    return pl.concat(
        [
            measured(make, of_it, lambda: table(robustness.shift_rows(answers, of_it))),
            measured(make, curve, lambda: table(robustness.amount_rows(answers, curve))),
        ]
    )


def alike(images: pl.DataFrame) -> pl.DataFrame:
    """As many images of each class in every way, MOST_ROWS at most, chosen by their content; sorted.

    images: key, way, name, image_sha256. A class that one of the ways lacks is left out.
    """
    ranked = images.sort("way", "name", "image_sha256", "key").with_columns(
        rank=pl.int_range(pl.len()).over("way", "name"), there=pl.len().over("way", "name")
    )
    everywhere = pl.col("way").n_unique().over("name") == ranked["way"].n_unique()
    most = pl.col("there").min().over("name").clip(upper_bound=MOST_ROWS)
    return ranked.filter(everywhere & (pl.col("rank") < most)).drop("rank", "there")


def diversity_rows(chosen: pl.DataFrame, embedded: pl.LazyFrame, of_it: Measurement, draws: int) -> Rows:
    """Means over classes of what each class's images have, with intervals over classes, by way.

    embedded: key, embedding. Spread and entropy as of portraits; Fan et al. 2024 (arXiv 2312.04567) call the
    spread of features within a class the diversity of a generated set.
    """
    found = chosen.join(embedded.collect(), on="key", how="inner", maintain_order="left")
    if found.is_empty():
        return
    vectors = diversity.unit(np.stack(found["embedding"].to_numpy()).astype(np.float64))
    bandwidth = round(diversity.bandwidth(diversity.drawn(vectors, "bandwidth")), 6)
    measures: dict[str, Callable[[Floats], float]] = {
        "spread": lambda some: float(diversity.spread(some, np.ones((1, len(some))))[0]),
        "entropy": lambda some: diversity.spectral_entropy(some, bandwidth),
        "intrinsic_dimension": diversity.intrinsic_dimension,
    }
    for (name,), part in found.with_row_index("row").group_by("way", maintain_order=True):
        classes = [some["row"].to_numpy() for _, some in part.group_by("name", maintain_order=True)]
        of_way = replace(of_it, subject=str(name), settings={**of_it.settings, "bandwidth": bandwidth})
        for metric, measure in measures.items():
            each = np.array([measure(vectors[rows]) for rows in classes])
            known = each[~np.isnan(each)]
            if len(known):
                low, high = bootstrap.mean_interval(known, f"{DIVERSITY}/{metric}", draws=draws)
                n = sum(len(rows) for rows, value in zip(classes, each, strict=True) if not np.isnan(value))
                yield of_way.row | {"metric": metric, "value": float(known.mean()), "low": low, "high": high, "n": n}


def _recognized(of_it: Measurement, judged: pl.DataFrame) -> Rows:
    for form, part in (("all", judged), ("kept", judged.filter("kept"))):
        if part.height:
            hits, n = np.array([float(part["right"].sum())]), np.array([float(part.height)])
            (low,), (high,) = wilson(hits, n)
            bounds = {"value": hits[0] / n[0], "low": low, "high": high, "n": part.height}
            yield replace(of_it, form=form).row | {"metric": "recognized"} | bounds


def _made_on(images: pl.LazyFrame) -> str | None:
    """Where generated images were drawn, each machine once."""
    drawn = images.select(pl.col("made_on").unique().drop_nulls().sort()).collect()["made_on"]
    return "; ".join(drawn) or None


def _digest(keys: pl.Series) -> str:
    return hashlib.blake2b("\n".join(keys.sort()).encode(), digest_size=16).hexdigest()
