"""How networks learn the classes of pixels, or of images, and say them: images of one size, all in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
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
MOVED: Final = 8  # an image is moved by up to so many parts of its side


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
    batches = list(_batches(len(images), epochs, batch_rows, np.random.default_rng(seed)))
    _learn(network, images, labels, batches, rate, seed)


def fit_steps(
    network: nn.Module,
    images: Bytes,
    labels: Ints,
    *,
    steps: int,
    batch_rows: int,
    rate: float,
    seed: int,
) -> None:
    """The same of labels of images (n,), for so many steps of so many images, however many there are to learn from.

    Images come in another order in every round. Each is moved by up to an eighth of its side, its edge repeated (as He
    et al. 2016, arXiv 1512.03385, section 4.2, who move by 4 pixels of 32).
    """
    height, width = images.shape[1:3]
    random = np.random.default_rng(seed)
    batches = list(_moved_batches(len(images), steps, batch_rows, height // MOVED, width // MOVED, random))
    _learn(network, images, labels, batches, rate, seed)


def _learn(
    network: nn.Module,
    images: Bytes,
    labels: Ints,
    batches: Sequence[tuple[Tensor, Tensor] | tuple[Tensor, Tensor, Tensor]],
    rate: float,
    seed: int,
) -> None:
    """A step for each batch: its rows, which of them are mirrored, and how far each is moved, (b, 2), where it is."""
    import torch

    torch.manual_seed(seed)  # of what in a network is random
    with _at_work(network) as device:
        network.train()
        optimizer = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=DECAY, fused=True)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=len(batches) + 1)
        pixels, truth = torch.from_numpy(images).to(device), torch.from_numpy(labels).to(device)
        for rows, mirrored, *by in batches:
            shown, asked = _mirrored(_moved(pixels, rows, *by), mirrored), truth[rows]
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
    return _answers(network, images, lambda said: said.softmax(1))


def logits(network: nn.Module, images: Bytes) -> Floats:
    """The same before they are normed: what the network says."""
    return _answers(network, images, lambda said: said)


def _answers(network: nn.Module, images: Bytes, form: Callable[[Tensor], Tensor]) -> Floats:
    import torch

    with _at_work(network) as device, torch.inference_mode():
        parts = [
            form(network(_floats(torch.from_numpy(images[start : start + PASS_ROWS]).to(device)))).cpu().numpy()
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


def _moved_batches(
    rows: int, steps: int, batch_rows: int, down: int, across: int, random: np.random.Generator
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Rows, which of them are mirrored, how far each is moved: batches of one size, round after round of all rows."""
    import torch

    rounds = -(-steps * batch_rows // rows)
    order = np.concatenate([random.permutation(rows) for _ in range(rounds)])[: steps * batch_rows]
    for part in order.reshape(steps, batch_rows):
        by = random.integers(-np.array([down, across]), np.array([down, across]) + 1, (batch_rows, 2))
        yield torch.from_numpy(part), torch.from_numpy(random.random(batch_rows) < 0.5), torch.from_numpy(by)


def _moved(pixels: Tensor, rows: Tensor, by: Tensor | None = None) -> Tensor:
    """The images of ``rows``, (b, h, w, ...), their own memory, each moved down and across by so much, (b, 2)."""
    import torch

    if by is None:
        return pixels[rows]
    height, width = pixels.shape[1:3]
    down, across = by.to(pixels.device)[:, :, None].unbind(1)
    from_row = (torch.arange(height, device=pixels.device) - down).clamp(0, height - 1)
    from_column = (torch.arange(width, device=pixels.device) - across).clamp(0, width - 1)
    return pixels[rows.to(pixels.device)[:, None, None], from_row[:, :, None], from_column[:, None, :]]


def _mirrored(batch: Tensor, mirrored: Tensor) -> Tensor:
    """The batch (b, h, w, ...), its own memory, with some rows mirrored left to right."""
    batch[mirrored] = batch[mirrored].flip(2)
    return batch


def _floats(images: Tensor) -> Tensor:
    """Pixels (b, 3, h, w), float32 in 0–1, of images (b, h, w, 3), uint8."""
    return images.permute(0, 3, 1, 2).contiguous().float() / 255
