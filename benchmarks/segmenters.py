"""Training of segmenters: images a second of ``fit``, and of a plain PyTorch loop over float tensors in memory.

python -m benchmarks.segmenters [--images 600] [--side 64] [--epochs 2] [--width 16] [--runs 5] [--threads 1]

Both teach the same fresh network the same images in batches of 32 with the same AdamW. The plain loop is given its
pixels as floats, channels first, and neither mirrors images nor changes the rate; ``fit`` holds bytes and does both.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch.nn import functional

from benchmarks.tables import Measured, met, show
from corpusmith.models.loading import hardware
from corpusmith.models.segmenters.networks import untrained
from corpusmith.models.segmenters.training import DECAY, Bytes, fit

NETWORKS = ("segformer", "fcn-8s")
CLASSES = 9
ROWS = 32
RATE = 3e-3
AIM = 0.9


def drawn(images: int, side: int) -> tuple[Bytes, Bytes]:
    """Images (n, side, side, 3) and labels (n, side, side): what is in them costs nothing, so it is noise."""
    random = np.random.default_rng(0)
    labels = random.integers(0, CLASSES, (images, side, side), dtype=np.uint8)
    return random.integers(0, 256, (images, side, side, 3), dtype=np.uint8), labels


def plain(network: torch.nn.Module, pixels: torch.Tensor, labels: torch.Tensor, epochs: int) -> None:
    """The loop as one writes it first."""
    network.to(pixels.device).train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=DECAY, fused=True)
    for _ in range(epochs):
        for rows in torch.randperm(len(pixels), device=pixels.device).split(ROWS):
            loss = functional.cross_entropy(network(pixels[rows]), labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    loss.item()  # waits for a GPU


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=600)
    parser.add_argument("--side", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    return parser


def measure(options: argparse.Namespace) -> Iterator[Measured]:
    torch.set_num_threads(options.threads)
    device = hardware()["device"]
    images, labels = drawn(options.images, options.side)
    pixels = torch.from_numpy(images).to(device).permute(0, 3, 1, 2).contiguous().float() / 255
    truth = torch.from_numpy(labels).to(device).long()

    def rate(train: Callable[[torch.nn.Module], None], name: str) -> float:
        network = untrained(name, CLASSES, seed=0, width=options.width)
        began = time.perf_counter()
        train(network)
        return options.images * options.epochs / (time.perf_counter() - began)

    def ours(network: torch.nn.Module) -> None:
        fit(network, images, labels, epochs=options.epochs, batch_rows=ROWS, rate=RATE, seed=0)

    def theirs(network: torch.nn.Module) -> None:
        plain(network, pixels, truth, options.epochs)

    rows, least = [], float("inf")
    for name in NETWORKS:
        fit(untrained(name, CLASSES, 0, options.width), images[:ROWS], labels[:ROWS], epochs=1, seed=0)  # warm up
        pairs = [(rate(ours, name), rate(theirs, name)) for _ in range(options.runs)]
        ratio = statistics.median(mine / other for mine, other in pairs)  # of runs beside each other: load hits both
        least = min(least, ratio)
        rows.append((name, *(statistics.median(rates) for rates in zip(*pairs, strict=True)), f"{ratio:.0%}"))
    yield Measured(
        "segmenters",
        f"{options.images:,} images of {options.side} pixels, {options.epochs} epochs, width {options.width}, batches "
        f"of {ROWS}, {device}, {options.threads} threads, medians of {options.runs}; the aim, {AIM:.0%} of the plain "
        f"loop, is {met(least >= AIM)}",
        ("network", "fit, images/s", "plain loop, images/s", "fit is, of the loop"),
        rows,
    )


def main() -> None:
    for table in measure(parser().parse_args()):
        show(table)


if __name__ == "__main__":
    main()
