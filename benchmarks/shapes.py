"""Causal language models of published shapes with random weights, so that nothing is downloaded; and a card's peak."""

from __future__ import annotations

import time
from typing import Any

import torch

from corpusmith.models.text.language import Language

WORDS = ("a", "the", "of", "and", "I", "you", "was", "happy", "sad", "because", "today", "never")
# hidden size, layers, heads, of keys and values, intermediate size: their config.json
SHAPES = {"tiny": (64, 2, 4, 2, 128), "qwen3-0.6b": (1024, 28, 16, 8, 3072), "qwen3-4b": (2560, 36, 32, 8, 9728)}


def random_language(shape: str, device: str, dtype: str) -> Language:
    """A Qwen3 with weights drawn at random on its device, and a tokenizer of words."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

    width, layers, heads, keys, between = SHAPES[shape]
    config = Qwen3Config(
        vocab_size=512 if shape == "tiny" else 151_936,
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=keys,
        intermediate_size=between,
        head_dim=16 if shape == "tiny" else 128,
        tie_word_embeddings=True,
        rope_parameters={"rope_type": "default", "rope_theta": 1_000_000.0},
        max_position_embeddings=40_960,
        eos_token_id=1,
    )
    names = ["<pad>", "<end>", "<unknown>", *WORDS]
    words = Tokenizer(models.WordLevel({name: place for place, name in enumerate(names)}, unk_token="<unknown>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=words, pad_token="<pad>", eos_token="<end>", unk_token="<unknown>"
    )
    tokenizer.padding_side = "left"
    with torch.device(device):
        model: Any = Qwen3ForCausalLM(config).to(getattr(torch, dtype)).eval()
    return Language(f"random/{shape}", "random", model, tokenizer, device, dtype)


def flops_of_a_token(model: Any, length: float) -> float:
    """Of the forward pass without the head: 2 for each weight of the layers, and attention to ``length`` / 2 tokens.

    The latter is 4 × layers × heads × head_dim × length / 2: a product with the keys and one with the values.
    """
    weights = sum(weight.numel() for weight in model.base_model.layers.parameters())
    config = model.config
    return 2 * weights + 2 * config.num_hidden_layers * config.num_attention_heads * config.head_dim * length


def peak_flops(device: str, dtype: str) -> float:
    """What a product of two large square matrices reaches there, in FLOP a second: the fastest of some."""
    side = 8192 if device.startswith("cuda") else 1024
    left = torch.randn(side, side, device=device).to(getattr(torch, dtype))
    seconds = []
    for _ in range(10):
        waited(device)
        began = time.perf_counter()
        left @ left
        waited(device)
        seconds.append(time.perf_counter() - began)
    return 2 * side**3 / min(seconds)


def waited(device: str) -> None:
    """Returns when a card has done all that it was given."""
    if device.startswith("cuda"):
        torch.cuda.synchronize()
