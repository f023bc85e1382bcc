"""The house models as assets: materialize one to train it anew from the real inputs and ship it with its card."""

import json
from pathlib import Path

import dagster as dg

from assets.asset import OWNERS
from assets.house import emotion, language
from corpusmith.models.house import HOUSE


class Training(dg.Config):
    """Where the real inputs lie, where the models go, and where a long training keeps its checkpoint."""

    data: str
    models: str = str(HOUSE)
    work: str = "build"
    seed: int = 0


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


def _measured(config: Training, model: str) -> dg.MetadataValue:
    return dg.MetadataValue.json(json.loads((Path(config.models) / model / "metrics.json").read_text()))
