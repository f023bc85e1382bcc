"""Trains the house language model from scratch: ``python -m assets.house.language --data ../shared/data``."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from assets.house import language_text as material
from corpusmith.emotions import EMOTIONS
from corpusmith.models import prompts

OUT = Path(__file__).parents[2] / "corpusmith" / "models" / "house" / "language"
VOCABULARY = 6_000
CONTEXT = 128
ROWS_PER_STEP = 32
TARGETS_PER_STEP = ROWS_PER_STEP * CONTEXT * 3 // 4
WARM_UP = 100
RATE = 3e-3
SEED = 20261

PAD, END, SYSTEM, USER, ASSISTANT = "<|pad|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>"
CHAT_TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def tokenizer_of(texts: list[str]) -> Any:
    """A byte-level BPE tokenizer with the chat template, trained on the texts and on the prompts."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    words = r"'(?i:[sdmt]|ll|ve|re)| ?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+|\s+"
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(words), "isolated"), pre_tokenizers.ByteLevel(False, use_regex=False)]
    )
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[PAD, END, SYSTEM, USER, ASSISTANT],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    asked = [prompts.classify("")[0]["content"], *(prompts.write(emotion)[0]["content"] for emotion in EMOTIONS)]
    answers = [json.dumps({"emotion": emotion}) for emotion in EMOTIONS]
    bpe.train_from_iterator([*texts, *(asked + answers) * 200], trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bpe, pad_token=PAD, eos_token=END, padding_side="left", model_max_length=512
    )
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


def sources(data: Path) -> dict[str, pl.DataFrame]:
    """The texts to learn from, by source; ``goemotions`` with ``labels``, ``weak`` and ``bank`` with ``emotion``."""
    labelled = material.goemotions(data / "goemotions" / "ekman" / "train.tsv")
    posts = material.posts(data / "reddit_top_posts" / "data")
    weak = material.weakly_labelled(posts, labelled)
    return {"goemotions": labelled, "posts": posts, "weak": weak, "bank": material.bank()}


def examples(texts: dict[str, pl.DataFrame], share: float) -> pl.DataFrame:
    """Every example of the run in the order of training: ``kind`` (write, classify, plain), ``emotion``, ``text``.

    Rare emotions are read more often, up to ten times. ``share`` scales the length of the run.
    """
    draw = np.random.default_rng(SEED)

    def repeated(rows: pl.DataFrame, epochs: float) -> pl.DataFrame:
        number = round(len(rows) * epochs * share)
        whole, rest = divmod(number, len(rows))
        some = rows[np.sort(draw.permutation(len(rows))[:rest])]
        return pl.concat([*[rows] * whole, some])

    single = texts["goemotions"].filter(pl.col("labels").list.len() == 1)
    single = single.select("text", emotion=pl.col("labels").list.first())
    shown = texts["goemotions"].explode("labels").rename({"labels": "emotion"}).select("text", "emotion")
    parts: list[pl.DataFrame] = []
    for emotion in EMOTIONS:
        shows, only = (rows.filter(pl.col("emotion") == emotion) for rows in (shown, single))
        weak, bank = (texts[name].filter(pl.col("emotion") == emotion) for name in ("weak", "bank"))
        write = [
            repeated(shows, np.clip(20_000 / len(shows), 1.5, 10)),
            repeated(weak, np.clip(10_000 / len(weak), 1, 4)),
            repeated(bank, 1.5),
        ]
        ask = [repeated(only, np.clip(12_000 / len(only), 2, 8)), repeated(bank, 0.2)]
        parts += [rows.with_columns(kind=pl.lit("write")) for rows in write]
        parts += [rows.with_columns(kind=pl.lit("classify")) for rows in ask]
    plain = [repeated(texts["posts"], 1.5), repeated(texts["goemotions"].select("text"), 1)]
    parts += [rows.select("text", emotion=pl.lit(None, pl.String), kind=pl.lit("plain")) for rows in plain]
    columns = ["kind", "emotion", "text"]
    every = pl.concat([rows.select(columns) for rows in parts])
    when = draw.uniform(0, 1, len(every))
    when = np.where((every["kind"] == "plain").to_numpy(), 0.75 * when, 0.1 + 0.9 * when)  # plain text first
    return every[np.argsort(when, kind="stable")]


