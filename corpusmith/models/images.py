"""What makers of images share: a pipeline of the catalog, a seed for each row, PNG, and how it was made."""

from __future__ import annotations

import contextlib
import hashlib
import inspect
import io
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, cached_property, partial
from typing import Any, ClassVar, Final

import numpy as np
import pyarrow as pa

from corpusmith.hardware import machine
from corpusmith.models import filling, loading
from corpusmith.models.arriving import arriving
from corpusmith.models.catalog import Entry, Role
from corpusmith.models.diffusion import Loaded, adapter_sha256, load, runs_on
from corpusmith.work.plan import fingerprint, seeds

VERSION: Final = 1  # of how images are drawn and stored: raise it when that changes
AHEAD: Final = 4  # model batches in a maker's batch: each is encoded to PNG while the next is drawn
MOST: Final = 1024  # rows of a pass, at the most
SEARCH_STEPS: Final = 4  # of a pass that is only timed, at the most: what it holds at once does not depend on them
COMPRESSION: Final = 1  # zlib's level: 4 times as fast as Pillow's 6 on photos of 512 px (18 ms), for 12 % more bytes

IMAGES: Final = pa.schema(
    [
        pa.field("image", pa.struct([pa.field("bytes", pa.binary()), pa.field("path", pa.string())])),
        pa.field("image_sha256", pa.string()),
        pa.field("width", pa.int32()),
        pa.field("height", pa.int32()),
        pa.field("mode", pa.string()),
        pa.field("seed", pa.int64()),
        pa.field("batch", pa.int32()),
        pa.field("made_on", pa.string()),
    ]
)
"""image: PNG, as the Hub's Image feature stores it. batch: rows that went through the model with it, itself too.
made_on: device, card, dtype and torch that drew it (corpusmith.hardware)."""

Pixels = np.ndarray[Any, np.dtype[np.float32]]
Row = dict[str, Any]


class UnusableError(Exception):
    """One row has no image that can be kept; the others of its batch have theirs."""


class PipelineMaker(ABC):
    """A maker that holds a diffusion pipeline of the catalog, in one of its roles, and loads it on the first batch.

    kind: begins its fingerprint. called: what provenance calls it. A row without a result fails alone (UnusableError):
    what its batch-mates got is kept for when the batch is split.

    On a CPU as many rows go through the model together as the entry says; on an accelerator as many as fill it, found
    on the first batch by a short search and kept for that card (corpusmith.models.filling). Each row says how many.
    """

    role: Role
    kind: ClassVar[str]
    called: ClassVar[str]
    schema: ClassVar[pa.Schema]

    def __init__(self, entry: Entry) -> None:
        self.entry = entry
        self.name = entry.name.replace("/", "-")
        self._filling: int | None = None
        self._kept: dict[str, Row | UnusableError] = {}

    @property
    def batch_rows(self) -> int:
        """Rows that it takes at once. It grows, and does not shrink, when what fills the accelerator is found."""
        return max(self.entry.batch, self.batch) * AHEAD

    @property
    def batch(self) -> int:
        """Rows of one pass: what is known to fill the accelerator, else what the entry says."""
        if self._filling is None and self._fills:
            self._filling = filling.known(self.fingerprint, self._card)
        return self._filling or self.entry.batch

    def _filled(self, asked: int, passes: Callable[[int], Sequence[Any]]) -> int:
        """The same, searched where it is not known yet and more are ``asked`` for than the entry says.

        passes: draws so many images, or raises UnusableError.
        """
        if self._filling is None and self._fills and asked > self.entry.batch:
            rate = filling.timed(lambda rows: np.asarray(passes(rows)[-1]))  # which waits for the accelerator
            search = partial(filling.filling, rate, self.entry.batch, MOST)
            with contextlib.suppress(UnusableError):  # none of these rows can be drawn: some of the next ones can
                self._filling = filling.found_once(self.fingerprint, self._card, search)
        return self.batch

    @property
    def _fills(self) -> bool:
        """Whether it runs where more rows may be faster; a compiled model would be compiled anew for each number."""
        return runs_on(self.entry)[0] != "cpu" and not self.entry.compile

    @property
    def _card(self) -> str:
        return machine(runs_on(self.entry)[0]).sentence(runs_on(self.entry)[1])

    @property
    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """What decides a sample besides its row."""

    @cached_property
    def revision(self) -> str:
        """The commit of the model, or the hash of its folder's files; loads no weights."""
        return loading.revision_of(self.entry.repository, self.entry.revision, self.entry.variant)

    @cached_property
    def fingerprint(self) -> str:
        """Model, revision and all settings that reach a pixel."""
        return fingerprint(self.kind, self.entry.repository, self.revision, self.settings)

    @property
    def provenance(self) -> dict[str, Any]:
        """The same for people, with licence, device, and, once it is loaded, libraries and connected repositories."""
        known = {self.called: self.entry.name, "model": self.entry.repository, "revision": self.revision}
        ran = self.loaded.provenance if "loaded" in self.__dict__ else {"device": runs_on(self.entry)[0]}
        return {**known, **self.settings, "licence": self.entry.licence, **ran}

    @cached_property
    def loaded(self) -> Loaded:
        """The pipeline. Raises ModelError (corpusmith.models.preflight)."""
        return load(self.entry, self.role)

    def _passed(self, keys: Sequence[str], **given: Any) -> tuple[Sequence[Any], Sequence[bool]]:
        """One pass of the pipeline: arrays (height, width, 3) in [0, 1], and which of them its safety checker hid.

        It is called with the entry's settings and what is ``given``, as far as it takes them; None: not said.
        An accelerator may still be drawing what is returned: it is waited for where the pixels are read.
        """
        import torch
        from diffusers.image_processor import VaeImageProcessor

        entry, pipeline = self.entry, self.loaded.pipeline
        processor = getattr(pipeline, "image_processor", None)
        takes = inspect.signature(pipeline.__call__).parameters
        asked = {
            "height": entry.size,
            "width": entry.size,
            "num_inference_steps": entry.steps,
            "guidance_scale": entry.guidance,
            **entry.arguments,
            "generator": generators(keys),
            "output_type": "pt" if isinstance(processor, VaeImageProcessor) else "np",
            **given,
        }
        known = {name: value for name, value in asked.items() if value is not None and name in takes}
        with torch.inference_mode():
            output = pipeline(**known)
        hidden = getattr(output, "nsfw_content_detected", None)
        images = arriving(output.images) if torch.is_tensor(output.images) else output.images
        return images, hidden if isinstance(hidden, list) else [False] * len(keys)

    def _kept_of(self, keys: Iterable[str]) -> dict[str, Row | UnusableError]:
        """What became of keys when they rode in a batch that was split since."""
        return {key: self._kept.pop(key) for key in keys if key in self._kept}

    def _batch(self, made: Mapping[str, Row | UnusableError], keys: Sequence[str]) -> pa.RecordBatch:
        """The samples in the order of ``keys``; raises the first failure, and then keeps what the others got."""
        failures = [made[key] for key in keys if isinstance(made[key], UnusableError)]
        if failures:
            if len(keys) > 1:
                self._kept |= made
            raise failures[0]  # type: ignore[misc]
        return pa.RecordBatch.from_pylist([made[key] for key in keys], schema=self.schema)


