"""Versions of a release in a DVC repository: which there are, and how one is fetched."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from corpusmith.errors import ReleaseError


def is_repository(source: str) -> bool:
    """Whether a source is a DVC repository here, or the address of a git repository."""
    remote = "://" in source or source.startswith("git@") or source.endswith(".git")
    return remote or (Path(source) / ".dvc").is_dir()


def tag(corpus: str, version: str) -> str:
    """The git tag of a version: ``reddit-v1.2.0``."""
    return f"{corpus}-v{version}"


@contextlib.contextmanager
def fetched(repository: str, corpus: str, version: str | None, beside: Path) -> Iterator[Path]:
    """``data/<corpus>`` at the version's tag (at the head without one), in a folder that is gone afterwards.

    Raises ReleaseError with what DVC said when the tag, the path or the remote's files are missing.
    """
    beside.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".pull-", dir=beside) as scratch:
        copied = Path(scratch) / corpus
        at = ["--rev", tag(corpus, version)] if version else []
        dvc("get", *at, "--out", str(copied), "--", repository, f"data/{corpus}", cwd=beside)
        yield copied


def dvc(*command: str, cwd: Path) -> str:
    """What a ``dvc`` command printed. Raises ReleaseError with its complaint when it failed."""
    quiet = {**os.environ, "DVC_NO_ANALYTICS": "1"}
    ran = subprocess.run(
        [sys.executable, "-m", "dvc", *command], cwd=cwd, env=quiet, capture_output=True, text=True, check=False
    )
    if ran.returncode:
        raise ReleaseError(f"dvc {' '.join(command)} failed: {ran.stderr.strip() or ran.stdout.strip()}")
    return ran.stdout
