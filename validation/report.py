"""What became of a suite: of each expectation, and of all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

LISTED: Final = 20
"""Keys of failing rows that a result names at most."""


@dataclass(frozen=True)
class Result:
    """What became of one expectation.

    name: its slug, which stays the same from version to version; sentence: what must hold, in plain language;
    failing: how many rows break it; keys: of the first LISTED of these, in order; observed: what was found, or null.
    """

    name: str
    sentence: str
    success: bool
    failing: int
    keys: tuple[str, ...]
    observed: str | None


@dataclass(frozen=True)
class Report:
    """What became of a whole suite."""

    results: tuple[Result, ...]

    @property
    def success(self) -> bool:
        """Whether every expectation holds."""
        return all(result.success for result in self.results)
