"""Draws texts from a causal LM, each row with a seed of its own, so that it does not depend on who rides along."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from corpusmith.models.text.language import Language

TOP_K = 200  # the nucleus is looked for among so many tokens


def sample(
    language: Language,
    prompts: Sequence[Sequence[int]],
    seeds: np.ndarray[Any, np.dtype[np.uint64]],
    *,
    max_tokens: int,
    temperature: float,
    top_p: float,
    against: Sequence[Sequence[int]] = (),
    guidance: float = 0.0,
) -> list[list[int]]:
    """The new tokens of each prompt (token ids), without the end token; one batch, with a key-value cache.

    seeds: shape (n,), uint64; row i draws from ``seeds[i]`` alone. Temperature 0 takes the likeliest token.
    Finished rows leave the batch, so a long text does not cost as if all were long.
    against: other prompts, one for each, that the same text is read behind. What makes a token likelier behind the
    prompt than behind that one counts 1 + guidance times: classifier-free guidance (Sanchez et al. 2023, arXiv
    2306.17806, equation 7), at twice the cost.
    """
    import torch
    from transformers import DynamicCache

    device, model = language.device, language.model
    ends = _ends(language)
    read = [*prompts, *against]
    sides = len(read) // len(prompts)
    longest = max(map(len, read))
    pad = language.tokenizer.pad_token_id
    ids = torch.tensor([[pad] * (longest - len(p)) + list(p) for p in read], device=device)
    mask = torch.tensor([[0] * (longest - len(p)) + [1] * len(p) for p in read], device=device)
    uniforms = np.stack([np.random.Generator(np.random.Philox(int(seed))).random(max_tokens) for seed in seeds])
    texts: list[list[int]] = [[] for _ in prompts]
    running = np.arange(len(prompts))
    cache = DynamicCache()
    with torch.inference_mode():
        for step in range(max_tokens):
            place = (mask.cumsum(1) - 1).clamp(min=0)[:, -ids.shape[1] :]
            logits = model(
                input_ids=ids,
                attention_mask=mask,
                position_ids=place,
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            ).logits[:, -1]
            if against:
                asked, other = logits.log_softmax(-1).chunk(2)
                logits = asked + guidance * (asked - other)
            drawn = choose(logits, uniforms[running, step], temperature, top_p)
            going = ~np.isin(drawn, ends)
            for row, token in zip(running[going].tolist(), drawn[going].tolist(), strict=True):
                texts[row].append(token)
            if not going.any():
                break
            if not going.all():
                kept = torch.from_numpy(np.flatnonzero(np.tile(going, sides))).to(device)
                cache.batch_select_indices(kept)
                mask, running = mask[kept], running[going]
            ids = torch.from_numpy(np.tile(drawn[going], sides))[:, None].to(device)
            mask = torch.cat([mask, mask.new_ones(len(mask), 1)], dim=1)
    return texts


def choose(
    logits: Any, uniforms: np.ndarray[Any, np.dtype[np.float64]], temperature: float, top_p: float
) -> np.ndarray[Any, np.dtype[np.int64]]:
    """A token for each row of ``logits`` (n, vocabulary): nucleus sampling (arXiv 1904.09751) by inverse CDF."""
    top = logits.float().topk(1 if temperature == 0 else min(TOP_K, logits.shape[-1]))
    values, tokens = top.values.double().cpu().numpy(), top.indices.cpu().numpy()
    if temperature == 0:
        return np.asarray(tokens[:, 0], dtype=np.int64)
    chances = np.exp((values - values[:, :1]) / temperature)
    chances /= chances.sum(axis=1, keepdims=True)
    heights = chances.cumsum(axis=1)
    chances[heights - chances >= top_p] = 0.0
    heights = chances.cumsum(axis=1)
    place = (heights <= uniforms[:, None] * heights[:, -1:]).sum(axis=1)
    return np.asarray(tokens[np.arange(len(tokens)), np.minimum(place, tokens.shape[1] - 1)], dtype=np.int64)


def _ends(language: Language) -> list[int]:
    """The tokens that end an answer: the tokenizer's, and those of the model's generation settings."""
    settings = language.model.generation_config.eos_token_id
    stated = settings if isinstance(settings, list) else [settings]
    return [end for end in {language.tokenizer.eos_token_id, *stated} if end is not None]
