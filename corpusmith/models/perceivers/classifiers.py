"""Image classifiers as perceivers: the house's, and any facial-expression or safety classifier of the Hub."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from corpusmith.emotions import EMOTIONS
from corpusmith.errors import ModelError
from corpusmith.models.perceivers.network import ImageMaker
from corpusmith.models.perceivers.readings import READING, Floats, Ints, by_degree, readings
from corpusmith.models.text.classify import emotions_of

if TYPE_CHECKING:
    from PIL.Image import Image

FACES: Final = {"natural": "neutral", "calm": "neutral", "happines": "joy", "fearful": "fear", "contempt": "disgust"}
"""What facial-expression classifiers of the Hub call emotions beyond models/text/classify.py; AffectNet's contempt
is folded into disgust, the nearest of Ekman's first six; "happines" is how a much used one spells it."""

SAFE: Final = {"normal", "sfw", "safe", "neutral", "drawing", "drawings"}
UNSAFE: Final = {"nsfw", "unsafe", "porn", "hentai", "sexy"}

SAFETY: Final = pa.schema([pa.field("safety", pa.float32())])
"""The probability that an image is safe for work, 0 to 1."""

SEEN: Final = 0.5
TAGS: Final = pa.schema(
    [pa.field("tags", pa.list_(pa.string())), pa.field("tag_probabilities", pa.list_(pa.float32()))]
)
"""The labels of probability SEEN or more, the likeliest first, and their probabilities."""

_EMOTION: Final = re.compile(rf"({'|'.join(EMOTIONS)})/([0-3])")
_FACES: Final = re.compile(r"faces/([0-2])")
_QUALITY: Final = "quality"


class Classifier(ImageMaker):
    """Reads a portrait with an image classifier.

    A house classifier's labels come in groups, each softmaxed on its own: emotion/degree ("joy/3"), "faces/0" to
    "faces/2", and "quality", a sigmoid. Any other's are emotions (label_map, else by name: FACES and those of
    corpusmith.models.text.classify), and intensity, quality and faces stay null.
    Raises ModelError: not to be had, not a classifier, labels that are no emotion or an emotion without a label.
    """

    schema = READING

    def __init__(
        self,
        model: str = "house/expression-cnn",
        revision: str | None = None,
        label_map: Mapping[str, str] | None = None,
        batch_rows: int = 512,
    ) -> None:
        self.label_map = dict(label_map or {})
        kind = "an image classifier with safetensors weights"
        settings = {"label_map": self.label_map} if label_map else {}
        super().__init__("AutoModelForImageClassification", kind, model, revision, settings, batch_rows)

    def ready(self) -> None:
        """The same, with labels that are emotions."""
        super().ready()
        _ = self.labels

    def read(self, images: Sequence[Image]) -> pa.RecordBatch:
        """The columns of READING for each image."""
        labels = self.labels
        logits = self.over(images, lambda pixels: self.network(pixel_values=pixels).logits)
        chances = softmax(logits[:, labels.emotion])
        if labels.degree is None:
            return readings(chances @ np.eye(len(EMOTIONS), dtype=np.float32)[labels.emotion_of])
        return readings(
            *by_degree(chances, labels.emotion_of, labels.degree),
            quality=sigmoid(logits[:, labels.quality[0]]) if labels.quality else None,
            faces=logits[:, labels.faces].argmax(axis=1).astype(np.int8) if labels.faces else None,
        )

    @cached_property
    def labels(self) -> Labels:
        """What each of the model's outputs stands for."""
        names = labels_of(self.config)
        if any(map(_EMOTION.fullmatch, names)):
            return _grouped(names, self.model)
        known = {name: FACES[name.strip().lower()] for name in names if name.strip().lower() in FACES}
        found = emotions_of(names, known | self.label_map, self.model)
        return Labels(list(range(len(names))), np.array(found), None, [], [])


