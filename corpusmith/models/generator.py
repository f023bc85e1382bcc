"""The maker of images: prompts through a text-to-image pipeline of the catalog, one seed for each row."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from functools import cached_property, partial
from typing import Any, Final

import pyarrow as pa

from corpusmith.hardware import machine
from corpusmith.models.images import (
    IMAGES,
    SEARCH_STEPS,
    VERSION,
    PipelineMaker,
    Row,
    UnusableError,
    decides,
    encoders,
    in_recorded_batches,
    no_text,
    stored,
)
from corpusmith.work.plan import seeds

TEXT_BATCH: Final = 8  # prompts encoded at once, always as many, so that embeddings do not depend on their mates

# What encode_prompt returns, in order, for the pipelines that take it back as arguments of their call; None: not taken.
_GUIDED: Final = ("prompt_embeds", "negative_prompt_embeds")
_POOLED: Final = (*_GUIDED, "pooled_prompt_embeds", "negative_pooled_prompt_embeds")
_MASKED: Final = ("prompt_embeds", "prompt_attention_mask", "negative_prompt_embeds", "negative_prompt_attention_mask")
EMBEDDINGS: Final[Mapping[str, tuple[str | None, ...]]] = {
    "StableDiffusionPipeline": _GUIDED,
    "StableDiffusionXLPipeline": _POOLED,
    "StableDiffusion3Pipeline": _POOLED,
    "KolorsPipeline": _POOLED,
    "FluxPipeline": ("prompt_embeds", "pooled_prompt_embeds", None),
    "PixArtSigmaPipeline": _MASKED,
    "SanaPipeline": _MASKED,
    "Lumina2Pipeline": _MASKED,
    "AuraFlowPipeline": _MASKED,
}

# The same of a negative prompt that is encoded by itself, by pipelines whose own guidance is distilled.
NEGATIVES: Final[Mapping[str, tuple[str | None, ...]]] = {
    "FluxPipeline": ("negative_prompt_embeds", "negative_pooled_prompt_embeds", None),
}


class Generator(PipelineMaker):
    """Draws one image for each ``prompt`` with a text-to-image model of the catalog, loaded on the first batch.

    A sample depends on its key (the seed), and in the last bit on how many rows went through the model with it, never
    on which: ``remake`` draws it again in that shape. A row without text, one that the safety checker blacked out, or
    one that is not a number fails alone (UnusableError).
    """

    role, kind, called = "text_to_image", "images", "generator"
    inputs = ("prompt",)
    schema = IMAGES

    @property
    def settings(self) -> dict[str, Any]:
        """What decides an image besides prompt and seed."""
        return {**decides(self.entry), "version": VERSION}

    def make(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        """One image for each row of key and prompt, ``batch`` at a time; raises UnusableError on a bad row."""
        prompts = dict(zip(rows["key"].to_pylist(), rows["prompt"].to_pylist(), strict=True))
        made = self._kept_of(prompts)
        made |= {key: no_text(key) for key, prompt in prompts.items() if not (prompt or "").strip()}
        wanted = [key for key in prompts if key not in made]
        if not wanted:
            return self._batch(made, list(prompts))
        size = self._filled(len(wanted), partial(self._tried, prompts[wanted[0]]))
        parts = [wanted[start : start + size] for start in range(0, len(wanted), size)]
        made |= self._drawn((part, [prompts[key] for key in part]) for part in parts)
        return self._batch(made, list(prompts))

    def remake(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        """The images of rows of key, prompt and ``batch`` anew, each in the recorded shape: its mates are other rows.

        Raises UnusableError on a bad row.
        """
        asked = rows.to_pylist()
        parts = in_recorded_batches(asked)
        made = self._drawn(([row["key"] for row in part], [row["prompt"] for row in part]) for part in parts)
        return self._batch(made, [row["key"] for row in asked])

    def _drawn(self, parts: Iterable[tuple[list[str], list[str]]]) -> dict[str, Row | UnusableError]:
        """What became of each key; one part is encoded while the next is drawn."""
        waiting: list[Future[Row | UnusableError]] = []
        keys: list[str] = []
        for part, prompts in parts:
            pixels, hidden = self._pixels(part, prompts)
            made_on = machine(self.loaded.device).sentence(self.loaded.dtype)
            for key, seed, image, hid in zip(part, seeds(part), pixels, hidden, strict=True):
                waiting.append(encoders().submit(stored, key, int(seed), image, hid, len(part), made_on))
            keys += part
        return dict(zip(keys, (future.result() for future in waiting), strict=True))

    def _pixels(self, keys: Sequence[str], prompts: Sequence[str]) -> tuple[Sequence[Any], Sequence[bool]]:
        """One pass of the pipeline: arrays (height, width, 3) in [0, 1], and which of them its safety checker hid."""
        return self._passed(keys, **self._said(prompts))

    def _tried(self, prompt: str, rows: int) -> Sequence[Any]:
        """A pass of so many rows, as short as one may be, of which nothing is kept."""
        steps = min(self.entry.steps or SEARCH_STEPS, SEARCH_STEPS)
        keys = [f"{row:032x}" for row in range(rows)]
        return self._passed(keys, **self._said([prompt] * rows), num_inference_steps=steps)[0]

    def _said(self, prompts: Sequence[str]) -> dict[str, Any]:
        """The prompts as the pipeline takes them: embeddings where it takes those back, else the words."""
        import torch

        entry, pipeline = self.entry, self.loaded.pipeline
        names = EMBEDDINGS.get(type(pipeline).__name__)
        if names is None:
            words = {"prompt": list(prompts)}
            return words if entry.negative_prompt is None else {**words, "negative_prompt": entry.negative_prompt}
        unique = list(dict.fromkeys(prompts))
        parts = []
        for start in range(0, len(unique), TEXT_BATCH):
            part = unique[start : start + TEXT_BATCH]
            padded = part + part[-1:] * (TEXT_BATCH - len(part))
            parts.append([None if tensor is None else tensor[: len(part)] for tensor in self._encoded(padded)])
        place = [unique.index(prompt) for prompt in prompts]
        said: dict[str, Any] = {
            name: torch.cat(tensors)[place]
            for name, tensors in zip(names, zip(*parts, strict=True), strict=True)
            if name and not name.startswith("negative") and tensors[0] is not None
        }
        negative = {name: row.expand(len(prompts), *row.shape[1:]) for name, row in self._negative.items()}
        return {**said, **negative, "negative_prompt": None}

    def _encoded(self, prompts: list[str], **more: Any) -> tuple[Any, ...]:
        import torch

        pipeline = self.loaded.pipeline
        call = inspect.signature(pipeline.__call__).parameters
        asked = {
            **{name: told.default for name, told in call.items() if told.default is not None},
            **self.entry.arguments,
            "prompt": prompts,
            "device": pipeline._execution_device,
            "do_classifier_free_guidance": False,
            **more,
        }
        takes = inspect.signature(pipeline.encode_prompt).parameters
        needs = {name: None for name, told in takes.items() if told.default is inspect.Parameter.empty}
        with torch.inference_mode():
            return tuple(pipeline.encode_prompt(**needs | {n: value for n, value in asked.items() if n in takes}))

    @cached_property
    def _negative(self) -> dict[str, Any]:
        """The embeddings of the negative prompt, one row, encoded once; none where it is not guided by it."""
        kind, words = type(self.loaded.pipeline).__name__, self.entry.negative_prompt
        if kind in NEGATIVES and words is not None:
            named = zip(NEGATIVES[kind], self._encoded([words]), strict=True)
            return {name: tensor for name, tensor in named if name}
        names = EMBEDDINGS[kind]
        if not any(name and name.startswith("negative") for name in names):
            return {}
        more = {"do_classifier_free_guidance": True, "negative_prompt": words}
        encoded = self._encoded([""], **{name: value for name, value in more.items() if value is not None})
        named = zip(names, encoded, strict=True)
        return {name: tensor for name, tensor in named if name and name.startswith("negative") and tensor is not None}
