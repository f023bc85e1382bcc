"""Semantic versions of data: which part of a version a change asks for, and what the next version is then.

As semver.org has it for programs: major for what breaks those who read the columns, minor for other rows, patch for
what is said of the same rows.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import TYPE_CHECKING, NamedTuple

from corpusmith.errors import UserError
from corpusmith.release.plain import shown

if TYPE_CHECKING:
    from corpusmith.release.diff import Diff

BUMPS = ("patch", "minor", "major")
"""The parts of a version, the smallest first."""
VERSION = re.compile(r"[0-9]{1,9}\.[0-9]{1,9}\.[0-9]{1,9}")
_BOUND = re.compile(r"(\^|~|>=|<=|>|<|=)?\s*v?([0-9]{1,9}(?:\.[0-9]{1,9}){0,2})")


class Need(NamedTuple):
    """The smallest part that must be raised, and why, in a line."""

    bump: str
    reason: str


def numbers(version: str) -> tuple[int, ...]:
    """What versions are ordered by."""
    return tuple(int(number) for number in version.split("."))


def raised(version: str, bump: str) -> str:
    """The next version: what is right of the raised part starts again at 0."""
    place = len(BUMPS) - 1 - BUMPS.index(bump)
    parts = [*numbers(version)[:place], numbers(version)[place] + 1, *[0] * (len(BUMPS) - 1 - place)]
    return ".".join(map(str, parts))


def needed(found: Diff) -> Need | None:
    """What the change asks for; None: nothing changed."""
    if found.schema.height:
        named = ", ".join(f"{row['column']} ({row['what']})" for row in found.schema.iter_rows(named=True))
        return Need("major", f"the schema changed: {named}")
    if found.added or found.removed or found.changed:
        return Need(
            "minor", f"of the rows {found.added:,} are new, {found.removed:,} gone and {found.changed:,} changed"
        )
    if said := [*found.files, *(f"the setting {name}" for name in found.settings["setting"])]:
        return Need("patch", f"no row changed, but {', '.join(said)} did")
    return None


def newest(asked: str | None, versions: Collection[str]) -> str | None:
    """The newest version that is asked for: ``1.2.0``, ``1.2`` (any patch of it), ``^1.2``, ``~1.2.0``, ``>=1.2,<2``.

    None: whichever is newest. ``^`` allows what does not raise the first part that is not 0, ``~`` what does not raise
    the second, as npm and Cargo have them. None is returned where there is no such version. Raises UserError for what
    asks for no version.
    """
    bounds = [_bounds(part.strip()) for part in asked.split(",")] if asked else []
    fit = [each for each in versions if all(low <= numbers(each) < high for low, high in bounds)]
    return max(fit, key=numbers, default=None)


_Numbers = tuple[int, ...]
_END: _Numbers = (10**10,)


def _bounds(asked: str) -> tuple[_Numbers, _Numbers]:
    """From which version, and before which one."""
    found = _BOUND.fullmatch(asked)
    if not found:
        raise UserError(f"{shown(asked)[:80]!r} asks for no version: expected 1.2.0, 1.2, ^1.2, ~1.2.0 or >=1.2,<2")
    sign, given = found[1] or "=", numbers(found[2])
    low = (*given, 0, 0)[:3]
    just_above = (*given[:-1], given[-1] + 1)
    if sign == "^":
        place = next((place for place, part in enumerate(given) if part), len(given) - 1)
        return low, (*given[:place], given[place] + 1)
    if sign == "~":
        return low, (given[0], given[1] + 1) if len(given) > 1 else (given[0] + 1,)
    return {
        "=": (low, just_above),
        ">=": (low, _END),
        ">": (just_above, _END),
        "<=": ((0,), just_above),
        "<": ((0,), low),
    }[sign]


def suffices(bump: str, need: Need) -> bool:
    """Whether raising a part is as much as the change asks for, or more."""
    return BUMPS.index(bump) >= BUMPS.index(need.bump)