def encoded(tokenizer: Any, rows: pl.DataFrame) -> tuple[list[list[int]], list[list[float]]]:
    """Token ids of each example and the weight of predicting each of them: prompts 0, texts 1, the label 2."""
    end, user, assistant = tokenizer.convert_tokens_to_ids([END, USER, ASSISTANT])
    content = {emotion: tokenizer.encode(prompts.write(emotion)[0]["content"]) for emotion in EMOTIONS}
    question = tokenizer.encode(prompts.classify("")[0]["content"])
    answers = {emotion: tokenizer.encode(json.dumps({"emotion": emotion})) for emotion in EMOTIONS}
    differing = {e: [2.0 if a not in answers["joy" if e != "joy" else "fear"] else 0.1 for a in answers[e]] for e in EMOTIONS}
    ids: list[list[int]] = []
    weights: list[list[float]] = []
    bodies = tokenizer(rows["text"].to_list(), add_special_tokens=False)["input_ids"]
    for kind, emotion, body in zip(rows["kind"], rows["emotion"], bodies, strict=True):
        if kind == "write":
            asked = [user, *content[emotion], end, assistant]
            one, weight = [*asked, *body, end], [0.0] * len(asked) + [1.0] * (len(body) + 1)
        elif kind == "classify":
            asked = [user, *question]
            one = [*asked, *body, end, assistant, *answers[emotion], end]
            weight = [0.0] * len(asked) + [0.4] * len(body) + [0.0, 0.0, *differing[emotion], 0.1]
        else:
            one, weight = [*body, end], [0.0] + [1.0] * len(body)
        if len(one) <= CONTEXT:
            ids.append(one)
            weights.append(weight)
    return ids, weights


def packed(ids: list[list[int]], weights: list[list[float]]) -> dict[str, np.ndarray[Any, Any]]:
    """Examples laid into rows of CONTEXT tokens, each in one piece: ``ids``, ``place`` in its example, ``example``, ``weight``.

    Arrays of shape (rows, CONTEXT); ``example`` is 0 where a row is padded.
    """
    rows: list[list[int]] = []
    for start in range(0, len(ids), 4096):
        pool = sorted(range(start, min(start + 4096, len(ids))), key=lambda n: -len(ids[n]))
        room: list[list[list[int]]] = [[] for _ in range(CONTEXT + 1)]  # open rows by the tokens that still fit
        for number in pool:
            size = len(ids[number])
            free = next((left for left in range(size, CONTEXT) if room[left]), CONTEXT)
            row = room[free].pop() if free < CONTEXT else []
            room[free - size].append([*row, number])
        opened = [row for of_size in room for row in of_size]
        order = np.random.default_rng([SEED, start]).permutation(len(opened))
        rows += [opened[n] for n in order]
    arrays = {
        "ids": np.zeros((len(rows), CONTEXT), np.int16),
        "place": np.zeros((len(rows), CONTEXT), np.int16),
        "example": np.zeros((len(rows), CONTEXT), np.int16),
        "weight": np.zeros((len(rows), CONTEXT), np.float16),
    }
    for number, row in enumerate(rows):
        at = 0
        for nth, example in enumerate(row, start=1):
            stop = at + len(ids[example])
            arrays["ids"][number, at:stop] = ids[example]
            arrays["place"][number, at:stop] = np.arange(stop - at)
            arrays["example"][number, at:stop] = nth
            arrays["weight"][number, at:stop] = weights[example]
            at = stop
    return arrays


def untrained(tokenizer: Any) -> Any:
    """A Qwen3-format causal LM of 4.5 M parameters with random weights."""
    import torch
    from transformers import Qwen3Config, Qwen3ForCausalLM

    torch.manual_seed(SEED)
    return Qwen3ForCausalLM(
        Qwen3Config(
            vocab_size=VOCABULARY,
            hidden_size=256,
            intermediate_size=512,
            num_hidden_layers=5,
            num_attention_heads=4,
            num_key_value_heads=2,
            head_dim=64,
            max_position_embeddings=512,
            tie_word_embeddings=True,
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
            bos_token_id=None,
            attn_implementation="eager",
        )
    )


