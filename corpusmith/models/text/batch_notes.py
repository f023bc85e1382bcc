"""Which batches were submitted to whom, noted on disk, so that a build that was killed finds them again."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from corpusmith.whole import write_whole

KEPT: Final = 30 * 86_400  # seconds: so long do providers keep the answers


def notes_of(home: Path) -> Path:
    """The folder of the notes of a home."""
    return home / ".corpusmith" / "batches"


@dataclass(frozen=True)
class Note:
    """One batch: the requests in it by their digests, a token that it carries, and its name once it has one."""

    token: str
    requests: frozenset[str]
    batch: str | None = None
    path: Path | None = None

    @classmethod
    def of(cls, requests: Iterable[str]) -> Note:
        """Of a batch that is about to be submitted."""
        return cls(secrets.token_hex(16), frozenset(requests))

    def named(self, batch: str) -> Note:
        """The same, submitted."""
        return replace(self, batch=batch)

    def forget(self) -> None:
        """There is no such batch."""
        if self.path:
            self.path.unlink(missing_ok=True)


@dataclass(frozen=True)
class Notes:
    """The notes in a folder of batches for a model at a server."""

    folder: Path
    server: str
    model: str

    def write(self, note: Note) -> Note:
        """Keep a note, in the place of one with its token."""
        path = self.folder / f"{note.token}.json"
        said = {"server": self.server, "model": self.model, "batch": note.batch, "requests": sorted(note.requests)}
        write_whole(path, json.dumps(said))
        return replace(note, path=path)

    def of(self, requests: Collection[str]) -> list[Note]:
        """Those of batches with one of the requests in them; those that are too old are thrown away."""
        found = []
        for path in sorted(self.folder.glob("*.json")):
            try:
                written = path.stat().st_mtime
            except FileNotFoundError:  # another build just threw it away
                continue
            if written < time.time() - KEPT:
                path.unlink(missing_ok=True)
            elif (note := self._read(path)) and not note.requests.isdisjoint(requests):
                found.append(note)
        return found

    def _read(self, path: Path) -> Note | None:
        try:
            said: dict[str, Any] = json.loads(path.read_text())
            if (said["server"], said["model"]) != (self.server, self.model):
                return None
            return Note(path.stem, frozenset(said["requests"]), said["batch"], path)
        except (OSError, ValueError, LookupError, TypeError):
            return None
