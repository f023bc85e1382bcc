"""What `corpusmith release` and `corpusmith rollback` do: build, compare, name the version, and put it on the shelf."""

from __future__ import annotations

import contextlib
import dataclasses
from dataclasses import dataclass
from pathlib import Path

from corpusmith import yaml_file
from corpusmith.assets.corpus import Corpus
from corpusmith.assets.resources import Workshop
from corpusmith.assets.versions import as_version, note, own_params, put, stand
from corpusmith.dagster_project.build import built, turn
from corpusmith.dagster_project.console import Display
from corpusmith.errors import ReleaseError, UserError
from corpusmith.release import changelog, manifest, shelf
from corpusmith.release.diff import Diff, diff
from corpusmith.release.publish import commit
from corpusmith.release.semver import needed, numbers, raised, suffices
from corpusmith.settings import default_path


@dataclass(frozen=True)
class Released:
    """A version that is on the shelf; ``new``: it was put there now.

    before, found: the version that it was compared with, and how it differs. params: the settings that name the version
    now; None: they were not written. tag: that of git.
    """

    version: str
    place: Path
    new: bool
    before: str | None = None
    found: Diff | None = None
    params: Path | None = None
    tag: str | None = None


def release(
    corpus: Corpus, workshop: Workshop, bump: str | None, repository: Path | None = None, quiet: bool = False
) -> Released:
    """Build what the settings ask for and, where it is not what was released last, release it as the next version.

    A row that was ever made is not made again. Killed at any moment, the same call completes: the shelf is the only
    state, and a version is there whole or not at all. repository: that of DVC in which it is recorded and tagged.
    Raises UserError where ``bump`` is smaller than what changed asks for (then what was released last stands in data/),
    and where the settings name a version of their own.
    """
    with turn(workshop.home, corpus.name, quiet) as display:
        if repository:
            commit.check(repository, corpus.name)
        shelf.settle(workshop.home, corpus.name)
        done = _released(corpus, workshop, bump, repository, display)
        if not repository:
            return done
        also = (
            "params.yaml",
            *(f"{shelf.FOLDER}/{name}" for name in (".gitignore", f"{corpus.name}/{changelog.NAME}")),
        )
        return dataclasses.replace(done, tag=commit.record(repository, corpus.name, done.version, also))


def _released(
    corpus: Corpus, workshop: Workshop, bump: str | None, repository: Path | None, display: Display
) -> Released:
    before = shelf.newest(workshop.home, corpus.name)
    version = _next(workshop.settings.of(corpus.name).version, before, bump)
    old = shelf.find(workshop.home, corpus.name, before) if before else None
    if before:
        check_version(corpus.name, workshop, before, version)
    if repository and version != before:
        commit.check_free(repository, corpus.name, version)
    next_one = as_version(workshop, corpus.name, version)
    built(corpus, next_one, display)
    if before is None or old is None:
        return Released(version, shelf.put(workshop.release(corpus.name), workshop.home), True)
    found = diff(old, workshop.release(corpus.name))
    try:
        changed = check_bump(corpus.name, before, bump, found)
    except UserError:
        with contextlib.suppress(ReleaseError):  # it may hold what was taken down since
            stand(corpus, workshop, old)
        raise
    if changed:
        place, params = put(corpus, next_one, before, found)
        return Released(version, place, True, before, found, params)
    stand(corpus, workshop, old)
    note(corpus, as_version(workshop, corpus.name, before))
    on_shelf = before in shelf.versions(workshop.home, corpus.name)
    return Released(before, old if on_shelf else shelf.put(old, workshop.home), False, before, found)


def _next(asked: str, before: str | None, bump: str | None) -> str:
    """The version to build: the first one as the settings have it, and without a bump the last one again."""
    if before is None:
        return asked
    return raised(before, bump) if bump else before


def check_bump(corpus: str, before: str, bump: str | None, found: Diff) -> bool:
    """Whether anything changed. Raises UserError: ``bump`` raises too small a part of the version for it."""
    need = needed(found)
    if need is None:
        return False
    if bump is None or not suffices(bump, need):
        raise UserError(
            f"{corpus} is not what was released as {before}: {need.reason}; that is a {need.bump} release: "
            f"corpusmith release {corpus} --bump {need.bump}"
        )
    return True


def check_version(corpus: str, workshop: Workshop, before: str, version: str) -> None:
    """Raises UserError where the settings' version comes from elsewhere than their file, or is another new one."""
    asked, path = workshop.settings.of(corpus).version, default_path()
    written = yaml_file.read(path)[0].get(corpus, {}).get("version")
    if asked != written:
        raise UserError(
            f"{corpus}.version is {asked} by --set or by the profile, and {written} in {path}: a release takes its "
            f"version from the newest one, {before}, and --bump: leave {corpus}.version out"
        )
    if own_params() and numbers(asked) > numbers(before) and asked != version:
        raise UserError(
            f"{corpus}.version is {asked} in {path}, and the newest release is {before}: expected {before}, or the "
            f"version that --bump comes to ({', '.join(raised(before, part) for part in ('patch', 'minor', 'major'))})"
        )


def rollback(corpus: Corpus, workshop: Workshop, version: str) -> tuple[Path, bool]:
    """Let a version that was released stand in data/ again; the folder that it came from, and whether it did before.

    No row is made: its files are linked, or copied. Raises ReleaseError where there is no such version, which lists
    those there are, where a file of it is not as it was released, and where it holds what was taken down since.
    """
    found = shelf.find(workshop.home, corpus.name, version)
    manifest.check(found)
    with turn(workshop.home, corpus.name, quiet=True):
        return found, not stand(corpus, workshop, found)
