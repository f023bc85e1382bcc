"""Vision-language models as perceivers: asked in words, they answer in JSON, in process or behind a server."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, Final

import pyarrow as pa

from corpusmith.curate.markup import visible
from corpusmith.emotions import EMOTIONS
from corpusmith.errors import ModelError
from corpusmith.models.loading import explained, hardware
from corpusmith.models.perceivers.network import ImageModel
from corpusmith.models.perceivers.opening import opened
from corpusmith.models.perceivers.readings import HASH, IMAGE, READING
from corpusmith.models.text.batch_api import BatchChat
from corpusmith.models.text.chat import Chat, CutOffError, Schema, Seeds, ServerChat, UnansweredError
from corpusmith.models.text.language import one_day
from corpusmith.models.text.prompts import Conversation
from corpusmith.models.text.writers import ChatMaker, emotion_of, parsed

MAX_TOKENS: Final = 96  # of an answer: the JSON that is asked for has about forty
SEVERAL: Final = 2
IMAGES: Final = 1000  # at once: a batch API would take more, memory does not

ANSWERED: Final = pa.schema([*READING, pa.field("answer", pa.string())])
"""READING and the raw answer; an answer that cannot be read leaves the others null."""

CAPTION: Final = pa.schema([pa.field("caption", pa.string())])
DESCRIBE: Final = "Describe this picture in one short sentence, as its caption. Answer with the caption alone."

QUESTION: Final = (
    f"Look at the face in this picture. Which emotion does it show: {', '.join(EMOTIONS[:-1])} or {EMOTIONS[-1]}? How "
    "strong is it, from 0 (not there) to 1 (as strong as can be)? How good is the picture itself, from 0 (ruined) to 1 "
    "(flawless)? How many faces are there? Answer in JSON: "
    '{"emotion": "...", "intensity": 0.0, "quality": 0.0, "faces": 0}'
)
ANSWER: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "emotion": {"type": "string", "enum": list(EMOTIONS)},
        "intensity": {"type": "number", "minimum": 0, "maximum": 1},
        "quality": {"type": "number", "minimum": 0, "maximum": 1},
        "faces": {"type": "integer", "minimum": 0},
    },
    "required": ["emotion", "intensity", "quality", "faces"],
    "additionalProperties": False,
}

_TYPES: Final = {b"\x89PNG": "png", b"\xff\xd8\xff": "jpeg", b"RIFF": "webp", b"GIF8": "gif"}


class VisionChat(ChatMaker):
    """Reads a portrait by asking a vision-language model, once and at temperature 0.

    The emotion that it names gets probability one; what it does not say, or says out of range, is null. ``answer`` is
    kept as it came, but for control characters, so that coverage (the share with an emotion) is a result. A row that is
    refused fails alone.
    """

    carried = IMAGE

    def __init__(self, chat: Chat) -> None:
        super().__init__(
            "vision-chat",
            replace(chat, temperature=0.0) if isinstance(chat, ServerChat | BatchChat) else chat,
            HASH,
            ANSWERED,
            _question,
            read,
            answer_schema=ANSWER,
            max_tokens=MAX_TOKENS,
            rounds=1,
            usage=True,
        )
        self.batch_rows = min(self.batch_rows, IMAGES)


class Captioner(ChatMaker):
    """Says in a sentence what an image shows: the column ``caption``, null for an answer of no words."""

    carried = IMAGE

    def __init__(self, chat: Chat) -> None:
        super().__init__(
            "captioner",
            chat,
            HASH,
            CAPTION,
            _description_asked,
            caption,
            max_tokens=MAX_TOKENS,
            rounds=1,
            usage=True,
        )
        self.batch_rows = min(self.batch_rows, IMAGES)


def caption(answer: str) -> dict[str, Any]:
    """A row of CAPTION: the first line of an answer, in one line."""
    said = " ".join(visible(answer).strip().partition("\n")[0].split()).strip('"')
    return {"caption": said or None}


def read(answer: str) -> dict[str, Any]:
    """A row of ANSWERED."""
    said, emotion = parsed(answer) or {}, emotion_of(answer)
    chances = {f"p_{name}": float(name == emotion) if emotion else None for name in EMOTIONS}
    shares = {name: _share(said.get(name)) if emotion else None for name in ("intensity", "quality")}
    faces = said.get("faces")
    counted = min(faces, SEVERAL) if emotion and type(faces) is int and faces >= 0 else None
    return {"emotion": emotion, **chances, **shares, "faces": counted, "answer": visible(answer)}


def _share(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and type(value) is not bool and 0 <= value <= 1 else None


def _question(row: dict[str, Any]) -> Conversation:
    return _about(row, QUESTION)


def _description_asked(row: dict[str, Any]) -> Conversation:
    return _about(row, DESCRIBE)


def _about(row: dict[str, Any], question: str) -> Conversation:
    """The question, and before it the image that it is about."""
    parts: list[dict[str, Any]] = [{"type": "text", "text": question}]
    if "image" in row:  # not in the blank row whose question decides the fingerprint
        parts.insert(0, {"type": "image_url", "image_url": {"url": _data_uri(row["image"]["bytes"])}})
    return [{"role": "user", "content": parts}]


def _data_uri(encoded: bytes | None) -> str:
    """Raises ValueError for bytes that no server takes as an image."""
    kind = next((name for magic, name in _TYPES.items() if encoded and encoded.startswith(magic)), None)
    if encoded is None or kind is None:
        raise ValueError(f"an image that is none of {', '.join(_TYPES.values())}")
    return f"data:image/{kind};base64,{base64.b64encode(encoded).decode()}"


class LocalVision(ImageModel):
    """A Chat with a vision-language model of transformers in this process; draws nothing: temperature is 0.

    Raises ModelError: not to be had, not such a model, without a chat template, or one whose processor needs
    torchvision (those that take videos as well): let a server run it.
    """

    temperature = 0.0

    def __init__(self, model: str, revision: str | None = None, batch_rows: int = 16) -> None:
        kind = "a vision-language model with safetensors weights"
        settings = {"temperature": 0.0, "dtype": hardware()["dtype"]}
        super().__init__("AutoModelForImageTextToText", kind, model, revision, settings, batch_rows)

    @cached_property
    def processor(self) -> Any:
        """Prepares images and texts together."""
        from transformers import AutoProcessor

        try:
            with explained(self.model, self.kind):
                opener: Any = AutoProcessor
                found = opener.from_pretrained(self.folder, trust_remote_code=False)
        except ImportError as error:
            raise ModelError(
                f"{self.model}: its processor needs torchvision, which corpusmith does without; serve the model (vLLM, "
                "say) and name its address under servers"
            ) from error
        if not getattr(found, "chat_template", None):
            raise ModelError(f"{self.model} has no chat template: choose its instruction-tuned version")
        found.tokenizer.padding_side = "left"
        return found

    def answer(
        self, conversations: Sequence[Conversation], seeds: Seeds, max_tokens: int, schema: Schema | None
    ) -> list[str | UnansweredError]:
        """See Chat; neither seeds nor schema change anything here."""
        import torch

        answers: list[str | UnansweredError] = []
        for start in range(0, len(conversations), self.batch_rows):
            asked = [_with_images(one) for one in conversations[start : start + self.batch_rows]]
            tokens = self.processor.apply_chat_template(
                asked,
                chat_template=one_day(self.processor.chat_template),
                add_generation_prompt=True,
                tokenize=True,
                return_dict=True,
                return_tensors="pt",
                processor_kwargs={"padding": True},
            ).to(self.network.device, self.network.dtype)
            with torch.inference_mode():
                drawn = self.network.generate(**tokens, max_new_tokens=max_tokens, do_sample=False)
            new = drawn[:, tokens["input_ids"].shape[1] :]
            texts = self.processor.batch_decode(new, skip_special_tokens=True)
            answers += [
                text if len(row) < max_tokens or self._ends(row) else CutOffError(text)
                for row, text in zip(new.tolist(), texts, strict=True)
            ]
        return answers

    def _ends(self, tokens: Sequence[int]) -> bool:
        stated = self.network.generation_config.eos_token_id
        return not {
            self.processor.tokenizer.eos_token_id,
            *(stated if isinstance(stated, list) else [stated]),
        }.isdisjoint(tokens)


def _with_images(conversation: Conversation) -> Conversation:
    """The conversation with open images in the place of data URIs."""
    return [{**message, "content": [_part(part) for part in message["content"]]} for message in conversation]


def _part(part: dict[str, Any]) -> dict[str, Any]:
    if part["type"] != "image_url":
        return part
    encoded = base64.b64decode(part["image_url"]["url"].partition(",")[2])
    (image,) = opened(pa.array([{"bytes": encoded, "path": None}]))
    return {"type": "image", "image": image}
