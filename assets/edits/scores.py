"""How many edits are fit, and how well segmenters find out which pixels were edited, and by whom."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import polars as pl

from corpusmith.assets.edits import makers
from corpusmith.assets.edits.regions import measured as measured_regions
from corpusmith.assets.edits.rows import released
from corpusmith.assets.edits.settings import Edits
from corpusmith.curate import masks
from corpusmith.curate.images import opened
from corpusmith.errors import SettingsError
from corpusmith.models.loading import hardware
from corpusmith.models.segmenters import IMAGE_CLASSIFIERS, residual, training
from corpusmith.score import bootstrap, segmentation
from corpusmith.score.distortions import DISTORTIONS, distorted
from corpusmith.score.measured import measured
from corpusmith.score.scores import VERSION, Measurement, score, table
from corpusmith.work.produce import Make, Maker

Pixels = np.ndarray[Any, np.dtype[np.uint8]]
Floats = np.ndarray[Any, np.dtype[np.float32]]
Rows = list[dict[str, Any]]

CODE: Final = 1  # of how baselines are trained and measured: raise it when that changes
SIZES: Final = (0.02, 0.1)  # areas of a region, as shares of the image, between small, middle and large

REGIONS, YIELD, LOCALISATION, ATTRIBUTION = "regions", "yield", "localisation", "attribution"
ROBUSTNESS, WHOLE, LEFT_OUT, PARTS = "robustness", "whole image", "unseen", "parts"
MAJORITY, RESIDUAL = "majority class", "noise residual"

TRANSFORMERS: Final = ("segformer", "vit")
BATCH, RATE = 16, 3e-3
SMALLER, SLOWER, LONGER = 8, 1e-3, 1.5
"""Batch and rate of transformers, and how many times as long they learn: with BATCH and RATE they stayed, from scratch,
at the majority class."""


@dataclass(frozen=True)
class Examples:
    """Chains as segmenters are given them, all of one size.

    images (n, s, s, 3) and bases, the images before the first edit, where they are known; labels (n, s, s): 0 nobody,
    else the editor's number. about: key, split, kind, turn_count, operation, editors, area, a row for each.
    """

    images: Pixels
    bases: Pixels | None
    labels: Pixels
    about: pl.DataFrame

    def where(self, chosen: pl.Expr) -> Examples:
        """Those that an expression over ``about`` is true of."""
        rows = self.about.select(chosen.fill_null(False)).to_series().to_numpy()
        bases = None if self.bases is None else self.bases[rows]
        return Examples(self.images[rows], bases, self.labels[rows], self.about.filter(rows))

    @property
    def edited(self) -> Pixels:
        """Which pixels somebody edited, 0 or 1."""
        return (self.labels > 0).astype(np.uint8)


def of(scenes: pl.LazyFrame, turns: pl.LazyFrame, curated: pl.LazyFrame, make: Make, settings: Edits) -> pl.LazyFrame:
    """All scores of the corpus: yields of the edits, then each baseline's."""
    finder = makers.finder(settings)
    named = settings.regions.vision or settings.regions.finder
    rows = released(scenes, turns, curated, settings.editors).collect()
    parts = [yields(curated, settings).lazy(), of_regions(scenes, named, finder, make, settings).lazy()]
    return pl.concat([*parts, baselines(rows, make, settings)])


