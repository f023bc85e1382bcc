"""Name a release by what changed since the last one, and put it where versions lie: for commands and runs alike."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable
from pathlib import Path

from corpusmith import yaml_file
from corpusmith.assets import unchanged
from corpusmith.assets.corpus import Corpus
from corpusmith.assets.resources import Workshop
from corpusmith.errors import ReleaseError
from corpusmith.release import changelog, shelf, takedown
from corpusmith.release import manifest as manifests
from corpusmith.release.diff import Diff, diff
from corpusmith.release.manifest import Manifest
from corpusmith.release.semver import needed, numbers, raised
from corpusmith.settings import default_path
from corpusmith.whole import write_whole

COMMONEST = "minor"
"""What most changes ask for: other rows. A release that asks for it is written once, any other twice."""


def name(corpus: Corpus, workshop: Workshop, write: Callable[[Workshop], Manifest]) -> Manifest:
    """Let ``write`` make a release, and let it stand under the version that its changes ask for; what stands then.

    ``write`` writes what a workshop asks for to its place. The first release keeps the version of the settings; where
    nothing changed, the last one stands again; else the next version goes on the shelf with its changelog, and into
    the settings. Killed at any moment, the same call completes: a version is on the shelf whole or not at all.
    """
    home, place = workshop.home, workshop.release(corpus.name)
    shelf.settle(home, corpus.name)
    before = shelf.newest(home, corpus.name)
    if before is None:
        write(workshop)
        note(corpus, workshop)
        return manifests.read(shelf.put(place, home))
    old = shelf.find(home, corpus.name, before)
    next_one = _raised(corpus.name, workshop, before, COMMONEST)
    write(next_one)
    found = diff(old, place)
    need = needed(found)
    if need is None:
        stand(corpus, workshop, old)
        note(corpus, as_version(workshop, corpus.name, before))
        return manifests.read(place)
    right_one = _raised(corpus.name, workshop, before, need.bump)
    if right_one != next_one:
        write(right_one)
    put(corpus, right_one, before, found)
    return manifests.read(place)


def put(corpus: Corpus, workshop: Workshop, before: str, found: Diff) -> tuple[Path, Path | None]:
    """Write the changelog into what was built, the version into the settings, and put both where they belong.

    Returns the folder on the shelf, and the file of settings that names the version now; None: it was not written.
    """
    home, version = workshop.home, workshop.settings.of(corpus.name).version
    said = changelog.entries(shelf.changelog_of(home, corpus.name, before)) | {version: changelog.entry(found)}
    shelf.with_changelog(workshop.release(corpus.name), changelog.written(corpus.name, said))
    note(corpus, workshop)
    params = own_params()
    if params:
        write_version(params, corpus.name, version)
    return shelf.put(workshop.release(corpus.name), home), params


def note(corpus: Corpus, workshop: Workshop) -> None:
    """Note what the release that lies there was made from, unless rows of it failed: they are worth another try."""
    if unchanged.every_row_made(workshop.release(corpus.name)):
        unchanged.remember(workshop, corpus.name, unchanged.inputs(corpus, workshop))


def stand(corpus: Corpus, workshop: Workshop, version: Path) -> bool:
    """Let a version stand in data/, unless it does; whether anything was done.

    Raises ReleaseError for a version that holds what was taken down since.
    """
    takedown.check(version)
    place = workshop.release(corpus.name)
    with contextlib.suppress(ReleaseError):
        if manifests.check(place).digest == manifests.read(version).digest:
            return False
    shelf.lay(version, place)
    return True


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


def _raised(corpus: str, workshop: Workshop, before: str, bump: str) -> Workshop:
    """The workshop with the version after ``before``, or with that of the settings where it is later still."""
    asked = workshop.settings.of(corpus).version
    return as_version(workshop, corpus, max(asked, raised(before, bump), key=numbers))
