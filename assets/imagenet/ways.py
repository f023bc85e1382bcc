"""In which ways images are drawn: by strategy, by whom, at which point of the grid."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from assets.imagenet.settings import Grid, ImageNet

Way = Mapping[str, Any]

PLAIN: Final = "a photo of a {}"
"""What is said of an image by its class alone (ImageNet-G, arXiv 2302.02503)."""
FINETUNED: Final = "finetuned"
"""The name, in the place of a generator's, of the one that was adapted to the real images."""
FROM_IMAGE: Final = ("image", "image_label")
"""The strategies that start from a real image; the others start from a text alone."""

WAY: Final = ("strategy", "generator", "guidance", "steps", "strength")
"""How an image is drawn: what all images of one pass have in common."""


def ways(settings: ImageNet) -> Iterator[dict[str, Any]]:
    """Each way of the settings, as WAY names it."""
    for strategy in settings.strategies:
        drawn_by = generators(strategy, settings)
        for generator, *point in itertools.product(drawn_by, *_grid(settings.grid, strategy in FROM_IMAGE)):
            yield dict(zip(WAY, (strategy, generator, *point), strict=True))


def generators(strategy: str, settings: ImageNet) -> list[str]:
    """Who draws a strategy: names of the catalog, and FINETUNED."""
    if strategy in FROM_IMAGE:
        return list(getattr(settings.generators, strategy))
    adapted = settings.finetuned.base is not None and strategy in settings.finetuned.strategies
    return [*settings.generators.text, *([FINETUNED] if adapted else [])]


def _grid(grid: Grid, from_image: bool) -> Iterator[Sequence[float | int | None]]:
    """The values of each axis; one that is not tried, or is none of the strategy's, has null alone."""
    yield grid.guidance or (None,)
    yield grid.steps or (None,)
    yield (grid.strength if from_image else None) or (None,)