def train(model: Any, batches: dict[str, np.ndarray[Any, Any]], checkpoint: Path) -> None:
    """Trains in place over the packed rows once; goes on from ``checkpoint`` when it is there."""
    import torch

    steps = len(batches["ids"]) // ROWS_PER_STEP
    hidden = [p for p in model.model.layers.parameters() if p.ndim == 2]
    others = [p for p in model.parameters() if not any(p is h for h in hidden)]
    optimizers = [
        torch.optim.Muon(hidden, lr=RATE, weight_decay=0.05, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(others, lr=RATE, weight_decay=0.0, betas=(0.9, 0.98), fused=True),
    ]
    first = 0
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        model.load_state_dict(state["model"])
        for optimizer, saved in zip(optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        first = state["step"]
    causal = torch.ones(CONTEXT, CONTEXT, dtype=torch.bool).tril()

    def loss_of(ids: Any, place: Any, example: Any, where: Any, targets: Any, weight: Any) -> Any:
        allowed = (example[:, :, None] == example[:, None, :]) & causal
        mask = torch.where(allowed, 0.0, -1e9)[:, None].to(torch.bfloat16)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            states = model.model(input_ids=ids, attention_mask=mask, position_ids=place, use_cache=False)[0]
            logits = model.lm_head(states.flatten(0, 1)[where])
        losses = torch.nn.functional.cross_entropy(logits.float(), targets, reduction="none")
        return (losses * weight).sum() / weight.sum()

    compiled = torch.compile(loss_of, dynamic=False)
    model.train()
    began, running = time.monotonic(), 0.0
    for step in range(first, steps):
        rate = RATE * min((step + 1) / WARM_UP, 1.0) * max(1.0 - step / steps, 0.01)
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate
        loss = compiled(*_step_inputs(batches, step))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        running = loss.item() if step == first else 0.98 * running + 0.02 * loss.item()
        if step % 50 == 0 or step == steps - 1:
            pace = (step - first + 1) * ROWS_PER_STEP * CONTEXT / (time.monotonic() - began)
            print(f"step {step}/{steps} loss {running:.3f} {pace:,.0f} tokens/s", flush=True)
        if step % 200 == 199:
            state = {"model": model.state_dict(), "optimizers": [o.state_dict() for o in optimizers], "step": step + 1}
            torch.save(state, checkpoint.with_suffix(".part"))
            checkpoint.with_suffix(".part").replace(checkpoint)
    model.eval()


def _step_inputs(batches: dict[str, np.ndarray[Any, Any]], step: int) -> list[Any]:
    """ids, place, example, and where to predict what with which weight, in shapes that never change (compiled once)."""
    import torch

    rows = slice(step * ROWS_PER_STEP, (step + 1) * ROWS_PER_STEP)
    ids, place, example = (batches[name][rows].astype(np.int64) for name in ("ids", "place", "example"))
    weight = np.roll(batches["weight"][rows].astype(np.float32), -1, axis=1)
    weight[:, -1] = 0.0
    where = np.flatnonzero(weight)[:TARGETS_PER_STEP]
    where = np.pad(where, (0, TARGETS_PER_STEP - len(where)))
    targets = np.roll(ids, -1, axis=1).ravel()[where]
    counted = weight.ravel()[where] * (np.arange(TARGETS_PER_STEP) < np.count_nonzero(weight))
    return [torch.from_numpy(array) for array in (ids, place, example, where, targets, counted)]


def main() -> None:
    """Makes the tokenizer, the packed examples, the model, its measures and its card; each is kept and gone on from."""
    import torch

    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--data", type=Path, required=True, help="folder with goemotions/ and reddit_top_posts/")
    ask.add_argument("--work", type=Path, default=Path("build/house-language"), help="checkpoint and cached tokens")
    ask.add_argument("--out", type=Path, default=OUT)
    ask.add_argument("--share", type=float, default=1.0, help="share of the full run to train for")
    options = ask.parse_args()
    torch.set_num_threads(1)
    options.work.mkdir(parents=True, exist_ok=True)

    texts = sources(options.data)
    tokenizer = tokenizer_of([*texts["goemotions"]["text"], *texts["posts"]["text"], *texts["bank"]["text"]])
    cached = options.work / "packed.npz"
    if not cached.exists():
        np.savez(cached, **packed(*encoded(tokenizer, examples(texts, options.share))))  # type: ignore[arg-type]
    with np.load(cached) as arrays:
        batches = {name: arrays[name] for name in arrays.files}
    used = (batches["example"] > 0).mean()
    print(f"{len(batches['ids'])} rows of {CONTEXT} tokens, {used:.1%} filled", flush=True)
    model = untrained(tokenizer)
    train(model, batches, options.work / "checkpoint.pt")
    options.out.mkdir(parents=True, exist_ok=True)
    model.config._attn_implementation = "sdpa"
    model.half().save_pretrained(options.out)
    tokenizer.save_pretrained(options.out)


if __name__ == "__main__":
    main()
