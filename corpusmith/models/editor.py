"""The maker of edits: a region of an image painted anew by an inpainting pipeline, and nothing outside it changed."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import Any, Final

import numpy as np
import pyarrow as pa

from corpusmith.curate import masks
from corpusmith.hardware import machine
from corpusmith.models.diffusion import latents, supported
from corpusmith.models.images import (
    PipelineMaker,
    UnusableError,
    decides,
    encoders,
    generators,
    in_recorded_batches,
    no_text,
    png,
)
from corpusmith.models.perceivers.opening import opened
from corpusmith.work.plan import seeds

VERSION: Final = 1  # of how edits are made and stored: raise it when that changes
CONTEXT: Final = 1.4  # side of the crop that an editor sees, as a multiple of the region's longer side

EDITED: Final = pa.schema(
    [
        pa.field("image", pa.struct([pa.field("bytes", pa.binary()), pa.field("path", pa.string())])),
        pa.field("image_sha256", pa.string()),
        pa.field("width", pa.int32()),
        pa.field("height", pa.int32()),
        pa.field("leak", pa.float32()),
        pa.field("seed", pa.int64()),
        pa.field("batch", pa.int32()),
        pa.field("made_on", pa.string()),
    ]
)
"""image: PNG, the image before with the region painted anew; every other pixel is that of the image before.
leak: by how much the editor itself changed what it was to leave alone, mean absolute difference in grey levels over the
pixels of its crop outside the region. batch, made_on: as of IMAGES (corpusmith.models.images)."""

Pixels = np.ndarray[Any, np.dtype[np.uint8]]
Mask = np.ndarray[Any, np.dtype[np.bool_]]
Row = dict[str, Any]


@dataclass(frozen=True)
class Crop:
    """A square of an image around a region, as its editor is given it.

    image (h, w, 3) uint8 and mask (h, w): the whole. left, top, side: the square in pixels of the image; it may reach
    beyond it. seen (size, size, 3) uint8 and region (size, size): the square at the editor's own size.
    """

    image: Pixels
    mask: Mask
    left: int
    top: int
    side: int
    seen: Pixels
    region: Mask


class Editor(PipelineMaker):
    """Paints the region of each row anew with an inpainting model of the catalog, loaded on the first batch.

    Rows are plans of key and inputs, with ``image_before`` (encoded) and ``mask``, a PNG of its size. The model sees a
    crop around the region at its own size, so that an image of any size can be edited; the result is pasted back within
    the region alone. A sample depends on its key (the seed), and in the last bit on how many rows went
    through the model with it: ``remake`` makes it again in that shape. A row without text, whose mask is empty or of
    another size, or whose result is black, not a number or of another size fails alone (UnusableError).
    """

    role, kind, called = "inpaint", "editor", "editor"
    inputs = ("before", "region", "operation", "prompt", "strength")
    carried = ("image_before", "mask")
    schema = EDITED

    @property
    def settings(self) -> dict[str, Any]:
        """What decides an edit besides the row."""
        return {**decides(self.entry), "context": CONTEXT, "version": VERSION}

    @property
    def provenance(self) -> dict[str, Any]:
        """The same as of every such maker, and how it edits."""
        return {**super().provenance, "edit": self.entry.edit}

    def make(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        """One edit for each row, ``batch`` of one strength at a time; raises UnusableError on a bad row."""
        asked = rows.to_pylist()
        made = self._kept_of(row["key"] for row in asked)
        todo = sorted((row for row in asked if row["key"] not in made), key=lambda row: float(row["strength"]))
        alike = [list(rows) for _, rows in groupby(todo, key=lambda row: float(row["strength"]))]
        size = self._filled(len(todo), partial(self._tried, todo))
        made |= self._edited([part[start : start + size] for part in alike for start in range(0, len(part), size)])
        return self._batch(made, [row["key"] for row in asked])

    def remake(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        """The edits of rows with their recorded ``batch`` anew, each in that shape: its mates are other rows.

        Raises UnusableError on a bad row.
        """
        asked = rows.to_pylist()
        made = self._edited(in_recorded_batches(asked, lambda row: float(row["strength"])))
        return self._batch(made, [row["key"] for row in asked])

    def _edited(self, parts: Sequence[Sequence[Row]]) -> dict[str, Row | UnusableError]:
        """What became of each key; parts are opened and cropped, pasted and encoded while others are painted."""
        made: dict[str, Row | UnusableError] = {}
        waiting: dict[str, Future[Row | UnusableError]] = {}
        size = int(self.entry.size or 0)
        opening = [{row["key"]: encoders().submit(_cropped, row, size) for row in part} for part in parts]
        for part, ready in zip(parts, opening, strict=True):
            crops = {key: future.result() for key, future in ready.items()}
            made |= {key: crop for key, crop in crops.items() if isinstance(crop, UnusableError)}
            fit = [(row, crop) for row in part if isinstance(crop := crops[row["key"]], Crop)]
            if not fit:
                continue
            painted, hidden = self._painted([row for row, _ in fit], [crop for _, crop in fit])
            made_on = machine(self.loaded.device).sentence(self.loaded.dtype)
            for (row, crop), image, hid in zip(fit, painted, hidden, strict=True):
                said = {"seed": int(seeds([row["key"]])[0]), "batch": len(fit), "made_on": made_on}
                waiting[row["key"]] = encoders().submit(_pasted, row["key"], crop, image, hid, said)
        return made | {key: future.result() for key, future in waiting.items()}

    def _tried(self, todo: Sequence[Row], rows: int) -> Sequence[Any]:
        """A pass of so many rows, of which nothing is kept. Raises UnusableError: none of ``todo`` can be edited."""
        for row in todo:
            if isinstance(crop := _cropped(row, int(self.entry.size or 0)), Crop):
                return self._painted([row] * rows, [crop] * rows)[0]
        raise UnusableError("no row can be edited")

    def _painted(self, rows: Sequence[Row], crops: Sequence[Crop]) -> tuple[Sequence[Any], Sequence[bool]]:
        """One pass of the pipeline: pixels (size, size, 3) in [0, 1] of each, and which its safety checker hid."""
        from PIL import Image

        entry, pipeline, keys = self.entry, self.loaded.pipeline, [row["key"] for row in rows]
        asked: dict[str, Any] = {
            "prompt": [row["prompt"] for row in rows],
            "negative_prompt": None if entry.negative_prompt is None else [entry.negative_prompt] * len(rows),
            "image": [Image.fromarray(crop.seen) for crop in crops],
            "mask_image": [Image.fromarray(crop.region) for crop in crops],
            "strength": float(rows[0]["strength"]),
            "generator": generators(keys),
        }
        if entry.edit == "masked denoising" and type(pipeline).__name__ not in supported("inpaint"):
            asked |= masked_denoising(pipeline, crops, asked["generator"])
        return self._passed(keys, **asked)


def masked_denoising(pipeline: Any, crops: Sequence[Crop], generators: Sequence[Any]) -> dict[str, Any]:
    """What makes a text-to-image pipeline paint a region: the arguments of its call.

    After each step the latents outside the region are those of the original with the noise of the next step (RePaint,
    Lugmayr et al. 2022, arXiv 2201.09865, equation 8, without its resampling).
    """
    import torch
    from diffusers.image_processor import VaeImageProcessor

    vae, scheduler = pipeline.vae, pipeline.scheduler
    pixels = VaeImageProcessor().preprocess(np.stack([crop.seen for crop in crops]).astype(np.float32) / 255)
    clean = latents(vae, pixels)
    regions = torch.from_numpy(np.stack([crop.region for crop in crops]).astype(np.float32))[:, None]
    inside = torch.nn.functional.adaptive_max_pool2d(regions, clean.shape[-2:]).to(clean)
    drawn = [torch.randn(clean.shape[1:], generator=generator) for generator in generators]
    noise = torch.stack(drawn).to(clean)

    def put_back(_: Any, step: int, __: Any, given: dict[str, Any]) -> dict[str, Any]:
        later = scheduler.timesteps[step + 1 : step + 2]
        outside = scheduler.add_noise(clean, noise, later.expand(len(clean))) if len(later) else clean
        return {"latents": inside * given["latents"] + (1 - inside) * outside.to(given["latents"])}

    return {"callback_on_step_end": put_back, "callback_on_step_end_tensor_inputs": ["latents"]}


def square_around(mask: Mask) -> tuple[int, int, int]:
    """The square that is seen of an image when a region of it is edited or judged: left, top, side, in pixels.

    CONTEXT times the region's longer side, so that what is painted fills what an editor paints, but no more than the
    image's longer side; moved into the image as far as it goes.
    """
    height, width = mask.shape
    box = masks.box(mask)
    assert box is not None
    left, top, right, bottom = box
    side = min(round(CONTEXT * max(right - left, bottom - top)), max(width, height))
    return _start(left, right, side, width), _start(top, bottom, side, height), side


def _start(low: int, high: int, side: int, whole: int) -> int:
    if side >= whole:
        return (whole - side) // 2
    return min(max((low + high - side) // 2, 0), whole - side)


def _cropped(row: Row, size: int) -> Crop | UnusableError:
    """What the editor is shown of a row."""
    from PIL import Image

    key = row["key"]
    if not (row["prompt"] or "").strip():
        return no_text(key)
    try:
        [picture] = opened(pa.array([row["image_before"]], EDITED.field("image").type))
        mask = masks.opened(row["mask"]) > 0
    except (ValueError, TypeError) as error:
        return UnusableError(f"{key}: {error}")
    image = np.asarray(picture)
    if mask.shape != image.shape[:2]:
        sizes = [f"{shape[1]}×{shape[0]}" for shape in (mask.shape, image.shape)]
        return UnusableError(f"{key}: the mask has {sizes[0]} pixels, its image {sizes[1]}")
    if not mask.any():
        return UnusableError(f"{key}: the mask is empty: there is no region to edit")
    left, top, side = square_around(mask)
    seen = Image.fromarray(_square(image, left, top, side, "edge"))
    region = Image.fromarray(_square(mask.astype(np.uint8) * 255, left, top, side, "constant"))
    shown = seen if side == size else seen.resize((size, size), Image.Resampling.LANCZOS)
    marked = region if side == size else region.resize((size, size), Image.Resampling.BOX)
    return Crop(image, mask, left, top, side, np.asarray(shown), np.asarray(marked) > 0)


def _square(pixels: Any, left: int, top: int, side: int, mode: Any) -> Any:
    """The part of an image in a square, which is padded where it reaches beyond."""
    height, width = pixels.shape[:2]
    inside = pixels[max(top, 0) : top + side, max(left, 0) : left + side]
    around = [(max(-top, 0), max(top + side - height, 0)), (max(-left, 0), max(left + side - width, 0))]
    return np.pad(inside, around + [(0, 0)] * (pixels.ndim - 2), mode=mode)


def _pasted(key: str, crop: Crop, painted: Any, hidden: bool, said: Row) -> Row | UnusableError:
    """The image with what was painted in its region, and what the editor changed besides."""
    from PIL import Image

    painted = np.asarray(painted)
    if painted.shape != crop.seen.shape:
        return UnusableError(
            f"{key}: the editor returned {painted.shape[1]}×{painted.shape[0]} pixels, expected "
            f"{crop.seen.shape[1]}×{crop.seen.shape[0]}: its size in the catalog is not one that it draws"
        )
    if not np.isfinite(painted).all():
        return UnusableError(
            f"{key}: the image is not a number: the model overflows, try the dtype bfloat16 or float32"
        )
    if hidden or not painted.any():
        return UnusableError(f"{key}: the image is black: the safety checker of the model hid it")
    whole = (painted * 255).round().astype(np.uint8)
    left_alone = ~crop.region
    changed = np.abs(whole.astype(np.int16) - crop.seen)[left_alone]
    back = whole if crop.side == len(whole) else _resized(whole, crop.side)
    image = crop.image.copy()
    rows, columns = np.nonzero(crop.mask)
    image[rows, columns] = back[rows - crop.top, columns - crop.left]
    encoded = png(image)
    return {
        "image": {"bytes": encoded, "path": f"{key}.png"},
        "image_sha256": hashlib.sha256(encoded).hexdigest(),
        "width": Image.fromarray(image).width,
        "height": len(image),
        "leak": float(changed.mean()) if left_alone.any() else 0.0,
        **said,
    }


def _resized(pixels: Pixels, side: int) -> Pixels:
    from PIL import Image

    return np.asarray(Image.fromarray(pixels).resize((side, side), Image.Resampling.LANCZOS))
