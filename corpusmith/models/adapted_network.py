"""The lower layers of a published language model, adapted to tell emotions: the network, and its files.

A folder of such a judge holds config.json (the base by its repository, how many of its layers, LoRA's settings) and
model.safetensors in fp16: the LoRA matrices and the head, a few MB. The base is the user's own copy of it.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import torch
from safetensors.torch import load_file
from safetensors.torch import save as serialize
from torch import Tensor, nn
from torch.nn import functional

from corpusmith.emotions import EMOTIONS
from corpusmith.errors import ModelError
from corpusmith.models import loading
from corpusmith.models.networks import EmotionNetwork
from corpusmith.models.text.adapted_judge import ARCHITECTURE, advice, base_revision, config_of
from corpusmith.models.text.hashing import plain

PASS_TOKENS: Final = 2048  # that go through the layers together, padding among them
LONGEST: Final = 256  # tokens of a text that are read
LINEAR: Final = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
"""What LoRA is laid over in each layer (Hu et al. 2021): every linear map, as in Dettmers et al. 2023, section 4."""

Probabilities = np.ndarray[Any, np.dtype[np.float32]]


@dataclass(frozen=True)
class Tokens:
    """Texts as tokens: ids (n, longest), padded on the right, behind a first token of no text; lengths (n,) with it."""

    ids: Tensor
    lengths: Tensor


class AdaptedLanguageModel(EmotionNetwork):
    """Tokens to logits of finer labels: a causal model's lower layers, and one linear map of what they end in.

    What it maps is the mean over the text's tokens beside the last one's, each scaled to a mean square of one (Zhang &
    Sennrich 2019). The first token, which a causal model leaves its attention on where there is nothing to attend to
    (Xiao et al. 2023), is no word of the text and not in the mean. body: transformers' model without its head.
    """

    architecture = ARCHITECTURE

    def __init__(self, labels: tuple[str, ...], groups: tuple[int, ...], body: Any, tokenizer: Any) -> None:
        super().__init__(labels, groups)
        self.body, self.tokenizer = body, tokenizer
        self.output = nn.Linear(2 * body.config.hidden_size, len(labels))
        self.dropped = 0.0

    def fine(self, batch: Tokens) -> Tensor:
        """Logits of the finer labels, (texts, labels). Padding comes last, where a causal model never looks."""
        states = self.body(input_ids=batch.ids, use_cache=False).last_hidden_state
        states = functional.rms_norm(states.float(), states.shape[-1:])
        places = torch.arange(batch.ids.shape[1], device=states.device)
        of_text = ((places > 0) & (places < batch.lengths[:, None]))[..., None]
        mean = (states * of_text).sum(dim=1) / of_text.sum(dim=1).clamp(min=1)
        last = states[torch.arange(len(states), device=states.device), batch.lengths - 1]
        seen = functional.dropout(torch.cat([mean, last], dim=1), self.dropped, self.training)
        logits: Tensor = self.output(seen)
        return logits

    def tokens(self, texts: Sequence[list[int]]) -> Tokens:
        """Lists of ids as a batch on the model's device."""
        lengths = torch.tensor([len(ids) for ids in texts])
        padded = torch.zeros(len(texts), int(lengths.max()), dtype=torch.int64)
        for row, ids in enumerate(texts):
            padded[row, : len(ids)] = torch.tensor(ids)
        device = self.output.weight.device
        return Tokens(padded.to(device), lengths.to(device))

    def encoded(self, texts: pa.Array) -> list[list[int]]:
        """The ids of each text, the first token before them. Raises ValueError on a null."""
        if texts.null_count:
            raise ValueError(f"{texts.null_count} of {len(texts)} texts are null; expected strings")
        if not len(texts):
            return []
        first = self.tokenizer.bos_token_id
        first = self.tokenizer.eos_token_id if first is None else first
        read = plain(texts).to_pylist()
        ids = self.tokenizer(read, add_special_tokens=False, truncation=True, max_length=LONGEST)["input_ids"]
        return [[first, *own] for own in ids]

    @torch.inference_mode()
    def logits(self, texts: pa.Array) -> Tensor:
        """Logits of the finer labels, (texts, labels) float32 on the CPU; texts of like length go through together."""
        ids = self.encoded(texts)
        found = torch.empty(len(ids), len(self.labels))
        for part in passes([len(own) for own in ids]):
            found[part] = self.fine(self.tokens([ids[i] for i in part])).cpu()
        return found

    @torch.inference_mode()
    def predict(self, texts: pa.Array) -> Probabilities:
        """Calibrated probabilities in the order of EMOTIONS, (texts, 7) float32."""
        return np.asarray(self.calibrated(self.emotions(self.logits(texts))).exp().numpy())


