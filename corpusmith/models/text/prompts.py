"""The prompts of the text corpus, written once: what a model is asked, and the JSON in which it answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from corpusmith.emotions import EMOTIONS

Message = dict[str, Any]
Conversation = list[Message]

_LABELS: Final = f"{', '.join(EMOTIONS[:-1])} or {EMOTIONS[-1]}"

EMOTION_ANSWER: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {"emotion": {"type": "string", "enum": list(EMOTIONS)}},
    "required": ["emotion"],
    "additionalProperties": False,
}
TEXT_ANSWER: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {"text": {"type": "string"}},
    "required": ["text"],
    "additionalProperties": False,
}


def classify(text: str) -> Conversation:
    """Asks for the emotion of a text as ``{"emotion": "<label>"}`` (arXiv 2510.04064: one to label, judge and test)."""
    return _ask(f'Which emotion does this comment show: {_LABELS}? Answer in JSON: {{"emotion": "..."}}\n\n{text}')


def write(emotion: str) -> Conversation:
    """Asks for a comment that shows the emotion, in plain text: the control prompt that the house LM is trained on."""
    return _ask(f"Write a comment that shows {emotion}.")


def write_like(emotion: str, examples: Sequence[str]) -> Conversation:
    """Asks for a new comment like the examples, as ``{"text": "..."}`` (few-shot synthesis of the paper)."""
    shown = "\n".join(f"- {example}" for example in examples)
    return _ask(
        f"These Reddit comments show {emotion}:\n{shown}\n\n"
        f"Write one new comment that shows {emotion}, in a similar style, tone, and length. "
        'Do not copy from the examples. Answer in JSON: {"text": "..."}'
    )


def rewrite(text: str, target: str) -> Conversation:
    """Asks for the text in another emotion with its facts kept, as ``{"text": "..."}``."""
    return _ask(
        f"Rewrite this Reddit comment so that it clearly shows {target}. Keep its facts, topic and about its length, "
        f'and add no new facts. Answer in JSON: {{"text": "..."}}\n\n{text}'
    )


def control(emotion: str, words: int, topic: str) -> str:
    """Asks for a comment of an emotion, of about so many words, of a topic or none (""): what a writer is trained on.

    Short, because it is read for every comment that is written.
    """
    return f"{emotion}, {words} words, about {topic}:" if topic else f"{emotion}, {words} words:"


def control_rewrite(text: str, target: str, words: int) -> str:
    """Asks for the text in another emotion, in about so many words: what a writer is trained on."""
    return f"{target}, {words} words, of: {text}"


def reply(text: str, system: str) -> Conversation:
    """Says the text to a model, to be answered as it likes, under a system prompt; "": none is given."""
    return [*([{"role": "system", "content": system}] if system else []), *_ask(text)]


def _ask(content: str) -> Conversation:
    return [{"role": "user", "content": content}]
