"""The house models as assets: materialize one to train it anew from the real inputs and ship it with its card."""

import json
from pathlib import Path

import dagster as dg

from assets.asset import OWNERS
from assets.house import (
    clip,
    clip_card,
    emotion,
    expression,
    expression_card,
    language,
    object_card,
    object_judge,
    readers,
)
from corpusmith.models.house import HOUSE


class Training(dg.Config):
    """Where the real inputs lie, where the models go, and where a long training keeps its checkpoint."""

    data: str
    models: str = str(HOUSE)
    work: str = "build"
    seed: int = 0


class Drawings(dg.Config):
    """Where the models go that learn from drawings of the project's own, and need no other input."""

    models: str = str(HOUSE)


@dg.asset(key=["house", "emotion_classifiers"], group_name="house", kinds={"torch"}, owners=OWNERS)
def emotion_classifiers(config: Training) -> dg.MaterializeResult:
    """The judge and the guide: small networks that read the emotion of a comment, trained on GoEmotions."""
    emotion.train(Path(config.models), Path(config.data), config.seed)
    return dg.MaterializeResult(metadata={name: _measured(config, name) for name in ("emotion-judge", "emotion-guide")})


@dg.asset(key=["house", "language_model"], group_name="house", kinds={"torch", "huggingface"}, owners=OWNERS)
def language_model(config: Training) -> dg.MaterializeResult:
    """A causal LM in the Qwen3 format that writes comments of an emotion; goes on from its checkpoint."""
    language.train_and_ship(Path(config.data), Path(config.work) / "house-language", Path(config.models) / "language")
    return dg.MaterializeResult(metadata={"language": _measured(config, "language")})


@dg.asset(key=["house", "expression_classifiers"], group_name="house", kinds={"torch", "huggingface"}, owners=OWNERS)
def expression_classifiers(config: Drawings) -> dg.MaterializeResult:
    """Two that differ, a convolutional network and a transformer, which read the expression of a drawn portrait."""
    for name in expression.RECIPES:
        expression.train(name, Path(config.models))
        metrics = expression_card.measure(Path(config.models) / name)
        readers.describe(Path(config.models) / name, metrics, expression_card.card(name, metrics))
    return dg.MaterializeResult(metadata={name: _measured(config, name) for name in expression.RECIPES})


@dg.asset(key=["house", "object_classifier"], group_name="house", kinds={"torch", "huggingface"}, owners=OWNERS)
def object_classifier(config: Drawings) -> dg.MaterializeResult:
    """A network that says which things are to be seen in a drawing."""
    folder = Path(config.models) / object_judge.NAME
    object_judge.train(Path(config.models))
    metrics = object_card.measure(folder)
    readers.describe(folder, metrics, object_card.card(metrics))
    return dg.MaterializeResult(metadata={object_judge.NAME: _measured(config, object_judge.NAME)})


@dg.asset(key=["house", "image_text_model"], group_name="house", kinds={"torch", "huggingface"}, owners=OWNERS)
def image_text_model(config: Drawings) -> dg.MaterializeResult:
    """A small CLIP: drawings and their captions in one space."""
    folder = Path(config.models) / clip.NAME
    clip.train(Path(config.models))
    metrics = clip_card.measure(folder)
    readers.describe(folder, metrics, clip_card.card(metrics))
    return dg.MaterializeResult(metadata={clip.NAME: _measured(config, clip.NAME)})


def _measured(config: Training | Drawings, model: str) -> dg.MetadataValue:
    return dg.MetadataValue.json(json.loads((Path(config.models) / model / "metrics.json").read_text()))