def baselines(rows: pl.DataFrame, make: Make, settings: Edits) -> pl.LazyFrame:
    """How well each baseline does on the rows of a release; those that need a base or another editor where there is.

    Raises SettingsError: no rows to train on, or none to test.
    """
    if lacking := [split for split in ("train", "test") if split not in rows["split"]]:
        raise SettingsError(
            f"{rows.height} chains of fit edits leave none to {' and none to '.join(lacking)} the baselines: "
            "ask for more scenes, or see edits.curated and edits.splits"
        )
    found = examples(rows, settings.scores.size)
    if len(np.unique(found.where(pl.col("split") == "train").edited)) < 2:
        raise SettingsError("every pixel of the edits to train on is edited: there is nothing to tell it from")
    corpus = hashlib.blake2b("".join(rows["image_sha256"] + rows["mask_sha256"]).encode(), digest_size=16).hexdigest()
    decides = {**settings.scores.model_dump(exclude={"segmenters"}), "code": CODE, "scores": VERSION}
    made_on = pl.col("turns").list.eval(pl.element().struct.field("made_on"))
    drawn = rows.select(made_on).explode("turns").drop_nulls().unique().sort("turns").to_series()
    here = hardware()

    def measure(task: str, subject: str, body: Callable[[Measurement], Rows]) -> pl.LazyFrame:
        of_it = Measurement(
            task, subject, "corpusmith/segmenters", str(CODE), {**decides, "editors": settings.editors}, corpus,
            device=str(here["device"]), dtype="float32", made_on="; ".join(drawn) or None,
        )  # fmt: skip
        return measured(make, of_it, lambda: table(body(of_it)))

    names = (MAJORITY, RESIDUAL, *settings.scores.segmenters)
    parts = [measure(LOCALISATION, name, lambda m: list(segmenter(found, m, settings))) for name in names]
    if found.bases is not None:
        parts += [measure(WHOLE, name, lambda m: list(classifier(found, m, settings))) for name in IMAGE_CLASSIFIERS]
    if settings.scores.left_out and len(settings.editors) > 1:
        last = settings.scores.segmenters[-1]
        parts += [measure(LEFT_OUT, last, lambda m: list(unseen(found, m, settings)))]
    return pl.concat(parts)


def of_regions(scenes: pl.LazyFrame, name: str, finder: Maker, make: Make, settings: Edits) -> pl.DataFrame:
    """How well the finder's masks agree with those that drawings know: mean IoU and Boundary IoU."""
    found = measured_regions(scenes, finder, make)
    if found.is_empty():
        return table([])
    digest = hashlib.blake2b(found.write_ndjson().encode(), digest_size=16).hexdigest()
    provenance = finder.provenance
    of_it = Measurement(
        REGIONS, name, provenance["model"], str(provenance["revision"]), {"scores": VERSION}, digest,
        device=str(hardware()["device"]), dtype=str(hardware()["dtype"]),
    )  # fmt: skip
    rows = [_mean(replace(of_it, form=None), metric, found[metric], settings) for metric in ("iou", "boundary_iou")]
    for (thing,), part in found.group_by("name", maintain_order=True):
        rows.append(_mean(of_it, "iou", part["iou"], settings, label=str(thing)))
    return table(rows)


def examples(rows: pl.DataFrame, size: int) -> Examples:
    """Rows of a release at the size of the baselines: images averaged, label maps by the nearest pixel."""
    images = np.stack([_pixels(image["bytes"], size) for image in rows["image"]])
    bases = None if rows["base"].null_count() else np.stack([_pixels(base["bytes"], size) for base in rows["base"]])
    labels = np.stack([_labels(image["bytes"], size) for image in rows["mask"]])
    area = pl.Series("area", (labels > 0).mean(axis=(1, 2)))
    return Examples(
        images,
        bases,
        labels,
        rows.select("key", "split", "kind", "turn_count", "operation", "editors").with_columns(area),
    )


