"""Hidden-state extraction for the probes: tokens a second of the maker, of a row-by-row loop, and of naive batches.

python -m benchmarks.hidden_states [--rows 2000] [--runs 3] [--model house/language] [--form raw] [--threads 2]
python -m benchmarks.hidden_states --shape qwen3-0.6b --device cuda --dtype bfloat16 --rows 20000    minutes on a card

With --shape the weights are drawn at random and nothing is downloaded; the bare forward pass is of full batches without
padding, whose states are let go, and a card's peak is what a product of large matrices reaches on it.
Every peer loads nothing and ends with the same thing, the last token's state in every layer as float16, from the same
texts, tokenization included. The row-by-row loops take the first --loop-rows texts only, as they are slow.
Texts are GoEmotions' where they lie beside the project (../shared/data), the demo dump's otherwise.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import torch

from benchmarks.shapes import SHAPES, flops_of_a_token, peak_flops, random_language, waited
from benchmarks.tables import Measured, met, show
from corpusmith.score.hidden_states import Halves, HiddenStates

GOEMOTIONS = Path(__file__).resolve().parents[2] / "shared" / "data" / "goemotions" / "original" / "train.tsv"
AIM = 3.0
FIXED = 32


def texts(rows: int) -> list[str]:
    if GOEMOTIONS.is_file():
        table = pl.read_csv(GOEMOTIONS, separator="\t", has_header=False, quote_char=None, n_rows=rows)
        return table.to_series(0).to_list()
    from corpusmith.assets.reddit.demo import write_demo_dump
    from corpusmith.ingest import read

    with tempfile.TemporaryDirectory() as folder:
        dump = Path(folder) / "demo.zst"
        write_demo_dump(dump, comments=max(100, 2 * rows))
        bodies = pl.concat([part.select("raw") for part in read(dump)])["raw"].drop_nulls()
    return bodies.filter(bodies.str.len_chars() > 20).head(rows).to_list()


def through_maker(maker: HiddenStates, shown: list[str]) -> Halves:
    """The maker as `produce` calls it: batches of batch_rows in the given order."""
    parts = []
    for start in range(0, len(shown), maker.batch_rows):
        batch = shown[start : start + maker.batch_rows]
        made = maker.make(pa.record_batch({"key": [str(row) for row in range(len(batch))], "text": batch}))
        parts.append(made["states"].flatten().to_numpy(zero_copy_only=False).reshape(len(batch), *maker.shape))
    return np.concatenate(parts)


def row_by_row(maker: HiddenStates, shown: list[str], head: bool = False) -> Halves:
    """One text a pass; with ``head``, of the causal LM as it is loaded, which also rates every next word."""
    model = maker.loaded.model if head else maker.loaded.model.base_model
    parts = []
    with torch.inference_mode():
        for text in shown:
            ids = torch.tensor(maker.tokens([text]), device=maker.loaded.device)
            layers = model(input_ids=ids, use_cache=False, output_hidden_states=True).hidden_states
            parts.append(torch.stack([layer[0, -1] for layer in layers]).half().cpu().numpy())
    return np.stack(parts)


def fixed_batches(maker: HiddenStates, shown: list[str]) -> Halves:
    """FIXED texts a pass in the given order, each padded to the longest beside it."""
    model, device = maker.loaded.model.base_model, maker.loaded.device
    parts = []
    with torch.inference_mode():
        for start in range(0, len(shown), FIXED):
            tokens = maker.tokens(shown[start : start + FIXED])
            longest = max(map(len, tokens))
            ids = torch.tensor([row + [0] * (longest - len(row)) for row in tokens], device=device)
            mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in tokens], device=device)
            layers = model(input_ids=ids, attention_mask=mask, use_cache=False, output_hidden_states=True).hidden_states
            last = torch.tensor([len(row) - 1 for row in tokens], device=device)
            rows = torch.arange(len(tokens), device=device)
            parts.append(torch.stack([layer[rows, last] for layer in layers], 1).half().cpu().numpy())
    return np.concatenate(parts)


def bare_pass(maker: HiddenStates, length: int, budget: int) -> float:
    """Tokens a second of the transformer alone, ``budget`` of them at once in texts of ``length``; nothing is kept."""
    model, device = maker.loaded.model.base_model, maker.loaded.device
    ids = torch.randint(3, 12, (max(1, budget // length), length), device=device)
    seconds = []
    with torch.inference_mode():
        for _ in range(4):
            waited(device)
            began = time.perf_counter()
            model(input_ids=ids, use_cache=False)
            waited(device)
            seconds.append(time.perf_counter() - began)
    return ids.numel() / min(seconds[1:])


def random_maker(shape: str, device: str, dtype: str) -> HiddenStates:
    """A maker whose model was not loaded but drawn at random."""
    maker = HiddenStates(f"random/{shape}")
    width, layers = SHAPES[shape][:2]
    known = {"revision": "random", "shape": (layers + 1, width), "loaded": random_language(shape, device, dtype)}
    maker.__dict__.update(known)
    return maker


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--loop-rows", type=int, default=400)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--model", default="house/language")
    parser.add_argument("--form", default="raw")
    parser.add_argument("--shape", choices=SHAPES, help="of a model with random weights, instead of --model")
    parser.add_argument("--device", default="cpu", help="of --shape")
    parser.add_argument("--dtype", default="float32", help="of --shape")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    return parser


def measure(options: argparse.Namespace) -> Iterator[Measured]:
    torch.set_num_threads(options.threads)

    shown = texts(options.rows)
    some = shown[: options.loop_rows]
    maker = (
        random_maker(options.shape, options.device, options.dtype)
        if options.shape
        else HiddenStates(options.model, options.form)
    )
    count = {len(rows): sum(map(len, maker.tokens(rows))) for rows in (shown, some)}
    peers: dict[str, tuple[Callable[[], Halves], int]] = {
        "HiddenStates, batches by length": (lambda: through_maker(maker, shown), len(shown)),
        f"batches of {FIXED} in the given order": (lambda: fixed_batches(maker, shown), len(shown)),
        "row by row": (lambda: row_by_row(maker, some), len(some)),
        "row by row, with the head": (lambda: row_by_row(maker, some, head=True), len(some)),
    }
    seconds: dict[str, list[float]] = {name: [] for name in peers}
    states: dict[str, Halves] = {}
    row_by_row(maker, some[:20]), through_maker(maker, shown[:200])  # warm up
    for _ in range(options.runs):
        for name, (extract, _) in peers.items():  # in turns, so that what else the machine does hits all alike
            began = time.perf_counter()
            states[name] = extract()
            seconds[name].append(time.perf_counter() - began)

    ours, *others = peers
    rate = {name: count[rows] / statistics.median(seconds[name]) for name, (_, rows) in peers.items()}
    layers, width = maker.shape
    rows = []
    for name in peers:
        gap = np.abs(states[name].astype(np.float32) - states[ours][: len(states[name])].astype(np.float32))
        relative = float((gap / np.abs(states[name].astype(np.float32)).max(axis=2, keepdims=True)).max())
        rows.append((name, rate[name], f"{rate[ours] / rate[name]:.1f} ×", f"{relative:.0e}"))
    budget = int(maker.provenance["token_budget"])
    mean = count[len(shown)] / len(shown)
    bare = bare_pass(maker, max(1, round(mean)), budget)
    rows.append((f"the bare forward pass, {budget:,} tokens at once", bare, f"{rate[ours] / bare:.2f} ×", None))
    share = (
        rate[ours] * flops_of_a_token(maker.loaded.model, mean) / peak_flops(maker.loaded.device, maker.loaded.dtype)
    )
    device = f"{maker.loaded.dtype} on {maker.loaded.device}, {torch.get_num_threads()} threads"
    reached = met(rate[ours] >= AIM * rate[others[1]])
    yield Measured(
        "hidden_states",
        f"{maker.model} ({layers - 1} layers, width {width}), {len(shown):,} texts of {mean:.0f} tokens, {device}, "
        f"medians of {options.runs}; {share:.0%} of what large matrix products reach here; the aim, {AIM:.0f} times "
        f"the row-by-row loop, is {reached}",
        ("how", "tokens/s", "ours is", "largest difference, of a vector's maximum"),
        rows,
    )


def main() -> None:
    for table in measure(parser().parse_args()):
        show(table)


if __name__ == "__main__":
    main()
