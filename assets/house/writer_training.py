"""Adapts a published causal language model with LoRA, on a GPU or on a laptop's cores, from where a training stood."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from corpusmith.assets.house.training import device, train

RANK: Final = 16
SCALE: Final = 2  # by which the adapters' product is scaled: alpha / rank
FIRST_LAYER: Final = 10  # that is adapted: what lies below reads words, and costs a third of the way back
LINEAR: Final = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
ROWS_PER_STEP: Final = 24
POOL: Final = 20 * ROWS_PER_STEP  # examples among which those of like length are put together
RATE: Final = 5e-4
WARM_UP: Final = 30
SAVE_EVERY: Final = 25  # steps
SEED: Final = 20261
UNCOUNTED: Final = -100

Ints = np.ndarray[Any, np.dtype[np.int64]]
Example = tuple[list[int], int]
"""The tokens of a prompt and its answer, and how many of them are the prompt's."""


def encoded(tokenizer: Any, template: str, asked: Sequence[str], answers: Sequence[str]) -> list[Example]:
    """Each question in the adapter's chat template, and the answer up to its end."""
    tokenizer.chat_template = template
    found = []
    for question, answer in zip(asked, answers, strict=True):
        said = [{"role": "user", "content": question}]
        text = tokenizer.apply_chat_template(said, tokenize=False, add_generation_prompt=True)
        prompt, rest = (tokenizer(part, add_special_tokens=False)["input_ids"] for part in (text, answer))
        found.append(([*prompt, *rest, tokenizer.eos_token_id], len(prompt)))
    return found


def batches(examples: Sequence[Example], pad: int) -> list[tuple[Ints, Ints]]:
    """Tokens and what follows each, (ROWS_PER_STEP, longest) both; UNCOUNTED where nothing is to be learned.

    Rows are padded on the right, where a causal model does not look, and lie beside others of their length.
    """
    draw = np.random.default_rng(SEED)
    found = []
    for start in range(0, len(examples), POOL):
        pool = sorted(examples[start : start + POOL], key=lambda example: len(example[0]))
        parts = [pool[at : at + ROWS_PER_STEP] for at in range(0, len(pool), ROWS_PER_STEP)]
        found += [_batch(parts[place], pad) for place in draw.permutation(len(parts))]
    return found


def _batch(examples: Sequence[Example], pad: int) -> tuple[Ints, Ints]:
    longest = max(len(tokens) for tokens, _ in examples)
    ids = np.full((len(examples), longest), pad, np.int64)
    targets = np.full((len(examples), longest), UNCOUNTED, np.int64)
    for row, (tokens, prompt) in enumerate(examples):
        ids[row, : len(tokens)] = tokens
        targets[row, prompt - 1 : len(tokens) - 1] = tokens[prompt:]
    return ids, targets


def with_adapters(model: Any) -> Any:
    """The model with LoRA (Hu et al. 2021, arXiv 2106.09685) over all linear layers from FIRST_LAYER on."""
    import torch
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(SEED)
    layers = list(range(FIRST_LAYER, model.config.num_hidden_layers))
    shape = LoraConfig(
        r=RANK,
        lora_alpha=SCALE * RANK,
        target_modules=LINEAR,
        layers_to_transform=layers,
        layers_pattern="layers",
        task_type="CAUSAL_LM",
    )
    return get_peft_model(model, shape)


def adapt(model: Any, learned: Sequence[tuple[Ints, Ints]], checkpoint: Path) -> None:
    """Train a model's adapters, in place, on batches in their order; goes on from ``checkpoint``."""
    import torch

    where = device()
    model.to(where)
    adapters = torch.nn.ParameterList([weights for weights in model.parameters() if weights.requires_grad])
    weights, _ = train(
        adapters,
        lambda step: loss_of(model, *learned[step]),
        steps=len(learned),
        rate=RATE,
        checkpoint=checkpoint,
        warm_up=WARM_UP,
        save_every=SAVE_EVERY,
    )
    adapters.load_state_dict(weights)
    model.to("cpu").eval()


def loss_of(model: Any, ids: Ints, targets: Ints) -> Any:
    """The mean cross-entropy of what follows, in nats a token; the head sees only where something is to be learned."""
    import torch

    where = next(model.parameters()).device
    tokens, follows = (torch.from_numpy(part).to(where) for part in (ids, targets))
    causal = model.get_base_model()
    states = causal.model(input_ids=tokens, use_cache=False)[0]
    counted = follows != UNCOUNTED
    return torch.nn.functional.cross_entropy(causal.lm_head(states[counted]).float(), follows[counted])