def yields(curated: pl.LazyFrame, settings: Edits) -> pl.DataFrame:
    """Which share of the edits that were judged by themselves is fit: by editor, by operation, by size of the region.

    An edit made on top of one that is not fit, or dropped with its chain, says nothing of its editor and is left out.
    """
    alone = curated.filter(
        ~pl.col("reasons").list.contains("after_failed"), ~pl.col("reasons").list.contains("chain_failed")
    )
    judged = alone.with_columns(
        fit=pl.col("verdict") == "kept", every=pl.lit("all editors"), size=_size(pl.col("area"))
    ).collect()
    digest = hashlib.blake2b(judged.select("key", "fit").write_ndjson().encode(), digest_size=16).hexdigest()
    decides = {"curated": settings.curated.model_dump(), "scores": VERSION}
    rows: Rows = []
    for by in ("editor", "every"):
        for (subject,), part in judged.group_by(by, maintain_order=True):
            of_it = Measurement(YIELD, str(subject), "corpusmith/curate", str(CODE), decides, digest)
            rows.append(_mean(of_it, "kept", part["fit"], settings))
            for form, column in (("operation", "operation"), ("region", "size"), ("kind of scene", "kind")):
                if column not in part.columns:
                    continue
                for (value,), some in part.group_by(column, maintain_order=True):
                    rows.append(_mean(replace(of_it, form=f"{form}: {value}"), "kept", some["fit"], settings))
    return table(rows).sort("task", "subject", "form", maintain_order=True)


def segmenter(found: Examples, of_it: Measurement, settings: Edits) -> Iterator[dict[str, Any]]:
    """One baseline, trained with each seed to find edited pixels and, anew, their editors; then looked at closely."""
    train, test = found.where(pl.col("split") == "train"), found.where(pl.col("split") == "test")
    names = ["nobody", *settings.editors]
    draws = settings.scores.bootstrap
    seeds = range(settings.scores.seeds if of_it.subject in settings.scores.segmenters else 1)
    finders = [_fitted(of_it.subject, train.images, train.edited, 2, seed, settings) for seed in seeds]
    chances = [finder(test.images)[:, 1] for finder in finders]
    each = [segmentation.counts(list(test.edited), _maps(chance), 2) for chance in chances]
    yield from _scored(replace(of_it, task=LOCALISATION), each, ["untouched", "edited"], draws)
    if test.bases is not None:
        yield from _images(replace(of_it, task=WHOLE), chances[0], finders[0](test.bases)[:, 1], settings)
    if of_it.subject != MAJORITY:
        for name in DISTORTIONS:
            seen = finders[0](distorted(test.images, name))[:, 1]
            counts = segmentation.counts(list(test.edited), _maps(seen), 2)
            yield from _overall(replace(of_it, task=ROBUSTNESS, form=name), counts, draws)
        for form, chosen in _parts(test.about):
            rows = test.about.select(chosen).to_series().to_numpy()
            counts = segmentation.Counts(each[0].confusion[rows], each[0].boundary[rows])
            yield from _overall(replace(of_it, task=PARTS, form=form), counts, draws)
    tellers = [_fitted(of_it.subject, train.images, train.labels, len(names), seed, settings) for seed in seeds]
    guesses = [teller(test.images).argmax(axis=1).astype(np.uint8) for teller in tellers]
    each = [segmentation.counts(list(test.labels), list(guess), len(names)) for guess in guesses]
    yield from _scored(replace(of_it, task=ATTRIBUTION), each, names, draws, confusion=True)


def classifier(found: Examples, of_it: Measurement, settings: Edits) -> Iterator[dict[str, Any]]:
    """An image-level classifier, trained to tell edited images from their bases, on the images the segmenters learn."""
    from corpusmith.models.segmenters.networks import classifier as untrained

    train, test = found.where(pl.col("split") == "train"), found.where(pl.col("split") == "test")
    assert train.bases is not None
    assert test.bases is not None
    network = untrained(of_it.subject, 2, 0, settings.scores.size)
    images = np.concatenate([train.images, train.bases])
    truth = np.repeat(np.array([1, 0]), len(train.images))
    training.fit(network, images, truth, seed=0, **_schedule(of_it.subject, settings))
    edited, before = (training.predict(network, some)[:, 1] for some in (test.images, test.bases))
    yield from _told(of_it, edited, before, settings)


