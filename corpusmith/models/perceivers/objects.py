"""Whether an image shows the class that was asked for, as a classifier of objects sees it."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa

from corpusmith.models.perceivers.classifiers import labels_of, softmax
from corpusmith.models.perceivers.network import PASS_ROWS, ImageMaker
from corpusmith.models.perceivers.opening import in_parts
from corpusmith.models.perceivers.readings import Floats

if TYPE_CHECKING:
    from PIL.Image import Image

IN_PLACE: Final = 0.5
MANY: Final = 100
"""Share of the names, and of how many, that must match the labels in their places for a model to be taken to have the
same classes in the same order. Of ImageNet's labels 82 % match the names that CLIP gives the classes, and 87 % the
usual simple ones; of names in another order, one in a thousand. Few names may match by half and be others."""

RECOGNIZED: Final = pa.schema(
    [
        pa.field("recognized", pa.float32()),
        pa.field("seen", pa.string()),
        pa.field("seen_probability", pa.float32()),
    ]
)
"""recognized: the probability of the class that was asked for; null: the model does not know it. seen: the likeliest of
the classes that it knows, and its probability; null: it knows fewer than two. Probabilities are over the known classes
and sum to one: they say which of them an image shows, not that it shows any."""


class Recognizer(ImageMaker):
    """Says how likely each image shows the class ``asked`` of it, one of ``names``, with an image classifier.

    The probabilities are a softmax over the logits of the names that the model knows. Of a multi-label model they are
    its sigmoids, each divided by their sum: what it sees of a class as a share of all that it sees of known ones.
    Raises ModelError: not to be had, or not a classifier; ValueError: a row asks for what is no name.
    """

    inputs = ("image_sha256", "asked")
    schema = RECOGNIZED

    def __init__(self, model: str, revision: str | None, names: Sequence[str], batch_rows: int = 512) -> None:
        self.names = tuple(names)
        digest = hashlib.sha256("\n".join(self.names).encode()).hexdigest()
        kind = "an image classifier with safetensors weights"
        super().__init__("AutoModelForImageClassification", kind, model, revision, {"names": digest}, batch_rows)

    @property
    def knows(self) -> frozenset[str]:
        """The names that the model has a label for; none where that is one alone, which is told from nothing."""
        return frozenset(self.places)

    @cached_property
    def places(self) -> Mapping[str, int]:
        """The logit of each name that is known."""
        found = matched(self.names, labels_of(self.config))
        return found if len(found) > 1 else {}

    def make(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        """What is seen of each row's image; raises on one that cannot be opened."""
        asked = iter(rows["asked"].to_pylist())
        parts = [self.read(part, list(islice(asked, len(part)))) for part in in_parts(rows["image"], PASS_ROWS)]
        return pa.Table.from_batches(parts).combine_chunks().to_batches()[0]

    def read(self, images: Sequence[Image], asked: Sequence[str | None] | None = None) -> pa.RecordBatch:
        """The columns of RECOGNIZED for each image and the name that is asked of it."""
        wanted = list(asked or [None] * len(images))
        strange = set(wanted) - {None, *self.names}
        if strange:
            raise ValueError(f"{sorted(map(str, strange))} is asked for, which is none of the {len(self.names)} names")
        if not self.places:
            return pa.record_batch([pa.nulls(len(images), field.type) for field in RECOGNIZED], schema=RECOGNIZED)
        chances = self.probabilities(images)
        column = {name: place for place, name in enumerate(self.places)}
        known = [column.get(str(name)) for name in wanted]
        columns = [
            [None if place is None else float(row[place]) for row, place in zip(chances, known, strict=True)],
            np.array(list(self.places), dtype=object)[chances.argmax(axis=1)],
            chances.max(axis=1),
        ]
        return pa.record_batch(
            [pa.array(values, field.type) for values, field in zip(columns, RECOGNIZED, strict=True)],
            schema=RECOGNIZED,
        )

    def probabilities(self, images: Sequence[Image]) -> Floats:
        """The probability of each of ``places``, in their order, (n, k), of images that are open, RGB."""
        logits = self.over(images, lambda pixels: self.network(pixel_values=pixels).logits)
        logits = logits[:, list(self.places.values())]
        if self.config.problem_type == "multi_label_classification":
            logits = -np.logaddexp(np.float32(0), -logits)  # of sigmoids the logarithms: their softmax is their share
        return softmax(logits)


def matched(names: Sequence[str], labels: Sequence[str]) -> dict[str, int]:
    """Which label, by its place, means each name; names without a label, or that might mean several, are left out.

    A label is called what it says, or any of its parts between commas ("tench, Tinca tinca"), in either case. As many
    labels as names, MANY, of which IN_PLACE match in their places, are the same classes in the same order: then a name
    that is spelt in another way, or that two labels share ("crane", "maillot"), is known by its place. Two names that
    are spelt alike are never told apart.
    """
    called = [_called(label) for label in labels]
    plain = [name.strip().lower() for name in names]
    once = Counter(plain)
    own = {
        name: (place, spelt) for place, (name, spelt) in enumerate(zip(names, plain, strict=True)) if once[spelt] == 1
    }
    hits = sum(spelt in said for spelt, said in zip(plain, called, strict=False))
    if len(labels) == len(names) >= MANY and hits >= IN_PLACE * len(names):
        return {name: place for name, (place, _) in own.items()}
    meant = {name: [place for place, said in enumerate(called) if spelt in said] for name, (_, spelt) in own.items()}
    taken = Counter(place for places in meant.values() for place in places)
    return {name: places[0] for name, places in meant.items() if len(places) == 1 and taken[places[0]] == 1}


def _called(label: str) -> set[str]:
    return {label.strip().lower(), *(part.strip().lower() for part in label.split(","))}
