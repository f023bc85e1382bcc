"""What a small language model makes of texts: how surely a fine-tuned one tells who wrote them, how much they surprise.

The model is the project's own (house/language): no other ships with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, Final

import numpy as np

from corpusmith.hardware import one_thread
from corpusmith.models import house

READER: Final = "house/language"
MOST_TOKENS: Final = 64  # of a text that are read
EPOCHS: Final = 3
RATE: Final = 5e-4
ROWS_PER_STEP: Final = 32
ROWS_AT_ONCE: Final = 128

Floats = np.ndarray[Any, np.dtype[np.float64]]
Bools = np.ndarray[Any, np.dtype[np.bool_]]
Ints = np.ndarray[Any, np.dtype[np.int64]]


def told_apart(texts: Sequence[str], written: Bools, folds: Ints, seed: int) -> Floats:
    """How surely each text (n,) is taken for a written one by a fine-tuned reader that never saw it, as a logit.

    folds: the part (n,) in which each is left out. All weights learn, EPOCHS times over what is not left out, with
    written and natural texts weighing the same. On one thread: the same seed gives the same values.
    """
    tokens = _tokens(texts)
    seen = np.empty(len(texts))
    with one_thread():
        for fold in np.unique(folds):
            left_out = np.flatnonzero(folds == fold)
            model = _learned(tokens, written, np.flatnonzero(folds != fold), seed)
            seen[left_out] = _logits(model, [tokens[row] for row in left_out])
    return seen


def perplexities(texts: Sequence[str]) -> Floats:
    """exp of the mean loss of each text's tokens after its first and of its end, (n,), by the reader as it is."""
    import torch

    language = _reader()
    tokens = _tokens(texts, end=True)
    found = np.empty(len(texts))
    with one_thread(), torch.inference_mode():
        for rows in _batches(tokens, ROWS_AT_ONCE):
            ids, lengths = _padded([tokens[row] for row in rows])
            chances = language.model(input_ids=ids).logits[:, :-1].log_softmax(-1)
            losses = -chances.gather(2, ids[:, 1:, None])[:, :, 0]
            counted = torch.arange(losses.shape[1])[None, :] < (lengths - 1)[:, None]
            means = (losses * counted).sum(1) / counted.sum(1).clamp(min=1)
            found[rows] = means.exp().double().numpy()
    return found


@cache
def _reader() -> Any:
    from corpusmith.models.text.language import load

    return load(READER)


def _tokens(texts: Sequence[str], end: bool = False) -> list[list[int]]:
    tokenizer = _reader().tokenizer
    read = tokenizer(list(texts), add_special_tokens=False, truncation=True, max_length=MOST_TOKENS)["input_ids"]
    closing = [tokenizer.eos_token_id] if end else []
    return [[*(row or [tokenizer.eos_token_id]), *closing] for row in read]


def _learned(tokens: Sequence[list[int]], written: Bools, rows: Ints, seed: int) -> Any:
    import torch
    from transformers import AutoModelForSequenceClassification

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model: Any = AutoModelForSequenceClassification.from_pretrained(
            house.folder(READER), num_labels=1, dtype=torch.float32
        )
    model.train()
    draw = np.random.default_rng(seed)
    steps = EPOCHS * -(-len(rows) // ROWS_PER_STEP)
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps, pct_start=0.1)
    share = torch.tensor(float((~written[rows]).sum() / max(written[rows].sum(), 1)))
    for _ in range(EPOCHS):
        order = rows[draw.permutation(len(rows))]
        for start in range(0, len(order), ROWS_PER_STEP):
            part = order[start : start + ROWS_PER_STEP]
            truth = torch.from_numpy(written[part].astype(np.float32))
            logits = _forward(model, [tokens[row] for row in part])
            loss: Any = torch.nn.functional.binary_cross_entropy_with_logits(logits, truth, pos_weight=share)
            loss.backward()
            optimizer.step()
            schedule.step()
            optimizer.zero_grad(set_to_none=True)
    return model.eval()


def _logits(model: Any, tokens: Sequence[list[int]]) -> Floats:
    import torch

    found = np.empty(len(tokens))
    with torch.inference_mode():
        for rows in _batches(tokens, ROWS_AT_ONCE):
            found[rows] = _forward(model, [tokens[row] for row in rows]).double().numpy()
    return found


def _forward(model: Any, tokens: Sequence[list[int]]) -> Any:
    """The logit of each text, from the state of its last token; padded on the right, where nothing is looked at."""
    import torch

    ids, lengths = _padded(tokens)
    states = model.model(input_ids=ids, use_cache=False)[0]
    return model.score(states[torch.arange(len(lengths)), lengths - 1])[:, 0]


def _batches(tokens: Sequence[list[int]], size: int) -> list[Ints]:
    """Rows of like length together: little is padding."""
    order = np.argsort([len(row) for row in tokens], kind="stable")
    return [order[start : start + size] for start in range(0, len(order), size)]


def _padded(tokens: Sequence[list[int]]) -> tuple[Any, Any]:
    import torch

    longest = max(map(len, tokens))
    ids = torch.tensor([[*row, *[0] * (longest - len(row))] for row in tokens])
    return ids, torch.tensor([len(row) for row in tokens])