def unseen(found: Examples, of_it: Measurement, settings: Edits) -> Iterator[dict[str, Any]]:
    """Generalisation: each editor found by one who never saw it, and by one who saw all; other kinds of scenes too."""
    train, test = found.where(pl.col("split") == "train"), found.where(pl.col("split") == "test")
    seen_all = _fitted(of_it.subject, train.images, train.edited, 2, 0, settings)
    for editor in settings.editors:
        by_it = pl.col("editors").list.unique() == [editor]
        alone, others = test.where(by_it), train.where(~pl.col("editors").list.contains(editor))
        yield from _compared(of_it, f"editor {editor}", alone, others, seen_all, settings)
    for kind in sorted(found.about["kind"].unique()):
        if found.about["kind"].n_unique() > 1:
            alone, others = test.where(pl.col("kind") == kind), train.where(pl.col("kind") != kind)
            yield from _compared(of_it, f"{kind} scenes", alone, others, seen_all, settings)


def _compared(
    of_it: Measurement, what: str, test: Examples, others: Examples, seen_all: Teller, settings: Edits
) -> Iterator[dict[str, Any]]:
    if not len(test.images) or not len(others.images):
        return
    without = _fitted(of_it.subject, others.images, others.edited, 2, 0, settings)
    for form, teller in ((f"{what}, unseen", without), (f"{what}, seen", seen_all)):
        counts = segmentation.counts(list(test.edited), _maps(teller(test.images)[:, 1]), 2)
        yield from _overall(replace(of_it, form=form), counts, settings.scores.bootstrap)


Teller = Callable[[Pixels], Floats]
"""Says how likely each class is in each pixel: (n, s, s, 3) to (n, classes, s, s)."""


def _fitted(name: str, images: Pixels, labels: Pixels, classes: int, seed: int, settings: Edits) -> Teller:
    if name == MAJORITY:
        commonest = np.bincount(labels.ravel(), minlength=classes).argmax()
        return lambda some: _always(int(commonest), classes, some)
    if name == RESIDUAL:
        model = residual.fit(images, labels, classes, seed)
        return lambda some: residual.predict(model, some)
    from corpusmith.models.segmenters.networks import untrained

    network = untrained(name, classes, seed, settings.scores.width)
    training.fit(network, images, labels, seed=seed, **_schedule(name, settings))
    return lambda some: training.predict(network, some)


def _schedule(name: str, settings: Edits) -> dict[str, Any]:
    """How a network learns."""
    slow = name in TRANSFORMERS
    epochs = round(settings.scores.epochs * (LONGER if slow else 1))
    return {"epochs": epochs, "batch_rows": SMALLER if slow else BATCH, "rate": SLOWER if slow else RATE}


def _always(commonest: int, classes: int, images: Pixels) -> Floats:
    said = np.zeros((len(images), classes, *images.shape[1:3]), np.float32)
    said[:, commonest] = 1
    return said


def _maps(chances: Floats) -> list[Pixels]:
    return list((chances >= 0.5).astype(np.uint8))


def _scored(
    of_it: Measurement, each: Sequence[segmentation.Counts], names: Sequence[str], draws: int, confusion: bool = False
) -> Iterator[dict[str, Any]]:
    """The scores of all seeds together, their intervals over images, and how far the seeds are apart."""
    pooled = segmentation.Counts(sum(one.confusion for one in each), sum(one.boundary for one in each))  # type: ignore[arg-type]
    yield from _rows(of_it, segmentation.intervals(pooled, draws, of_it.key), names)
    if len(each) > 1:
        by_seed = [
            segmentation.metrics(one).filter(pl.col("label").is_null(), metric="miou")["value"].item() for one in each
        ]
        yield {**of_it.row, "metric": "miou_seeds", "value": float(np.std(by_seed, ddof=1)), "n": len(each)}
    if confusion:
        matrix = pooled.confusion.sum(axis=0)
        for label, row in zip(names, matrix, strict=True):
            for predicted, pixels in zip(names, row, strict=True):
                yield {
                    **of_it.row, "metric": "count", "label": label, "predicted": predicted, "value": float(pixels),
                    "n": int(row.sum()),
                }  # fmt: skip


