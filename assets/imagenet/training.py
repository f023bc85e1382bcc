"""Classifiers trained on real and on generated images, each once, and what they say of every test image."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
import polars as pl
import pyarrow as pa

from corpusmith.assets.imagenet.settings import ImageNet, ShiftScores
from corpusmith.assets.imagenet.shifts import NATURAL
from corpusmith.assets.imagenet.ways import FINETUNED
from corpusmith.curate.images import opened
from corpusmith.models import classifiers
from corpusmith.models.loading import hardware
from corpusmith.models.segmenters import training
from corpusmith.score.shift import masked
from corpusmith.work.plan import fingerprint
from corpusmith.work.produce import Make

Pixels = np.ndarray[Any, np.dtype[np.uint8]]
Ints = np.ndarray[Any, np.dtype[np.int64]]
Floats = np.ndarray[Any, np.dtype[np.float64]]

CODE: Final = 1  # of how classifiers are trained and tested: raise it when that changes
READ_ROWS: Final = 512

REAL, GENERATED, BOTH, FAMILY, ALL = "real", "generated", "real + generated", "family", "all"
"""What a classifier learns from; FAMILY: a part of the real images alone. ALL: every way of generating together."""


@dataclass(frozen=True)
class Pool:
    """Images with a row about each: id, group, place (of its class), sha256."""

    about: pl.DataFrame
    shown: pl.LazyFrame
    size: int

    @cached_property
    def images(self) -> Pixels:
        """All of them, in memory, once they are needed: (n, size, size, 3)."""
        return pixels(self.shown, self.about.height, self.size)


@dataclass(frozen=True)
class Test:
    """A test set: its name, its rows in the pool, and the classes that are told apart in it.

    form: "real", "generated", a set of SHIFTS, with its severity where it has one. without: the form of the test that
    it is held against: that of real images, with the same classes told apart.
    """

    form: str
    group: str
    severity: int | None
    rows: Ints
    allowed: tuple[int, ...]
    without: str

    @property
    def is_shift(self) -> bool:
        """Whether it is one of SHIFTS: neither the real images nor generated ones."""
        return self.group not in (REAL, GENERATED)


@dataclass(frozen=True)
class Study:
    """What is trained on what: classes by place, images to learn from and to test on, tests, and COURSES."""

    names: list[str]
    learnt: Pool
    tested: Pool
    tests: list[Test]
    courses: pl.DataFrame


COURSES: Final = pl.Schema(
    {
        "network": pl.String,
        "learns": pl.String,  # real, "generated (label)", "real + generated (all)", "family 0.5", …
        "amount": pl.Float64,  # share of all generated images that a point of the curve has; null: no point of it
        "seed": pl.Int64,
        "rows": pl.List(pl.Int64),  # of the pool that it learns from
    }
)


@dataclass
class Trainer:
    """A maker of what a freshly trained classifier says of every test image, in the order of the tests.

    said: the place of the likeliest class of those that the test has; confidence: its probability among them.
    """

    study: Study
    settings: ShiftScores
    name = "classifiers"
    inputs = ("network", "revision", "seed", "learned", "tested")
    carried = ("rows",)
    batch_rows = 1
    schema = pa.schema(
        [pa.field("said", pa.large_list(pa.int32())), pa.field("confidence", pa.large_list(pa.float32()))]
    )

    @cached_property
    def _decides(self) -> dict[str, Any]:
        budget = self.settings.model_dump(include={"steps", "batch_rows", "width", "size"})
        return {**budget, "classes": self.study.names}

    @cached_property
    def fingerprint(self) -> str:
        """The budget and the classes."""
        return fingerprint(self.name, "corpusmith/classifiers", str(CODE), self._decides)

    @property
    def provenance(self) -> dict[str, Any]:
        """The same for people, with the device."""
        known = {"model": "corpusmith/classifiers", "revision": str(CODE), "licence": "apache-2.0"}
        return {**known, **self._decides, "device": hardware()["device"]}

    def make(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        """A training of each row."""
        made = [self._taught(row) for row in rows.to_pylist()]
        return pa.RecordBatch.from_pylist(made, self.schema)

    def _taught(self, row: dict[str, Any]) -> dict[str, Any]:
        name, budget, learnt = row["network"], self.settings, self.study.learnt
        network = classifiers.untrained(name, len(self.study.names), row["seed"], size=budget.size, width=budget.width)
        chosen = np.asarray(row["rows"], np.int64)
        training.fit_steps(
            network,
            learnt.images[chosen],
            learnt.about["place"].to_numpy()[chosen],
            steps=budget.steps,
            batch_rows=budget.batch_rows,
            rate=classifiers.rate(name, budget.width),
            seed=row["seed"],
        )
        logits = training.logits(network, self.study.tested.images)
        places, confidence = zip(*(_said(logits[test.rows], test.allowed) for test in self.study.tests), strict=True)
        return {"said": np.concatenate(places), "confidence": np.concatenate(confidence)}


def study(
    sources: pl.LazyFrame, shifts: pl.LazyFrame, images: pl.LazyFrame, curated: pl.LazyFrame, settings: ImageNet
) -> Study | None:
    """What there is to train and to test; None where real images to learn from are of fewer than two classes, or where
    none is left to test on.
    """
    real = sources.filter(pl.col("image_sha256").is_not_null()).with_columns(id="source", group=pl.lit(REAL))
    train = real.filter(pl.col("split") == "train")
    names = train.select(pl.col("name").unique()).collect()["name"].sort().to_list()
    kept = fit(images, curated).with_columns(id="key", group=way())
    generated = kept.with_columns(group=pl.lit(GENERATED)).filter(pl.col("split") != "train")
    shown = shifts.filter(pl.col("image_sha256").is_not_null()).with_columns(id="sample", group="set")
    size = settings.scores.size
    severity = pl.lit(None, pl.Int8).alias("severity")
    tested = _pool(
        [real.filter(pl.col("split") == "test").with_columns(severity), generated.with_columns(severity), shown],
        names, size, extra=["severity"],
    )  # fmt: skip
    if len(names) < 2 or tested.about.is_empty():
        return None
    learnt = _pool([train, kept.filter(pl.col("split") == "train")], names, size)
    return Study(names, learnt, tested, list(tests(tested.about, names)), courses(learnt.about, settings.scores))


def trained(study: Study, make: Make, settings: ShiftScores) -> pl.DataFrame:
    """The courses with key, said and confidence (as Trainer makes them); one that failed is absent."""
    digests = study.learnt.about.select(pl.format("{} {}", "sha256", "place")).to_series()
    learned = [_digest(digests.gather(rows)) for rows in study.courses["rows"]]
    revisions = {name: classifiers.revision(name) for name in study.courses["network"].unique()}
    about = study.tested.about["sha256"]
    tested = _digest([f"{test.allowed} {_digest(about.gather(test.rows))}" for test in study.tests])
    plan = study.courses.with_columns(
        revision=pl.col("network").replace_strict(revisions, return_dtype=pl.String),
        learned=pl.Series(learned, dtype=pl.String),
        tested=pl.lit(tested),
    )
    return make(plan.lazy(), Trainer(study, settings)).drop("rows").collect()


def courses(about: pl.DataFrame, settings: ShiftScores) -> pl.DataFrame:
    """Every training (COURSES), by the rows of the pool that it learns from.

    Beside real images there are as many generated ones of each class, at the most (1:1); of all ways together they come
    from each way in turn. The curve has ever more of these, up to all. The family learns from parts of the real images.
    """
    ranked = about.with_row_index("row").with_columns(pl.col("row").cast(pl.Int64))
    real, made = ranked.filter(group=REAL), ranked.filter(pl.col("group") != REAL)
    in_turn = _in_turn(made, ["rank", "group"], within=["place", "group"])
    found: list[tuple[str, float | None, list[int]]] = [(REAL, 0.0, real["row"].to_list())]
    ways = made["group"].unique().sort().to_list()
    for name in [*ways, *([ALL] if len(ways) > 1 else [])]:
        some = _as_many(in_turn if name == ALL else in_turn.filter(group=name), real)
        found += [(f"{GENERATED} ({name})", None, some), (f"{BOTH} ({name})", None, [*found[0][2], *some])]
    for amount in [*settings.amounts, 1.0] if ways else []:
        found.append((f"{BOTH} ({amount:.0%} of them)", amount, [*found[0][2], *_share(in_turn, amount)]))
    each = [
        (network, learns, amount, seed, rows)
        for network in settings.networks
        for learns, amount, rows in found
        for seed in range(settings.seeds)
    ]
    return pl.DataFrame([*each, *_family(real, settings)], COURSES, orient="row")


def tests(about: pl.DataFrame, names: Sequence[str]) -> Iterator[Test]:
    """The tests, in order: real images (those of the sources and those drawn anew) first, then each set and severity.

    A set that lacks classes is told apart into those that it has, and a test of the real images of these goes before
    it, as ImageNet-R and ObjectNet are compared with the part of ImageNet that they share (arXiv 2006.16241).
    """
    rows = about.with_row_index("row").with_columns(pl.col("row").cast(pl.Int64))
    every = tuple(range(len(names)))
    real = rows.filter(pl.col("group").is_in([REAL, NATURAL]))
    if real.height:
        yield Test(REAL, REAL, None, real["row"].to_numpy(), every, REAL)
    for (group,), part in rows.filter(~pl.col("group").is_in([REAL, NATURAL])).group_by("group", maintain_order=True):
        has = tuple(part["place"].unique().sort().to_list())
        allowed, without = (every, REAL) if group == GENERATED or has == every else (has, f"{REAL}, {group}'s classes")
        same = real.filter(pl.col("place").is_in(has))
        if without != REAL and same.height:
            yield Test(without, REAL, None, same["row"].to_numpy(), allowed, without)
        for (severity,), some in part.sort("severity", maintain_order=True).group_by("severity", maintain_order=True):
            form = f"{group}" if severity is None else f"{group} {severity}"
            yield Test(form, str(group), severity, some["row"].to_numpy(), allowed, without)  # type: ignore[arg-type]


def fit(images: pl.LazyFrame, curated: pl.LazyFrame) -> pl.LazyFrame:
    """The images that are fit, in their order."""
    kept = curated.filter(pl.col("verdict") == "kept").select("key").collect()["key"]
    return images.filter(pl.col("key").is_in(kept.implode()))


def way() -> pl.Expr:
    """What a way of generating is called: its strategy, and whether the generator was adapted."""
    adapted = pl.col("generator") == FINETUNED
    return pl.when(adapted).then(pl.format("{}, finetuned", "strategy")).otherwise("strategy")


def pixels(images: pl.LazyFrame, rows: int, size: int) -> Pixels:
    """The middle square of each image, (rows, size, size, 3), read batch by batch, in order."""
    found = np.empty((rows, size, size, 3), np.uint8)
    start = 0
    with ThreadPoolExecutor() as pool:
        for batch in images.select("image").collect_batches(chunk_size=READ_ROWS, maintain_order=True):
            data = batch["image"].struct.field("bytes")
            for row, one in enumerate(pool.map(lambda each: _square(each, size), data), start=start):
                found[row] = one
            start += batch.height
    return found


def _pool(parts: list[pl.LazyFrame], names: Sequence[str], size: int, extra: Sequence[str] = ()) -> Pool:
    """The images of known classes of tables of id, group, name, image, image_sha256, one table after the other."""
    columns = ["id", "group", "name", "image", *extra]
    every = pl.concat([part.select(*columns, sha256="image_sha256") for part in parts])
    known = every.filter(pl.col("name").is_in(list(names)))
    places = pl.col("name").replace_strict(list(names), list(range(len(names))), return_dtype=pl.Int64)
    return Pool(known.drop("image").with_columns(place=places).collect(), known, size)


def _square(data: bytes, size: int) -> Pixels:
    from PIL import Image, ImageOps

    found = opened(data, 4 * size).pixels
    assert found is not None
    same = found.size == (size, size)
    return np.asarray(found if same else ImageOps.fit(found, (size, size), Image.Resampling.BILINEAR))


def _said(logits: np.ndarray[Any, np.dtype[np.float32]], allowed: Sequence[int]) -> tuple[Ints, Floats]:
    """The likeliest allowed class of each row, and its probability among those."""
    held = masked(logits.astype(np.float64), allowed)
    return held.argmax(axis=1), 1 / np.exp(held - held.max(axis=1, keepdims=True)).sum(axis=1)


def _in_turn(rows: pl.DataFrame, by: Sequence[str], within: Sequence[str]) -> pl.DataFrame:
    """Rows of each class in an order that their content decides: by their rank within ``within``, then by group."""
    ranked = rows.sort("sha256", "id").with_columns(rank=pl.int_range(pl.len()).over(within))
    return ranked.sort("place", *by).with_columns(turn=pl.int_range(pl.len()).over("place"), of=pl.len().over("place"))


def _as_many(in_turn: pl.DataFrame, real: pl.DataFrame) -> list[int]:
    """The first rows of each class, as many as there are real ones of it."""
    most = real.group_by("place").agg(most=pl.len())
    turned = in_turn.with_columns(turn=pl.int_range(pl.len()).over("place"))
    return turned.join(most, on="place").filter(pl.col("turn") < pl.col("most")).sort("row")["row"].to_list()


def _share(in_turn: pl.DataFrame, share: float) -> list[int]:
    """The first rows of each class, such a share of them, rounded up."""
    few = pl.col("turn") < (pl.col("of") * share).ceil()
    return in_turn.filter(few).sort("row")["row"].to_list()


def _family(real: pl.DataFrame, settings: ShiftScores) -> Iterator[tuple[Any, ...]]:
    """Trainings on evenly spaced shares of the real images, less than all, by each network in turn."""
    in_turn = _in_turn(real, ["rank"], within=["place"])
    networks = settings.networks
    steps = -(-settings.family // len(networks))
    for member in range(settings.family):
        share = (member // len(networks) + 1) / (steps + 1)
        network = networks[member % len(networks)]
        yield network, f"{FAMILY} {share:.2f}", None, settings.seeds + member, _share(in_turn, share)


def _digest(parts: Sequence[str] | pl.Series) -> str:
    return hashlib.blake2b("\n".join(parts).encode(), digest_size=16).hexdigest()
