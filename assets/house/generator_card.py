"""What the card of a house generator says: how often its images show what was asked, as the house readers see them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
import pyarrow as pa

from corpusmith.assets.house import autoencoder, readers
from corpusmith.assets.house.expression_card import rank, said, share
from corpusmith.assets.house.generators import GENERATORS
from corpusmith.assets.house.training import device
from corpusmith.drawings import captions, objects, portraits, scenes
from corpusmith.drawings.canvas import render
from corpusmith.emotions import EMOTIONS
from corpusmith.models.catalog import Entry, of_role
from corpusmith.models.generator import Generator
from corpusmith.models.perceivers import Classifier, Tagger
from corpusmith.work.plan import keys

PROMPTS: Final = 240
"""Of portraits, and as many of objects and scenes together."""
ABOUT: Final = {
    "epsilon": "A UNet that predicts the noise, in 16 by 16 latents of 4 channels.",
    "velocity": "A smaller UNet that predicts the velocity, in the same latents.",
    "flow": "A transformer in the FLUX format, trained by flow matching in 16 by 16 latents of 8 channels.",
}


def measure(name: str, folder: Path, rows: int = PROMPTS) -> dict[str, Any]:
    """The card's figures of the generator in ``folder``: of each of its catalog entries, and of its autoencoder.

    The readers learned from drawings that no generator saw (readers.SEEDS), and the prompts are of held-out seeds.
    """
    entries = [entry for entry in of_role("text_to_image") if entry.repository == f"house/{name}"]
    return {
        "prompts": rows,
        "parameters": _parameters(folder),
        "bytes": sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()),
        "autoencoder": {"emotion": read_through(folder / "vae", rows)},
        "entries": {entry.name: of_entry(entry, folder, rows) for entry in entries},
    }


def of_entry(entry: Entry, folder: Path, rows: int) -> dict[str, Any]:
    """One way to run the generator: settings, shares seen as asked with 95 % intervals, and images a second."""
    generator = Generator(entry.model_copy(update={"repository": str(folder)}))
    people, things = portraits.traits(rows, readers.SEEDS["held-out"]), _things(rows)
    began = time.perf_counter()
    pictures = drawn(generator, captions.portrait(people))
    rate = rows / (time.perf_counter() - began)
    read = pl.DataFrame(Classifier("house/expression-cnn").make(pa.record_batch({"image": pictures})))
    tags = Tagger("house/object").make(pa.record_batch({"image": drawn(generator, things["prompt"])}))
    right = (read["emotion"] == people["emotion"]).to_numpy()
    expressive = (people["degree"] > 0).to_numpy()
    found = np.array([name in seen for name, seen in zip(things["name"], tags[0].to_pylist(), strict=True)])
    alone = things["alone"].to_numpy()
    return {
        "steps": entry.steps,
        "guidance": entry.arguments.get("true_cfg_scale", entry.guidance or 1.0),
        "emotion": share(right, f"{entry.name}/emotion"),
        "by_emotion": {
            emotion: readers.rounded(right[(people["emotion"] == emotion).to_numpy()].mean())
            for emotion in EMOTIONS
            if emotion in people["emotion"]
        },
        "intensity_srcc": rank(
            read["intensity"].to_numpy()[expressive], people["degree"].to_numpy()[expressive], f"{entry.name}/intensity"
        ),
        "quality": readers.rounded(read["quality"].mean()),
        "object": share(found[alone], f"{entry.name}/object"),
        "object_in_scene": share(found[~alone], f"{entry.name}/scene"),
        "images_per_second": readers.rounded(rate),
    }


def drawn(generator: Generator, prompts: pl.Series) -> pa.Array:
    """An image for each prompt; one that stands twice is drawn twice, with different seeds."""
    plan = pl.DataFrame({"prompt": prompts}).with_row_index("place")
    table = plan.select(keys(plan, generator.fingerprint, plan.columns).alias("key"), "prompt").to_arrow()
    size = generator.batch_rows
    parts = [
        generator.make(table.slice(start, size).combine_chunks().to_batches()[0])["image"]
        for start in range(0, table.num_rows, size)
    ]
    return pa.concat_arrays(parts)


def card(name: str, metrics: dict[str, Any]) -> str:
    """README.md of the generator."""
    lines = [
        f"| {entry} | {found['steps']} | {found['guidance']} | {said(found['emotion'])} | "
        f"{said(found['intensity_srcc'])} | {found['quality']:.2f} | {said(found['object'])} | "
        f"{said(found['object_in_scene'])} | "
        f"{found['images_per_second']:.1f} |"
        for entry, found in metrics["entries"].items()
    ]
    final = metrics["entries"][f"house/{name}"]
    by_emotion = "\n".join(f"| {emotion} | {value:.2f} |" for emotion, value in final["by_emotion"].items())
    return f"""{readers.front_matter("text-to-image", ["diffusers", "emotion"])}
