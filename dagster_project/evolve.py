"""What `corpusmith release` and `corpusmith rollback` do: build, compare, name the version, and put it on the shelf."""

from __future__ import annotations

import contextlib
import dataclasses
from dataclasses import dataclass
from pathlib import Path

from corpusmith import yaml_file
from corpusmith.assets import unchanged
from corpusmith.assets.corpus import Corpus
from corpusmith.assets.resources import Workshop
from corpusmith.dagster_project.build import built, remember, turn
from corpusmith.dagster_project.console import Display
from corpusmith.errors import ReleaseError, UserError
from corpusmith.release import changelog, manifest, shelf, takedown
from corpusmith.release.diff import Diff, diff
from corpusmith.release.publish import commit
from corpusmith.release.semver import needed, numbers, raised, suffices
from corpusmith.settings import default_path
from corpusmith.whole import write_whole


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
        return _put(corpus, next_one, before, found)
    stand(corpus, workshop, old)
    last = as_version(workshop, corpus.name, before)
    remember(corpus, last, unchanged.inputs(corpus, last))
    on_shelf = before in shelf.versions(workshop.home, corpus.name)
    return Released(before, old if on_shelf else shelf.put(old, workshop.home), False, before, found)


def _next(asked: str, before: str | None, bump: str | None) -> str:
    """The version to build: the first one as the settings have it, and without a bump the last one again."""
    if before is None:
        return asked
    return raised(before, bump) if bump else before


def _put(corpus: Corpus, workshop: Workshop, before: str, found: Diff) -> Released:
    """Write the changelog into what was built, the version into the settings, and put both where they belong."""
    home, version = workshop.home, workshop.settings.of(corpus.name).version
    said = changelog.entries(shelf.changelog_of(home, corpus.name, before)) | {version: changelog.entry(found)}
    shelf.with_changelog(workshop.release(corpus.name), changelog.written(corpus.name, said))
    remember(corpus, workshop, unchanged.inputs(corpus, workshop))
    params = own_params()
    if params:
        write_version(params, corpus.name, version)
    return Released(version, shelf.put(workshop.release(corpus.name), home), True, before, found, params)


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


def as_version(workshop: Workshop, corpus: str, version: str) -> Workshop:
    """The workshop with the version of a corpus, whatever its settings said."""
    table = workshop.settings.of(corpus).model_copy(update={"version": version})
    return dataclasses.replace(workshop, settings=workshop.settings.model_copy(update={corpus: table}))


def own_params() -> Path | None:
    """The file of settings in force, where it is of the folder one stands in; None: it is the package's own."""
    path, here = default_path(), Path.cwd()
    return path if path.parent in (here, *here.parents) else None


def write_version(path: Path, corpus: str, version: str) -> None:
    """Change the version of a corpus in a file of settings, and nothing else."""
    path = path.resolve()
    text = path.read_bytes().decode()
    if (new := yaml_file.with_value(text, (corpus, "version"), version)) != text:
        write_whole(path, new)


def stand(corpus: Corpus, workshop: Workshop, version: Path) -> bool:
    """Let a version stand in data/, unless it does; whether anything was done.

    Raises ReleaseError for a version that holds what was taken down since.
    """
    takedown.check(version)
    place = workshop.release(corpus.name)
    with contextlib.suppress(ReleaseError):
        if manifest.check(place).digest == manifest.read(version).digest:
            return False
    shelf.lay(version, place)
    return True


def rollback(corpus: Corpus, workshop: Workshop, version: str) -> tuple[Path, bool]:
    """Let a version that was released stand in data/ again; the folder that it came from, and whether it did before.

    No row is made: its files are linked, or copied. Raises ReleaseError where there is no such version, which lists
    those there are, where a file of it is not as it was released, and where it holds what was taken down since.
    """
    found = shelf.find(workshop.home, corpus.name, version)
    manifest.check(found)
    with turn(workshop.home, corpus.name, quiet=True):
        return found, not stand(corpus, workshop, found)
