"""A small corpus of drawn portraits in the shape of the real one, that the tests of releases and validation use."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl

from corpusmith.assets.portraits import card
from corpusmith.assets.portraits.annotations import consensus
from corpusmith.assets.portraits.prompts import prompts
from corpusmith.assets.portraits.splits import splits
from corpusmith.curate.image_quality import measure
from corpusmith.drawings.portraits import draw
from corpusmith.emotions import EMOTIONS
from corpusmith.models.images import png
from corpusmith.release.inputs import Release
from corpusmith.score import generators, perceivers
from corpusmith.score.scores import Measurement
from corpusmith.settings import Splits
from corpusmith.validation.schema import IMAGE, PORTRAITS, PORTRAITS_REJECTED, schema
from corpusmith.work.plan import canonical, fingerprint, keys, seeds

SKILL = {"house/epsilon": 0.95, "house/flow": 0.85, "house/velocity-early": 0.4}
"""How often each generator shows what it was asked for."""
REASONS = (["blurred"], ["no_face"], ["near_duplicate"], ["dark", "blurred"], ["not_made"])
EVERY = 13  # one in so many images is rejected


def portraits(
    per_emotion: int = 5, *, version: str = "1.0.0", skill: dict[str, float] = SKILL, **changes: Any
) -> Release:
    """A release of 6 emotions × ``per_emotion`` × generators, some of it rejected; ``changes`` replace fields."""
    made = images(per_emotion, skill)
    kept, refused = made.filter(pl.col("verdict") == "kept"), made.filter(pl.col("verdict") == "rejected")
    said = annotations(kept, skill)
    rows = kept.join(consensus(said.lazy()).collect(), on="key", how="left", maintain_order="left")
    makers = {
        of: {"generator": name, "model": name.removesuffix("-early"), "revision": "0123456789abcdef"}
        for name, of in fingerprints(skill).items()
    }
    release = Release(
        corpus="portraits",
        version=version,
        text=replace(card.CARD, origins=tuple(skill)),
        rows=rows.select(pl.col(name).cast(kind) for name, kind in schema(PORTRAITS).items()).lazy(),
        rejected=refused.select(
            *(pl.col(name).cast(kind) for name, kind in schema(PORTRAITS_REJECTED).items()), "image"
        ).lazy(),
        scores=scored(made, rows, skill),
        made=dict(made.group_by("generator", maintain_order=True).len().rows()),
        makers=makers,
        params={"portraits": PARAMS},
    )
    return replace(release, **changes)


PARAMS = {
    "vocabulary": "memo",
    "curated": {"min_sharpness": 50.0, "min_contrast": 0.03, "one_face": True, "max_hash_distance": 2},
}


def fingerprints(skill: dict[str, float]) -> dict[str, str]:
    """The fingerprint of each generator by its name."""
    return {
        name: fingerprint("images", name.removesuffix("-early"), "0123456789abcdef", {"generator": name})
        for name in skill
    }


def images(per_emotion: int, skill: dict[str, float]) -> pl.DataFrame:
    """Every prompt drawn by every generator, measured, with split, verdict and reasons."""
    asked = prompts("memo", per_emotion, 0)
    placed = asked.join(splits(asked, Splits(validation=0.2, test=0.2)), on="prompt_id", maintain_order="left")
    made = pl.concat([_drawn(placed, name, of, skill[name]) for name, of in fingerprints(skill).items()])
    measured = measure(made["image"].to_arrow(compat_level=pl.CompatLevel.oldest()))
    number = pl.int_range(pl.len())
    reasons = pl.Series("reasons", [REASONS[i // EVERY % len(REASONS)] for i in range(made.height)])
    fit = made.hstack(measured.drop("mode", "width", "height", "format", "misnamed", "problem")).with_columns(
        reasons=pl.when(number % EVERY == EVERY - 1).then(reasons).otherwise(pl.lit([], pl.List(pl.String))),
        duplicate_of=pl.lit(None, pl.String),
        faces=pl.lit(1),
        safety=pl.lit(None, pl.Float32),
    )
    lost = pl.col("reasons").list.contains("not_made")
    pictures = ["image", "image_sha256", *(name for name in measured.columns if name in fit.columns)]
    return fit.with_columns(
        *(pl.when(~lost).then(name).alias(name) for name in pictures),
        verdict=pl.when(pl.col("reasons").list.len() > 0).then(pl.lit("rejected")).otherwise(pl.lit("kept")),
    )


def annotations(kept: pl.DataFrame, skill: dict[str, float]) -> pl.DataFrame:
    """What two annotators say of each image."""
    random = np.random.default_rng(5)
    parts = []
    for annotator, sure in (("house/expression-cnn", 0.8), ("house/expression-vit", 0.6)):
        right = random.random(kept.height) < kept["generator"].replace_strict(skill).to_numpy()
        other = np.array(EMOTIONS)[random.integers(0, 6, kept.height)]
        seen = pl.Series("seen", np.where(right, kept["ekman"].to_numpy(), other))
        asked = kept["asked_intensity"].to_numpy() * (0.4 + 0.6 * kept["generator"].replace_strict(skill).to_numpy())
        said = kept.select("key", seen).with_columns(
            *(pl.when(pl.col("seen") == e).then(sure).otherwise((1 - sure) / 6).alias(f"p_{e}") for e in EMOTIONS),
            annotator=pl.lit(annotator),
            human=pl.lit(False),
            intensity=pl.Series(np.clip(asked + random.normal(0, 0.1, kept.height), 0, 1)),
            quality=pl.Series(random.uniform(0.5, 1, kept.height)),
        )
        parts.append(said.rename({"seen": "emotion"}))
    order = ["key", "annotator", "emotion", *(f"p_{e}" for e in EMOTIONS), "intensity", "quality", "human"]
    return pl.concat(parts).select(order).cast({pl.Float64: pl.Float32})


def scored(made: pl.DataFrame, rows: pl.DataFrame, skill: dict[str, float], draws: int = 50) -> pl.DataFrame:
    """The scores of the generators, and of two perceivers, by the functions that score the real corpus."""
    random = np.random.default_rng(7)
    known = rows.select("key", "emotion_seen", "intensity", "quality")
    fit = pl.col("verdict") == "kept"
    every = made.select("key", "generator", "prompt_id", "ekman", "degree", kept=fit).join(
        known, on="key", how="left", maintain_order="left"
    )
    vectors = pl.Series("embedding", random.normal(size=(made.height, 8)).astype(np.float32).tolist())
    table = every.with_columns(pl.when(pl.col("quality").is_not_null()).then(vectors).alias("embedding"))
    table = table.select(pl.col(name).cast(kind) for name, kind in generators.PORTRAITS.items())
    drew = {name: Measurement("generator", name, name, "abc", {}, "corpus") for name in skill}
    answers = []
    for name, sure in (("house/expression-cnn", 0.9), ("house/clip", 0.5)):
        right = random.random(rows.height) < sure
        said = pl.Series(
            "emotion", np.where(right, rows["ekman"].to_numpy(), np.array(EMOTIONS)[:1].repeat(rows.height))
        )
        answers.append(
            rows.select("key", "prompt_id", "ekman", truth="ekman", truth_intensity="asked_intensity").with_columns(
                said, perceiver=pl.lit(name), human=pl.lit(False), intensity=pl.col("truth_intensity") * sure
            )
        )
    read = pl.concat(answers).select(pl.col(name).cast(kind) for name, kind in perceivers.ANSWERS.items())
    looked = {
        name: Measurement("perceiver", name, name, "abc", {}, "corpus")
        for name in ("house/expression-cnn", "house/clip")
    }
    return pl.concat(
        [
            generators.generator_scores(table, drew, "memo", draws),
            perceivers.perceiver_scores(read, looked, "memo", draws),
        ]
    )


def _drawn(asked: pl.DataFrame, name: str, of: str, skill: float) -> pl.DataFrame:
    key = keys(asked, of, ["prompt"])
    seed = pl.Series("seed", seeds(key.to_list())).cast(pl.Int64)
    rows = asked.with_columns(seed, emotion="ekman", hair_colour=pl.col("hair_colour").fill_null("black")).to_dicts()
    encoded = [png(_worse(np.asarray(draw(row)), row["seed"], skill)) for row in rows]
    pictures = pl.Series(
        "image", [{"bytes": data, "path": f"{k}.png"} for data, k in zip(encoded, key, strict=True)], IMAGE
    )
    return asked.with_columns(
        key,
        seed,
        pictures,
        plan=canonical(["prompt"]),
        image_sha256=pl.Series([hashlib.sha256(data).hexdigest() for data in encoded]),
        width=pl.lit(64),
        height=pl.lit(64),
        mode=pl.lit("RGB"),
        generator=pl.lit(name),
        model=pl.lit(name.removesuffix("-early")),
        revision=pl.lit("0123456789abcdef"),
        steps=pl.lit(20),
        guidance=pl.lit(4.0),
        scheduler=pl.lit("DPMSolverMultistepScheduler"),
        batch=pl.lit(16),
        made_on=pl.lit("cpu (a processor), float32, torch 2.13.0"),
        fingerprint=pl.lit(of),
    )


def _worse(pixels: np.ndarray[Any, Any], seed: int, skill: float) -> np.ndarray[Any, Any]:
    """The same with the noise of a generator that has little skill."""
    noise = np.random.default_rng(seed).normal(0, 60 * (1 - skill), pixels.shape)
    return np.clip(pixels + noise, 0, 255).astype(np.uint8)
