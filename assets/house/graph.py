"""The house models as assets: materialize one to train it from the real inputs and ship it with its card.

A training that was stopped goes on from its checkpoint; to begin anew, remove that from the work folder.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import dagster as dg

from corpusmith.assets.asset import OWNERS, POOL
from corpusmith.assets.house import (
    adapted_judge,
    autoencoder,
    clip,
    clip_card,
    diffusion,
    emotion,
    expression,
    expression_card,
    generator_card,
    language,
    object_card,
    object_judge,
    readers,
    regions,
    regions_card,
    writer,
)
from corpusmith.assets.house.drawings import kept
from corpusmith.assets.house.generators import GENERATORS
from corpusmith.assets.house.training import WORK
from corpusmith.errors import ModelError
from corpusmith.models.house import HOUSE

AUTOENCODERS = dg.StaticPartitionsDefinition(list(autoencoder.SHAPES))
IMAGE_GENERATORS = dg.StaticPartitionsDefinition(list(GENERATORS))
DRAWINGS = dg.AssetKey(["house", "drawings"])
ADAPTED_JUDGE = dg.AssetKey(["house", "adapted_judge"])


class Training(dg.Config):
    """Where the real inputs lie, where the models go, and where a long training keeps its checkpoint."""

    data: str
    models: str = str(HOUSE)
    work: str = "build"
    seed: int = 0


class Drawings(dg.Config):
    """Where the models go that learn from drawings of the project's own, and where their checkpoints are kept."""

    models: str = str(HOUSE)
    work: str = str(WORK)


class Images(Drawings):
    """The same for image generators.

    share: below one, less of the drawings, steps and prompts is taken, as a trial. survive: the share of emotions that
    must still be read through an autoencoder before any generator learns in its latents.
    """

    share: float = 1.0
    survive: float = 0.95

    def of(self, whole: int) -> int:
        """That share of a number, at least two."""
        return max(2, round(whole * self.share))


TRAINED: Mapping[str, Any] = {"group_name": "house", "owners": OWNERS, "pool": POOL}
"""Of every asset that trains a model: no two do on one card."""


@dg.asset(key=ADAPTED_JUDGE, kinds={"torch", "huggingface"}, **TRAINED)
def second_judge(config: Training) -> dg.MaterializeResult:
    """The lower layers of a published language model, adapted to judge on GoEmotions; goes on from its checkpoint."""
    work, out = Path(config.work) / "house-adapted-judge", Path(config.models) / adapted_judge.NAME
    adapted_judge.make(Path(config.data), work, out, seed=config.seed)
    return dg.MaterializeResult(metadata={adapted_judge.NAME: _measured(config, adapted_judge.NAME)})


@dg.asset(key=["house", "emotion_classifiers"], kinds={"torch"}, deps=[ADAPTED_JUDGE], **TRAINED)
def emotion_classifiers(config: Training) -> dg.MaterializeResult:
    """The judge and the guide: small networks that read the emotion of a comment, trained on GoEmotions.

    The judge learns from the second one as well, where that lies beside it.
    """
    teacher = Path(config.models) / adapted_judge.NAME
    work = Path(config.work) / "house-emotion"
    emotion.train(Path(config.models), Path(config.data), config.seed, teacher if teacher.is_dir() else None, work)
    return dg.MaterializeResult(metadata={name: _measured(config, name) for name in ("emotion-judge", "emotion-guide")})


@dg.asset(key=["house", "language_model"], kinds={"torch", "huggingface"}, **TRAINED)
def language_model(config: Training) -> dg.MaterializeResult:
    """A causal LM in the Qwen3 format that writes comments of an emotion; goes on from its checkpoint."""
    language.train_and_ship(Path(config.data), Path(config.work) / "house-language", Path(config.models) / "language")
    return dg.MaterializeResult(metadata={"language": _measured(config, "language")})


@dg.asset(key=["house", "writer"], kinds={"torch", "huggingface"}, **TRAINED)
def adapted_writer(config: Training) -> dg.MaterializeResult:
    """Adapters with which a published causal LM writes and rewrites comments; goes on from its checkpoint."""
    writer.train_and_ship(Path(config.data), Path(config.work) / "house-writer", Path(config.models) / "writer")
    return dg.MaterializeResult(metadata={"writer": _measured(config, "writer")})


@dg.asset(
    key=["house", "expression_classifiers"],
    kinds={"torch", "huggingface"},
    **TRAINED,
)
def expression_classifiers(config: Drawings) -> dg.MaterializeResult:
    """Two that differ, a convolutional network and a transformer, which read the expression of a drawn portrait."""
    for name in expression.RECIPES:
        expression.train(name, Path(config.models), Path(config.work))
        metrics = expression_card.measure(Path(config.models) / name)
        readers.describe(Path(config.models) / name, metrics, expression_card.card(name, metrics))
    return dg.MaterializeResult(metadata={name: _measured(config, name) for name in expression.RECIPES})


@dg.asset(key=["house", "object_classifier"], kinds={"torch", "huggingface"}, **TRAINED)
def object_classifier(config: Drawings) -> dg.MaterializeResult:
    """A network that says which things are to be seen in a drawing."""
    return _read(object_judge, object_card, config)


@dg.asset(key=["house", "image_text_model"], kinds={"torch", "huggingface"}, **TRAINED)
def image_text_model(config: Drawings) -> dg.MaterializeResult:
    """A small CLIP: drawings and their captions in one space."""
    return _read(clip, clip_card, config)


