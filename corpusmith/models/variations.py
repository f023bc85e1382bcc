"""The maker of images from images: each drawn anew by an image-to-image or variation pipeline, with or without text."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from corpusmith.errors import ModelError
from corpusmith.hardware import machine
from corpusmith.models.catalog import Entry
from corpusmith.models.images import (
    IMAGES,
    PipelineMaker,
    Row,
    UnusableError,
    decides,
    encoders,
    in_recorded_batches,
    no_text,
    stored,
)
from corpusmith.models.perceivers.opening import opened
from corpusmith.work.plan import seeds

if TYPE_CHECKING:
    from PIL.Image import Image

VERSION: Final = 1  # of how images are drawn from images and stored: raise it when that changes
UNGUIDED: Final = {"guidance_scale": 1.0, "true_cfg_scale": 1.0}
"""What leaves a pipeline without a text to be led by."""


class ImageToImage(PipelineMaker):
    """Draws an image from the middle square of each row's, with a model of the catalog, loaded on the first batch.

    Rows are plans of key, ``prompt`` and ``before``, the SHA-256 of the bytes of ``image_before``. How far a drawing
    may go from what it is drawn from is the entry's ``strength``, one of its arguments. A null prompt says nothing: the
    model is not guided by text. A model of the role variation sees an image and knows no text at all; its guidance
    leads to the image. A sample depends on its key (the seed), and in the last bit on how many rows went through the
    model with it: ``remake`` makes it again in that shape. A row whose prompt is blank, whose image cannot be opened or
    that comes out black or not a number fails alone (UnusableError).

    Raises ModelError for a prompt that is meant for a variation model: no row of such a plan could be made.
    """

    kind, called = "variations", "generator"
    inputs = ("prompt", "before")
    carried = ("image_before",)
    schema = IMAGES

    def __init__(self, entry: Entry) -> None:
        super().__init__(entry)
        self.role = "variation" if entry.role == "variation" else "image_to_image"

    @property
    def settings(self) -> dict[str, Any]:
        """What decides an image besides the row."""
        return {**decides(self.entry), "version": VERSION}

    def make(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        """One image for each row, ``batch`` with or without text at a time; raises UnusableError on a bad row."""
        asked = rows.to_pylist()
        made = self._kept_of(row["key"] for row in asked)
        todo = [row for row in asked if row["key"] not in made]
        alike = [[row for row in todo if _is_said(row) is said] for said in (True, False)]
        size = self._filled(len(todo), partial(self._tried, todo))
        made |= self._drawn([part[start : start + size] for part in alike for start in range(0, len(part), size)])
        return self._batch(made, [row["key"] for row in asked])

    def remake(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        """The images of rows with their recorded ``batch`` anew, each in that shape: its mates are other rows.

        Raises UnusableError on a bad row.
        """
        asked = rows.to_pylist()
        return self._batch(self._drawn(in_recorded_batches(asked, _is_said)), [row["key"] for row in asked])

    def _drawn(self, parts: Sequence[Sequence[Row]]) -> dict[str, Row | UnusableError]:
        """What became of each key; parts are opened and encoded while others are drawn."""
        made: dict[str, Row | UnusableError] = {}
        waiting: dict[str, Future[Row | UnusableError]] = {}
        opening = [[encoders().submit(_seen, row, self._side) for row in part] for part in parts]
        for part, ready in zip(parts, opening, strict=True):
            seen = [(row, future.result()) for row, future in zip(part, ready, strict=True)]
            made |= {row["key"]: image for row, image in seen if isinstance(image, UnusableError)}
            fit = [(row, image) for row, image in seen if not isinstance(image, UnusableError)]
            if not fit:
                continue
            keys = [row["key"] for row, _ in fit]
            pixels, hidden = self._passed(keys, **self._said([row for row, _ in fit]), image=[seen for _, seen in fit])
            made_on = machine(self.loaded.device).sentence(self.loaded.dtype)
            for key, seed, drawn, hid in zip(keys, seeds(keys), pixels, hidden, strict=True):
                waiting[key] = encoders().submit(stored, key, int(seed), drawn, hid, len(fit), made_on)
        return made | {key: future.result() for key, future in waiting.items()}

    def _tried(self, todo: Sequence[Row], rows: int) -> Sequence[Any]:
        """A pass of so many rows, of which nothing is kept. Raises UnusableError: none of ``todo`` can be."""
        for row in todo:
            if not isinstance(seen := _seen(row, self._side), UnusableError):
                return self._passed([row["key"]] * rows, **self._said([row] * rows), image=[seen] * rows)[0]
        raise UnusableError("no row can be drawn from")

    @property
    def _side(self) -> int | None:
        """Pixels of the square that it is shown; None: as the image is."""
        return None if self.role == "variation" else self.entry.size

    def _said(self, rows: Sequence[Row]) -> dict[str, Any]:
        """The prompts of rows that all have one, or all have none, as the pipeline takes them."""
        entry, said = self.entry, _is_said(rows[0])
        if self.role == "variation":
            if said:
                raise ModelError(
                    f"{entry.name} draws from an image and reads no text, and the plan has the prompt "
                    f"{rows[0]['prompt']!r}: leave prompts null, or name a model of the role image_to_image"
                )
            return {}
        if not said:
            return {"prompt": [""] * len(rows), **UNGUIDED}
        negative = None if entry.negative_prompt is None else [entry.negative_prompt] * len(rows)
        return {"prompt": [row["prompt"] for row in rows], "negative_prompt": negative}


def square(image: Image, side: int | None) -> Image:
    """The largest square in the middle of an image, resized to ``side`` pixels; None: as it is."""
    from PIL import Image

    edge = min(image.size)
    left, top = (image.width - edge) // 2, (image.height - edge) // 2
    middle = image.crop((left, top, left + edge, top + edge))
    return middle if side in (None, edge) else middle.resize((side, side), Image.Resampling.LANCZOS)


def _is_said(row: Row) -> bool:
    return row["prompt"] is not None


def _seen(row: Row, side: int | None) -> Image | UnusableError:
    """What the model is shown of a row."""
    if _is_said(row) and not row["prompt"].strip():
        return no_text(row["key"])
    try:
        [image] = opened(pa.array([row["image_before"]], IMAGES.field("image").type))
    except (ValueError, TypeError) as error:
        return UnusableError(f"{row['key']}: {error}")
    return square(image, side)
