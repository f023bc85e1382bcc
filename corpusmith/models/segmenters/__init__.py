"""The segmentation baselines of DiffSeg30k: who edited which pixel. ``networks`` imports torch, all else is light."""

from __future__ import annotations

from typing import Final

SEGMENTERS: Final = ("fcn-8s", "segformer", "deeplabv3+")
"""Networks that say of each pixel who made it."""
IMAGE_CLASSIFIERS: Final = ("resnet", "vit")
"""Networks that say it of the whole image."""
