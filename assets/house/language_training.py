"""Trains a causal language model from scratch on packed rows, in bfloat16, on a GPU or on one CPU core."""

from __future__ import annotations

import functools
import time
from pathlib import Path
from typing import Any

import numpy as np

from corpusmith.assets.house.language_examples import CONTEXT, SEED, VOCABULARY
from corpusmith.assets.house.training import device

ROWS_PER_STEP = 32
TARGETS_PER_STEP = ROWS_PER_STEP * CONTEXT * 3 // 4
WARM_UP = 100
RATE = 3e-3


def untrained(tokenizer: Any) -> Any:
    """A Qwen3-format causal LM of 4.5 M parameters with random weights."""
    import torch
    from transformers import Qwen3Config, Qwen3ForCausalLM

    torch.manual_seed(SEED)
    model = Qwen3ForCausalLM(
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
        )
    )
    model.set_attn_implementation("eager")  # packed rows need a mask, for which fused attention is slow on a CPU
    return model


def train(model: Any, batches: dict[str, np.ndarray[Any, Any]], steps: int, checkpoint: Path) -> None:
    """Trains in place for so many steps of ROWS_PER_STEP packed rows; goes on from ``checkpoint`` when it is there."""
    import torch

    where = device()
    model.to(where)
    hidden = [p for p in model.model.layers.parameters() if p.ndim == 2]
    others = [p for p in model.parameters() if not any(p is h for h in hidden)]
    optimizers = [
        torch.optim.Muon(hidden, lr=RATE, weight_decay=0.05, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(others, lr=RATE, weight_decay=0.0, betas=(0.9, 0.98), fused=True),
    ]
    first = 0
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True, map_location=where)
        model.load_state_dict(state["model"])
        for optimizer, saved in zip(optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        first = state["step"]
    compiled = torch.compile(functools.partial(loss_of, model), dynamic=False)
    model.train()
    began, running = time.monotonic(), 0.0
    for step in range(first, steps):
        rate = RATE * min((step + 1) / WARM_UP, 1.0) * max(1.0 - step / steps, 0.01)
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate
        with torch.autocast(where, dtype=torch.bfloat16):
            loss = compiled(*(part.to(where) for part in step_inputs(batches, step)))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        running = loss.item() if step == first else 0.98 * running + 0.02 * loss.item()
        if step % 50 == 0 or step == steps - 1:
            pace = (step - first + 1) * ROWS_PER_STEP * CONTEXT / (time.monotonic() - began)
            print(f"step {step}/{steps} loss {running:.3f} {pace:,.0f} tokens/s", flush=True)
        if step % 200 == 199 or step == steps - 1:
            state = {"model": model.state_dict(), "optimizers": [o.state_dict() for o in optimizers], "step": step + 1}
            torch.save(state, checkpoint.with_suffix(".part"))
            checkpoint.with_suffix(".part").replace(checkpoint)
    model.to("cpu").eval()


def loss_of(model: Any, ids: Any, place: Any, example: Any, predicted: Any, targets: Any, weight: Any) -> Any:
    """Weighted cross-entropy of what comes next; a token sees those of its own example alone."""
    import torch

    causal = torch.ones(CONTEXT, CONTEXT, dtype=torch.bool, device=ids.device).tril()
    allowed = (example[:, :, None] == example[:, None, :]) & causal
    mask = torch.where(allowed, 0.0, -1e9)[:, None].to(torch.bfloat16)
    states = model.model(input_ids=ids, attention_mask=mask, position_ids=place, use_cache=False)[0]
    logits = model.lm_head(states.flatten(0, 1)[predicted])
    losses = torch.nn.functional.cross_entropy(logits.float(), targets, reduction="none")
    return (losses * weight).sum() / weight.sum()


def step_inputs(batches: dict[str, np.ndarray[Any, Any]], step: int) -> list[Any]:
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
