"""Edits: turns through `produce` against the bare inpainting pipeline, curation and label maps at 512 pixels.

python -m benchmarks.edits --images 128 --runs 3
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl
import torch
from PIL import Image

from benchmarks.tables import Measured, Value, met, show
from corpusmith.curate import masks
from corpusmith.drawings import scenes
from corpusmith.models.catalog import entry
from corpusmith.models.editor import Editor
from corpusmith.models.images import png
from corpusmith.models.perceivers import Embedder, Tagger
from corpusmith.models.perceivers.edits import EditJudge
from corpusmith.work.ledger import Ledger
from corpusmith.work.plan import keys, seeds
from corpusmith.work.produce import produce

LARGE = 512


def parser() -> argparse.ArgumentParser:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--editor", default="house/edit-velocity")
    ask.add_argument("--images", type=int, default=128)
    ask.add_argument("--runs", type=int, default=3)
    return ask


def planned(count: int, seed: int) -> pl.DataFrame:
    """So many edits of drawn scenes, each of the first thing in it."""
    rows: list[dict[str, Any]] = []
    for number, row in enumerate(scenes.traits(count, seed).iter_rows(named=True)):
        image, found = scenes.draw_with_masks(row)
        region = masks.widened(found[0] > 0, 2)
        rows.append(
            {
                "before": f"scene {seed} {number}",
                "region": f"region {number}",
                "operation": "change",
                "prompt": f"a blue {row['objects'][0]['name']}",
                "strength": 1.0,
                "image_before": {"bytes": png(np.asarray(image)), "path": "a.png"},
                "mask": masks.png(region),
            }
        )
    return pl.DataFrame(rows)


def bare(maker: Editor, plan: pl.DataFrame) -> float:
    """Seconds of the pipeline alone, on images and masks that are decoded already, in batches of the same size."""
    given = plan.with_columns(keys(plan, maker.fingerprint, maker.inputs))
    images = [Image.open(_file(image["bytes"])).convert("RGB") for image in given["image_before"]]
    regions = [Image.open(_file(mask)) for mask in given["mask"]]
    drawn = seeds(given["key"].to_list())
    size, entry_ = maker.batch, maker.entry
    began = time.perf_counter()
    for start in range(0, len(images), size):
        part = slice(start, start + size)
        with torch.inference_mode():
            maker.loaded.pipeline(
                prompt=given["prompt"][part].to_list(),
                image=images[part],
                mask_image=regions[part],
                height=entry_.size,
                width=entry_.size,
                strength=1.0,
                num_inference_steps=entry_.steps,
                guidance_scale=entry_.guidance,
                generator=[torch.Generator("cpu").manual_seed(int(seed)) for seed in drawn[part]],
                output_type="np",
            )
    return time.perf_counter() - began


def through(maker: Editor, plan: pl.DataFrame) -> float:
    """Seconds of the same through `produce`: opened, cropped, painted, pasted, encoded and stored."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        produce(plan.lazy(), maker, Ledger(folder)).select("key").collect()
        return time.perf_counter() - began


def measure(options: argparse.Namespace) -> Iterator[Measured]:
    maker = Editor(entry(options.editor))
    through(maker, planned(maker.batch_rows, 99))  # the model is opened and warm
    plans = [planned(options.images, seed) for seed in range(options.runs)]
    timed = [(bare(maker, plan), through(maker, plan)) for plan in plans]
    share = statistics.median(alone / ours for alone, ours in timed)
    rows: list[tuple[Value, ...]] = [
        ("the bare pipeline, batched", options.images / statistics.median(alone for alone, _ in timed), None, None),
        ("turns through produce", options.images / statistics.median(ours for _, ours in timed), None, None),
        ("of the bare pipeline's images/s", f"{share:.1%}", "at least 90 %", met(share >= 0.9)),
    ]
    where = f"{options.editor}, {maker.entry.size} px, {maker.entry.steps} steps, batch {maker.batch}"
    said = f"{where}, {maker.loaded.dtype} on {maker.loaded.device}, {options.images} edits, medians of {options.runs}"
    yield Measured("edits", said, ("what", "images/s", "aim", ""), rows)
    yield large(options)


def large(options: argparse.Namespace) -> Measured:
    """The judge, and label maps of three regions, on images of 512 pixels."""
    count = max(8, options.images // 4)
    random = np.random.default_rng(0)
    small = random.integers(0, 256, (2 * count, 32, 32, 3), dtype=np.uint8)
    images = [Image.fromarray(one).resize((LARGE, LARGE), Image.Resampling.BICUBIC) for one in small]
    disc = (np.indices((LARGE, LARGE)) - LARGE // 2).astype(float)
    regions = [np.hypot(*disc) < radius for radius in (60, 90, 120)]
    plan = pl.DataFrame(
        {
            "before_sha256": [f"b{n}" for n in range(count)],
            "image_sha256": [f"a{n}" for n in range(count)],
            "region": ["r"] * count,
            "operation": ["add"] * count,
            "thing": ["balloon"] * count,
            "prompt": ["a red balloon"] * count,
            "image_before": [{"bytes": png(np.asarray(one)), "path": "a"} for one in images[:count]],
            "image_after": [{"bytes": png(np.asarray(one)), "path": "a"} for one in images[count:]],
            "mask": [masks.png(regions[2])] * count,
        }
    )
    judge, judged, composed = EditJudge(Tagger(), Embedder()), [], []
    for _ in range(options.runs):
        with tempfile.TemporaryDirectory() as folder:
            began = time.perf_counter()
            produce(plan.lazy(), judge, Ledger(folder)).select("key").collect()
            judged.append(count / (time.perf_counter() - began))
        began = time.perf_counter()
        for _ in range(count):
            masks.png(masks.composed(regions, [1, 2, 3]))
        composed.append(count / (time.perf_counter() - began))
    return Measured(
        "edits_512",
        f"{count} images of {LARGE} pixels, medians of {options.runs}",
        ("what", "images/s"),
        [
            ("judged: change, outside, embeddings, labels", statistics.median(judged)),
            ("label maps of three regions, as PNG", statistics.median(composed)),
        ],
    )


def _file(data: bytes) -> Any:
    import io

    return io.BytesIO(data)


def main() -> None:
    for table in measure(parser().parse_args()):
        show(table)


if __name__ == "__main__":
    main()
