"""How the baselines learn who made a pixel, or an image, and say it: images of one size, all in memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from corpusmith.models.loading import hardware

if TYPE_CHECKING:
    from torch import Tensor, nn

Bytes = np.ndarray[Any, np.dtype[np.uint8]]
Ints = np.ndarray[Any, np.dtype[np.integer[Any]]]
Floats = np.ndarray[Any, np.dtype[np.float32]]

PASS_ROWS: Final = 64
DECAY: Final = 0.01


def fit(
    network: nn.Module,
    images: Bytes,
    labels: Ints,
    *,
    epochs: int,
    batch_rows: int = 32,
    rate: float = 3e-3,
    seed: int,
) -> None:
    """Teach ``network`` the labels of images (n, h, w, 3): of each pixel, (n, h, w) uint8, or of each image, (n,).

    AdamW whose rate rises to ``rate`` and falls again (Smith & Topin 2018, arXiv 1708.07120), half of the images
    mirrored. Cross-entropy weighs all pixels alike: probabilities stay those of the data, and FCN's authors found
    balancing unnecessary (arXiv 1411.4038, section 4.3). On a CPU the seed decides the weights to the bit. The network
    ends on the CPU in evaluation mode.
    """
    import torch

    torch.manual_seed(seed)  # of what in a network is random
    with _at_work(network) as device:
        network.train()
        optimizer = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=DECAY, fused=True)
        batches = list(_batches(len(images), epochs, batch_rows, np.random.default_rng(seed)))
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=len(batches) + 1)
        pixels, truth = torch.from_numpy(images).to(device), torch.from_numpy(labels).to(device)
        for rows, mirrored in batches:
            shown, asked = _mirrored(pixels[rows], mirrored), truth[rows]
            asked = _mirrored(asked, mirrored) if asked.ndim > 1 else asked
            loss = torch.nn.functional.cross_entropy(network(_floats(shown)), asked.long())
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()


def predict(network: nn.Module, images: Bytes) -> Floats:
    """The probability of each class in each pixel of images (n, h, w, 3): (n, classes, h, w), float32.

    A classifier's are (n, classes). The network ends as ``fit`` leaves it.
    """
    import torch

    with _at_work(network) as device, torch.inference_mode():
        parts = [
            network(_floats(torch.from_numpy(images[start : start + PASS_ROWS]).to(device))).softmax(1).cpu().numpy()
            for start in range(0, len(images), PASS_ROWS)
        ]
    return np.ascontiguousarray(np.concatenate(parts))


@contextmanager
def _at_work(network: nn.Module) -> Iterator[str]:
    """The network on the device that is named, for a while; then as it can be saved: on the CPU, weights contiguous."""

    device = hardware()["device"]
    # not channels last: torch 2.13 then ends the process on a CPU where channels are few and a batch is odd (tested)
    network.eval().to(device)
    try:
        yield device
    finally:
        network.eval().to("cpu")


def _batches(rows: int, epochs: int, batch_rows: int, random: np.random.Generator) -> Iterator[tuple[Tensor, Tensor]]:
    """Rows and which of them are mirrored, in parts of one size nearly, as batch statistics of a last row are none."""
    import torch

    for _ in range(epochs):
        for part in np.array_split(random.permutation(rows), -(-rows // batch_rows)):
            yield torch.from_numpy(part), torch.from_numpy(random.random(len(part)) < 0.5)


def _mirrored(batch: Tensor, mirrored: Tensor) -> Tensor:
    """The batch (b, h, w, ...), its own memory, with some rows mirrored left to right."""
    batch[mirrored] = batch[mirrored].flip(2)
    return batch


def _floats(images: Tensor) -> Tensor:
    """Pixels (b, 3, h, w), float32 in 0–1, of images (b, h, w, 3), uint8."""
    return images.permute(0, 3, 1, 2).contiguous().float() / 255
