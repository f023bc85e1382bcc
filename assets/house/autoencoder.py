"""Trains the autoencoders that the image generators work in: 64 by 64 pixels become a few latents and back.

``python -m corpusmith.assets.house.autoencoder wide``: measured alone before any diffusion, since no generator can
show an expression that its autoencoder does not keep.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from corpusmith.assets.house.drawings import Drawings, kept
from corpusmith.assets.house.training import WORK, device, train

ROWS: Final = 60_000
SEED: Final = 11
BATCH: Final = 16
STEPS: Final = 3_000
EDGES: Final = 8.0
"""How much more a pixel on an edge counts than one on a plain: lips are edges, walls are most of the pixels."""
NOISE: Final = 0.1
"""Noise on the latents while training: what a generator makes is never quite what the encoder would have made."""
SPREAD: Final = 1e-3
"""Weight of the penalty on large latents; the decoder squashes what is beyond 3 (as TAESD's does)."""


@dataclass(frozen=True)
class Shape:
    """An AutoencoderTiny: latent channels, width, residual blocks at 64, 32 and 16 pixels (decoder: reversed)."""

    channels: int
    width: int
    encoder: tuple[int, int, int]
    decoder: tuple[int, int, int]
    seed: int


SHAPES: Final = {
    "narrow": Shape(channels=4, width=40, encoder=(0, 1, 2), decoder=(3, 1, 0), seed=2),
    "wide": Shape(channels=8, width=40, encoder=(0, 1, 3), decoder=(3, 2, 0), seed=1),
}
"""Four pixels a side for one latent: eight (16 channels, as SD3 has) lost the eyes, with as many numbers in all."""


def untrained(shape: Shape) -> Any:
    """A diffusers AutoencoderTiny with random weights that takes four pixels a side for one latent."""
    import torch
    from diffusers import AutoencoderTiny

    torch.manual_seed(shape.seed)
    return AutoencoderTiny(
        encoder_block_out_channels=(shape.width,) * len(shape.encoder),
        decoder_block_out_channels=(shape.width,) * len(shape.decoder),
        num_encoder_blocks=shape.encoder,
        num_decoder_blocks=shape.decoder,
        latent_channels=shape.channels,
    )


def trained(name: str, material: Drawings, steps: int, work: Path) -> Any:
    """One of SHAPES trained on drawings; its ``scaling_factor`` brings the latents to a spread of one."""
    import torch

    shape = SHAPES[name]
    network = untrained(shape).to(device()).to(memory_format=torch.channels_last)

    def loss(step: int) -> Any:
        draws = np.random.default_rng([shape.seed, step])
        pixels = batch(material.pixels, draws.integers(len(material.pixels), size=BATCH))
        latents = network.encode(pixels).latents
        noise = torch.from_numpy(draws.normal(size=latents.shape).astype(np.float32)).to(latents)
        back = network.decode(latents + NOISE * noise).sample
        wrong = (back.float() - pixels).abs()
        return (wrong * weights(pixels)).mean() + SPREAD * latents.float().square().mean()

    best, _ = train(network, loss, steps=steps, rate=2e-3, checkpoint=work / f"autoencoder-{name}.pt", average=0.995)
    network.load_state_dict(best)
    spread = float(encoded(network, material.pixels[:: max(1, len(material.pixels) // 2000)]).std())
    network.register_to_config(scaling_factor=1 / spread)
    return network


def batch(pixels: np.ndarray[Any, np.dtype[np.uint8]], rows: Any) -> Any:
    """Drawings as a tensor: (n, 3, 64, 64), float32 from -1 to 1."""
    import torch

    tensor = torch.from_numpy(np.array(pixels[rows])).to(device()).permute(0, 3, 1, 2)
    return tensor.float().div(127.5).sub(1)


def weights(pixels: Any) -> Any:
    """How much each pixel counts, (n, 1, h, w): one, and EDGES more by the contrast to its neighbours."""
    from torch.nn.functional import max_pool2d

    contrast = max_pool2d(pixels, 3, 1, 1) + max_pool2d(-pixels, 3, 1, 1)
    return 1 + EDGES * contrast.mean(1, keepdim=True) / 2


def encoded(network: Any, pixels: np.ndarray[Any, np.dtype[np.uint8]], rows: int = 256) -> Any:
    """The latents of drawings, unscaled: (n, channels, h, w), float16 on the CPU."""
    import torch

    with torch.inference_mode(), torch.autocast(device(), dtype=torch.bfloat16):
        parts = [
            network.encode(batch(pixels, slice(start, start + rows))).latents.half().cpu()
            for start in range(0, len(pixels), rows)
        ]
    return torch.cat(parts)


def through(network: Any, pixels: np.ndarray[Any, np.dtype[np.uint8]]) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Drawings encoded and decoded again, uint8 of the same shape."""
    import torch

    parts = []
    with torch.inference_mode():
        for start in range(0, len(pixels), 128):
            back = network(batch(pixels, slice(start, start + 128))).sample
            parts.append(back.add(1).mul(127.5).round().clamp(0, 255).byte().permute(0, 2, 3, 1).cpu().numpy())
    return np.concatenate(parts)


def make(name: str, work: Path, steps: int = STEPS, rows: int = ROWS) -> Path:
    """The whole recipe of one of SHAPES: the folder under ``work`` that it is written to."""
    folder = work / f"vae-{name}"
    trained(name, kept(rows, SEED, work, processes=2), steps, work).save_pretrained(folder)
    return folder


def main() -> None:
    """The recipe as a command, to run unattended; what ``work`` has is gone on from."""
    import torch

    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("name", choices=SHAPES)
    ask.add_argument("--work", type=Path, default=WORK)
    ask.add_argument("--steps", type=int, default=STEPS)
    ask.add_argument("--rows", type=int, default=ROWS)
    ask.add_argument("--threads", type=int, default=2)
    asked = ask.parse_args()
    torch.set_num_threads(asked.threads)
    make(asked.name, asked.work, asked.steps, asked.rows)


if __name__ == "__main__":
    main()
