"""CLIP-style models as perceivers: zero-shot reading of portraits, embeddings, and how near an image is to a text."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache, cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import yaml

from corpusmith.emotions import EMOTIONS
from corpusmith.models.loading import explained
from corpusmith.models.perceivers.classifiers import softmax
from corpusmith.models.perceivers.network import PASS_ROWS, ImageMaker
from corpusmith.models.perceivers.opening import in_parts
from corpusmith.models.perceivers.readings import READING, Floats, by_degree, readings

if TYPE_CHECKING:
    from PIL.Image import Image

PROMPTS: Final = Path(__file__).with_name("clip.yaml")
KIND: Final = "a CLIP-style model (images and texts in one space) with safetensors weights"
EMBEDDING: Final = pa.schema([pa.field("embedding", pa.list_(pa.float32()))])
"""A vector of length one; its dot product with another's is their cosine similarity."""
SIMILARITY: Final = pa.schema([pa.field("text_similarity", pa.float32())])
"""The cosine of an image and a text, -1 to 1; of one model its values compare with each other, not with another's."""


class ImageTextModel(ImageMaker):
    """A model that puts images and texts into one space: CLIP and those that transformers opens the same way."""

    def __init__(self, model: str, revision: str | None, settings: dict[str, Any], batch_rows: int) -> None:
        super().__init__("AutoModel", KIND, model, revision, settings, batch_rows)

    def images(self, images: Sequence[Image]) -> Floats:
        """Unit vectors of images that are open, (n, d)."""
        network = self.network
        look = getattr(network, "get_image_features", network)  # an encoder of images alone is called itself
        return _unit(self.over(images, lambda pixels: look(pixel_values=pixels).pooler_output))

    def texts(self, texts: Sequence[str]) -> Floats:
        """Unit vectors of texts, (n, d)."""
        import torch

        longest = self.network.config.text_config.max_position_embeddings
        tokens = self.tokenizer(list(texts), padding=True, truncation=True, max_length=longest, return_tensors="pt")
        wanted = {name: tokens[name].to(self.network.device) for name in ("input_ids", "attention_mask")}
        with torch.inference_mode():
            return _unit(self.network.get_text_features(**wanted).pooler_output.float().cpu().numpy())

    @cached_property
    def tokenizer(self) -> Any:
        """What cuts texts into the model's tokens."""
        from transformers import AutoTokenizer

        with explained(self.model, self.kind):
            return AutoTokenizer.from_pretrained(self.folder, trust_remote_code=False)


class ZeroShot(ImageTextModel):
    """Reads a portrait by comparing it with the prompts of clip.yaml, an ensemble for each emotion and degree.

    Raises ModelError: not to be had, or not a CLIP-style model.
    """

    schema = READING

    def __init__(self, model: str = "house/clip", revision: str | None = None, batch_rows: int = 512) -> None:
        prompts = hashlib.sha256(PROMPTS.read_bytes()).hexdigest()
        super().__init__(model, revision, {"prompts": prompts}, batch_rows)

    def read(self, images: Sequence[Image]) -> pa.RecordBatch:
        """The columns of READING for each image."""
        emotions, degrees, embedded = self.classes
        scale = np.float32(self.network.logit_scale.exp().item())
        alike = self.images(images) @ embedded.T
        return readings(*by_degree(softmax(np.asarray(scale * alike, np.float32)), emotions, degrees))

    @cached_property
    def classes(self) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], Floats]:
        """The emotion (k,), an index, and degree (k,) of each class, and the unit vector that stands for it, (k, d)."""
        asked = ensembles()
        embedded = [self.texts(prompts).mean(axis=0) for prompts in asked.values()]
        emotions, degrees = zip(*asked, strict=True)
        return np.array([EMOTIONS.index(name) for name in emotions]), np.array(degrees), _unit(np.stack(embedded))


class Embedder(ImageTextModel):
    """Makes ``embedding``, an image's unit vector: for near-duplicates, and for how widely a set spreads.

    The model is CLIP-style, or an encoder of images alone with a pooled output (DINOv2). Raises ModelError.
    """

    schema = EMBEDDING

    def __init__(self, model: str = "house/clip", revision: str | None = None, batch_rows: int = 512) -> None:
        super().__init__(model, revision, {}, batch_rows)

    def read(self, images: Sequence[Image]) -> pa.RecordBatch:
        """The column of EMBEDDING for each image."""
        vectors = self.images(images)
        offsets = pa.array(np.arange(len(vectors) + 1, dtype=np.int32) * vectors.shape[1])
        return pa.record_batch([pa.ListArray.from_arrays(offsets, pa.array(vectors.ravel()))], schema=EMBEDDING)


class TextSimilarity(ImageTextModel):
    """Makes ``text_similarity``, how near an image is to the row's ``prompt``: null where there is none.

    A text is embedded by itself, so that it does not depend on its mates. Raises ModelError: not to be had, or not a
    CLIP-style model.
    """

    inputs = ("image_sha256", "prompt")
    schema = SIMILARITY

    def __init__(self, model: str = "house/clip", revision: str | None = None, batch_rows: int = 512) -> None:
        super().__init__(model, revision, {}, batch_rows)

    def make(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        """The similarity of each row's image and prompt; raises on an image that cannot be opened."""
        prompts = iter(rows["prompt"].to_pylist())
        parts = [self.read(part, list(islice(prompts, len(part)))) for part in in_parts(rows["image"], PASS_ROWS)]
        return pa.Table.from_batches(parts).combine_chunks().to_batches()[0]

    def read(self, images: Sequence[Image], prompts: Sequence[str | None] | None = None) -> pa.RecordBatch:
        """The column of SIMILARITY for each image and its prompt; null for all where there are none."""
        said = list(prompts or [None] * len(images))
        texts = {prompt: self.texts([prompt])[0] for prompt in dict.fromkeys(said) if prompt is not None}
        vectors = self.images(images)
        alike = [None if p is None else float(v @ texts[p]) for v, p in zip(vectors, said, strict=True)]
        return pa.record_batch([pa.array(alike, pa.float32())], schema=SIMILARITY)


@cache
def ensembles() -> dict[tuple[str, int], tuple[str, ...]]:
    """The prompts of each emotion and degree, in the order of clip.yaml; neutral has degree 0 alone."""
    said = yaml.safe_load(PROMPTS.read_text("utf-8"))
    classes = [
        (emotion, degree, degree_word)
        for emotion in EMOTIONS
        for degree, degree_word in ({0: ""} if emotion == "neutral" else said["degrees"]).items()
    ]
    return {
        (emotion, degree): tuple(
            template.format(feeling=f"{degree_word} {word}".strip())
            for template in said["templates"]
            for word in said["emotions"][emotion]
        )
        for emotion, degree, degree_word in classes
    }


def _unit(vectors: Floats) -> Floats:
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-12), np.float32)
