"""Semantic versions of data: which part of a version a change asks for, and what the next version is then.

As semver.org has it for programs: major for what breaks those who read the columns, minor for other rows, patch for
what is said of the same rows.
"""

from __future__ import annotations

from typing import NamedTuple

from corpusmith.release.diff import Diff

BUMPS = ("patch", "minor", "major")
"""The parts of a version, the smallest first."""


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


def suffices(bump: str, need: Need) -> bool:
    """Whether raising a part is as much as the change asks for, or more."""
    return BUMPS.index(bump) >= BUMPS.index(need.bump)