def decides(entry: Entry) -> dict[str, Any]:
    """All of an entry that reaches a pixel: the settings of a diffusion pipeline in a fingerprint."""
    connected = {name: loading.revision_of(name) for name in entry.connected}
    return {
        **({"connected": connected} if connected else {}),
        **({"adapter": adapter_sha256(entry)} if entry.adapter else {}),
        "variant": entry.variant,
        "pipeline": entry.pipeline,
        "size": entry.size,
        "steps": entry.steps,
        "guidance": entry.guidance,
        "negative_prompt": entry.negative_prompt,
        "arguments": entry.arguments,
        "scheduler": entry.scheduler.model_dump() if entry.scheduler else None,
        "vae_tiling": entry.vae_tiling,
        "compile": entry.compile,
        "attention_backend": entry.attention_backend,
        "dtype": runs_on(entry)[1],
    }


def in_recorded_batches(rows: Sequence[Row], alike: Callable[[Row], Any] = lambda row: None) -> list[list[Row]]:
    """Rows in batches of the ``batch`` that each states, of rows that are ``alike``; the last stands in for mates."""
    by_shape: dict[tuple[int, Any], list[Row]] = {}
    for row in rows:
        by_shape.setdefault((row["batch"], alike(row)), []).append(row)
    parts = []
    for (size, _), same in by_shape.items():
        for start in range(0, len(same), size):
            part = same[start : start + size]
            parts.append(part + part[-1:] * (size - len(part)))
    return parts


def generators(keys: Sequence[str]) -> list[Any]:
    """A random number generator of torch for each key, seeded by it: on a CPU, so that every device gets the same."""
    import torch

    return [torch.Generator("cpu").manual_seed(int(seed)) for seed in seeds(keys)]


@cache
def encoders() -> ThreadPoolExecutor:
    """Threads that turn pixels into PNG while a model draws the next ones."""
    return ThreadPoolExecutor(os.cpu_count(), "png")


def png(pixels: np.ndarray[Any, np.dtype[np.uint8]]) -> bytes:
    """A lossless PNG of RGB pixels (height, width, 3), uint8."""
    from PIL import Image

    sink = io.BytesIO()
    Image.fromarray(pixels).save(sink, "PNG", compress_level=COMPRESSION)
    return sink.getvalue()


def stored(key: str, seed: int, image: Any, hidden: bool, batch: int, made_on: str) -> Row | UnusableError:
    """A row of IMAGES, of pixels (height, width, 3) in [0, 1], an array or to be one; or why there is none."""
    image = np.asarray(image)
    if hidden or not image.any():
        return UnusableError(f"{key}: the image is black: the safety checker of the model hid it")
    if not np.isfinite(image).all():
        return UnusableError(
            f"{key}: the image is not a number: the model overflows, try the dtype bfloat16 or float32"
        )
    pixels = (image * 255).round().astype(np.uint8)
    encoded = png(pixels)
    return {
        "image": {"bytes": encoded, "path": f"{key}.png"},
        "image_sha256": hashlib.sha256(encoded).hexdigest(),
        "width": pixels.shape[1],
        "height": pixels.shape[0],
        "mode": "RGB",
        "seed": seed,
        "batch": batch,
        "made_on": made_on,
    }


def no_text(key: str) -> UnusableError:
    """What a row comes to whose prompt says nothing."""
    return UnusableError(f"{key}: the prompt has no text")
