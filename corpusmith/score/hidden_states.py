"""What every layer of a frozen language model holds of a text: the state of its last token, all layers in one pass."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Final, Literal, get_args

import numpy as np
import pyarrow as pa

from corpusmith.errors import ModelError
from corpusmith.hardware import computes_here
from corpusmith.models import filling, loading
from corpusmith.models.loading import language_hardware, origin
from corpusmith.models.text import language
from corpusmith.models.text.language import Language
from corpusmith.work.plan import fingerprint

Form = Literal["pre-trained", "raw", "template"]
Ints = np.ndarray[Any, np.dtype[np.int64]]
Halves = np.ndarray[Any, np.dtype[np.float16]]

VERSION: Final = 1  # of how states are taken: raise it when that changes
MAX_TOKENS: Final = 512
BUDGET: Final = 1024  # padded tokens in one pass on a CPU: measured
LEAST: Final = 4096
MOST: Final = 1 << 19  # the same on an accelerator, where it is searched
LARGEST: Final = float(np.finfo(np.float16).max)


@dataclass
class HiddenStates:
    """A maker of ``states``: for each text float16 [(layers + 1) * width], the embeddings first, the last layer's last.

    form (arXiv 2510.04064): how a text is shown. "pre-trained" and "raw" give it as it is, to a base checkpoint and an
    instruct one; "template" as the user's turn of the chat template, up to where the answer begins.
    The last layer's state is taken behind the final norm, as transformers returns it. float16 holds all of a bfloat16
    state's digits; what is beyond its range is clipped. ``seconds`` is a row's share of its batch's time.
    token_budget: padded tokens of a pass. None: on an accelerator as many as fill it, found on the first batch by a
    short search and kept for that card (corpusmith.models.filling).
    A text is cut after ``max_tokens`` tokens; one without any token is a bad row (ValueError).
    """

    model: str
    form: Form = "raw"
    wanted: str | None = None
    max_tokens: int = MAX_TOKENS
    batch_rows: int = 1024
    token_budget: int | None = None
    _filling: int | None = field(default=None, init=False, repr=False)
    name: str = field(default="hidden-states", init=False)
    inputs: tuple[str, ...] = field(default=("text",), init=False)

    def __post_init__(self) -> None:
        if self.form not in get_args(Form):
            raise ModelError(
                f"unknown form {self.form!r} of showing a text: expected one of {', '.join(get_args(Form))}"
            )

    @cached_property
    def revision(self) -> str:
        """The resolved commit, or the hash of a folder's files."""
        return loading.revision_of(self.model, self.wanted)

    @cached_property
    def shape(self) -> tuple[int, int]:
        """(layers + 1, width), from the checkpoint's config.json alone."""
        config = json.loads(_config(self.model, self.revision).read_text())
        config = config.get("text_config", config)
        try:
            return int(config["num_hidden_layers"]) + 1, int(config["hidden_size"])
        except KeyError as error:
            raise ModelError(f"{self.model}: its config.json has no {error}, which a decoder's states need") from error

    @cached_property
    def loaded(self) -> Language:
        """The model and its tokenizer."""
        return language.load(self.model, self.wanted)

    @property
    def settings(self) -> dict[str, Any]:
        """All that decides a state besides model and text; the dtype too, as bfloat16 moves a state visibly."""
        dtype = language_hardware(self.model)["dtype"]
        return {"form": self.form, "max_tokens": self.max_tokens, "dtype": dtype, "version": VERSION}

    @cached_property
    def fingerprint(self) -> str:
        """Model, revision and settings."""
        return fingerprint(self.name, self.model, self.revision, self.settings)

    @property
    def provenance(self) -> dict[str, Any]:
        """The same for people, with layers, width, device and the tokens of a pass, once they are known."""
        states, width = self.shape
        shape = {"layers": states - 1, "width": width, "token_budget": self._known_budget}
        said = {"model": self.model, "revision": self.revision, **self.settings, **shape}
        return said | language_hardware(self.model) | origin(self.model, self.revision)

    @cached_property
    def schema(self) -> pa.Schema:
        """states: fixed-size list of float16; seconds: float32."""
        states, width = self.shape
        return pa.schema({"states": pa.list_(pa.float16(), states * width), "seconds": pa.float32()})

    def make(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        """The states of each text; texts of like length share a pass."""
        loaded = self.loaded
        began = time.perf_counter()
        tokens = self.tokens(rows["text"].to_pylist())
        before = time.perf_counter()
        budget = self._budget(tokens)
        began += time.perf_counter() - before  # the search for it is no row's
        states = last_states(loaded, tokens, budget)
        self._check(states, rows["key"])
        flat = pa.FixedSizeListArray.from_arrays(pa.array(states.ravel()), int(np.prod(self.shape)))
        share = (time.perf_counter() - began) / rows.num_rows
        seconds = pa.array(np.full(rows.num_rows, share, dtype=np.float32))
        return pa.record_batch([flat, seconds], schema=self.schema)

    def tokens(self, texts: Sequence[str]) -> list[list[int]]:
        """The tokens that the model is shown of each text."""
        tokenizer = self.loaded.tokenizer
        cut = [self._cut(text) if len(text) > self.max_tokens else text for text in texts]
        if self.form != "template":
            return list(tokenizer(cut, verbose=False)["input_ids"])
        if not tokenizer.chat_template:
            raise ModelError(
                f"{self.model} has no chat template: choose its instruction-tuned version, or another form"
            )
        shown = [language.templated(tokenizer, [{"role": "user", "content": text}]) for text in cut]
        return list(tokenizer(shown, add_special_tokens=False, verbose=False)["input_ids"])

    def _cut(self, text: str) -> str:
        """The text up to and with its ``max_tokens``-th token."""
        tokens = self.loaded.tokenizer(
            text, add_special_tokens=False, truncation=True, max_length=self.max_tokens, return_offsets_mapping=True
        )
        offsets = tokens["offset_mapping"]
        return text[: offsets[-1][1]] if len(offsets) == self.max_tokens else text

    @property
    def _known_budget(self) -> int | None:
        if self.token_budget or language_hardware(self.model)["device"] == "cpu":
            return self.token_budget or BUDGET
        return self._filling or filling.known(self.fingerprint, computes_here())

    def _budget(self, tokens: Sequence[Sequence[int]]) -> int:
        """Padded tokens of a pass; where nobody knows how many fill the card, texts of a median length are tried."""
        if (known := self._known_budget) is None:
            text = sorted(tokens, key=len)[len(tokens) // 2]
            if not text:
                return LEAST  # a bad row, which fails by itself
            rate = filling.timed(lambda budget: last_states(self.loaded, [text] * max(1, budget // len(text)), budget))
            search = partial(filling.filling, rate, LEAST, MOST)
            known = filling.found_once(self.fingerprint, computes_here(), search)
        self._filling = known
        return known

    def _check(self, states: Halves, keys: pa.Array) -> None:
        bad = np.flatnonzero(np.isnan(states).any(axis=(1, 2)))
        if len(bad):
            raise ValueError(f"{self.model} made NaN of row {keys[int(bad[0])].as_py()}")


def last_states(loaded: Language, tokens: Sequence[Sequence[int]], token_budget: int) -> Halves:
    """The last token's state in every layer, shape (n, layers + 1, width), float16, in the order of ``tokens``.

    Only the transformer runs, not the head over the vocabulary. Raises ValueError on a text without tokens.
    """
    import torch

    states: Halves | None = None
    for rows, lengths, layers in passes(loaded, tokens, token_budget):
        places = torch.arange(len(rows), device=loaded.device), torch.from_numpy(lengths - 1).to(loaded.device)
        last = halves(torch.stack([layer[places] for layer in layers], dim=1))
        if states is None:
            states = np.empty((len(tokens), *last.shape[1:]), dtype=np.float16)
        states[rows] = last
    return states if states is not None else np.empty((0, 0, 0), dtype=np.float16)


def passes(
    loaded: Language, tokens: Sequence[Sequence[int]], token_budget: int
) -> Iterator[tuple[Ints, Ints, tuple[Any, ...]]]:
    """For each pass its row numbers and their lengths, (b,), and the states of every layer, tensors (b, tokens, width).

    Rows are padded behind their end. Raises ValueError on a text without tokens.
    """
    import torch

    lengths = np.array([len(row) for row in tokens], dtype=np.int64)
    if not lengths.all():
        raise ValueError(f"text {int(np.argmin(lengths))} of the batch has no token")
    pad = loaded.tokenizer.pad_token_id
    for rows in by_length(lengths, token_budget):
        here = lengths[rows]
        real = np.arange(here.max()) < here[:, None]
        ids = np.full(real.shape, pad, dtype=np.int64)
        ids[real] = np.concatenate([tokens[row] for row in rows])
        with torch.inference_mode():
            passed = loaded.model.base_model(
                input_ids=torch.from_numpy(ids).to(loaded.device),
                attention_mask=torch.from_numpy(real.astype(np.int64)).to(loaded.device),
                use_cache=False,
                output_hidden_states=True,
            )
        yield rows, here, passed.hidden_states


def halves(states: Any) -> Halves:
    """States as float16, of the same shape; what is beyond its range is clipped."""
    return np.asarray(states.float().clamp(-LARGEST, LARGEST).half().cpu().numpy())


def by_length(lengths: Ints, token_budget: int) -> Iterator[Ints]:
    """Row numbers in batches, short texts first; a batch padded to its longest text stays within the budget.

    A text longer than the budget is a batch of its own.
    """
    order = np.argsort(lengths, kind="stable")
    ascending = lengths[order]
    start = 0
    while start < len(order):
        sizes = ascending[start:] * np.arange(1, len(order) - start + 1)
        stop = start + max(1, int(np.searchsorted(sizes, token_budget, side="right")))
        yield order[start:stop]
        start = stop


def _config(model: str, revision: str) -> Path:
    base = loading.base_of(model)
    if base != model:
        return _config(base, loading.revision_of(base))
    folder = loading.folder_of(model)
    if folder is not None:
        return folder / "config.json"
    from huggingface_hub import hf_hub_download

    with loading.explained(model):
        return Path(hf_hub_download(model, "config.json", revision=revision))
