"""In which ways images are drawn: by strategy, by whom, at which point of the grid."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from corpusmith.assets.imagenet.settings import Grid, ImageNet
from corpusmith.models import catalog

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
    for strategy in strategies(settings):
        for generator in generators(strategy, settings):
            for point in itertools.product(*_grid(settings.grid, strategy, generator)):
                yield dict(zip(WAY, (strategy, generator, *point), strict=True))


def strategies(settings: ImageNet) -> list[str]:
    """The strategies of the settings; without a word those for which there is something to draw from."""
    if settings.strategies is not None:
        return list(settings.strategies)
    listed = bool(settings.of_each_class and not settings.source)
    said = settings.captions.by_class or (settings.captions.captioner and settings.source)
    drawn = not (settings.source or listed)
    return ["label", "template", *(["caption"] if said or drawn else []), *([] if listed else FROM_IMAGE)]


def generators(strategy: str, settings: ImageNet) -> list[str]:
    """Who draws a strategy: names of the catalog, and FINETUNED."""
    if strategy in FROM_IMAGE:
        return list(getattr(settings.generators, strategy))
    adapted = settings.finetuned.base is not None and strategy in settings.finetuned.strategies
    return [*settings.generators.text, *([FINETUNED] if adapted else [])]


def _grid(grid: Grid, strategy: str, generator: str) -> Iterator[Sequence[float | int | None]]:
    """The values of each axis; one that is not tried, or that the way knows nothing of, has null alone.

    An image alone leads by no text, and a variation model goes as far as it goes.
    """
    varies = generator != FINETUNED and catalog.entry(generator).role == "variation"
    yield (grid.guidance if strategy != "image" or varies else None) or (None,)
    yield grid.steps or (None,)
    yield (grid.strength if strategy in FROM_IMAGE and not varies else None) or (None,)
