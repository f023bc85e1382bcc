"""Remember that the files of a release were proved, so that they are read again only where one may have changed."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Final

from corpusmith.errors import LedgerError
from corpusmith.release import manifest
from corpusmith.whole import write_whole

NAME: Final = ".proved.json"
"""Beside the manifest, and no file of the release: the digest of the manifest, and the stamp of each file."""

Stamp = list[int]
"""Size, inode, and the times of the last write and of the last change (ns): the last one nobody can set."""


def check(folder: Path, anew: bool = False) -> manifest.Manifest:
    """The manifest of a release whose files are as they were released; a file with the stamp of a proof is not read.

    anew: read them all. Raises ReleaseError as `manifest.check`, which names every file that is not as recorded.
    """
    path = folder / NAME
    said = manifest.read(folder)
    proved = {} if anew else _proved(path, said.digest)
    now = _stamps(folder, said)
    if now is None or proved != now:
        manifest.check(folder)
        _note(folder, said, now)
    return said


def remember(folder: Path, said: manifest.Manifest) -> None:
    """Note that the files of a release were just proved; a folder that nobody may write has no such note."""
    _note(folder, said, _stamps(folder, said))


def _note(folder: Path, said: manifest.Manifest, stamps: dict[str, Stamp] | None) -> None:
    with contextlib.suppress(OSError, LedgerError):
        write_whole(folder / NAME, json.dumps({"digest": said.digest, "files": stamps}))


def _proved(path: Path, digest: str) -> dict[str, Stamp]:
    try:
        said = json.loads(path.read_text())
        return dict(said["files"]) if said["digest"] == digest else {}
    except (OSError, ValueError, TypeError, KeyError):
        return {}


def _stamps(folder: Path, said: manifest.Manifest) -> dict[str, Stamp] | None:
    """None: a file is missing."""
    try:
        held = {name: (folder / name).lstat() for name in said.files}
    except OSError:
        return None
    return {name: [one.st_size, one.st_ino, one.st_mtime_ns, one.st_ctime_ns] for name, one in held.items()}
