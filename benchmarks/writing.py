"""Texts that a language model writes in this process: rows with seeds of their own against transformers' `generate`.

python -m benchmarks.writing [--rows 256] [--runs 3]
python -m benchmarks.writing --shape qwen3-0.6b --device cuda --dtype bfloat16    minutes on a card; nothing downloaded

Both draw from the same nucleus after the same prompts, in batches of the same rows. `generate` draws all rows from one
generator, so that a text depends on its mates, and computes a batch until its longest text ends; ours lets go of rows.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Iterator

import numpy as np
import torch

from benchmarks.shapes import SHAPES, WORDS, random_language
from benchmarks.tables import Measured, Value, met, show
from corpusmith.models.text.language import Language, load
from corpusmith.models.text.sampling import TOP_K, sample

TEMPERATURE, TOP_P = 0.7, 0.95
AIM = 1.0


def prompts_of(language: Language, rows: int) -> list[list[int]]:
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(WORDS, rng.integers(8, 40))) for _ in range(rows)]
    prompts: list[list[int]] = language.tokenizer(texts, add_special_tokens=False)["input_ids"]
    return sorted(prompts, key=len)


def ours(language: Language, prompts: list[list[int]], most: int) -> int:
    seeds = np.arange(len(prompts), dtype=np.uint64)
    drawn = sample(language, prompts, seeds, max_tokens=most, temperature=TEMPERATURE, top_p=TOP_P)
    return sum(map(len, drawn))


def plain(language: Language, prompts: list[list[int]], most: int) -> int:
    padded = language.tokenizer.pad({"input_ids": prompts}, return_tensors="pt").to(language.device)
    with torch.inference_mode():
        drawn = language.model.generate(
            input_ids=padded["input_ids"],
            attention_mask=padded["attention_mask"],
            do_sample=True,
            temperature=TEMPERATURE,
            top_p=TOP_P,
            top_k=TOP_K,
            max_new_tokens=most,
            pad_token_id=language.tokenizer.pad_token_id,
        )
    new = drawn[:, padded["input_ids"].shape[1] :]
    return int((new != language.tokenizer.pad_token_id).sum())


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="house/language")
    parser.add_argument("--shape", choices=SHAPES, help="of a model with random weights, instead of --model")
    parser.add_argument("--device", default="cpu", help="of --shape")
    parser.add_argument("--dtype", default="float32", help="of --shape")
    parser.add_argument("--rows", type=int, default=256)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--runs", type=int, default=3)
    return parser


def measure(options: argparse.Namespace) -> Iterator[Measured]:
    language = random_language(options.shape, options.device, options.dtype) if options.shape else load(options.model)
    prompts = prompts_of(language, options.rows)
    batches = [prompts[start : start + options.batch] for start in range(0, len(prompts), options.batch)]
    writers = {"rows with seeds of their own": ours, "transformers' generate": plain}
    rates: dict[str, list[float]] = {name: [] for name in writers}
    for write in writers.values():
        write(language, batches[0], 4)  # warms up
    for _ in range(options.runs):  # in turns: what else the machine does hits both
        for name, write in writers.items():
            began = time.perf_counter()
            tokens = sum(write(language, batch, options.tokens) for batch in batches)
            rates[name].append(tokens / (time.perf_counter() - began))
    mine, theirs = (statistics.median(rates[name]) for name in writers)
    share = statistics.median(a / b for a, b in zip(*rates.values(), strict=True))
    rows: list[tuple[Value, ...]] = [
        ("rows with seeds of their own", mine, f"{share:.2f} ×", met(share >= AIM)),
        ("transformers' generate", theirs, None, None),
    ]
    yield Measured(
        "writing",
        f"{language.name}, {language.dtype} on {language.device}, {options.rows} texts of {options.tokens} tokens at "
        f"most, {options.batch} at once, medians of {options.runs}",
        ("how", "tokens/s", "of generate's", f"aim: {AIM:.0f} ×"),
        rows,
    )


def main() -> None:
    for table in measure(parser().parse_args()):
        show(table)


if __name__ == "__main__":
    main()