# {name}

{ABOUT[name]}
{metrics["parameters"] / 1e6:.2f} M parameters in all, images of 64 by 64 pixels, words of
`corpusmith/drawings/portraits.yaml` and `objects.yaml`. A *house model*: it draws cartoons of one style, so that the
whole factory runs on a laptop; nobody should take it for a published model. Made by `assets/house/diffusion.py`
from drawings of the project's own; the early checkpoint lies beside the final one as the variant `early`.

## Measured on {metrics["prompts"]} prompts for portraits, half as many for objects and for scenes (95 % intervals)

Read by `house/expression-cnn` and `house/object`, which learned from drawings that no generator saw. Of a scene the
first thing that is asked for counts; on drawn scenes the reader itself finds nine in ten.

| entry | steps | guidance | emotion as asked | intensity, SRCC | quality | object as asked | in a scene | images/s |
|---|---|---|---|---|---|---|---|---|
{chr(10).join(lines)}

Emotion read through the autoencoder alone: {said(metrics["autoencoder"]["emotion"])}.

| emotion | house/{name} |
|---|---|
{by_emotion}
"""


def _things(rows: int) -> pl.DataFrame:
    """Prompts of objects alone and of scenes, and the object that must be seen in each: name, prompt and alone."""
    alone = objects.traits(rows // 2, readers.SEEDS["held-out"]).select("name", "prompt", alone=True)
    placed = scenes.traits(rows - rows // 2, readers.SEEDS["held-out"])
    first = pl.col("objects").list.first().struct.field("name").alias("name")
    return pl.concat([alone, placed.select(first, "prompt", alone=False)])


def read_through(folder: Path, rows: int = PROMPTS) -> dict[str, Any]:
    """How often a drawing's emotion is still seen after an autoencoder: no generator in its latents does better."""
    import torch
    from diffusers import AutoencoderTiny
    from PIL import Image

    network = AutoencoderTiny.from_pretrained(folder, torch_dtype=torch.float32).to(device()).eval()
    people = portraits.traits(rows, readers.SEEDS["held-out"])
    back = autoencoder.through(network, render(people, portraits.draw))
    read = Classifier("house/expression-cnn").read([Image.fromarray(picture) for picture in back])
    return share(read["emotion"].to_numpy(zero_copy_only=False) == people["emotion"].to_numpy(), "vae")


def _parameters(folder: Path) -> int:
    from safetensors import safe_open

    files: Sequence[Path] = [file for file in folder.rglob("*.safetensors") if ".early." not in file.name]
    total = 0
    for file in files:
        with safe_open(file, "np") as weights:
            total += sum(int(np.prod(weights.get_slice(name).get_shape())) for name in weights.keys())  # noqa: SIM118
    return total


def write(name: str, folder: Path, rows: int = PROMPTS) -> None:
    """metrics.json and README.md into the generator's folder."""
    metrics = measure(name, folder, rows)
    readers.describe(folder, metrics, card(name, metrics))


def main() -> None:
    """Measure shipped generators anew."""
    import argparse

    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("name", choices=GENERATORS)
    ask.add_argument("folder", type=Path)
    asked = ask.parse_args()
    write(asked.name, asked.folder)


if __name__ == "__main__":
    main()
