"""Makers that label text with the probabilities of the seven emotions: a house classifier, or any of the Hub's."""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from corpusmith.emotions import EMOTIONS
from corpusmith.errors import ModelError
from corpusmith.models import house, loading
from corpusmith.work.plan import fingerprint

if TYPE_CHECKING:
    from corpusmith.models.networks import WordCNN, WordPairs

SLICE_ROWS: Final = 512
MALLOC: Final = {-1: 64 << 20, -3: 32 << 20}
"""Bytes from which glibc gives freed memory back: M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of its malloc.h."""
VERSION: Final = 1  # of how texts are read and labels are made: raise it when that changes
Probabilities = np.ndarray[Any, np.dtype[np.float32]]

LABELS: Final = pa.schema(
    [
        pa.field("emotion", pa.string()),
        pa.field("confidence", pa.float32()),
        *(pa.field(f"p_{emotion}", pa.float32()) for emotion in EMOTIONS),
    ]
)

# GoEmotions' 27 emotions by Ekman's six: google-research/goemotions/data/ekman_mapping.json (Demszky et al. 2020).
EKMAN: Final[Mapping[str, tuple[str, ...]]] = {
    "joy": (
        *("joy", "amusement", "approval", "excitement", "gratitude", "love"),
        *("optimism", "relief", "pride", "admiration", "desire", "caring"),
    ),
    "sadness": ("sadness", "disappointment", "embarrassment", "grief", "remorse"),
    "anger": ("anger", "annoyance", "disapproval"),
    "fear": ("fear", "nervousness"),
    "surprise": ("surprise", "realization", "confusion", "curiosity"),
    "disgust": ("disgust",),
    "neutral": ("neutral",),
}
_EMOTION_OF: Final = {label: emotion for emotion, labels in EKMAN.items() for label in labels} | {
    "happiness": "joy",
    "happy": "joy",
    "sad": "sadness",
    "angry": "anger",
    "afraid": "fear",
    "surprised": "surprise",
    "disgusted": "disgust",
}


def predict(model: Path | str, texts: pa.Array | pa.ChunkedArray | Sequence[str]) -> Probabilities:
    """Calibrated probabilities of the emotions, (texts, 7) float32, columns as EMOTIONS, by a house classifier.

    ``model`` is a folder or the name of a house model; it is kept in memory. Slices of the texts go through it side by
    side, one to a core: a network of this size loses more than it gains by sharing each step among cores.
    Raises ModelError (no such model, other files), ValueError (a null text).
    """
    network = _house_network(house.folder(model) if isinstance(model, str) else model)
    column = texts if isinstance(texts, pa.ChunkedArray) else pa.chunked_array([pa.array(texts, pa.string())])
    slices = [_string(column.slice(start, SLICE_ROWS)) for start in range(0, len(column), SLICE_ROWS)]
    parts = list(_cores().map(network.predict, slices))
    return np.concatenate(parts) if parts else np.empty((0, len(EMOTIONS)), dtype=np.float32)


@cache
def _cores() -> ThreadPoolExecutor:
    """A thread for each core, kept: glibc gives every new thread a heap of its own, which grew by hundreds of MB."""
    import torch

    _keep_freed_memory()
    # the number of threads that torch uses is each thread's own
    return ThreadPoolExecutor(os.cpu_count(), "classify", initializer=torch.set_num_threads, initargs=(1,))


def _keep_freed_memory() -> None:
    """Let malloc keep what is freed, where it is glibc's: a fifth of the time went into getting the same pages anew."""
    with contextlib.suppress(AttributeError, OSError):
        mallopt = ctypes.CDLL(None).mallopt
        for setting, size in MALLOC.items():
            mallopt(setting, size)


def _string(column: pa.ChunkedArray) -> pa.Array:
    return pa.concat_arrays([chunk.cast(pa.string()) for chunk in column.chunks])


@cache
def _house_network(folder: Path) -> WordCNN | WordPairs:
    from corpusmith.models.networks import load

    return load(folder)


def labels(probabilities: Probabilities) -> pa.RecordBatch:
    """The columns of LABELS: the likeliest emotion, its probability, and all seven."""
    names = np.array(EMOTIONS, dtype=object)[probabilities.argmax(axis=1)]
    columns = [probabilities.max(axis=1), *probabilities.T]
    return pa.record_batch([pa.array(names, pa.string()), *(pa.array(c, pa.float32()) for c in columns)], schema=LABELS)


