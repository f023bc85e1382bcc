"""Tell at a glance what changed since a release was built: no corpus is loaded, no source read, no model opened.

What a build is made from is noted with the sizes and times of the files behind it. A file of another time is looked at
again where that is quick (our own code); of a source it counts as changed. The build itself compares the contents.
"""

from __future__ import annotations

import csv
import functools
import hashlib
import importlib.metadata
import json
import os
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

LIBRARIES: Final = (
    "diffusers",
    "great-expectations",
    "numpy",
    "pillow",
    "polars",
    "pyarrow",
    "scikit-learn",
    "scipy",
    "tokenizers",
    "torch",
    "transformers",
)
MOST_FILES: Final = 20_000
"""Files of sources that are looked at; of more, the folders stand for what is in them."""
CODE_CHANGED: Final = "the code or a library changed"
TAKEN_DOWN: Final = "rows were taken down"
Glance = Mapping[str, Any]
"""What `note` noted."""


def note(
    profile: str,
    settings: Mapping[str, Any],
    here: Collection[str],
    folders: Sequence[Path],
    sources: Sequence[str],
    marks: str,
) -> dict[str, Any]:
    """What `changes` compares with: settings as plain data, the code in ``folders``, the files of ``sources``.

    here: the dotted names of settings that are this machine's. marks: the digest of what was taken down.
    """
    return {
        "profile": profile,
        "settings": settings,
        "here": sorted(here),
        "folders": [str(folder) for folder in folders],
        "code_files": _files_digest(folders),
        "code": code(tuple(folders)),
        "sources": [str(Path(source).absolute()) for source in sources],
        "files": files(sources),
        "taken_down": marks,
    }


def changes(noted: Glance, corpus: str, raw: Mapping[str, Any], tombstones: Path) -> list[str]:
    """What changed, a line for each; raw: the tables of settings as they are written, under the profile."""
    now = {table: raw.get(table, {}) for table in ("work", corpus)}
    found = settings_changed(noted["settings"], now, noted["here"])
    found += sources_changed(noted["files"], files(noted["sources"]))
    if marks(tombstones) != noted["taken_down"]:
        found.append(TAKEN_DOWN)
    folders = tuple(map(Path, noted["folders"]))
    if _files_digest(folders) != noted["code_files"] and code(folders) != noted["code"]:
        found.append(CODE_CHANGED)
    return found


def settings_changed(old: Mapping[str, Any], new: Mapping[str, Any], here: Collection[str] = ()) -> list[str]:
    """Each setting that differs, ``setting corpus.name: old → new``; none that is this machine's."""
    before, after = dict(leaves(old)), dict(leaves(new))
    names = [name for name in {**before, **after} if not any(name == one or name.startswith(f"{one}.") for one in here)]
    said = {name: (before.get(name, "(none)"), after.get(name, "(none)")) for name in names}
    return [f"setting {name}: {_shown(was)} → {_shown(now)}" for name, (was, now) in said.items() if was != now]


def sources_changed(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Each source that is new, gone, or another, by its path or name."""
    found = [f"new source {_name(path)}" for path in new if path not in old]
    found += [f"source {_name(path)} is gone" for path in old if path not in new]
    return found + [
        f"source {_name(path)} changed" for path in new if path in old and list(new[path]) != list(old[path])
    ]


def files(sources: Sequence[str]) -> dict[str, list[int]]:
    """Size in bytes and time of change, in nanoseconds, of each file of some sources, and in their folders, by path."""
    found: dict[str, list[int]] = {}
    for path in (Path(source).expanduser().absolute() for source in sources):
        for file in _inside(path) if path.is_dir() else [str(path)]:
            if len(found) < MOST_FILES and os.path.exists(file):
                stat = os.stat(file)
                found[file] = [stat.st_size, stat.st_mtime_ns]
    return found


@functools.cache
def code(folders: tuple[Path, ...]) -> str:
    """SHA-256 over the files of code folders, house models included, and the versions of the libraries that compute."""
    found = hashlib.sha256(sys.version.encode())
    for library in LIBRARIES:
        found.update(f"{library} {importlib.metadata.version(library)}\n".encode())
    for folder in folders:
        for path in _code(folder):
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            found.update(f"{folder.name}/{path.relative_to(folder)} {digest}\n".encode())
    return found.hexdigest()


def marks(path: Path) -> str:
    """SHA-256 of the tombstones in a file, as `corpusmith.release.tombstones.digest` has it."""
    named: set[str] = set()
    if path.exists():
        with path.open(newline="") as file:
            for row in csv.DictReader(file):
                named |= {row["key"], *(row.get("holds") or "").split(" ")}
    return hashlib.sha256("\n".join(sorted(named - {""})).encode()).hexdigest()


def leaves(table: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Each setting of a table by its path, and its value."""
    for name, value in table.items():
        if isinstance(value, Mapping) and value:
            yield from leaves(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", value


def _shown(value: Any) -> str:
    said = json.dumps(value, ensure_ascii=False, default=str) if not isinstance(value, str) else value
    return said if len(said) <= 80 else f"{said[:77]}…"


def _name(path: str) -> str:
    return path.rpartition("/")[2] or path


def _inside(folder: Path) -> Iterator[str]:
    for place, _, names in os.walk(folder):
        yield from (os.path.join(place, name) for name in sorted(names) if not name.startswith("."))


def _files_digest(folders: Sequence[Path]) -> str:
    """Of the names, sizes and times of the files of code folders and the places of the libraries."""
    found = hashlib.sha256(f"{sys.version} {sys.prefix}".encode())
    for path in sys.path:  # where an installation adds or replaces something, a folder is written to
        if path.endswith("-packages") and os.path.isdir(path):
            found.update(f"{path} {os.stat(path).st_mtime_ns}\n".encode())
    for folder in folders:
        for path in _code(folder):
            stat = path.stat()
            found.update(f"{path} {stat.st_size} {stat.st_mtime_ns}\n".encode())
    return found.hexdigest()


def _code(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.rglob("*")
        if "__pycache__" not in path.parts and not path.name.startswith(".") and path.is_file()
    )
