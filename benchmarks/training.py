"""Training a classifier from a release's shards: images a second against decoded tensors in memory, and DataLoader.

python -m benchmarks.training [--images 2000] [--side 64] [--runs 5] [--threads 2]

The same loop teaches the same fresh network (ResNets of He et al. 2016, as transformers has them) the same images in
batches of 64, given to it in four ways: from `Images.batches`, decoded anew and kept from the epoch before; from one
tensor of all decoded images, shuffled; and from `datasets` with torch's DataLoader, as its documentation shows.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import polars as pl
import torch
from torch.nn import functional

from benchmarks.tables import Measured, Value, met, show
from corpusmith.drawings import objects
from corpusmith.drawings.canvas import render
from corpusmith.models.images import png
from corpusmith.models.loading import hardware
from corpusmith.release.batches import Images
from corpusmith.release.shards import write_shards

ROWS = 64
AIM = 0.9
NETWORKS = {
    "ResNet-18": {"embedding_size": 64, "hidden_sizes": [64, 128, 256, 512], "depths": [2, 2, 2, 2]},
    "ResNet of three blocks": {"embedding_size": 32, "hidden_sizes": [32, 64, 128], "depths": [1, 1, 1]},
}
Batches = Iterable[tuple[torch.Tensor, torch.Tensor]]


def drawn(folder: Path, images: int, side: int) -> tuple[list[Path], torch.Tensor, torch.Tensor]:
    """Drawings of twenty things as a release's shards, ordered by what they show, and as pixels (n, s, s, 3), uint8."""
    traits = objects.traits(images, 0)
    pixels = render(traits, objects.draw, size=side)
    table = traits.select(
        label="name",
        key=pl.Series([f"{number:032x}"[::-1] for number in range(images)]),
        image=pl.Series(
            [{"bytes": png(one), "path": "a.png"} for one in pixels],
            dtype=pl.Struct({"bytes": pl.Binary, "path": pl.String}),
        ),
    )
    shards = write_shards(table.lazy(), folder, "train", order=["label"])
    labels = torch.tensor([objects.classes().index(name) for name in traits["name"]])
    return shards, torch.from_numpy(pixels), labels


def network(name: str) -> torch.nn.Module:
    from transformers import ResNetConfig, ResNetForImageClassification

    names = dict(enumerate(objects.classes()))
    torch.manual_seed(0)
    return ResNetForImageClassification(ResNetConfig(layer_type="basic", id2label=names, **NETWORKS[name]))


def taught(model: torch.nn.Module, batches: Batches) -> float:
    """Seconds of one epoch."""
    device = hardware()["device"]
    model.to(device).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
    began = time.perf_counter()
    for pixels, labels in batches:
        shown = pixels.to(device, non_blocking=True).permute(0, 3, 1, 2).float() / 255
        loss = functional.cross_entropy(model(shown).logits, labels.to(device, non_blocking=True))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    loss.item()  # waits for a GPU
    return time.perf_counter() - began


def ours(images: Images, epoch: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    for pixels, labels in images.batches(ROWS, seed=0, epoch=epoch):
        yield torch.from_numpy(pixels), torch.from_numpy(labels)


def in_memory(pixels: torch.Tensor, labels: torch.Tensor) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    for rows in torch.randperm(len(pixels)).split(ROWS):
        yield pixels[rows], labels[rows]


def loader(shards: list[Path], workers: int) -> Batches:
    """`datasets` and a DataLoader, which decodes in so many processes."""
    import datasets

    datasets.disable_progress_bars()
    with tempfile.TemporaryDirectory() as cache:
        rows = datasets.load_dataset("parquet", data_files=list(map(str, shards)), split="train", cache_dir=cache)
    numbers = {name: number for number, name in enumerate(objects.classes())}

    def collated(rows: list[dict]) -> tuple[torch.Tensor, torch.Tensor]:
        pixels = np.stack([np.asarray(row["image"].convert("RGB")) for row in rows])
        return torch.from_numpy(pixels), torch.tensor([numbers[row["label"]] for row in rows])

    return torch.utils.data.DataLoader(rows, ROWS, shuffle=True, num_workers=workers, collate_fn=collated)


def parser() -> argparse.ArgumentParser:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--images", type=int, default=2000)
    ask.add_argument("--side", type=int, default=64)
    ask.add_argument("--runs", type=int, default=5)
    ask.add_argument("--threads", type=int, default=torch.get_num_threads())
    return ask


def measure(asked: argparse.Namespace) -> Iterator[Measured]:
    torch.set_num_threads(asked.threads)
    rows: list[tuple[Value, ...]] = []
    with tempfile.TemporaryDirectory() as folder:
        shards, pixels, labels = drawn(Path(folder), asked.images, asked.side)
        about = {"size": asked.side, "label": "label", "classes": objects.classes()}
        anew, kept = Images(shards, **about, keep_bytes=0), Images(shards, **about)
        for _ in kept.batches(ROWS, seed=0, epoch=0):
            pass
        theirs = loader(shards, asked.threads)
        ways: dict[str, Callable[[int], Batches]] = {
            "decoded tensors in memory": lambda run: in_memory(pixels, labels),
            "shards, decoded anew": lambda run: ours(anew, run),
            "shards, kept from the epoch before": lambda run: ours(kept, run),
            "datasets and DataLoader": lambda run: theirs,
        }
        for name in NETWORKS:
            taught(network(name), in_memory(pixels[: 4 * ROWS], labels[: 4 * ROWS]))  # warm up
            runs = [
                {way: taught(network(name), given(run)) for way, given in ways.items()} for run in range(asked.runs)
            ]
            for way in ways:
                share = statistics.median(run["decoded tensors in memory"] / run[way] for run in runs)
                seconds = statistics.median(run[way] for run in runs)
                aim = ("at least 90 %", met(share >= AIM)) if way.startswith("shards") else (None, None)
                rows.append((f"{name}: {way}", asked.images / seconds, f"{share:.0%}", *aim))
    yield Measured(
        "training",
        f"{asked.images:,} drawings of {asked.side} pixels as PNG, an epoch in batches of {ROWS}, "
        f"{hardware()['device']}, {asked.threads} threads, medians of {asked.runs}, shares of runs beside each other",
        ("network and source", "images/s", "of those in memory", "aim", ""),
        rows,
    )


def main() -> None:
    for table in measure(parser().parse_args()):
        show(table)


if __name__ == "__main__":
    main()
