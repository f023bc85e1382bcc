"""An image model of transformers, found, opened on first use and given many images at once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from corpusmith.errors import ModelError
from corpusmith.models.loading import downloaded, explained, folder_of, hardware, revision_of
from corpusmith.models.perceivers.opening import in_parts
from corpusmith.models.perceivers.readings import HASH, IMAGE, Floats
from corpusmith.work.plan import fingerprint

if TYPE_CHECKING:
    from PIL.Image import Image

PASS_ROWS: Final = 64
VERSION: Final = 1  # of how images are opened, prepared and read: raise it when that changes


class ImageModel:
    """A model that looks at images, of the house, of a folder or of the Hub, opened when it is needed.

    opens: the class of transformers that opens it, a name. kind: the same for people. settings: what decides a reading
    besides model and image. Safetensors only, no remote code; images are prepared by the model's own
    preprocessor_config.json with Pillow. Raises ModelError where it cannot be had.
    """

    def __init__(
        self, opens: str, kind: str, model: str, revision: str | None, settings: Mapping[str, Any], batch_rows: int
    ) -> None:
        self.opens, self.kind, self.model, self.asked_revision, self.batch_rows = (
            opens,
            kind,
            model,
            revision,
            batch_rows,
        )
        self.settings = {**settings, "version": VERSION}
        self.name = Path(model).name.lower()

    @cached_property
    def revision(self) -> str:
        """The resolved commit, or the hash of a folder's files."""
        return revision_of(self.model, self.asked_revision)

    @cached_property
    def fingerprint(self) -> str:
        """What it is used as, model, resolved commit, settings, dtype."""
        decides = {**self.settings, "dtype": hardware()["dtype"]}
        return fingerprint(type(self).__name__.lower(), self.model, self.revision, decides)

    @property
    def provenance(self) -> dict[str, Any]:
        """The same for people, with the device."""
        return {"model": self.model, "revision": self.revision, **self.settings, **hardware()}

    @cached_property
    def folder(self) -> Path:
        """Where the model's files lie; fetched from the Hub where they are not here yet."""
        with explained(self.model, self.kind):
            found = folder_of(self.model) or downloaded(self.model, self.revision, self.asked_revision)
            if not any(found.glob("*.safetensors")):
                raise ModelError(
                    f"{self.model}: {found} has no *.safetensors; pickled weights are not loaded, convert them"
                )
        return found

    @cached_property
    def config(self) -> Any:
        """The model's configuration; its weights are not opened."""
        from transformers import AutoConfig

        with explained(self.model, self.kind):
            return AutoConfig.from_pretrained(self.folder, trust_remote_code=False)

    def ready(self) -> None:
        """Fetch the model's files. Raises ModelError where it could not do its work: no weights are opened yet."""
        _ = self.config, self.processor

    @cached_property
    def network(self) -> Any:
        """The model in evaluation mode, where hardware() says."""
        import torch
        import transformers

        runs_on = hardware()
        with explained(self.model, self.kind):
            opened = getattr(transformers, self.opens).from_pretrained(
                self.folder,
                dtype=getattr(torch, runs_on["dtype"]),
                use_safetensors=True,
                trust_remote_code=False,
            )
        return opened.to(runs_on["device"]).eval()

    @cached_property
    def processor(self) -> Any:
        """What resizes and normalises, as the model's own files say."""
        from transformers import AutoImageProcessor

        with explained(self.model, self.kind):
            opener: Any = AutoImageProcessor
            return opener.from_pretrained(self.folder, backend="pil", trust_remote_code=False)


class ImageMaker(ImageModel, ABC):
    """A maker that has an ImageModel read ``image``; a row's ``image_sha256`` decides its key."""

    inputs: tuple[str, ...] = HASH
    carried = IMAGE

    def make(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        """What ``read`` says of each image; raises on one that cannot be opened."""
        parts = [self.read(images) for images in in_parts(rows["image"], PASS_ROWS)]
        return pa.Table.from_batches(parts).combine_chunks().to_batches()[0]

    @abstractmethod
    def read(self, images: Sequence[Image]) -> pa.RecordBatch:
        """One row of the maker's schema for each image that is open, RGB."""

    def over(self, images: Sequence[Image], read: Callable[[Any], Any]) -> Floats:
        """What ``read`` makes of prepared pixels (b, 3, h, w), for all images, PASS_ROWS at a time; (n, k) float32."""
        import torch

        parts = []
        with torch.inference_mode():
            for start in range(0, len(images), PASS_ROWS):
                pixels = self.processor(images=list(images[start : start + PASS_ROWS]), return_tensors="pt")[
                    "pixel_values"
                ]
                parts.append(read(pixels.to(self.network.device, self.network.dtype)).float().cpu().numpy())
        return np.concatenate(parts)
