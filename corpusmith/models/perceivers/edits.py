"""The judge of edits: whether a region changed, whether it shows what was asked for, and the rest is as before."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from corpusmith.curate import masks
from corpusmith.models.editor import square_around
from corpusmith.models.perceivers.classifiers import SEEN, Tagger, labels_of
from corpusmith.models.perceivers.clip import ImageTextModel
from corpusmith.models.perceivers.opening import opened
from corpusmith.models.perceivers.readings import Floats
from corpusmith.work.plan import fingerprint

if TYPE_CHECKING:
    from PIL.Image import Image

VERSION: Final = 1  # of how edits are judged: raise it when that changes

JUDGED: Final = pa.schema(
    [
        pa.field("change", pa.float32()),
        pa.field("outside", pa.int32()),
        pa.field("distance", pa.float32()),
        pa.field("match", pa.float32()),
        pa.field("nearer", pa.float32()),
    ]
)
"""change: mean absolute difference within the region, in grey levels. outside: pixels beyond it that are not as before.
distance: cosine distance of the embeddings before and after, of a square around the region. match: the probability, by
the judge, that what was asked for is there (removed: that it is not, nor anything new); null: it has no such label.
nearer: by how much closer the embedding is to the prompt than before."""

Pixels = np.ndarray[Any, np.dtype[np.uint8]]


class EditJudge:
    """Compares an image with the one before its edit; the judge is a tagger, or none, the embedder a CLIP-style model.

    A row's key is decided by both images' digests, the region's and what was asked for. Neither model may be the
    editor: they see images and know nothing of who made them.
    """

    name = "edit-judge"
    inputs = ("before_sha256", "image_sha256", "region", "operation", "thing", "prompt")
    carried = ("image_before", "image_after", "mask")
    schema = JUDGED
    batch_rows = 64

    def __init__(self, judge: Tagger | None, embedder: ImageTextModel) -> None:
        self.judge, self.embedder = judge, embedder

    @cached_property
    def fingerprint(self) -> str:
        """Both models with their revisions and settings."""
        judge = self.judge.fingerprint if self.judge else None
        decides = {"judge": judge, "embedder": self.embedder.fingerprint, "version": VERSION}
        of_it = self.judge or self.embedder
        return fingerprint("edit-judge", of_it.model, of_it.revision, decides)

    @property
    def provenance(self) -> dict[str, Any]:
        """The same for people."""
        of_it = self.judge or self.embedder
        return {**of_it.provenance, "embedder": self.embedder.provenance, "version": VERSION}

    def make(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        """What is seen of each edit. Raises ValueError on an image or a mask that cannot be opened."""
        first, second = (opened(rows[name]) for name in ("image_before", "image_after"))
        regions = [masks.opened(data) > 0 for data in rows["mask"].to_pylist()]
        was, now = ([_square(*pair) for pair in zip(one, regions, strict=True)] for one in (first, second))
        before, after = self.embedder.images(was), self.embedder.images(now)
        prompts = rows["prompt"].to_pylist()
        texts = self._texts(prompts)
        nearer = [float((after[n] - before[n]) @ texts[prompt]) for n, prompt in enumerate(prompts)]
        changes = [_changed(*three) for three in zip(first, second, regions, strict=True)]
        columns = {
            "change": [change for change, _ in changes],
            "outside": [outside for _, outside in changes],
            "distance": 1 - np.einsum("nd,nd->n", before, after),
            "match": self._matches(was, now, rows["operation"].to_pylist(), rows["thing"].to_pylist()),
            "nearer": nearer,
        }
        return pa.record_batch([pa.array(columns[f.name], f.type) for f in JUDGED], schema=JUDGED)

    def _texts(self, prompts: Sequence[str]) -> dict[str, Floats]:
        """The embedding of each prompt, encoded one by one so that it does not depend on its mates."""
        return {prompt: self.embedder.texts([prompt])[0] for prompt in dict.fromkeys(prompts)}

    def _matches(
        self, before: Sequence[Image], after: Sequence[Image], operations: Sequence[str], things: Sequence[str]
    ) -> list[float | None]:
        if self.judge is None:
            return [None] * len(after)
        seen, sees = self.judge.probabilities(before), self.judge.probabilities(after)
        labels = {label: place for place, label in enumerate(labels_of(self.judge.config))}
        said: list[float | None] = []
        for was, now, operation, thing in zip(seen, sees, operations, things, strict=True):
            if thing not in labels:
                said.append(None)
            elif operation != "remove":
                said.append(float(now[labels[thing]]))
            else:  # nor may anything else have come in its place
                unwanted = (was < SEEN) | (np.arange(len(was)) == labels[thing])
                said.append(1 - float(now[unwanted].max()))
        return said


def _changed(before: Image, after: Image, region: Any) -> tuple[float, int]:
    """The mean difference within a region, in grey levels, and how many pixels beyond it differ.

    Raises ValueError for images and masks of different sizes.
    """
    first, second = np.asarray(before).astype(np.int16), np.asarray(after).astype(np.int16)
    if first.shape != second.shape or region.shape != first.shape[:2]:
        raise ValueError(f"sizes differ: {first.shape[:2]} before, {second.shape[:2]} after, mask {region.shape}")
    off = np.abs(first - second)
    return float(off[region].mean()), int(off.any(axis=2)[~region].sum())


def _square(image: Image, region: Any) -> Image:
    left, top, side = square_around(region)
    return image.crop((left, top, left + side, top + side))