def _overall(of_it: Measurement, counts: segmentation.Counts, draws: int) -> Iterator[dict[str, Any]]:
    if len(counts.confusion):
        found = segmentation.intervals(counts, draws, of_it.key)
        yield from _rows(
            of_it, found.filter(pl.col("label").is_null() | (pl.col("label") == 1)), ["untouched", "edited"]
        )


def _rows(of_it: Measurement, found: pl.DataFrame, names: Sequence[str]) -> Iterator[dict[str, Any]]:
    for row in found.iter_rows(named=True):
        label = None if row["label"] is None else names[row["label"]]
        yield {**of_it.row, **{name: row[name] for name in ("metric", "value", "low", "high", "n")}, "label": label}


def _images(of_it: Measurement, edited: Floats, before: Floats, settings: Edits) -> Iterator[dict[str, Any]]:
    """The segmenter as a classifier of whole images: the largest chance of a pixel, of many, its upper hundredth."""
    yield from _told(of_it, *(np.quantile(part, 0.99, axis=(1, 2)) for part in (edited, before)), settings)


def _told(of_it: Measurement, edited: Any, before: Any, settings: Edits) -> Iterator[dict[str, Any]]:
    """AUC and accuracy (at one half) of telling edited images from their bases, resampled by image and its base."""
    weights = bootstrap.weights(np.zeros(len(edited), np.int64), of_it.key, draws=settings.scores.bootstrap)
    above = (edited[:, None] > before[None]) + 0.5 * (edited[:, None] == before[None])
    right = ((edited >= 0.5).astype(float) + (before < 0.5)) / 2
    n = len(edited)
    auc = ((weights @ above) * weights).sum(axis=1) / n**2
    for metric, value, spread in (("auc", above.mean(), auc), ("accuracy", right.mean(), weights @ right / n)):
        yield score(of_it, metric, float(value), spread, 2 * n)


def _parts(about: pl.DataFrame) -> Iterator[tuple[str, pl.Expr]]:
    """The parts of the test images that are looked at by themselves."""
    for count in sorted(about["turn_count"].unique()):
        yield f"turns: {count}", pl.col("turn_count") == count
    for operation in sorted(about["operation"].drop_nulls().unique()):
        yield f"last edit: {operation}", pl.col("operation") == operation
    for kind in sorted(about["kind"].unique()):
        yield f"kind of scene: {kind}", pl.col("kind") == kind
    for size in ("small", "middle", "large"):
        yield f"edited area: {size}", _size(pl.col("area")) == size


def _size(area: pl.Expr) -> pl.Expr:
    small, middle = SIZES
    return (
        pl.when(area < small)
        .then(pl.lit("small"))
        .when(area < middle)
        .then(pl.lit("middle"))
        .otherwise(pl.lit("large"))
    )


def _mean(of_it: Measurement, metric: str, each: pl.Series, settings: Edits, **columns: Any) -> dict[str, Any]:
    """A mean with its interval, as a row of scores."""
    values = each.to_numpy().astype(float)
    weights = bootstrap.weights(np.zeros(len(values), np.int64), of_it.key, draws=settings.scores.bootstrap)
    return score(of_it, metric, float(values.mean()), weights @ values / len(values), len(values), **columns)


def _pixels(data: bytes, size: int) -> Pixels:
    from PIL import Image

    found = opened(data, 1 << 20).pixels
    assert found is not None
    return np.asarray(found if found.size == (size, size) else found.resize((size, size), Image.Resampling.BOX))


def _labels(data: bytes, size: int) -> Pixels:
    from PIL import Image

    found = masks.opened(data)
    if found.shape == (size, size):
        return found
    return np.asarray(Image.fromarray(found).resize((size, size), Image.Resampling.NEAREST))
