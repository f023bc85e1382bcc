"""The networks of the segmentation and image-level baselines, small and with fresh weights. Imports torch."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from corpusmith.models.segmenters import IMAGE_CLASSIFIERS as IMAGE_CLASSIFIERS
from corpusmith.models.segmenters import SEGMENTERS as SEGMENTERS

STRIDE: Final = 32  # sides are padded to a multiple of it, so that every stage halves evenly
RATES: Final = (6, 12, 18)  # of DeepLab's atrous convolutions over PAPER_SIDE features
PAPER_SIDE: Final = 33  # of its features: crops of 513 pixels at output stride 16


def untrained(name: str, classes: int, seed: int, width: int = 32) -> nn.Module:
    """One of SEGMENTERS with fresh weights, which the seed decides: pixels (n, 3, h, w), float32 in 0–1, to logits.

    These are (n, classes, h, w), for any h and w. width: channels of the first stage; all others are multiples of it.
    """
    torch.manual_seed(seed)
    if name == "fcn-8s":
        return Segmenter(FCN8s(classes, width))
    if name == "deeplabv3+":
        return Segmenter(DeepLabV3Plus(classes, width))
    if name == "segformer":
        return Segmenter(_segformer(classes, width))
    raise ValueError(f"{name} is no segmenter, expected one of {', '.join(SEGMENTERS)}")


def classifier(name: str, classes: int, seed: int, size: int) -> nn.Module:
    """One of IMAGE_CLASSIFIERS, the same way: pixels (n, 3, size, size), float32 in 0–1, to logits (n, classes)."""
    torch.manual_seed(seed)
    if name == "resnet":
        return _resnet(classes)
    if name == "vit":
        return _vit(classes, size)
    raise ValueError(f"{name} is no image classifier, expected one of {', '.join(IMAGE_CLASSIFIERS)}")


class Segmenter(nn.Module):
    """A network whose logits are coarser than its pixels, made to fit them: padded before, enlarged and cut after."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: Tensor) -> Tensor:
        """Logits (n, classes, h, w) of pixels (n, 3, h, w)."""
        height, width = pixels.shape[2:]
        padded = functional.pad(pixels, (0, -width % STRIDE, 0, -height % STRIDE), mode="replicate")
        return _resized(self.network(padded), padded)[:, :, :height, :width]


class Logits(nn.Module):
    """The logits alone of a model of transformers, whose pixels are centred: -1 to 1."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixels: Tensor) -> Tensor:
        """What the model says of pixels (n, 3, h, w)."""
        logits: Tensor = self.model(pixel_values=2 * pixels - 1).logits
        return logits


class FCN8s(nn.Module):
    """FCN-8s (Long et al. 2015, arXiv 1411.4038, section 4.2): what three depths of a VGG say, summed at stride 8.

    The trunk is VGG-11 (Simonyan & Zisserman 2015, table 1, A; there width is 64) with batch normalisation. Its fully
    connected layers are left out, and logits are enlarged bilinearly, which is where the paper's learned filters start.
    """

    def __init__(self, classes: int, width: int) -> None:
        super().__init__()
        self.to_pool3 = nn.Sequential(
            _pooled(3, width, 1), _pooled(width, 2 * width, 1), _pooled(2 * width, 4 * width, 2)
        )
        self.to_pool4 = _pooled(4 * width, 8 * width, 2)
        self.to_pool5 = _pooled(8 * width, 8 * width, 2)
        self.score3 = nn.Conv2d(4 * width, classes, 1)
        self.score4 = nn.Conv2d(8 * width, classes, 1)
        self.score5 = nn.Conv2d(8 * width, classes, 1)

    def forward(self, pixels: Tensor) -> Tensor:
        """Logits (n, classes, h / 8, w / 8)."""
        pool3 = self.to_pool3(pixels)
        pool4 = self.to_pool4(pool3)
        fused = _resized(self.score5(self.to_pool5(pool4)), pool4) + self.score4(pool4)
        logits: Tensor = _resized(fused, pool3) + self.score3(pool3)
        return logits


class DeepLabV3Plus(nn.Module):
    """DeepLabv3+ (Chen et al. 2018, arXiv 1802.02611, section 3.1): an atrous pyramid, refined by low-level features.

    The encoder is a ResNet of one basic block a stage with output stride 16, its last stage dilated. Convolutions are
    whole, not separable: on a CPU those are no faster.
    """

    def __init__(self, classes: int, width: int) -> None:
        super().__init__()
        self.low = nn.Sequential(
            _convolution(3, width, stride=2), nn.MaxPool2d(3, stride=2, padding=1), Residual(width, width)
        )
        self.high = nn.Sequential(
            Residual(width, 2 * width, stride=2),
            Residual(2 * width, 4 * width, stride=2),
            Residual(4 * width, 8 * width, dilation=2),
        )
        self.pyramid = Pyramid(8 * width, 4 * width)
        self.reduced = _convolution(width, width, kernel=1)
        self.decoder = nn.Sequential(
            _convolution(5 * width, 4 * width), _convolution(4 * width, 4 * width), nn.Conv2d(4 * width, classes, 1)
        )

    def forward(self, pixels: Tensor) -> Tensor:
        """Logits (n, classes, h / 4, w / 4)."""
        low = self.low(pixels)
        high = self.pyramid(self.high(low))
        logits: Tensor = self.decoder(torch.cat([_resized(high, low), self.reduced(low)], dim=1))
        return logits


class Pyramid(nn.Module):
    """Atrous spatial pyramid pooling with the image's mean (Chen et al. 2017, arXiv 1706.05587, section 3.3)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.point = _convolution(inputs, outputs, kernel=1)
        self.atrous = nn.ModuleList(Atrous(inputs, outputs, rate, least) for least, rate in enumerate(RATES, start=1))
        self.whole = nn.Conv2d(inputs, outputs, 1)  # not normalised: a batch of one image has no variance here
        self.joined = _convolution((2 + len(RATES)) * outputs, outputs, kernel=1)

    def forward(self, features: Tensor) -> Tensor:
        """Features (n, outputs, h, w) of features (n, inputs, h, w)."""
        seen = [self.point(features), *(layer(features) for layer in self.atrous)]
        mean = functional.relu(self.whole(features.mean(dim=(2, 3), keepdim=True)))
        joined: Tensor = self.joined(torch.cat([*seen, mean.expand_as(seen[0])], dim=1))
        return joined


