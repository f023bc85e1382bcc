"""Publish a release under its version, and pull a published one: a folder that others can read."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from corpusmith.errors import ReleaseError
from corpusmith.release import manifest, versions
from corpusmith.release.folder import check_folder, replacing, write_atomically

LATEST = "latest"


def publish(release: Path, target: Path) -> Path:
    """``target/<corpus>/<version>``, a checked copy of the release; ``latest`` beside it names the newest version.

    Publishing the same content again changes nothing. Raises ReleaseError when the version is there with other content
    (a published version never changes), or when the release is not what its manifest says; UserError when
    ``target`` is a file.
    """
    check_folder(target)
    said = manifest.check(release)
    place = _place(target, said.corpus, said.version)
    if place.exists():
        there = manifest.check(place)
        if there.content != said.content:
            raise ReleaseError(
                f"{place} is published already, with other content ({there.content[:12]}, here {said.content[:12]}): "
                f"a published version never changes; raise {said.corpus}.version in params.yaml and build again"
            )
    else:
        _copy(release, place, said)
    newest = max((path.name for path in place.parent.iterdir() if _NUMBERS.fullmatch(path.name)), key=_numbers)
    write_atomically(place.parent / LATEST, f"{newest}\n")
    return place


def pull(corpus: str, version: str | None, source: str | Path, into: Path) -> Path:
    """``into/<corpus>/<version>``, copied from a folder of published corpora or a DVC repository, and checked.

    Without ``version`` it is the latest. Raises ReleaseError when the source has no such version, or a file of it is
    not as it was published; then nothing is left in ``into``. Raises UserError when that is a file.
    """
    check_folder(into)
    if (Path(source) / corpus).is_dir():
        return _pull_folder(published(Path(source), corpus, version), into)
    if versions.is_repository(str(source)):
        return versions.get(str(source), corpus, version, into)
    raise ReleaseError(
        f"nothing to pull: {source} holds no {corpus}, and is no DVC repository; "
        f"expected a folder with {corpus}/<version>, or the address of a git repository that DVC tracks"
    )


def published(target: Path, corpus: str, version: str | None) -> Path:
    """The folder of a published version, the latest without one. Raises ReleaseError when it is not there."""
    latest = target / corpus / LATEST
    if version is None:
        if not latest.is_file():
            raise ReleaseError(f"{target / corpus} has no version that was published: {latest} is missing")
        version = latest.read_text().strip()
    place = _place(target, corpus, version)
    if not (place / manifest.NAME).is_file():
        there = ", ".join(sorted(path.parent.name for path in (target / corpus).glob(f"*/{manifest.NAME}")))
        raise ReleaseError(f"{corpus} {version} is not in {target}; it has {there or 'no version'}")
    return place


def keep(copied: Path, into: Path) -> Path:
    """Put a checked release under its version in ``into``, unless it is there and whole."""
    said = manifest.check(copied)
    place = _place(into, said.corpus, said.version)
    if not _is_there(place, said):
        _copy(copied, place, said)
    write_atomically(place.parent / LATEST, f"{said.version}\n")
    return place


def _pull_folder(found: Path, into: Path) -> Path:
    place = _place(into, found.parent.name, found.name)
    return found if place.resolve() == found.resolve() else keep(found, into)


def _copy(source: Path, place: Path, said: manifest.Manifest) -> None:
    """Copy exactly the files of the manifest, and check the copy before it takes its place."""
    with replacing(place) as folder:
        for name in (manifest.NAME, *said.files):
            copy = manifest.safe(folder, name)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(manifest.safe(source, name), copy)
        manifest.check(folder)


def _is_there(place: Path, said: manifest.Manifest) -> bool:
    try:
        return manifest.check(place) == said
    except ReleaseError:
        return False


_NUMBERS = re.compile(r"\d+\.\d+\.\d+")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in version.split("."))


def _place(target: Path, corpus: str, version: str) -> Path:
    if not _NAME.fullmatch(corpus) or not _NUMBERS.fullmatch(version):
        raise ReleaseError(f"{corpus!r} {version!r}: expected a corpus such as reddit and a version such as 1.0.0")
    return target / corpus / version
