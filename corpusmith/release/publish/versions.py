"""Versions of a corpus in a DVC repository: tags of git, ``reddit-v1.2.0``, and the files that DVC has at each."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from corpusmith.errors import ReleaseError
from corpusmith.release.plain import read_text, shown
from corpusmith.release.semver import VERSION

_REMOTE = ("http://", "https://", "ssh://", "git://", "file://", "git@")
_TAG = re.compile(r"(?:refs/tags/)?(?P<corpus>.+)-v(?P<version>" + VERSION.pattern + ")")


def is_repository(source: str) -> bool:
    """Whether a source is a DVC repository here, or the address of a git repository."""
    return source.startswith(_REMOTE) or source.endswith(".git") or (Path(source) / ".dvc").is_dir()


def tag(corpus: str, version: str) -> str:
    """The git tag of a version: ``reddit-v1.2.0``."""
    return f"{corpus}-v{version}"


@dataclass(frozen=True)
class Repository:
    """A git repository that DVC tracks, here or elsewhere."""

    address: str

    def versions(self, corpus: str) -> list[str]:
        """The versions that have a tag. Raises ReleaseError with what git said."""
        listed = _run("git", "ls-remote", "--tags", "--refs", "--", self.address)
        found = (_TAG.fullmatch(line.partition("\t")[2]) for line in listed.splitlines())
        return [tag["version"] for tag in found if tag and tag["corpus"] == corpus]

    def open(self, corpus: str, version: str) -> DvcFiles:
        """The files of a version."""
        return DvcFiles(self.address, f"data/{corpus}", tag(corpus, version))


@dataclass(frozen=True)
class DvcFiles:
    """What DVC has of a folder at a revision."""

    address: str
    root: str
    revision: str

    def small(self, name: str) -> bytes:
        """All bytes of a small file."""
        with tempfile.TemporaryDirectory() as scratch:
            self._get(name, Path(scratch) / name)
            return read_text(Path(scratch) / name).encode()

    def fetch(self, names: Mapping[str, int], folder: Path) -> None:
        """Get files with `dvc get`: one of them, or the whole folder, of which those are kept.

        Raises ReleaseError with what DVC said when the tag, the path or the remote's files are missing.
        """
        folder.mkdir(parents=True, exist_ok=True)
        lacking = [name for name in names if not (folder / name).is_file()]
        if len(lacking) == 1:
            return self._get(lacking[0], folder / lacking[0])
        if not lacking:
            return None
        with tempfile.TemporaryDirectory(prefix=".dvc-", dir=folder) as scratch:
            self._get("", Path(scratch) / "got")
            for name in lacking:
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                with contextlib.suppress(FileNotFoundError):  # it is told of when the files are checked
                    (Path(scratch) / "got" / name).replace(folder / name)
        return None

    def _get(self, name: str, to: Path) -> None:
        to.parent.mkdir(parents=True, exist_ok=True)
        path = f"{self.root}/{name}".rstrip("/")
        dvc("get", "--rev", self.revision, "--out", str(to.absolute()), "--", self.address, path, cwd=to.parent)


def dvc(*command: str, cwd: Path) -> str:
    """What a ``dvc`` command printed. Raises ReleaseError with its complaint when it failed."""
    return _run(sys.executable, "-m", "dvc", *command, cwd=cwd, said=f"dvc {' '.join(command)}")


def _run(*command: str, cwd: Path | None = None, said: str = "") -> str:
    quiet = {**os.environ, "DVC_NO_ANALYTICS": "1", "GIT_TERMINAL_PROMPT": "0"}
    ran = subprocess.run(command, cwd=cwd, env=quiet, capture_output=True, text=True, check=False)
    if ran.returncode:
        complaint = shown((ran.stderr.strip() or ran.stdout.strip()).replace("\n", " "))
        raise ReleaseError(f"{said or shown(' '.join(command))} failed: {complaint}")
    return ran.stdout