def passes(lengths: Sequence[int], most: int = PASS_TOKENS) -> list[np.ndarray[Any, np.dtype[np.int64]]]:
    """Rows that go through together: the longest first, at most so many tokens with padding, or one row."""
    order = np.argsort([-length for length in lengths], kind="stable")
    parts, start = [], 0
    while start < len(order):
        rows = max(1, most // lengths[order[start]])
        parts.append(order[start : start + rows])
        start += rows
    return parts


def untrained(
    base: str, layers: int, rank: int, labels: tuple[str, ...], groups: tuple[int, ...], seed: int
) -> AdaptedLanguageModel:
    """A judge on the lower ``layers`` of a base whose LoRA matrices change nothing yet. Raises ModelError."""
    import peft

    body, tokenizer = _base(base, layers)
    torch.manual_seed(seed)
    network = AdaptedLanguageModel(labels, groups, peft.get_peft_model(body, _lora(rank)), tokenizer)
    nn.init.zeros_(network.output.weight)
    nn.init.zeros_(network.output.bias)
    return network


def save(network: AdaptedLanguageModel, folder: Path, config: Mapping[str, Any]) -> None:
    """Write config.json and model.safetensors (fp16) of a network whose LoRA matrices are not merged yet.

    config: base, layers, rank, and what else is to be said of it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    said = {
        "architecture": network.architecture,
        **config,
        "labels": network.labels,
        "groups": [EMOTIONS[group] for group in network.groups],
    }
    (folder / "config.json").write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")
    weights = {name: tensor.half().contiguous().cpu() for name, tensor in trained(network).items()}
    (folder / "model.safetensors").write_bytes(serialize(weights))


def trained(network: AdaptedLanguageModel) -> dict[str, Tensor]:
    """All that is not the base's: LoRA's matrices, the head, and what calibrates it."""
    every = network.state_dict()
    return {name: tensor for name, tensor in every.items() if not name.startswith("body.") or ".lora_" in name}


def load(folder: Path, dtype: str = "float32", device: str = "cpu") -> AdaptedLanguageModel:
    """The judge that a folder holds, its LoRA matrices merged into the base, in evaluation mode.

    Raises ModelError: other files, a base that cannot be had, or one of another shape.
    """
    config = config_of(folder)
    try:
        groups = tuple(EMOTIONS.index(group) for group in config["groups"])
        network = untrained(config["base"], config["layers"], config["rank"], tuple(config["labels"]), groups, seed=0)
        weights = {name: tensor.float() for name, tensor in load_file(folder / "model.safetensors").items()}
        unknown = network.load_state_dict(weights, strict=False).unexpected_keys
        if unknown or set(weights) != set(trained(network)):
            raise ValueError(f"its weights are not those of {config['base']} with {config['layers']} layers")
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise ModelError(f"{folder} does not fit its base {config.get('base')}: {error}") from error
    merged = network.body.merge_and_unload()
    network.body = merged.to(device=device, dtype=getattr(torch, dtype))
    network.output.to(device)
    return network.eval()  # what follows the logits stays on the CPU


def _base(base: str, layers: int) -> tuple[Any, Any]:
    """The lower layers of a causal model in float32, without its head, and its tokenizer."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    commit = base_revision(base)
    try:
        with loading.explained(base):
            folder = loading.folder_of(base) or loading.downloaded(base, commit, None)
            tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
            with _quiet():  # of the layers that are left out
                model: Any = AutoModelForCausalLM.from_pretrained(
                    folder,
                    num_hidden_layers=layers,
                    dtype=torch.float32,
                    use_safetensors=True,
                    trust_remote_code=False,
                )
    except ModelError as error:
        raise ModelError(advice(base, error)) from error
    body = model.base_model
    body.norm = nn.Identity()  # of the last layer of all, not of the last that is kept
    return body, tokenizer


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    import transformers

    logging: Any = transformers.utils.logging
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def _lora(rank: int) -> Any:
    from peft import LoraConfig

    return LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=list(LINEAR))
