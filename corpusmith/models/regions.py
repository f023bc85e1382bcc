"""What can be edited in an image, and where: a segmentation model finds it, or one model names it and one masks it.

The second way is DiffSeg30k's (Ci et al. 2025, arXiv 2511.19111): a vision-language model names things, a promptable
segmenter masks them.
"""

from __future__ import annotations

import base64
import itertools
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, TypeGuard

import numpy as np
import pyarrow as pa

from corpusmith.curate.markup import plain
from corpusmith.errors import ModelError
from corpusmith.models.images import png
from corpusmith.models.perceivers.classifiers import labels_of
from corpusmith.models.perceivers.network import ImageMaker, ImageModel
from corpusmith.models.perceivers.opening import opened
from corpusmith.models.perceivers.readings import HASH, IMAGE, Floats
from corpusmith.models.text.chat import Chat, CutOffError, ServerChat, UnansweredError
from corpusmith.models.text.prompts import Conversation
from corpusmith.models.text.usage import COLUMNS, USAGE, Usage, usage_of
from corpusmith.work.plan import fingerprint, seeds

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

Mask = np.ndarray[Any, np.dtype[np.bool_]]
Ints = np.ndarray[Any, np.dtype[np.int64]]
Box = tuple[float, float, float, float]

VERSION: Final = 1  # of how things are asked for, checked and masked: raise it when that changes
MIN_PIXELS: Final = 12
MIN_SCORE: Final = 0.5  # of a region: what a model is less sure of is none
MIN_SHARE: Final = 0.002  # of the image: what is smaller than that, or than MIN_PIXELS, is no region
BACKGROUND: Final = frozenset(
    {"nothing", "background", "unlabeled", "wall", "floor", "ceiling", "sky", "ground", "earth"}
)
"""Labels of what lies behind the things: of the house, of many models of the Hub, and of ADE20K."""

AT_ONCE: Final = 8  # images in a pass: a decoder at a quarter of 640 px holds some 300 MB for each
CLASSES: Final = 16  # at once at an image's own size: 64 bytes a pixel
ANSWERS: Final = 32  # images in a batch of NamedRegions, all of them open

MOST: Final = 6  # things of an image
LONGEST_NAME: Final = 60  # characters
MAX_TOKENS: Final = 512  # of an answer: a thing takes about forty
SHOWN: Final = 80  # characters of an answer that cannot be used

REGIONS: Final = pa.schema(
    [
        pa.field(
            "regions",
            pa.list_(
                pa.struct(
                    [pa.field("name", pa.string()), pa.field("mask", pa.binary()), pa.field("score", pa.float32())]
                )
            ),
        )
    ]
)
"""Of each image a list, empty where nothing was found: what it is; a PNG of mode L and the image's own size, upright,
255 inside and 0 outside; and how sure the model is, 0 to 1."""
NAMED: Final = pa.schema([*REGIONS, *COLUMNS])
"""The same with what naming them took."""

NAMES: Final = (
    "Which things in this picture could be edited: removed, replaced, or given another look? Name those that stand "
    f"out, {MOST} at most, each in one to four words, with the box around it. The picture is {{width}} pixels wide and "
    "{height} pixels high; a box is [left, top, right, bottom] in these pixels. Answer in JSON, with an empty list if "
    'there is nothing: {{"things": [{{"name": "...", "box": [0, 0, 0, 0]}}]}}'
)
ANSWER: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "things": {
            "type": "array",
            "maxItems": MOST,
            "items": {
                "type": "object",
                "properties": {
                    "name": {"type": "string"},
                    "box": {"type": "array", "items": {"type": "number"}, "minItems": 4, "maxItems": 4},
                },
                "required": ["name", "box"],
                "additionalProperties": False,
            },
        }
    },
    "required": ["things"],
    "additionalProperties": False,
}


