"""Look at what came from anywhere: plain files only, small ones read within bounds, names that can be shown."""

from __future__ import annotations

import json
import os
import stat
from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from corpusmith.errors import ReleaseError

SMALL = 32 << 20
"""Bytes of a manifest, a card or a note at most: of hundreds of files the manifest is some 100 kB."""
LONGEST = 1024
"""Characters of a name within a release at most."""
DEEPEST = 16
"""Folders within each other in a release at most."""
READ_BY_DATASETS = ".huggingface.yaml"
"""The one hidden file at the top that a reader takes in: `datasets` lays it over the card's front matter."""


def read_text(path: Path, limit: int = SMALL) -> str:
    """The text of a small file.

    Raises ReleaseError, in one line, for what is no plain file, is larger than ``limit`` bytes, or is no UTF-8, and
    FileNotFoundError where nothing is there.
    """
    check_plain(path)
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
        if len(data) > limit:
            raise ReleaseError(f"{shown(path)} is larger than {limit:,} bytes: expected a small file")
        return data.decode()
    except UnicodeDecodeError as error:
        raise ReleaseError(f"{shown(path)} is not UTF-8 (byte {error.start:,}): expected text") from None
    except OSError as error:
        raise ReleaseError(f"cannot read {shown(path)}: {error.strerror}") from error


def read_json(path: Path, limit: int = SMALL) -> Any:
    """The document in a small JSON file.

    Raises ReleaseError as `read_text` does, and for what is no JSON, has a key twice in one table, has half a
    surrogate pair in a text, or is nested too deep to be read.
    """
    return parse_json(read_text(path, limit), path)


def parse_json(text: str, path: object) -> Any:
    """The same of a text that was read from ``path``."""
    try:
        document = json.loads(text, object_pairs_hook=_once, parse_constant=_no_number)
        json.dumps(document, ensure_ascii=False).encode()
        return document
    except RecursionError:
        raise ReleaseError(f"{shown(path)} is nested too deep: expected a manifest") from None
    except ValueError as error:
        raise ReleaseError(
            f"{shown(path)} is not the manifest of a release ({error}); build or pull it again"
        ) from None


def check_plain(path: Path) -> None:
    """Raises ReleaseError for a link, a folder, a FIFO or a device; FileNotFoundError where nothing is there."""
    if (kind := kind_of(path.lstat())) != "file":
        raise ReleaseError(f"{shown(path)} is a {kind}; a release holds plain files")


def kind_of(status: os.stat_result) -> str:
    """What lies there: file, folder, link, or special file (FIFO, device, socket)."""
    for kind, is_one in (("file", stat.S_ISREG), ("folder", stat.S_ISDIR), ("link", stat.S_ISLNK)):
        if is_one(status.st_mode):
            return kind
    return "special file"


def entries(folder: Path, under: str = "") -> Iterator[tuple[str, str]]:
    """Everything in a folder that a reader could take in: its name, with slashes, and its kind; links are not followed.

    Hidden entries at the top (.git, .cache of a Hub client) and hidden files below that are no tables are left out:
    nobody reads them, READ_BY_DATASETS aside. Raises ReleaseError: folders lie deeper within each other than DEEPEST.
    """
    if under.count("/") > DEEPEST:
        raise ReleaseError(f"{shown(folder)[:LONGEST]}: folders lie more than {DEEPEST} deep; a release has no such")
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        name, kind = f"{under}{entry.name}", kind_of(entry.stat(follow_symlinks=False))
        hidden = entry.name.startswith(".") and name != READ_BY_DATASETS
        if hidden and (not under or (kind == "file" and not entry.name.endswith(".parquet"))):
            continue
        yield name, kind
        if kind == "folder":
            yield from entries(Path(entry.path), f"{name}/")


def is_safe(name: str) -> bool:
    """Whether a name means one file inside a release, written in the one way that it can be."""
    path = PurePosixPath(name)
    if not name.isprintable() or "\\" in name or not 0 < len(name) <= LONGEST:
        return False
    if path.is_absolute() or path.as_posix() != name:
        return False
    return all(len(part) < 256 and not part.startswith(".") for part in path.parts)


def shown(value: object) -> str:
    """Text from elsewhere as it can be shown: what would steer a terminal, and what is no text, is escaped."""
    text = str(value)
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) < len(pairs):
        twice = Counter(name for name, _ in pairs).most_common(1)[0][0]
        raise ValueError(f"the key {shown(twice)[:80]!r} stands twice")
    return table


def _no_number(word: str) -> Any:
    raise ValueError(f"{word} is no number of JSON")
