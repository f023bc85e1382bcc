"""Partitions that came in by themselves and cannot be read: noted with their error, so that the others go on."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

from corpusmith.errors import UserError
from corpusmith.whole import write_whole


@contextlib.contextmanager
def unless_read(home: Path, corpus: str, partition: str, token: str) -> Iterator[None]:
    """Notes the user's mistake that the body ends in, for the content that ``token`` stands for; forgets an old one."""
    note = _folder(home, corpus) / f"{sha256(partition.encode()).hexdigest()[:32]}.json"
    try:
        yield
    except UserError as error:
        write_whole(note, json.dumps({"partition": partition, "token": token, "error": str(error)}))
        raise
    note.unlink(missing_ok=True)


def refused(home: Path, corpus: str) -> dict[str, dict[str, str]]:
    """What was noted of each partition of a corpus: the token of its content, and the error."""
    found = dict[str, dict[str, str]]()
    for path in sorted(_folder(home, corpus).glob("*.json")):
        with contextlib.suppress(OSError, ValueError, KeyError):  # a note that cannot be read: it is tried again
            note = json.loads(path.read_text())
            found[note["partition"]] = note
    return found


def everywhere(home: Path) -> list[dict[str, str]]:
    """What was noted of any corpus, with its name."""
    corpora = sorted(folder.name for folder in _folder(home, "").glob("*/"))
    return [{"corpus": corpus, **note} for corpus in corpora for note in refused(home, corpus).values()]


def forget(home: Path, corpus: str) -> None:
    """Every partition is tried again: somebody asks for the corpus, and shall hear what is wrong."""
    shutil.rmtree(_folder(home, corpus), ignore_errors=True)


def _folder(home: Path, corpus: str) -> Path:
    return home / ".corpusmith" / "refused" / corpus
