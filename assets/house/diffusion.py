"""Trains the image generators on latents that are computed once.

``python -m corpusmith.assets.house.diffusion epsilon``.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any, Final

import numpy as np

from corpusmith.assets.house import autoencoder as coding
from corpusmith.assets.house.drawings import Drawings, kept
from corpusmith.assets.house.generators import (
    GENERATORS,
    LONGEST,
    STEPS_OF_NOISE,
    Generator,
    t5_encoder,
    text_encoder,
    tokenizer,
)
from corpusmith.assets.house.training import WORK, device, train
from corpusmith.errors import ModelError
from corpusmith.models.house import HOUSE, is_model, revision

ROWS: Final = 60_000
SEED: Final = 12
BATCH: Final = 32
EARLY: Final = 1_680
"""Steps after which the early checkpoint is taken."""
UNPROMPTED: Final = 0.1
"""Share of the captions that are emptied, so that guidance has something to lead away from (Ho & Salimans 2022)."""
FACE: Final = 2.0
"""How much more the middle of a portrait counts than its surroundings."""
DETAIL: Final = 4.0
"""How much more a latent counts where the drawing has edges; what the network should predict is the same everywhere."""


def untrained(generator: Generator, words: Any, channels: int) -> Any:
    """What is trained together, with random weights: a torch ModuleDict of ``denoiser`` and the text encoders."""
    import torch

    torch.manual_seed(generator.seed)
    parts = {"denoiser": generator.network(channels), "text_encoder": text_encoder(words)}
    if generator.is_flow:
        parts["text_encoder_2"] = t5_encoder(words)
    return torch.nn.ModuleDict(parts)


def tokens(words: Any, drawn: Drawings) -> Any:
    """The captions of each drawing as tokens, and last an empty one: (n, ways, LONGEST), int64."""
    ways = max(len(said) for said in drawn.prompts)
    said = [(prompts * ways)[:ways] for prompts in drawn.prompts]
    flat = [prompt for prompts in said for prompt in prompts]
    ids = words(flat, padding="max_length", max_length=LONGEST, truncation=True, return_tensors="pt").input_ids
    return ids.view(len(said), ways, LONGEST)


def answer(network: Any, generator: Generator, mixed: Any, times: Any, ids: Any) -> Any:
    """What the denoiser says of noisy latents (n, channels, h, w), told of the prompts as its pipeline tells it."""
    if not generator.is_flow:
        told = network["text_encoder"](ids)[0]
        return network["denoiser"](mixed, times, encoder_hidden_states=told).sample
    from diffusers import FluxPipeline

    rows, channels, height, width = mixed.shape
    said = network["denoiser"](
        hidden_states=FluxPipeline._pack_latents(mixed, rows, channels, height, width),
        timestep=times / STEPS_OF_NOISE,
        pooled_projections=network["text_encoder"](ids).pooler_output,
        encoder_hidden_states=network["text_encoder_2"](ids)[0],
        img_ids=FluxPipeline._prepare_latent_image_ids(rows, height // 2, width // 2, mixed.device, mixed.dtype),
        txt_ids=mixed.new_zeros(ids.shape[1], 3),
    ).sample
    return FluxPipeline._unpack_latents(said, height, width, vae_scale_factor=1)


def noised(generator: Generator, scheduler: Any, latents: Any, noise: Any, draws: Any) -> tuple[Any, Any, Any, Any]:
    """Noisy latents, their timesteps, what the network should answer, and how much each sample counts."""
    import torch

    rows = len(latents)
    if not hasattr(scheduler, "alphas_cumprod"):
        time = torch.sigmoid(torch.from_numpy(draws.normal(size=rows).astype(np.float32))).to(latents)
        mixed = (1 - time.view(-1, 1, 1, 1)) * latents + time.view(-1, 1, 1, 1) * noise
        return mixed, time * STEPS_OF_NOISE, noise - latents, torch.ones_like(time)
    steps = torch.from_numpy(draws.integers(STEPS_OF_NOISE, size=rows)).to(latents.device)
    kept_share = scheduler.alphas_cumprod.to(latents)[steps]
    signal, spread = kept_share.sqrt().view(-1, 1, 1, 1), (1 - kept_share).sqrt().view(-1, 1, 1, 1)
    ratio = kept_share / (1 - kept_share)
    weight = ratio.clamp(max=5.0)  # min-SNR-5 (Hang et al. 2023, arXiv 2303.09556)
    if scheduler.config.prediction_type == "epsilon":
        return signal * latents + spread * noise, steps, noise, weight / ratio
    return signal * latents + spread * noise, steps, signal * noise - spread * latents, weight / (ratio + 1)


def trained(
    name: str, work: Path, steps: int, rows: int = ROWS, batch: int = BATCH, early: int = EARLY
) -> tuple[Any, Any, Any]:
    """The generator's final and early weights and its tokenizer; goes on from the checkpoint in ``work``.

    On a GPU the latents lie there and the step is compiled: it is some 2,500 small operations, which cost more to start
    than to do. Larger batches pay there as well; each size of them has a checkpoint of its own.

    Raises ModelError: its autoencoder does not lie there.
    """
    import torch
    from diffusers import AutoencoderTiny

    generator = GENERATORS[name]
    coded = work / f"vae-{generator.autoencoder}"
    if not is_model(coded):
        raise ModelError(
            f"{coded} is not there yet: python -m corpusmith.assets.house.autoencoder {generator.autoencoder} makes it"
        )
    drawn = kept(rows, SEED, work, processes=2)
    words = tokenizer([prompt for prompts in drawn.prompts for prompt in prompts])
    vae = AutoencoderTiny.from_pretrained(coded).to(device()).eval()
    where = device()
    latents, detail = (
        part.to(where) for part in _latents(vae, drawn, work / f"latents-{rows}-{revision(coded)[:8]}.pt")
    )
    ids = tokens(words, drawn).to(where)
    nothing = tokens(words, Drawings(drawn.pixels[:1], [[""]], drawn.kind[:1])).to(where)[0, 0]
    network = untrained(generator, words, vae.config.latent_channels).to(where, memory_format=torch.channels_last)
    scheduler = generator.scheduler()
    said_of = torch.compile(answer) if where == "cuda" else answer

    def loss(step: int) -> Any:
        draws = np.random.default_rng([generator.seed, step])
        rows_now = draws.integers(len(latents), size=batch)
        clean = latents[rows_now].float() * vae.config.scaling_factor
        noise = torch.from_numpy(draws.normal(size=clean.shape).astype(np.float32)).to(clean)
        said = ids[rows_now, draws.integers(ids.shape[1], size=batch)]
        said = torch.where(torch.from_numpy(draws.random(batch) < UNPROMPTED).to(said.device)[:, None], nothing, said)
        mixed, times, wanted, weight = noised(generator, scheduler, clean, noise, draws)
        said = said_of(network, generator, mixed, times, said)
        wrong = (said.float() - wanted).square() * detail[rows_now].to(clean)
        return (wrong.mean((1, 2, 3)) * weight).mean()

    final, at_early = train(
        network,
        loss,
        steps=steps,
        rate=1.5e-3,
        checkpoint=work / (f"{name}.pt" if batch == BATCH else f"{name}-batch-{batch}.pt"),
        average=0.9995,
        early=min(early, steps),
    )
    return (network, final, at_early), words, vae


def _latents(vae: Any, drawn: Drawings, cached: Path) -> tuple[Any, Any]:
    """Latents (n, channels, h, w) and how much each place counts (n, 1, h, w), float16; computed once."""
    import torch
    from torch.nn.functional import adaptive_avg_pool2d

    if not cached.exists():
        latents = coding.encoded(vae, drawn.pixels)
        side, edges = latents.shape[-1], []
        for start in range(0, len(drawn.pixels), 512):
            contrast = coding.weights(coding.batch(drawn.pixels, slice(start, start + 512))) - 1
            edges.append(adaptive_avg_pool2d(contrast, side).div(coding.EDGES).half().cpu())
        weights = 1 + DETAIL * torch.cat(edges)
        middle = slice(side * 3 // 16, side * 13 // 16 + 1)
        weights[torch.from_numpy(drawn.kind == "portraits"), :, middle, middle] *= FACE
        torch.save({"latents": latents, "weights": weights}, cached)
    stored = torch.load(cached, weights_only=True, mmap=True)
    return stored["latents"], stored["weights"]


def ship(name: str, network: Any, final: Any, early: Any, words: Any, vae: Any, out: Path) -> None:
    """Writes the pipeline's folder in float16 safetensors; the early weights lie beside as the variant ``early``."""
    import torch

    network.load_state_dict(early)
    for part, module in network.items():
        folder = _part(name, part)
        module.half().save_pretrained(out / folder, variant="early")
    network.load_state_dict(final)
    pipeline(name, network, words, vae).to(dtype=torch.float16).save_pretrained(out)
    settings = out / "vae" / "config.json"
    known = json.loads(settings.read_text())
    del known["block_out_channels"]  # AutoencoderTiny derives it, and warns where it finds it said
    settings.write_text(json.dumps(known, indent=2) + "\n")


