"""Images a second through `produce` against the same pipeline in a bare batched loop, and one prompt at a time.

python -m benchmarks.generation [--model house/epsilon] [--images 64] [--runs 3]
python -m benchmarks.generation --architecture sd15 --random-weights --dtype bfloat16 --device cuda --images 512
python -m benchmarks.generation --architecture sdxl --random-weights --dtype bfloat16 --device cuda --steps 10 --batch 8

On a card both draw as many images at once as fill it (corpusmith.models.filling), for which there have to be enough:
--images of four times that number or more. With random weights nothing is downloaded, and it ends in minutes.
Through produce means everything: embeddings, seeds, PNG, SHA-256, the ledger on disk. The bare loop calls the pipeline
with lists of prompts and keeps nothing; the naive one calls it with one prompt and writes the PNG as Pillow does.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.tables import Measured, Value, met, show
from corpusmith.models import house
from corpusmith.models.catalog import Entry, entry
from corpusmith.models.diffusion import Loaded
from corpusmith.models.generator import Generator
from corpusmith.work.ledger import Ledger
from corpusmith.work.produce import produce

SIZES = {"sd15": 512, "sdxl": 1024, "tiny": 64}
MOODS, PEOPLE = ("happy", "sad", "angry", "surprised", "worried"), ("woman", "man", "girl", "boy")


def prompts_of(count: int) -> list[str]:
    return [f"a portrait of a {MOODS[n % 5]} {PEOPLE[n % 4]}, number {n}" for n in range(count)]


def tokenizer() -> Any:
    """A tokenizer of words, 77 long as CLIP's."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    names = ["<pad>", "<start>", "<end>", "<unknown>", "a", "portrait", "of", ",", "number", *MOODS, *PEOPLE]
    words = Tokenizer(models.WordLevel({name: place for place, name in enumerate(names)}, unk_token="<unknown>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    special = [("<start>", 1), ("<end>", 2)]
    words.post_processor = processors.TemplateProcessing(single="<start> $A <end>", special_tokens=special)
    return PreTrainedTokenizerFast(tokenizer_object=words, model_max_length=77, pad_token="<pad>", eos_token="<end>")


def text_encoder(kind: str, width: int, layers: int) -> Any:
    import transformers

    config = transformers.CLIPTextConfig(
        vocab_size=49408,
        hidden_size=width,
        intermediate_size=4 * width,
        num_hidden_layers=layers,
        num_attention_heads=max(1, width // 64),
        projection_dim=width,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
    )
    return getattr(transformers, kind)(config)


def random_pipeline(architecture: str) -> Any:
    """A pipeline in the shape of a published one (its UNet's and VAE's configuration), with random weights."""
    import torch
    from diffusers import (
        AutoencoderKL,
        DDIMScheduler,
        EulerDiscreteScheduler,
        StableDiffusionPipeline,
        StableDiffusionXLPipeline,
        UNet2DConditionModel,
    )

    torch.manual_seed(0)
    widths = (16, 32, 32) if architecture == "tiny" else (128, 256, 512, 512)
    vae = AutoencoderKL(
        block_out_channels=widths,
        down_block_types=("DownEncoderBlock2D",) * len(widths),
        up_block_types=("UpDecoderBlock2D",) * len(widths),
        layers_per_block=2,
        norm_num_groups=8,
        latent_channels=4,
        sample_size=SIZES[architecture],
    )
    cross, plain = ("CrossAttnDownBlock2D", "CrossAttnUpBlock2D"), ("DownBlock2D", "UpBlock2D")
    if architecture == "sdxl":
        unet = UNet2DConditionModel(
            sample_size=128,
            block_out_channels=(320, 640, 1280),
            down_block_types=(plain[0], cross[0], cross[0]),
            up_block_types=(cross[1], cross[1], plain[1]),
            transformer_layers_per_block=(1, 2, 10),
            attention_head_dim=(5, 10, 20),
            cross_attention_dim=2048,
            use_linear_projection=True,
            addition_embed_type="text_time",
            addition_time_embed_dim=256,
            projection_class_embeddings_input_dim=2816,
        )
        encoders = (text_encoder("CLIPTextModel", 768, 12), text_encoder("CLIPTextModelWithProjection", 1280, 32))
        scheduler = EulerDiscreteScheduler(beta_schedule="scaled_linear", steps_offset=1)
        tokenizers = (tokenizer(), tokenizer())
        return StableDiffusionXLPipeline(vae, *encoders, *tokenizers, unet, scheduler, add_watermarker=False)
    small = architecture == "tiny"
    unet = UNet2DConditionModel(
        sample_size=16 if small else 64,
        block_out_channels=(32, 64) if small else (320, 640, 1280, 1280),
        down_block_types=(plain[0], cross[0]) if small else (cross[0], cross[0], cross[0], plain[0]),
        up_block_types=(cross[1], plain[1]) if small else (plain[1], cross[1], cross[1], cross[1]),
        attention_head_dim=8,
        cross_attention_dim=64 if small else 768,
    )
    encoder = text_encoder("CLIPTextModel", 64 if small else 768, 2 if small else 12)
    scheduler = DDIMScheduler(beta_schedule="scaled_linear", clip_sample=False, steps_offset=1)
    return StableDiffusionPipeline(vae, encoder, tokenizer(), unet, scheduler, None, None, None, False)


def random_maker(options: argparse.Namespace) -> Generator:
    """A maker whose pipeline was not loaded but drawn at random."""
    import torch

    pipeline = random_pipeline(options.architecture).to(options.device, getattr(torch, options.dtype))
    pipeline.set_progress_bar_config(disable=True)
    run = Entry(
        name=f"random-{options.architecture}",
        role="text_to_image",
        repository=f"random/{options.architecture}",
        pipeline=type(pipeline).__name__,
        dtype=options.dtype,
        size=SIZES[options.architecture],
        steps=options.steps,
        guidance=5.0,
        batch=options.batch,
        licence="apache-2.0",
        vram_gb=1,
    )
    maker = Generator(run)
    maker.__dict__["revision"] = "random"
    maker.__dict__["loaded"] = Loaded(run, pipeline, "random", options.device, options.dtype)
    return maker


def call(maker: Generator, prompts: list[str]) -> list[Any]:
    """The pipeline as anybody would call it."""
    import torch

    run = maker.entry
    generators = [torch.Generator("cpu").manual_seed(n) for n in range(len(prompts))]
    settings = {"height": run.size, "width": run.size, "num_inference_steps": run.steps, **run.arguments}
    if run.guidance is not None:
        settings["guidance_scale"] = run.guidance
    return list(maker.loaded.pipeline(prompts, generator=generators, **settings).images)


def through_produce(maker: Generator, prompts: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        produce(pl.LazyFrame({"prompt": prompts}), maker, Ledger(folder))


def bare_loop(maker: Generator, prompts: list[str]) -> None:
    for start in range(0, len(prompts), maker.batch):
        call(maker, prompts[start : start + maker.batch])


def one_at_a_time(maker: Generator, prompts: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for number, prompt in enumerate(prompts):
            call(maker, [prompt])[0].save(Path(folder) / f"{number}.png")


@contextmanager
def watched(device: str) -> Iterator[list[float]]:
    """Percent of the time that a GPU was busy, asked of nvidia-smi five times a second; nothing on a CPU."""
    seen: list[float] = []
    over = threading.Event()
    ask = ["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits"]

    def watch() -> None:
        while not over.wait(0.2):
            said = subprocess.run(ask, capture_output=True, text=True, check=False).stdout
            seen.append(float(said.splitlines()[0]))

    thread = threading.Thread(target=watch, daemon=True)
    if device.startswith("cuda"):
        thread.start()
    try:
        yield seen
    finally:
        over.set()
        if thread.is_alive():
            thread.join()


def seconds(run: Callable[[Generator, list[str]], None], maker: Generator, prompts: list[str]) -> tuple[float, float]:
    """Wall and processor seconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    run(maker, prompts)
    return time.perf_counter() - wall, time.process_time() - cpu


def median_ratio(bare: list[tuple[float, float]], ours: list[tuple[float, float]], clock: int) -> float:
    return statistics.median(loop[clock] / through[clock] for loop, through in zip(bare, ours, strict=True))


def parser() -> argparse.ArgumentParser:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--model", default="house/epsilon", help="a name of the catalog; random weights if it is not here")
    ask.add_argument("--architecture", choices=sorted(SIZES), default="tiny")
    ask.add_argument("--random-weights", action="store_true")
    ask.add_argument("--dtype", default="float32")
    ask.add_argument("--device", default="cpu")
    ask.add_argument("--steps", type=int, default=20)
    ask.add_argument("--batch", type=int, default=16)
    ask.add_argument("--images", type=int, default=64)
    ask.add_argument("--runs", type=int, default=3)
    return ask


def measure(options: argparse.Namespace) -> Iterator[Measured]:
    missing = options.model.startswith(house.PREFIX) and not house.is_model(house.HOUSE / options.model[6:])
    maker = random_maker(options) if options.random_weights or missing else Generator(entry(options.model))
    prompts = prompts_of(options.images)
    through_produce(maker, prompts[: maker.entry.batch])  # loads, finds what fills the card, and warms up
    bare: list[tuple[float, float]] = []
    ours: list[tuple[float, float]] = []
    busy: list[float] = []
    for _ in range(options.runs):  # in turns: what else the machine does hits both
        bare.append(seconds(bare_loop, maker, prompts))
        with watched(options.device) as seen:
            ours.append(seconds(through_produce, maker, prompts))
        busy += seen[1:-1]
    few = prompts[: min(32, max(8, options.images // 4))]
    naive = seconds(one_at_a_time, maker, few)[0] / len(few)
    ours_wall, bare_wall = (statistics.median(wall for wall, _ in runs) for runs in (ours, bare))
    run = maker.entry
    share = median_ratio(bare, ours, 0)
    rows: list[tuple[Value, ...]] = [
        ("a bare batched loop over the same pipeline, nothing kept", options.images / bare_wall, None, None),
        ("through `produce`", options.images / ours_wall, None, None),
        ("of the bare loop (median of pairs)", f"{share:.1%}", "at least 95 %", met(share >= 0.95)),
        ("one prompt at a time, written as PNG", 1 / naive, None, None),
        ("ours is times as fast", naive * options.images / ours_wall, None, None),
    ]
    if options.device == "cpu":  # where other work runs beside it, processor time is the fairer clock
        rows.insert(3, ("by processor time", f"{median_ratio(bare, ours, 1):.1%}", None, None))
    if busy:
        rows.append(
            ("GPU busy while producing, %", statistics.mean(busy), "at least 90", met(statistics.mean(busy) >= 90))
        )
    where = f"{maker.loaded.dtype} on {maker.loaded.device}"
    yield Measured(
        "generation",
        f"{run.name}, {run.size} px, {run.steps} steps, batch {maker.batch}, {where}, {options.images} images, "
        f"medians of {options.runs}",
        ("what", "images/s", "aim", ""),
        rows,
    )


def main() -> None:
    for table in measure(parser().parse_args()):
        show(table)


if __name__ == "__main__":
    main()