class Atrous(nn.Module):
    """A 3 × 3 convolution with holes: ``rate`` over PAPER_SIDE features, fewer over fewer, but ``least``.

    One that reached past them all would be a convolution of 1 × 1.
    """

    def __init__(self, inputs: int, outputs: int, rate: int, least: int) -> None:
        super().__init__()
        self.filters = nn.Conv2d(inputs, outputs, 3, bias=False)
        self.norm = nn.BatchNorm2d(outputs)
        self.rate, self.least = rate, least

    def forward(self, features: Tensor) -> Tensor:
        """Features (n, outputs, h, w) of features (n, inputs, h, w)."""
        rate = max(self.least, round(self.rate * min(features.shape[2:]) / PAPER_SIDE))
        seen = functional.conv2d(features, self.filters.weight, padding=rate, dilation=rate)
        return functional.relu(self.norm(seen))


class Residual(nn.Module):
    """A basic block of ResNet (He et al. 2016, arXiv 1512.03385, section 3.3)."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1, dilation: int = 1) -> None:
        super().__init__()
        self.first = _convolution(inputs, outputs, stride=stride, dilation=dilation)
        self.second = nn.Sequential(
            nn.Conv2d(outputs, outputs, 3, padding=dilation, dilation=dilation, bias=False), nn.BatchNorm2d(outputs)
        )
        self.straight = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1, stride=stride)

    def forward(self, features: Tensor) -> Tensor:
        """Features (n, outputs, h / stride, w / stride)."""
        return functional.relu(self.second(self.first(features)) + self.straight(features))


def _segformer(classes: int, width: int) -> nn.Module:
    """SegFormer (Xie et al. 2021, arXiv 2105.15203), a lighter one: at width 32 as wide as MiT-B0.

    Stages are one block each, with half the hidden units, and the decoder is narrow.
    """
    from transformers import SegformerConfig, SegformerForSemanticSegmentation

    config = SegformerConfig(
        id2label=_labels(classes),
        depths=[1, 1, 1, 1],
        hidden_sizes=[width, 2 * width, 5 * width, 8 * width],
        strides=[4, 2, 2, 2],
        num_attention_heads=[1, 2, 5, 8],
        mlp_ratios=[2, 2, 2, 2],
        decoder_hidden_size=2 * width,
        drop_path_rate=0.0,
        classifier_dropout_prob=0.0,
    )
    return Logits(SegformerForSemanticSegmentation(config))


def _resnet(classes: int) -> nn.Module:
    """A ResNet (He et al. 2016) of three stages, one basic block each; output stride 16."""
    from transformers import ResNetConfig, ResNetForImageClassification

    config = ResNetConfig(
        id2label=_labels(classes), embedding_size=32, hidden_sizes=[32, 64, 128], depths=[1, 1, 1], layer_type="basic"
    )
    return Logits(ResNetForImageClassification(config))


def _vit(classes: int, size: int) -> nn.Module:
    """A vision transformer (Dosovitskiy et al. 2021, arXiv 2010.11929) of four layers over 8 × 8 patches."""
    from transformers import ViTConfig, ViTForImageClassification

    config = ViTConfig(
        id2label=_labels(classes),
        image_size=size,
        patch_size=max(1, size // 8),
        hidden_size=96,
        num_hidden_layers=4,
        num_attention_heads=3,
        intermediate_size=192,
    )
    return Logits(ViTForImageClassification(config))


def _labels(classes: int) -> dict[int, str]:
    return {label: str(label) for label in range(classes)}


def _pooled(inputs: int, outputs: int, convolutions: int) -> nn.Sequential:
    """A stage of VGG, at half the resolution in the end."""
    first = _convolution(inputs, outputs)
    return nn.Sequential(first, *(_convolution(outputs, outputs) for _ in range(convolutions - 1)), nn.MaxPool2d(2))


def _convolution(inputs: int, outputs: int, kernel: int = 3, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    padding = dilation * (kernel // 2)
    filters = nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=padding, dilation=dilation, bias=False)
    return nn.Sequential(filters, nn.BatchNorm2d(outputs), nn.ReLU())


def _resized(features: Tensor, like: Tensor) -> Tensor:
    return functional.interpolate(features, size=like.shape[2:], mode="bilinear", align_corners=False)
