"""A home folder with settings of the imagenet corpus, as far as its sources and test sets read them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from corpusmith.assets.imagenet.settings import Captions, Drawn
from corpusmith.assets.registry import load
from corpusmith.assets.resources import Workshop
from corpusmith.settings import Splits


def workshop(
    home: Path,
    *source: Path | str,
    classes: str | Sequence[str] = "all",
    shares: float = 0.25,
    each: int = 0,
    drawn: tuple[int, int, int] = (2, 1, 1),
    of_set: int = 1,
    sets: dict[str, str] | None = None,
    by_class: str | None = None,
    max_edge: int = 64,
) -> Workshop:
    base = load(profile="house")
    said: dict[str, Any] = {
        "source": [str(one) for one in source],
        "classes": classes,
        "templates": "clip",
        "drawn": Drawn(train=drawn[0], validation=drawn[1], test=drawn[2], seed=0),
        "max_edge": max_edge,
        "of_each_class": each,
        "splits": Splits(validation=shares, test=shares),
        "captions": Captions(by_class=by_class, captioner=None),
        "block": 250,
        "scores": base.imagenet.scores.model_copy(update={"drawn": of_set, "sets": sets or {}}),
    }
    work = base.work.model_copy(update={"max_failure_rate": 1.0})
    imagenet = base.imagenet.model_copy(update=said)
    return Workshop(home, base.model_copy(update={"work": work, "imagenet": imagenet}))


def photograph(path: Path, number: int = 0, mode: str = "RGB", size: tuple[int, int] = (40, 30), **more: Any) -> Path:
    """An image of its own, by its number."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(number).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).convert(mode).save(path, **more)
    return path