class HouseClassifier:
    """Labels ``text`` with a house classifier."""

    inputs = ("text",)
    schema = LABELS

    def __init__(self, model: str = "house/emotion-judge", batch_rows: int = 4096) -> None:
        self.model, self.batch_rows = model, batch_rows
        self.name = model.removeprefix(house.PREFIX)
        house.folder(model)  # it is there, or that is said at once

    @property
    def _folder(self) -> Path:
        """Where the model lies on the machine that asks."""
        return house.folder(self.model)

    @cached_property
    def _revision(self) -> str:
        return house.revision(self._folder)

    @cached_property
    def fingerprint(self) -> str:
        """Model, revision of its files, version of this code."""
        return fingerprint(self.name, self.model, self._revision, {"version": VERSION})

    @property
    def provenance(self) -> dict[str, Any]:
        """The same for people."""
        where = {"device": "cpu", "dtype": "float32"}
        return {"model": self.model, "revision": self._revision, "version": VERSION, **where}

    def make(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        """The columns of LABELS for each row."""
        return labels(predict(self._folder, rows["text"]))


class HubClassifier:
    """Labels ``text`` with any sequence classifier of the Hub or of a folder: safetensors only, no remote code.

    label_map: emotion of each of the model's labels, where their names do not say it (EKMAN, or plain synonyms).
    A single-label head gives a softmax, a multi-label head sigmoids; they are summed by emotion and scaled to one.
    device, dtype: as torch names them; None: a GPU in bfloat16 if there is one, else the CPU in float32.
    Raises ModelError: not to be had, not a classifier, labels that are no emotion or an emotion without a label.
    """

    name = "hub-judge"
    inputs = ("text",)
    schema = LABELS

    def __init__(
        self,
        model: str,
        revision: str | None = None,
        dtype: str | None = None,
        device: str | None = None,
        label_map: Mapping[str, str] | None = None,
        batch_rows: int = 1024,
        pass_rows: int = 64,
        max_tokens: int = 256,
    ) -> None:
        self.model, self.asked_revision, self.batch_rows = model, revision, batch_rows
        self.label_map = dict(label_map or {})
        self.asked_device, self.asked_dtype = device, dtype
        self.settings = {
            "label_map": self.label_map,
            "pass_rows": pass_rows,
            "max_tokens": max_tokens,
            "version": VERSION,
        }
        self.pass_rows, self.max_tokens = pass_rows, max_tokens

    @cached_property
    def hardware(self) -> dict[str, str]:
        """Device and dtype on the machine that asks."""
        found = {"device": "cpu", "dtype": "float32"} if self.asked_device == "cpu" else loading.hardware()
        return {"device": self.asked_device or found["device"], "dtype": self.asked_dtype or found["dtype"]}

    @cached_property
    def revision(self) -> str:
        """The resolved commit, or the hash of a folder's files."""
        return loading.revision_of(self.model, self.asked_revision)

    @cached_property
    def fingerprint(self) -> str:
        """Model, resolved commit, settings, dtype."""
        return fingerprint(self.name, self.model, self.revision, {**self.settings, "dtype": self.hardware["dtype"]})

    @property
    def provenance(self) -> dict[str, Any]:
        """The same for people, with the device."""
        return {"model": self.model, "revision": self.revision, **self.settings, **self.hardware}

    def make(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        """The columns of LABELS for each row; texts of like length go through the model together."""
        import torch

        tokenizer, model, emotions = self._loaded
        texts = rows["text"].to_pylist()
        longest = min(self.max_tokens, tokenizer.model_max_length)
        tokens = tokenizer(texts, truncation=True, max_length=longest)
        order = np.argsort([-len(ids) for ids in tokens["input_ids"]], kind="stable")
        scores = np.empty((len(texts), len(emotions)), dtype=np.float32)
        squash = torch.sigmoid if _is_multi_label(model.config) else lambda logits: torch.softmax(logits, dim=1)
        with torch.inference_mode():
            for start in range(0, len(order), self.pass_rows):
                part = order[start : start + self.pass_rows]
                alike = tokenizer.pad(
                    {name: [ids[i] for i in part] for name, ids in tokens.items()}, return_tensors="pt"
                )
                logits = model(**alike.to(model.device)).logits
                scores[part] = squash(logits.float()).cpu().numpy()
        summed = scores @ np.eye(len(EMOTIONS), dtype=np.float32)[emotions]
        return labels(summed / summed.sum(axis=1, keepdims=True))

    @cached_property
    def _loaded(self) -> tuple[Any, Any, list[int]]:
        """Tokenizer, model, and the index in EMOTIONS of each of its labels."""
        import torch
        from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

        source: dict[str, Any] = {"trust_remote_code": False}
        if not Path(self.model).is_dir():
            source["revision"] = self.revision
        try:
            config = AutoConfig.from_pretrained(self.model, **source)
            emotions = emotions_of([config.id2label[i] for i in range(config.num_labels)], self.label_map, self.model)
            tokenizer = AutoTokenizer.from_pretrained(self.model, **source)
            model = AutoModelForSequenceClassification.from_pretrained(
                self.model, dtype=getattr(torch, self.hardware["dtype"]), use_safetensors=True, **source
            )
        except (OSError, ValueError, KeyError) as error:
            expected = "a sequence classifier with safetensors weights"
            raise ModelError(f"{self.model}@{self.revision[:12]} cannot be opened as {expected}: {error}") from error
        if tokenizer.pad_token is None:  # a decoder's
            tokenizer.pad_token = tokenizer.eos_token
        model.config.pad_token_id = tokenizer.pad_token_id
        return tokenizer, model.to(self.hardware["device"]).eval(), emotions


def emotions_of(labels: Sequence[str], label_map: Mapping[str, str], model: str) -> list[int]:
    """The index in EMOTIONS of each label, by ``label_map``, else by name (EKMAN and synonyms, any case).

    Raises ModelError: a label that is no emotion, or an emotion that no label stands for.
    """
    named = [label_map.get(label, _EMOTION_OF.get(label.strip().lower(), "")) for label in labels]
    unknown = [label for label, emotion in zip(labels, named, strict=True) if emotion not in EMOTIONS]
    absent = [emotion for emotion in EMOTIONS if emotion not in named]
    if unknown or absent:
        fault = f"the labels {unknown} are none of the emotions" if unknown else f"no label stands for {absent}"
        raise ModelError(
            f"{model} has the labels {list(labels)}: {fault}. Give label_map, label -> one of {', '.join(EMOTIONS)}, "
            "or use a classifier of all seven emotions"
        )
    return [EMOTIONS.index(emotion) for emotion in named]


def _is_multi_label(config: Any) -> bool:
    return bool(config.problem_type == "multi_label_classification")
