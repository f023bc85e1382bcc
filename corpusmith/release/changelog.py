"""CHANGELOG.md of a corpus: an entry for each version, newest first, made from what differs (keepachangelog.com 1.1.0).

There are no dates in it: the same versions give the same bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from corpusmith.release.diff import Diff
from corpusmith.release.plain import shown
from corpusmith.release.semver import numbers

NAME = "CHANGELOG.md"
_HEAD = re.compile(r"^## (?=[0-9]+\.[0-9]+\.[0-9]+$)", re.MULTILINE)
_MOST = 20  # lines of a kind


def entries(text: str) -> dict[str, str]:
    """The entry of each version, in the order in which they stand."""
    found = (part.partition("\n") for part in _HEAD.split(text)[1:])
    return {version: body.strip() for version, _, body in found}


def written(corpus: str, said: Mapping[str, str]) -> str:
    """The file with these entries, newest first."""
    parts = [
        f"# Changelog of {corpus}",
        "What changed from version to version, newest first, counted from the releases.",
    ]
    newest_first = sorted(said, key=numbers, reverse=True)
    return "\n\n".join([*parts, *(f"## {version}\n\n{said[version]}" for version in newest_first)]) + "\n"


def first(corpus: str, version: str) -> str:
    """The file of a corpus of which nothing was released before."""
    return written(corpus, {version: "The first release."})


def up_to(text: str, corpus: str, version: str) -> str:
    """The same file as it was when a version was the newest."""
    return written(corpus, {each: said for each, said in entries(text).items() if numbers(each) <= numbers(version)})


def entry(found: Diff) -> str:
    """What a version adds, changes and removes."""
    parts = (("Added", list(_added(found))), ("Changed", list(_changed(found))), ("Removed", list(_removed(found))))
    return "\n\n".join(f"### {title}\n\n" + "\n".join(_listed(lines)) for title, lines in parts if lines)


def _added(found: Diff) -> Iterator[str]:
    for row in found.schema.iter_rows(named=True):
        if row["what"] == "added":
            yield f"column {_code(row['column'])} ({row['new']})"
        if row["what"] == "classes" and row["new"]:
            yield f"classes of {_code(row['column'])}: {shown(row['new'])}"
    if found.added:
        again = f", {found.renamed:,} with an image of the version before" if found.renamed else ""
        yield f"{_rows(found.added)}{again}"


def _changed(found: Diff) -> Iterator[str]:
    for row in found.schema.iter_rows(named=True):
        if row["what"] == "retyped":
            yield f"column {_code(row['column'])} is {row['new']}, was {row['old']}"
        if row["what"] == "order of classes":
            yield f"the order of the classes of {_code(row['column'])}"
    if found.changed:
        drawn = f", {found.redrawn:,} of them with another image" if found.redrawn else ""
        yield f"{_rows(found.changed)}{drawn}"
    for row in found.settings.iter_rows(named=True):
        yield f"setting {_code(row['setting'])}: {_code(row['old'])} → {_code(row['new'])}"
    for row in found.columns.filter("shifted").iter_rows(named=True):
        size = f"Cramér's V {row['effect']:.2g}" if row["old"] is None else f"KS distance {row['effect']:.2g}"
        rejected = " of the rejected rows" if row["table"] == "rejected" else ""
        yield f"distribution of {_code(row['column'])}{rejected} ({size})"
    for row in found.scores.filter("apart").iter_rows(named=True):
        named = " ".join(
            str(row[name]) for name in ("task", "subject", "form", "layer", "metric") if row[name] is not None
        )
        yield f"score {_code(named)}: {row['old']:.3g} → {row['new']:.3g}, with intervals apart"
    if said := [name for name in found.files if not (found.added or found.removed or found.changed)]:
        yield f"no row, but {', '.join(map(_code, said))}"


def _removed(found: Diff) -> Iterator[str]:
    for row in found.schema.iter_rows(named=True):
        if row["what"] == "removed":
            yield f"column {_code(row['column'])} ({row['old']})"
        if row["what"] == "classes" and row["old"]:
            yield f"classes of {_code(row['column'])}: {shown(row['old'])}"
    if found.removed:
        yield _rows(found.removed)


def _listed(lines: list[str]) -> list[str]:
    more = [f"- and {len(lines) - _MOST:,} more"] if len(lines) > _MOST else []
    return [*(f"- {line}" for line in lines[:_MOST]), *more]


def _rows(count: int) -> str:
    return f"{count:,} row{'' if count == 1 else 's'}"


def _code(value: Any) -> str:
    return f"`{shown(value).replace('`', chr(39))[:120]}`"
