"""What generation and storage do to a drawing, on purpose and by a known strength: to train and measure readers on."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    import torch

Draw = np.random.Generator
Strengths = np.ndarray[Any, np.dtype[np.float32]]
Fault = Callable[["torch.Tensor", "torch.Tensor", Draw], "torch.Tensor"]

MOST_FAULTS: Final = 3  # of one image; the first at full strength, the others below it
SHIFT, TURN, ZOOM = 0.08, 0.1, 0.1  # of a pose that costs no quality: shares of the side, radians, share of the size
TINT: Final = 0.06


def posed(images: torch.Tensor, draw: Draw, most: float = 1.0) -> torch.Tensor:
    """Images (n, 3, h, w) in 0–1, each slightly moved, turned, scaled and tinted, by a share of the most."""
    import torch
    from torch.nn import functional

    n = len(images)
    angle = most * draw.uniform(-TURN, TURN, n)
    size = 1 + most * draw.uniform(-ZOOM, ZOOM, n)
    place = np.zeros((n, 2, 3))
    place[:, 0, 0], place[:, 0, 1] = size * np.cos(angle), -size * np.sin(angle)
    place[:, 1, 0], place[:, 1, 1] = size * np.sin(angle), size * np.cos(angle)
    place[:, :, 2] = 2 * most * draw.uniform(-SHIFT, SHIFT, (n, 2))
    grid = functional.affine_grid(torch.from_numpy(place).float(), list(images.shape), align_corners=False)
    moved = functional.grid_sample(images, grid, padding_mode="border", align_corners=False)
    gain = torch.from_numpy(1 + most * draw.uniform(-TINT, TINT, (n, 3, 1, 1))).float()
    return (moved * gain).clamp(0, 1)


def degraded(images: torch.Tensor, strength: Strengths, draw: Draw, faults: tuple[str, ...]) -> torch.Tensor:
    """Images (n, 3, h, w) in 0–1, each with one to MOST_FAULTS of ``faults`` by its strength, 0 (left alone) to 1."""
    import torch

    images = images.clone()
    count = draw.integers(1, MOST_FAULTS + 1, len(images))
    order = np.argsort(draw.random((len(images), len(faults))), axis=1)
    weaker = draw.random(len(images))
    for turn in range(min(MOST_FAULTS, len(faults))):
        given = strength if turn == 0 else strength * weaker / turn
        for number, name in enumerate(faults):
            rows = np.flatnonzero((order[:, turn] == number) & (count > turn) & (given > 0))
            if len(rows):
                at = torch.from_numpy(rows)
                images[at] = FAULTS[name](images[at], torch.from_numpy(given[rows]).float(), draw).clamp(0, 1)
    return images


def _blur(images: torch.Tensor, strength: torch.Tensor, draw: Draw) -> torch.Tensor:
    import torch
    from torch.nn import functional

    n, channels, *_ = images.shape
    away = torch.arange(-6, 7).float()
    bell = torch.exp(-0.5 * (away / (0.25 + 2.75 * strength[:, None])) ** 2)
    bell = (bell / bell.sum(1, keepdim=True)).repeat_interleave(channels, 0)
    flat = functional.pad(images.reshape(1, n * channels, *images.shape[2:]), (6, 6, 6, 6), mode="replicate")
    flat = functional.conv2d(flat, bell[:, None, :, None], groups=n * channels)
    return functional.conv2d(flat, bell[:, None, None, :], groups=n * channels).reshape(images.shape)


def _soften(images: torch.Tensor, strength: torch.Tensor, draw: Draw) -> torch.Tensor:
    """Fewer pixels and back, as a small autoencoder loses detail."""
    from torch.nn import functional

    side = images.shape[-1]
    made = images.clone()
    sides = (side / (1 + 3.5 * strength)).round().int() // 4 * 4
    for small in sides.unique().tolist():
        rows = sides == small
        fewer = functional.interpolate(images[rows], (small, small), mode="area")
        made[rows] = functional.interpolate(fewer, (side, side), mode="bicubic")
    return made


def _noise(images: torch.Tensor, strength: torch.Tensor, draw: Draw) -> torch.Tensor:
    return images + _normal(images.shape, draw) * (0.3 * strength)[:, None, None, None]


def _blotches(images: torch.Tensor, strength: torch.Tensor, draw: Draw) -> torch.Tensor:
    """Noise of low frequency, as half-trained diffusion leaves it."""
    from torch.nn import functional

    n, channels, side, _ = images.shape
    coarse = functional.interpolate(_normal((n, channels, 8, 8), draw), (side, side), mode="bicubic")
    return images + coarse * (0.35 * strength)[:, None, None, None]


def _jpeg(images: torch.Tensor, strength: torch.Tensor, draw: Draw) -> torch.Tensor:
    import torch
    from PIL import Image

    pixels = (images.permute(0, 2, 3, 1).numpy() * 255).round().astype(np.uint8)
    read = []
    for image, quality in zip(pixels, (75 * (1 - strength) ** 1.5 + 2).int().tolist(), strict=True):
        file = io.BytesIO()
        Image.fromarray(image).save(file, "JPEG", quality=quality)
        read.append(np.asarray(Image.open(file)))
    return torch.from_numpy(np.stack(read)).permute(0, 3, 1, 2).float() / 255


def _warp(images: torch.Tensor, strength: torch.Tensor, draw: Draw) -> torch.Tensor:
    """Features that drift apart: a smooth field of displacements of up to a tenth of the side, and twice."""
    import torch
    from torch.nn import functional

    n, _, side, _ = images.shape
    field = functional.interpolate(_normal((n, 2, 7, 7), draw), (side, side), mode="bicubic").permute(0, 2, 3, 1)
    even = functional.affine_grid(torch.eye(2, 3).repeat(n, 1, 1), list(images.shape), align_corners=False)
    grid = even + field * (0.11 * strength)[:, None, None, None]
    return functional.grid_sample(images, grid, padding_mode="border", align_corners=False)


def _wash(images: torch.Tensor, strength: torch.Tensor, draw: Draw) -> torch.Tensor:
    """Contrast lost, towards a colour of its own."""
    import torch

    share = (0.85 * strength)[:, None, None, None]
    colour = torch.from_numpy(draw.random((len(images), 3, 1, 1))).float()
    return images * (1 - share) + share * (0.5 * colour + 0.5 * images.mean((2, 3), keepdim=True))


def _smear(images: torch.Tensor, strength: torch.Tensor, draw: Draw) -> torch.Tensor:
    """Parts that melt: blurred wholly in some places, not at all in others."""
    from torch.nn import functional

    n, _, side, _ = images.shape
    coarse = functional.interpolate(_normal((n, 1, 5, 5), draw), (side, side), mode="bicubic")
    mask = ((coarse + 3 * strength[:, None, None, None] - 1.8) * 4).sigmoid()
    return images * (1 - mask) + mask * _blur(images, strength.new_ones(n), draw)


def _patches(images: torch.Tensor, strength: torch.Tensor, draw: Draw) -> torch.Tensor:
    """Squares of an eighth of the side taken from elsewhere in the picture."""
    import torch
    from torch.nn import functional

    n, channels, side, _ = images.shape
    across = side // 8
    moved = np.argsort(draw.random((n, across * across)), axis=1)
    tiles = images.reshape(n, channels, across, 8, across, 8).permute(0, 2, 4, 1, 3, 5).reshape(n, -1, channels, 8, 8)
    tiles = torch.gather(tiles, 1, torch.from_numpy(moved)[:, :, None, None, None].expand_as(tiles))
    other = tiles.reshape(n, across, across, channels, 8, 8).permute(0, 3, 1, 4, 2, 5).reshape(images.shape)
    chosen = torch.from_numpy(draw.random((n, 1, across, across))) < (0.6 * strength)[:, None, None, None]
    return torch.where(functional.interpolate(chosen.float(), (side, side)) > 0.5, other, images)


def _ghost(images: torch.Tensor, strength: torch.Tensor, draw: Draw) -> torch.Tensor:
    """A second exposure of another image."""
    share = (0.5 * strength)[:, None, None, None]
    return images * (1 - share) + share * images.roll(int(draw.integers(1, len(images) + 1)), 0)


def _normal(shape: tuple[int, ...], draw: Draw) -> torch.Tensor:
    import torch

    return torch.from_numpy(draw.standard_normal(shape, dtype=np.float32))


FAULTS: Final[dict[str, Fault]] = {
    "blur": _blur,
    "soften": _soften,
    "noise": _noise,
    "blotches": _blotches,
    "jpeg": _jpeg,
    "warp": _warp,
    "wash": _wash,
    "smear": _smear,
    "patches": _patches,
    "ghost": _ghost,
}
"""Each by its name; strengths (n,) from 0 to 1."""