@dg.asset(key=["house", "region_finder"], kinds={"torch", "huggingface"}, **TRAINED)
def region_finder(config: Drawings) -> dg.MaterializeResult:
    """A network that says which thing is where in a drawing."""
    return _read(regions, regions_card, config)


@dg.asset(key=DRAWINGS, group_name="house", kinds={"numpy"}, owners=OWNERS)
def drawings(config: Images) -> dg.MaterializeResult:
    """What autoencoders and generators learn from: drawings with their captions, of seeds that no reader sees."""
    rows = {recipe.SEED: config.of(recipe.ROWS) for recipe in (autoencoder, diffusion)}
    for seed, number in rows.items():
        kept(number, seed, Path(config.work), processes=2)
    return dg.MaterializeResult(metadata={"rows": sum(rows.values())})


@dg.asset(
    key=["house", "autoencoder"],
    kinds={"torch", "diffusers"},
    **TRAINED,
    deps=[DRAWINGS],
    partitions_def=AUTOENCODERS,
    check_specs=[
        dg.AssetCheckSpec(
            "emotions_survive",
            asset=["house", "autoencoder"],
            blocking=True,
            description="Emotions are still read through it.",
        )
    ],
)
def image_autoencoder(context: dg.AssetExecutionContext, config: Images) -> dg.MaterializeResult:
    """The latents that generators work in; measured alone, since what it loses no generator can show."""
    steps, rows = config.of(autoencoder.STEPS), config.of(autoencoder.ROWS)
    folder = autoencoder.make(context.partition_key, Path(config.work), steps, rows)
    share = generator_card.read_through(folder, config.of(generator_card.PROMPTS))
    passed = share["value"] >= config.survive
    survives = dg.AssetCheckResult(check_name="emotions_survive", passed=passed, metadata=share)
    return dg.MaterializeResult(metadata={"emotion": share["value"]}, check_results=[survives])


@dg.asset(
    key=["house", "diffusion"],
    kinds={"torch", "diffusers"},
    **TRAINED,
    deps=[
        DRAWINGS,
        dg.AssetDep(
            ["house", "autoencoder"],
            partition_mapping=dg.StaticPartitionMapping(
                {
                    shape: {name for name, generator in GENERATORS.items() if generator.autoencoder == shape}
                    for shape in autoencoder.SHAPES
                }
            ),
        ),
    ],
    partitions_def=IMAGE_GENERATORS,
)
def image_generator(context: dg.AssetExecutionContext, config: Images) -> dg.MaterializeResult:
    """A text-to-image pipeline with an early and a final checkpoint; goes on from its own."""
    _refuse_a_blind_one(Path(config.work) / f"vae-{GENERATORS[context.partition_key].autoencoder}", config)
    steps, rows = config.of(GENERATORS[context.partition_key].steps), config.of(diffusion.ROWS)
    folder = diffusion.make(context.partition_key, Path(config.work), Path(config.models), steps, rows)
    return dg.MaterializeResult(metadata={"folder": dg.MetadataValue.path(str(folder))})


@dg.asset(
    key=["house", "card"],
    kinds={"torch"},
    **TRAINED,
    deps=[["house", "diffusion"]],
    partitions_def=IMAGE_GENERATORS,
)
def image_generator_card(context: dg.AssetExecutionContext, config: Images) -> dg.MaterializeResult:
    """How often a generator shows what was asked, as readers see it that learned from other drawings."""
    name = context.partition_key
    generator_card.write(name, Path(config.models) / name, config.of(generator_card.PROMPTS))
    return dg.MaterializeResult(metadata={name: _measured(config, name)})


READERS = dg.AssetSelection.assets(expression_classifiers, object_classifier, image_text_model, region_finder)
JOBS = [
    dg.define_asset_job(
        "house_texts",
        dg.AssetSelection.assets(second_judge, emotion_classifiers, language_model, adapted_writer),
    ),
    dg.define_asset_job("house_readers", READERS),
    dg.define_asset_job("house_drawings", dg.AssetSelection.assets(drawings)),
    dg.define_asset_job("house_autoencoder", dg.AssetSelection.assets(image_autoencoder), partitions_def=AUTOENCODERS),
    dg.define_asset_job(
        "house_generator",
        dg.AssetSelection.assets(image_generator, image_generator_card),
        partitions_def=IMAGE_GENERATORS,
    ),
]


def _refuse_a_blind_one(folder: Path, config: Images) -> None:
    """Its own check stands in the way of runs of one partition alone, and this is another one."""
    share = generator_card.read_through(folder, config.of(generator_card.PROMPTS))["value"]
    if share < config.survive:
        raise ModelError(
            f"emotions are read through {folder} at {share:.2f}, expected {config.survive}: train it longer"
        )


def _read(recipe: ModuleType, card: ModuleType, config: Drawings) -> dg.MaterializeResult:
    """A reader trained by its recipe, with what its card measures of it."""
    folder = Path(config.models) / recipe.NAME
    recipe.train(Path(config.models), Path(config.work))
    metrics = card.measure(folder)
    readers.describe(folder, metrics, card.card(metrics))
    return dg.MaterializeResult(metadata={recipe.NAME: _measured(config, recipe.NAME)})


def _measured(config: Training | Drawings, model: str) -> dg.MetadataValue:
    return dg.MetadataValue.json(json.loads((Path(config.models) / model / "metrics.json").read_text()))
