"""Fine-tunes a text-to-image model of the catalog on images with captions, once: what it learned is a LoRA adapter."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import polars as pl
import pyarrow as pa

from corpusmith.errors import ModelError, PlanError
from corpusmith.hardware import machine, one_thread
from corpusmith.models.catalog import Entry
from corpusmith.models.diffusion import adapter_sha256, runs_on
from corpusmith.models.families import FAMILIES
from corpusmith.models.images import PipelineMaker
from corpusmith.models.lora import Recipe, prepared, sorted_rows, trained
from corpusmith.whole import whole
from corpusmith.work.plan import seeds

VERSION: Final = 1  # of how a model is fine-tuned: raise it when that changes

FINETUNED: Final = pa.schema(
    [
        pa.field("adapter", pa.binary()),
        pa.field(
            "losses",
            pa.list_(
                pa.struct(
                    [pa.field("step", pa.int32()), pa.field("train", pa.float32()), pa.field("held_out", pa.float32())]
                )
            ),
        ),
        pa.field("seed", pa.int64()),
        pa.field("made_on", pa.string()),
    ]
)
"""adapter: the LoRA weights, safetensors as diffusers writes and reads them. losses: mean squared errors of what the
network is to answer; train: the mean since the measure before (null at step 0), held_out: of the same examples, noise
and levels of noise at every measure. seed, made_on: as of IMAGES (corpusmith.models.images)."""


@dataclass(frozen=True)
class Examples:
    """What is learned and, never learned, what the learning is measured on: tables of image, image_sha256 and caption.

    image: struct{bytes, path}, of which the middle square is taken. The tables are scanned, not held.
    """

    train: pl.LazyFrame
    held_out: pl.LazyFrame

    @cached_property
    def digest(self) -> str:
        """The SHA-256 of all images and captions, whatever their order."""
        digest = hashlib.sha256()
        for table in (self.train, self.held_out):
            for column in sorted_rows(table).select("image_sha256", "caption"):
                digest.update("\0".join(column.to_list()).encode() + b"\n")
        return digest.hexdigest()


class Finetuner(PipelineMaker):
    """Learns ``examples`` with a text-to-image model of the catalog: Stable Diffusion's format, or FLUX's.

    The plan is one row, ``examples``, the digest of those that it holds. Under ``checkpoints`` there is a folder for
    each key, with latents, embeddings and where the training stands: one that was stopped goes on from there, and on a
    CPU ends with the same weights, bit for bit. When the row is made, that folder may go. Raises ModelError: a pipeline
    or a prediction that is not known here; PlanError: the plan asks for other examples; ValueError: one cannot be
    opened.
    """

    role, kind, called = "text_to_image", "finetuned", "base"
    inputs = ("examples",)
    schema = FINETUNED

    def __init__(self, entry: Entry, recipe: Recipe, examples: Examples, checkpoints: Path) -> None:
        super().__init__(entry)
        if entry.pipeline not in FAMILIES:
            raise ModelError(
                f"{entry.name} is a {entry.pipeline}, which is not fine-tuned here: name one of {', '.join(FAMILIES)}"
            )
        self.name += "-finetuned"
        self.recipe, self.examples, self.checkpoints = recipe, examples, checkpoints

    @property
    def batch_rows(self) -> int:
        """A training is one row."""
        return 1

    @property
    def settings(self) -> dict[str, Any]:
        """What decides an adapter besides the examples."""
        entry = self.entry
        return {
            **({"adapter": adapter_sha256(entry)} if entry.adapter else {}),
            "variant": entry.variant,
            "pipeline": entry.pipeline,
            "size": entry.size,
            "arguments": entry.arguments,
            "dtype": runs_on(entry)[1],
            "recipe": asdict(self.recipe),
            "version": VERSION,
        }

    def make(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        """One adapter for each row, of examples that are these."""
        made = [self._tuned(row) for row in rows.to_pylist()]
        return pa.RecordBatch.from_pylist(made, schema=FINETUNED)

    def _tuned(self, row: Mapping[str, Any]) -> dict[str, Any]:
        if row["examples"] != self.examples.digest:
            raise PlanError(
                f"{self.name} holds the examples {self.examples.digest[:12]}…, and the plan asks for "
                f"{str(row['examples'])[:12]}…: plan the digest of those that it is given"
            )
        loaded, folder, seed = self.loaded, self.checkpoints / row["key"], int(seeds([row["key"]])[0])
        family = FAMILIES[self.entry.pipeline](loaded.pipeline, self.entry)
        train, held_out = (
            prepared(table, family, self.entry, folder / name)
            for name, table in (("train", self.examples.train), ("held-out", self.examples.held_out))
        )
        with one_thread():
            adapter, losses = trained(family, train, held_out, self.recipe, seed, folder / "training.pt")
        made_on = machine(loaded.device).sentence(loaded.dtype)
        return {"adapter": adapter, "losses": losses, "seed": seed, "made_on": made_on}


def adapted(entry: Entry, adapter: bytes, folder: Path) -> Entry:
    """The entry with an adapter, which is written to ``folder`` under its digest and laid over the model on loading.

    A Generator of it is known by the base's revision and the adapter's digest, wherever the file lies.
    """
    digest = hashlib.sha256(adapter).hexdigest()
    file = folder / f"{digest}.safetensors"
    if not file.exists():
        with whole(file) as temporary:
            temporary.write_bytes(adapter)
    return entry.model_copy(update={"name": f"{entry.name}-{digest[:8]}", "adapter": str(file)})
