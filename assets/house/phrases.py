"""Comments from the project's own phrase bank: emotion-labelled text that belongs to nobody else."""

from __future__ import annotations

import random
from functools import cache
from pathlib import Path
from typing import Any

import yaml

BANK = Path(__file__).with_name("phrases.yaml")


@cache
def bank() -> dict[str, Any]:
    """The phrase bank as read from ``phrases.yaml``: ``shapes``, ``slots`` and ``emotions``."""
    content: dict[str, Any] = yaml.safe_load(BANK.read_text(encoding="utf-8"))
    return content


def comments(emotion: str, number: int, seed: int) -> list[str]:
    """``number`` distinct comments that show the emotion, the same for the same seed."""
    draw = random.Random(f"{emotion}-{seed}")
    made: dict[str, None] = {}
    while len(made) < number:
        made[comment(emotion, draw)] = None
    return list(made)


def comment(emotion: str, draw: random.Random) -> str:
    """One comment: a shape filled with the emotion's parts and the shared slots, with sentence case."""
    parts = {**bank()["slots"], **bank()["emotions"][emotion]}
    text = draw.choice(bank()["shapes"])
    while "{" in text:
        start, end = text.index("{"), text.index("}")
        text = text[:start] + draw.choice(parts[text[start + 1 : end]]) + text[end + 1 :]
    text = text.replace("?.", "?")
    return ". ".join(sentence[:1].upper() + sentence[1:] for sentence in text.split(". "))
