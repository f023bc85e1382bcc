"""Causal language models, from the project's own folder, a folder on disk or the Hub, all through one loader."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Final

from corpusmith.errors import ModelError
from corpusmith.models.loading import (
    base_of,
    downloaded,
    explained,
    folder_of,
    language_hardware,
    origin,
    revision_of,
)

TODAY: Final = re.compile(r"""strftime_now\((?P<quote>["'])(?P<form>.*?)(?P=quote)\)""")
ONE_DAY: Final = date(2024, 7, 26)  # Llama 3's own, where it is told none


@dataclass(frozen=True)
class Language:
    """A loaded causal LM: ``model`` in evaluation mode, its ``tokenizer`` (padding left), and where it came from."""

    name: str
    revision: str
    model: Any
    tokenizer: Any
    device: str
    dtype: str

    @property
    def provenance(self) -> dict[str, str]:
        """Model, resolved revision, device, dtype, for a manifest; ``weights``: where they are from, if not the Hub."""
        said = {"model": self.name, "revision": self.revision, "device": self.device, "dtype": self.dtype}
        return said | origin(self.name, self.revision)


def load(name: str, revision: str | None = None) -> Language:
    """The causal LM ``name``: ``house/<name>``, a folder, or a Hub repository at a revision (branch, tag or commit).

    A folder of LoRA adapters is merged into its base, and its chat template, if it has one, takes the base's place.

    Weights are safetensors only, no remote code is run; bfloat16 on a GPU that computes in it, else float16; on a CPU
    float32, but bfloat16 for a model of the Hub where the CPU computes in it.
    Raises ModelError: unknown, gated, unreachable, without safetensors, or not a causal LM.
    """
    base = base_of(name)
    if base != name:
        return _adapted(load(base), name)
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    commit = revision_of(name, revision)
    runs_on = language_hardware(name)
    with explained(name):
        folder = folder_of(name) or downloaded(name, commit, revision)
        if not any(folder.glob("*.safetensors")):
            raise ModelError(f"{name}: {folder} has no *.safetensors; pickled weights are not loaded, convert them")
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
        model: Any = AutoModelForCausalLM.from_pretrained(
            folder, dtype=getattr(torch, runs_on["dtype"]), use_safetensors=True, trust_remote_code=False
        )
    tokenizer.padding_side = "left"
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return Language(name, commit, model.to(runs_on["device"]).eval(), tokenizer, **runs_on)


def templated(tokenizer: Any, conversation: Sequence[Mapping[str, Any]]) -> str:
    """A conversation in the model's chat template, up to where its answer begins; thinking aloud is asked not to be."""
    return str(
        tokenizer.apply_chat_template(
            conversation,
            chat_template=one_day(tokenizer.chat_template),
            tokenize=False,
            add_generation_prompt=True,
            enable_thinking=False,
        )
    )


def one_day(template: Any) -> Any:
    """A chat template that would tell the model what day it is (Llama 3, SmolLM3), as it says ONE_DAY instead.

    The day is in no key, so that it may be in no text. What is no string, such as several templates by name, stays.
    """
    if not isinstance(template, str):
        return template
    return TODAY.sub(lambda call: json.dumps(ONE_DAY.strftime(call["form"])), template)


def _adapted(base: Language, name: str) -> Language:
    from peft import PeftModel

    folder = folder_of(name)
    assert folder is not None
    with explained(name, "adapters of a causal language model"):
        model: Any = PeftModel.from_pretrained(base.model, folder).merge_and_unload()
    template = folder / "chat_template.jinja"
    if template.is_file():
        base.tokenizer.chat_template = template.read_text("utf-8")
    return replace(base, name=name, revision=revision_of(name), model=model.eval())
