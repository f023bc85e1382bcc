"""What the answers of a language model take: tokens as its server counts them, and what they cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

import pyarrow as pa
from pydantic import Field

from corpusmith.settings import Table

MILLION: Final = 1_000_000
USAGE: Final = 1  # of how what a row took is counted: raise it when that changes
Money = Annotated[float, Field(ge=0)]

COLUMNS: Final = pa.schema(
    [
        pa.field("prompt_tokens", pa.int32()),
        pa.field("cached_tokens", pa.int32()),
        pa.field("completion_tokens", pa.int32()),
        pa.field("cost", pa.float64()),
    ]
)
"""What the ledger keeps of a row that a language model made, over all its rounds; null where nobody said."""


class Price(Table):
    """What a million tokens cost, in the currency of the bill; ``cached``: those of a prompt that the server had."""

    input: Money
    output: Money
    cached: Money | None = None


@dataclass(frozen=True)
class Usage:
    """Tokens of a prompt, those of them that the server had at hand, and tokens of the answer; None: not said."""

    prompt: int | None = None
    cached: int | None = None
    completion: int | None = None

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            _sum(self.prompt, other.prompt),
            _sum(self.cached, other.cached),
            _sum(self.completion, other.completion),
        )

    def cost(self, price: Price | None) -> float | None:
        """What the tokens cost, or None where there is no price or no count."""
        if price is None or self.prompt is None or self.completion is None:
            return None
        cached = min(self.cached or 0, self.prompt)
        dear = price.input if price.cached is None else price.cached
        return ((self.prompt - cached) * price.input + cached * dear + self.completion * price.output) / MILLION

    def columns(self, price: Price | None) -> dict[str, int | float | None]:
        """A row of COLUMNS."""
        return dict(zip(COLUMNS.names, (self.prompt, self.cached, self.completion, self.cost(price)), strict=True))


def counted(said: object) -> Usage | None:
    """The ``usage`` of a chat completion; None where it says nothing that can be one."""
    if not isinstance(said, Mapping):
        return None
    details = said.get("prompt_tokens_details")
    cached = details.get("cached_tokens") if isinstance(details, Mapping) else said.get("prompt_cache_hit_tokens")
    found = Usage(_count(said.get("prompt_tokens")), _count(cached), _count(said.get("completion_tokens")))
    return None if found == Usage() else found


def usage_of(answer: object) -> Usage | None:
    """What an answer took, where it says so."""
    found: Any = getattr(answer, "usage", None)
    return found if isinstance(found, Usage) else None


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and type(value) is not bool and 0 <= value < 2**31 else None


def _sum(one: int | None, other: int | None) -> int | None:
    return other if one is None else one if other is None else min(one + other, 2**31 - 1)
