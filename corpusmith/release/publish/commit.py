"""Record a version in a DVC repository: what the stage made, one git commit, and the tag that others pull it by."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from corpusmith.errors import ReleaseError, UserError
from corpusmith.release import manifest
from corpusmith.release.plain import shown
from corpusmith.release.publish.versions import dvc, tag

LOCK = "dvc.lock"


def check(repository: Path, corpus: str) -> None:
    """Raises UserError where a version cannot be recorded: no repository, or no stage that builds the corpus."""
    if not (repository / ".dvc").is_dir() or not (repository / "dvc.yaml").is_file():
        raise UserError(
            f"--dvc: {repository} is no DVC repository with a dvc.yaml: corpusmith init starts one, or leave out --dvc"
        )
    if _stage(corpus) not in dvc("stage", "list", "--name-only", cwd=repository).split():
        raise UserError(
            f"--dvc: {repository / 'dvc.yaml'} has no stage {_stage(corpus)}: add {corpus} to the foreach of its "
            "stage build"
        )


def check_free(repository: Path, corpus: str, version: str) -> None:
    """Raises ReleaseError where the tag of a version that is still to be made is there."""
    if _git(repository, "tag", "--list", tag(corpus, version)):
        raise ReleaseError(
            f"the tag {tag(corpus, version)} is there already, and the shelf has no such version: pull it "
            f"(corpusmith pull {corpus}@{version} --from {repository}), or raise a larger part"
        )


def record(repository: Path, corpus: str, version: str, also: tuple[str, ...]) -> str:
    """Commit what the stage made to DVC, and dvc.lock, dvc.yaml and ``also`` to git, under the tag, which is returned.

    Nothing is done where the tag holds this very release. Raises ReleaseError where it holds another, where the stage
    tracks not all of the release, and with what dvc or git said.
    """
    named = tag(corpus, version)
    dvc("commit", "--force", _stage(corpus), cwd=repository)
    made = _outs(_text(repository / LOCK), corpus)
    _check_tracked(repository, corpus, made)
    if _git(repository, "tag", "--list", named):
        if _outs(_git(repository, "show", f"{named}:./{LOCK}"), corpus) != made:
            raise ReleaseError(f"the tag {named} holds another release of {corpus} {version}: a version never changes")
        return named
    paths = [name for name in (LOCK, "dvc.yaml", *also) if (repository / name).exists()]
    _git(repository, "add", "--", *paths)
    if _git(repository, "diff", "--cached", "--name-only", "--", *paths):
        _git(repository, "commit", "--quiet", "-m", f"{corpus} {version}", "--", *paths)
    _git(repository, "tag", named)
    return named


def _stage(corpus: str) -> str:
    return f"build@{corpus}"


def _check_tracked(repository: Path, corpus: str, outs: Mapping[str, Any]) -> None:
    said = manifest.read(repository / "data" / corpus)
    files = [f"data/{corpus}/{name}" for name in (manifest.NAME, *said.files)]
    if lacking := [name for name in files if not any(part in outs for part in _above(name))]:
        raise ReleaseError(
            f"the stage {_stage(corpus)} of {repository / 'dvc.yaml'} does not track {', '.join(lacking)}: "
            "add it to its outs; others could not check the version without it"
        )


def _above(name: str) -> Iterator[str]:
    yield name
    yield from (path.as_posix() for path in Path(name).parents)


def _outs(lock: str, corpus: str) -> dict[str, Any]:
    """What the stage made, as dvc.lock has it: the digest of each output by its path, but for what a run took."""
    stage = (yaml.safe_load(lock) or {}).get("stages", {}).get(_stage(corpus), {})
    return {out["path"]: out.get("md5") for out in stage.get("outs", []) if not out["path"].endswith(manifest.RUN)}


def _text(path: Path) -> str:
    return path.read_text() if path.is_file() else ""


def _git(repository: Path, *command: str) -> str:
    ran = subprocess.run(["git", *command], cwd=repository, capture_output=True, text=True, check=False)
    if ran.returncode:
        said = shown((ran.stderr or ran.stdout).strip().partition("\n")[0])
        raise ReleaseError(f"git {command[0]} failed in {repository}: {said}; mend that and run the same command again")
    return ran.stdout.strip()