class RegionFinder(ImageMaker):
    """Finds regions with a semantic segmentation model: each 4-connected part of a class that is no BACKGROUND.

    A pixel's class is the likeliest after the logits are upsampled to the image's own size; a part's score is the mean
    probability of its class in it. Parts of fewer than MIN_PIXELS, or than MIN_SHARE of the image, or of a lower
    score than MIN_SCORE are dropped. Regions come in the order of the model's labels. Raises ModelError: not to be had,
    or not such a model.
    """

    schema = REGIONS

    def __init__(self, model: str = "house/regions", revision: str | None = None, batch_rows: int = 256) -> None:
        kind = "a semantic segmentation model with safetensors weights"
        settings = {"regions": VERSION, "min": [MIN_PIXELS, MIN_SHARE, MIN_SCORE], "background": sorted(BACKGROUND)}
        super().__init__("AutoModelForSemanticSegmentation", kind, model, revision, settings, batch_rows)

    @cached_property
    def processor(self) -> Any:
        """The model's own, made to show it the whole image: masks of a cut-out would lie elsewhere."""
        found = super().processor
        found.do_center_crop = False
        return found

    def read(self, images: Sequence[Image]) -> pa.RecordBatch:
        """The column of REGIONS for each image."""
        rows: list[dict[str, Any]] = []
        # images of one size are of one size for the model too, whatever its processor does
        for _, alike in itertools.groupby(enumerate(images), lambda one: (one[0] // AT_ONCE, one[1].size)):
            rows += [{"regions": found} for found in self._regions([image for _, image in alike])]
        return pa.RecordBatch.from_pylist(rows, schema=REGIONS)

    def _regions(self, images: Sequence[Image]) -> list[list[dict[str, Any]]]:
        import torch

        names = labels_of(self.config)
        width, height = images[0].size
        with torch.inference_mode():
            pixels = self.processor(images=list(images), return_tensors="pt")["pixel_values"]
            logits = self.network(pixel_values=pixels.to(self.network.device, self.network.dtype)).logits.float()
            return [_parts(*_likeliest(one, height, width), names) for one in logits]


class Segmenter(ImageModel):
    """A promptable segmenter of the SAM family (Kirillov et al. 2023, arXiv 2304.02643): gives the mask in a box.

    Raises ModelError: not to be had, not such a model, or one whose processor needs torchvision (SAM 2 and later).
    """

    def __init__(self, model: str, revision: str | None = None) -> None:
        kind = "a promptable segmenter (SAM) with safetensors weights"
        super().__init__("AutoModelForMaskGeneration", kind, model, revision, {}, batch_rows=1)

    @cached_property
    def processor(self) -> Any:
        """Prepares an image together with its boxes."""
        from transformers import SamProcessor

        opener: Any = SamProcessor
        try:
            return opener(super().processor)
        except ImportError as error:
            raise ModelError(
                f"{self.model}: its processor needs torchvision, which corpusmith does without; choose a model of the "
                "first SAM, such as facebook/sam-vit-base"
            ) from error

    def masks(self, image: Image, boxes: Sequence[Box]) -> list[tuple[Mask, float]]:
        """For each box, in pixels of the image, the best of the model's masks (height, width) and its own IoU, 0–1."""
        import torch

        ready = self.processor(images=image, input_boxes=[[list(box) for box in boxes]], return_tensors="pt")
        sizes = ready["original_sizes"], ready["reshaped_input_sizes"]
        with torch.inference_mode():
            told = self.network(
                pixel_values=ready["pixel_values"].to(self.network.device, self.network.dtype),
                input_boxes=ready["input_boxes"].float().to(self.network.device),
            )
        scores, best = told.iou_scores[0].float().cpu().max(dim=-1)
        drawn = [masks[place] for masks, place in zip(told.pred_masks[0].float().cpu(), best, strict=True)]
        # one by one: at the image's own size each takes four bytes a pixel
        masks = [self.processor.post_process_masks([one[None, None]], *sizes)[0][0, 0].numpy() for one in drawn]
        return list(zip(masks, scores.clamp(0, 1).tolist(), strict=True))


@dataclass(frozen=True)
class Thing:
    """What was named in an image, with the box around it: left, top, right, bottom, in pixels, inside the image."""

    name: str
    box: Box


class NamedRegions:
    """Has a vision-language model name what could be edited, and a promptable segmenter mask it.

    The chat is asked once for each image, at temperature 0 and with the image as it is opened here, upright; of what it
    names, at most MOST things are masked (see ``things``). A score is the segmenter's own estimate of its mask's IoU;
    masks as small as those that RegionFinder drops are dropped. A row without an answer that can be used fails alone:
    UnansweredError. Raises ModelError where the chat or the segmenter (its model, its revision) cannot be had.
    """

    name = "named-regions"
    inputs = HASH
    carried = IMAGE
    schema = NAMED

    def __init__(self, chat: Chat, segmenter: str, revision: str | None = None) -> None:
        self.chat = replace(chat, temperature=0.0) if isinstance(chat, ServerChat) else chat
        self.segmenter = Segmenter(segmenter, revision)
        self.batch_rows = min(chat.batch_rows, ANSWERS)
        self._kept: dict[str, str | UnansweredError] = {}

    @cached_property
    def fingerprint(self) -> str:
        """Both models with their resolved revisions, the question, and how answers are drawn and read."""
        decides = {**self._settings, "segmenter": self.segmenter.fingerprint}
        return fingerprint(self.name, self.chat.name, self.chat.revision, decides)

    @property
    def provenance(self) -> dict[str, Any]:
        """The same for people, with the device and the server's address."""
        return {**self.chat.provenance, **self._settings, "segmenter": self.segmenter.provenance}

    @property
    def _settings(self) -> dict[str, Any]:
        limits = {"most": MOST, "max_tokens": MAX_TOKENS, "min": [MIN_PIXELS, MIN_SHARE, MIN_SCORE], "version": VERSION}
        return {"prompt": NAMES, **limits, "usage": USAGE, **self.chat.settings}

    def ready(self) -> None:
        """Fetch the segmenter's files. Raises ModelError where it could not do its work."""
        self.segmenter.ready()

    def make(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        """A row of NAMED for each row; raises on an image that cannot be opened or has no usable answer."""
        keys, images = rows["key"].to_pylist(), opened(rows["image"])
        answers = self._answers(keys, images)
        try:
            named = [things(answer, image.size) for answer, image in zip(answers, images, strict=True)]
            made = [
                {"regions": self._masked(image, some), **self._took(answer)}
                for image, some, answer in zip(images, named, answers, strict=True)
            ]
        except Exception:
            if len(keys) > 1:  # the batch will be split: what is answered need not be asked again
                self._kept |= zip(keys, answers, strict=True)
            else:  # this row is done with: the next build asks again
                self._kept.pop(keys[0], None)
            raise
        return pa.RecordBatch.from_pylist(made, schema=NAMED)

    def _answers(self, keys: Sequence[str], images: Sequence[Image]) -> list[str | UnansweredError]:
        answers = {key: self._kept[key] for key in keys if key in self._kept}
        if not answers:  # of a batch that is done with
            self._kept.clear()
        waiting = {key: question(image) for key, image in zip(keys, images, strict=True) if key not in answers}
        if waiting:
            told = self.chat.answer(list(waiting.values()), seeds(list(waiting)), MAX_TOKENS, ANSWER)
            answers |= zip(waiting, told, strict=True)
        return [answers[key] for key in keys]

    def _took(self, answer: str | UnansweredError) -> dict[str, Any]:
        return (usage_of(answer) or Usage()).columns(getattr(self.chat, "price", None))

    def _masked(self, image: Image, named: Sequence[Thing]) -> list[dict[str, Any]]:
        masks = self.segmenter.masks(image, [thing.box for thing in named]) if named else []
        return [
            _region(thing.name, mask, score)
            for thing, (mask, score) in zip(named, masks, strict=True)
            if mask.sum() >= _least(mask)
        ]


def question(image: Image) -> Conversation:
    """NAMES, asked of an image that is open."""
    encoded = base64.b64encode(png(np.asarray(image))).decode()
    asked = NAMES.format(width=image.width, height=image.height)
    shown = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{encoded}"}}
    return [{"role": "user", "content": [shown, {"type": "text", "text": asked}]}]


def things(answer: str | UnansweredError, size: tuple[int, int]) -> list[Thing]:
    """What an answer names in an image of a size (width, height), MOST at most; none where it says that there is none.

    Boxes are clipped to the image. Left out are those without an area in it or not of four numbers, names that are
    empty or longer than LONGEST_NAME once control characters are gone, and what has the name and box of another.
    Raises UnansweredError: no answer, none with a list in JSON, or a list of which nothing is left.
    """
    if isinstance(answer, CutOffError):
        answer = answer.text
    if isinstance(answer, UnansweredError):
        raise answer
    listed = _listed(answer)
    found = dict.fromkeys(thing for one in listed or () if (thing := _thing(one, size)))
    if listed is None or (listed and not found):
        raise UnansweredError(f"no things with boxes inside {size[0]} x {size[1]} px: {answer[:SHOWN]!r}")
    return list(found)[:MOST]


def _listed(answer: str) -> list[dict[str, Any]] | None:
    """The first list of JSON objects in an answer, whatever stands around it; None if there is none."""
    answer = answer.rpartition("</think>")[2]
    decoder = json.JSONDecoder()
    for start in re.finditer(r"\[", answer):
        try:
            found, _ = decoder.raw_decode(answer, start.start())
        except RecursionError:  # brackets without end: trying each of them would take minutes
            return None
        except ValueError:  # no JSON, or a number of thousands of digits
            continue
        if all(isinstance(one, dict) for one in found):
            return list(found)
    return None


def _thing(said: dict[str, Any], size: tuple[int, int]) -> Thing | None:
    name, box = said.get("name"), said.get("box")
    if not isinstance(name, str) or not _is_box(box):
        return None
    name = plain(name.encode("utf-8", "ignore").decode())  # an escaped lone surrogate in JSON is no text
    left, top, right, bottom = (min(max(float(at), 0.0), float(end)) for at, end in zip(box, size * 2, strict=True))
    usable = 0 < len(name) <= LONGEST_NAME and left < right and top < bottom
    return Thing(name, (left, top, right, bottom)) if usable else None


def _is_box(said: object) -> TypeGuard[list[float]]:
    # the bound keeps out infinity, NaN and integers that no float holds
    return isinstance(said, list) and len(said) == 4 and all(type(at) in (int, float) and abs(at) < 1e9 for at in said)


def _likeliest(logits: torch.Tensor, height: int, width: int) -> tuple[Ints, Floats]:
    """Each pixel's class and its probability, both (height, width), of logits (classes, h, w) that are upsampled.

    A few classes at a time: all of them at the size of a large image do not fit into memory.
    """
    import torch
    from torch.nn.functional import interpolate

    best, total = torch.full((height, width), -torch.inf, device=logits.device), torch.zeros(1, device=logits.device)
    label = torch.zeros((height, width), dtype=torch.int64, device=logits.device)
    for start in range(0, len(logits), CLASSES):
        some = logits[None, start : start + CLASSES]
        seen = interpolate(some, size=(height, width), mode="bilinear", align_corners=False)[0]
        highest, place = seen.max(dim=0)
        label = torch.where(highest > best, place + start, label)
        best, before = torch.maximum(best, highest), best
        total = total * (before - best).exp() + (seen - best).exp().sum(dim=0)  # of the softmax, scaled by its largest
    return label.cpu().numpy(), (1 / total).cpu().numpy()


def _parts(labels: Ints, chances: Floats, names: Sequence[str]) -> list[dict[str, Any]]:
    """The regions in a map of labels (height, width), with the probability of each pixel's label."""
    from scipy.ndimage import label

    regions = []
    for place in np.unique(labels):
        name = names[place].strip()
        if name.lower() in BACKGROUND:
            continue
        parts, _ = label(labels == place)
        sizes = np.bincount(parts.ravel())
        sizes[0] = 0  # the pixels of other classes
        for part in np.flatnonzero(sizes >= _least(labels)):
            inside = parts == part
            if (score := float(chances[inside].mean())) >= MIN_SCORE:
                regions.append(_region(name, inside, score))
    return regions


def _least(pixels: np.ndarray[Any, Any]) -> float:
    """How many pixels a region has at least, in an image of the shape (height, width)."""
    return max(MIN_PIXELS, MIN_SHARE * pixels.size)


def _region(name: str, mask: Mask, score: float) -> dict[str, Any]:
    return {"name": name, "mask": png(mask.astype(np.uint8) * 255), "score": score}