def pipeline(name: str, network: Any, words: Any, vae: Any) -> Any:
    """The diffusers pipeline around a trained network."""
    import diffusers

    generator = GENERATORS[name]
    parts = {
        "vae": vae,
        "tokenizer": words,
        "scheduler": generator.scheduler(),
        "text_encoder": network["text_encoder"],
    }
    if generator.is_flow:
        parts |= {"transformer": network["denoiser"], "tokenizer_2": words, "text_encoder_2": network["text_encoder_2"]}
    else:
        parts |= {"unet": network["denoiser"], "safety_checker": None, "feature_extractor": None}
        parts |= {"requires_safety_checker": False}
    return getattr(diffusers, generator.pipeline)(**parts)


def _part(name: str, part: str) -> str:
    return part if part != "denoiser" else "transformer" if GENERATORS[name].is_flow else "unet"


def make(name: str, work: Path, out: Path, steps: int | None = None, rows: int = ROWS, batch: int = BATCH) -> Path:
    """The whole recipe of one of GENERATORS: the folder under ``out`` that it is shipped to, as yet without its card.

    Its autoencoder must lie in ``work``.
    """
    (network, final, early), words, vae = trained(name, work, steps or GENERATORS[name].steps, rows, batch)
    ship(name, network, final, early, words, vae, out / name)
    return out / name


def main() -> None:
    """The recipe as a command, to run unattended; what ``work`` has is gone on from."""
    import torch

    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("name", choices=GENERATORS)
    ask.add_argument("--work", type=Path, default=WORK)
    ask.add_argument("--out", type=Path, default=HOUSE)
    ask.add_argument("--steps", type=int, help="instead of the recipe's own number")
    ask.add_argument("--rows", type=int, default=ROWS)
    ask.add_argument("--batch", type=int, default=BATCH, help="drawings of a step; on a GPU more cost little")
    ask.add_argument("--threads", type=int, default=2)
    asked = ask.parse_args()
    torch.set_num_threads(asked.threads)
    make(asked.name, asked.work, asked.out, asked.steps, asked.rows, asked.batch)


if __name__ == "__main__":
    main()
