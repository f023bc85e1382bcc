"""Image classifiers to be trained from scratch: small ones of our own, or any whose configuration the Hub has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from corpusmith.models.loading import explained, folder_of, revision_of

if TYPE_CHECKING:
    from torch import nn

LARGE: Final = 128
"""Pixels a side from which the networks of our own are as deep as those they are named for."""


def untrained(name: str, classes: int, seed: int, *, size: int, width: int) -> nn.Module:
    """A classifier with fresh weights, which the seed decides: pixels (n, 3, size, size), float32 in 0–1, to logits.

    name: one of OWN, or a model of the Hub, or a folder, whose configuration is taken and whose weights are not. width:
    channels of the first stage of one of OWN (of a transformer, of a sixth of its vectors), all others are multiples;
    at 64 they are as wide as published. Raises ModelError (no such model, or no image classifier).
    """
    import torch

    from corpusmith.models.segmenters.networks import Logits

    config = OWN[name](size, width) if name in OWN else _published(name, size)
    config.num_labels = classes
    torch.manual_seed(seed)
    return Logits(_built(name, config))


def revision(name: str) -> str:
    """What decides a classifier's form beside its name: of one of OWN nothing, of another its commit. Loads nothing."""
    return "" if name in OWN else revision_of(name)


def rate(name: str, width: int) -> float:
    """The highest learning rate. Wider networks want smaller ones, and transformers smaller ones than others do."""
    return RATES[name] / width if name in OWN else 1e-3


def _resnet_18(size: int, width: int) -> Any:
    """ResNet-18 (He et al. 2016, arXiv 1512.03385, table 1), with its own stem, which halves the sides twice.

    So it does for small images too: over 64 pixels it learned more, at the same cost, than a stem that halves those of
    32 pixels once.
    """
    from transformers import ResNetConfig

    widths = [width, 2 * width, 4 * width, 8 * width]
    return ResNetConfig(embedding_size=width, hidden_sizes=widths, depths=[2, 2, 2, 2], layer_type="basic")


def _vit(size: int, width: int) -> Any:
    """A vision transformer (Dosovitskiy et al. 2021, arXiv 2010.11929), at width 64 as wide as ViT-S.

    Below LARGE pixels it has four layers, and 8 × 8 patches.
    """
    from transformers import ViTConfig

    return ViTConfig(
        image_size=size,
        patch_size=16 if size >= LARGE else size // 8,
        hidden_size=6 * width,
        num_hidden_layers=12 if size >= LARGE else 4,
        num_attention_heads=6,
        intermediate_size=(24 if size >= LARGE else 12) * width,
    )


def _convnext(size: int, width: int) -> Any:
    """ConvNeXt (Liu et al. 2022, arXiv 2201.03545); below LARGE pixels with a block a stage, two in the third."""
    from transformers import ConvNextConfig

    depths = [3, 3, 9, 3] if size >= LARGE else [1, 1, 2, 1]
    return ConvNextConfig(hidden_sizes=[width, 2 * width, 4 * width, 8 * width], depths=depths)


OWN: Final[Mapping[str, Callable[[int, int], Any]]] = {
    "resnet-18": _resnet_18,
    "vit": _vit,
    "convnext": _convnext,
}
RATES: Final = {"resnet-18": 0.08, "vit": 0.016, "convnext": 0.064}

_KIND: Final = "an image classifier that transformers knows"


def _published(name: str, size: int) -> Any:
    from transformers import AutoConfig

    with explained(name, _KIND):
        config = AutoConfig.from_pretrained(folder_of(name) or name, trust_remote_code=False)
    if hasattr(config, "image_size"):
        config.image_size = size
    return config


def _built(name: str, config: Any) -> nn.Module:
    from transformers import AutoModelForImageClassification

    with explained(name, _KIND):
        network: nn.Module = AutoModelForImageClassification.from_config(config)  # type: ignore[no-untyped-call]
    return network