class Safety(ImageMaker):
    """Says how safe an image is, with a classifier whose labels are SAFE and UNSAFE words, all of them known.

    Raises ModelError: not to be had, not a classifier, labels that are neither.
    """

    schema = SAFETY

    def __init__(self, model: str, revision: str | None = None, batch_rows: int = 512) -> None:
        kind = "an image classifier with safetensors weights"
        super().__init__("AutoModelForImageClassification", kind, model, revision, {}, batch_rows)

    def ready(self) -> None:
        """The same, with labels that say what is safe."""
        super().ready()
        _ = self.safe

    def read(self, images: Sequence[Image]) -> pa.RecordBatch:
        """The column of SAFETY for each image."""
        logits = self.over(images, lambda pixels: self.network(pixel_values=pixels).logits)
        safe = softmax(logits)[:, self.safe].sum(axis=1)
        return pa.record_batch([pa.array(np.clip(safe, 0, 1), pa.float32())], schema=SAFETY)

    @cached_property
    def safe(self) -> list[int]:
        """The columns of what is safe."""
        names = [name.strip().lower() for name in labels_of(self.config)]
        unknown = [name for name in names if name not in SAFE | UNSAFE]
        safe = [place for place, name in enumerate(names) if name in SAFE]
        if unknown or not safe or len(safe) == len(names):
            raise ModelError(
                f"{self.model} has the labels {names}: a safety classifier has some of {sorted(SAFE)} and some of "
                f"{sorted(UNSAFE)}, and no others"
            )
        return safe


class Tagger(ImageMaker):
    """Says which of its labels an image shows, each on its own: the house judge of objects, or any multi-label one.

    Raises ModelError: not to be had, or not a classifier.
    """

    schema = TAGS

    def __init__(self, model: str = "house/object", revision: str | None = None, batch_rows: int = 512) -> None:
        kind = "an image classifier with safetensors weights"
        super().__init__("AutoModelForImageClassification", kind, model, revision, {}, batch_rows)

    def read(self, images: Sequence[Image]) -> pa.RecordBatch:
        """The columns of TAGS for each image."""
        names, chances = np.array(labels_of(self.config)), self.probabilities(images)
        order = np.argsort(-chances, axis=1, kind="stable")
        seen = [[place for place in row if chances[n, place] >= SEEN] for n, row in enumerate(order)]
        tags = [names[row].tolist() for row in seen]
        sure = [chances[n, row].tolist() for n, row in enumerate(seen)]
        return pa.record_batch([pa.array(tags, TAGS.field(0).type), pa.array(sure, TAGS.field(1).type)], schema=TAGS)

    def probabilities(self, images: Sequence[Image]) -> Floats:
        """The probability of every label, (n, labels), of images that are open, RGB."""
        return sigmoid(self.over(images, lambda pixels: self.network(pixel_values=pixels).logits))


@dataclass(frozen=True)
class Labels:
    """Columns of a classifier's logits: the emotions, with their index in EMOTIONS and degree; faces; quality."""

    emotion: list[int]
    emotion_of: Ints
    degree: Ints | None
    faces: list[int]
    quality: list[int]


def labels_of(config: Any) -> list[str]:
    """A classifier's labels in the order of its logits."""
    return [str(config.id2label[place]) for place in range(config.num_labels)]


def _grouped(names: Sequence[str], model: str) -> Labels:
    emotions = {place: found for place, name in enumerate(names) if (found := _EMOTION.fullmatch(name))}
    faces = sorted((name, place) for place, name in enumerate(names) if _FACES.fullmatch(name))
    quality = [place for place, name in enumerate(names) if name == _QUALITY]
    unknown = set(range(len(names))) - set(emotions) - {place for _, place in faces} - set(quality)
    absent = set(EMOTIONS) - {found[1] for found in emotions.values()}
    if unknown or absent:
        fault = (
            f"{[names[place] for place in sorted(unknown)]} are unknown" if unknown else f"none for {sorted(absent)}"
        )
        raise ModelError(f"{model} has labels in groups, emotion/degree, faces/number and quality: {fault}")
    return Labels(
        list(emotions),
        np.array([EMOTIONS.index(found[1]) for found in emotions.values()]),
        np.array([int(found[2]) for found in emotions.values()]),
        [place for _, place in faces],
        quality,
    )


def softmax(logits: Floats) -> Floats:
    """Along the last axis; rows sum to one."""
    raised = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=-1, keepdims=True), dtype=np.float32)


def sigmoid(logits: Floats) -> Floats:
    """1 / (1 + exp(-x)), elementwise."""
    return np.asarray(1 / (1 + np.exp(-logits)), dtype=np.float32)
