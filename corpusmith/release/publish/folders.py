"""Publish a release under its version, and pull a published one: a folder that others can read."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from pathlib import Path
from typing import NamedTuple

from corpusmith.errors import ReleaseError, UserError
from corpusmith.release import manifest, takedown
from corpusmith.release.folder import check_folder, held, replacing
from corpusmith.release.plain import read_text, shown
from corpusmith.release.publish import versions
from corpusmith.whole import write_whole

LATEST = "latest"
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_NUMBERS = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_LATEST_BYTES = 64


class Published(NamedTuple):
    """Where a version lies, and whether it was put there now."""

    place: Path
    new: bool


def publish(release: Path, target: str | os.PathLike[str]) -> Published:
    """``target/<corpus>/<version>``, a checked copy of the release; ``latest`` beside it names the newest version.

    Publishing the same content again writes nothing. Raises ReleaseError when the version is there with other content
    (a published version never changes), when the release is not what its manifest says, or when it holds what was taken
    down since it was built; UserError when ``target`` is a file, or an address of a kind that is not known.
    """
    shelf = folder_of(target)
    said = manifest.check(release)
    takedown.check(release)
    place = _place(shelf, said.corpus, said.version)
    if place.exists():
        there = manifest.check(place)
        if there.content != said.content:
            raise ReleaseError(
                f"{place} is published already, with other content ({there.content[:12]}, here {said.content[:12]}): "
                f"a published version never changes; make the next: corpusmith release {said.corpus} --bump minor"
            )
        return Published(place, new=False)
    _copy(release, place, said)
    found = (path.name for path in place.parent.iterdir() if _NUMBERS.fullmatch(path.name))
    write_whole(place.parent / LATEST, f"{max(found, key=_numbers)}\n")
    return Published(place, new=True)


def pull(corpus: str, version: str | None, source: str | os.PathLike[str], into: Path) -> Path:
    """``into/<corpus>/<version>``, copied from a folder of published corpora or a DVC repository, and checked.

    Without ``version`` it is the latest. Raises ReleaseError when the source has no such version, holds another one in
    its place, or a file of it is not as it was published; then nothing is changed in ``into``. Raises UserError when
    that is a file, or ``source`` an address of a kind that is not known.
    """
    check_folder(into)
    if (Path(source) / corpus).is_dir():
        found = published(Path(source), corpus, version)
        here = _place(into, corpus, found.name)
        return found if here.resolve() == found.resolve() else keep(found, corpus, found.name, into)
    if versions.is_repository(os.fspath(source)):
        with versions.fetched(os.fspath(source), corpus, version, into) as copied:
            return keep(copied, corpus, version, into)
    folder_of(source)
    raise ReleaseError(
        f"nothing to pull: {shown(source)} holds no {shown(corpus)}, and is no DVC repository; "
        "expected a folder with <corpus>/<version>, or the address of a git repository that DVC tracks"
    )


def published(target: Path, corpus: str, version: str | None) -> Path:
    """The folder of a published version, the latest without one. Raises ReleaseError when it is not there."""
    here = target / corpus
    if version is None:
        try:
            version = read_text(here / LATEST, _LATEST_BYTES).strip()
        except (FileNotFoundError, NotADirectoryError):
            raise ReleaseError(f"{here} has no version that was published: {here / LATEST} is missing") from None
    place = _place(target, corpus, version)
    if not (place / manifest.NAME).is_file():
        shelf = here.iterdir() if here.is_dir() else ()
        there = ", ".join(sorted(path.name for path in shelf if (path / manifest.NAME).is_file()))
        raise ReleaseError(f"{corpus} {version} is not in {target}; it has {shown(there) or 'no version'}")
    return place


def keep(found: Path, corpus: str, version: str | None, into: Path) -> Path:
    """Put what was found under its version in ``into``, unless it is there; ``latest`` names it.

    Raises ReleaseError for another corpus or version than was asked for, and where the version is there with other
    content: a pulled version never changes. A damaged copy that is there is replaced.
    """
    said = manifest.check(found)
    if (said.corpus, said.version) != (corpus, version or said.version):
        wanted = f"{corpus} {version}" if version else corpus
        raise ReleaseError(
            f"{shown(found)} should hold {wanted}, and holds {said.corpus} {said.version}: nothing was pulled"
        )
    place = _place(into, corpus, said.version)
    there = _whole(place)
    if there and there.digest != said.digest:
        raise ReleaseError(
            f"{place} holds {corpus} {said.version} with other content "
            f"({there.digest[:12]}, found {said.digest[:12]}); "
            "a pulled version never changes: take it away first, or pull into another folder with --into"
        )
    if not there:
        _copy(found, place, said)
    write_whole(place.parent / LATEST, f"{said.version}\n")
    return place


def folder_of(address: str | os.PathLike[str]) -> Path:
    """The folder that an address names. Raises UserError: it is a file, or has a scheme that is not known."""
    text = os.fspath(address)
    if (scheme := _SCHEME.match(text)) and not Path(text).exists():
        raise UserError(f"{shown(text)}: an address of the kind {scheme[0]} is not known; expected a folder")
    check_folder(Path(text))
    return Path(text)


def _copy(source: Path, place: Path, said: manifest.Manifest) -> None:
    """Copy exactly the files of the manifest, and check the copy before it takes its place."""
    with held(source.resolve()), replacing(place) as folder:
        run = [manifest.RUN] if (source / manifest.RUN).is_file() else []
        for name in (manifest.NAME, *run, *said.files):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / name, folder / name, follow_symlinks=False)
        manifest.check(folder)


def _whole(place: Path) -> manifest.Manifest | None:
    """The manifest of what lies there, if that is as it was released."""
    with contextlib.suppress(ReleaseError):
        return manifest.check(place)
    return None


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in version.split("."))


def _place(target: Path, corpus: str, version: str) -> Path:
    if not _NAME.fullmatch(corpus) or not _NUMBERS.fullmatch(version):
        raise ReleaseError(
            f"{shown(corpus)!r} {shown(version)[:80]!r}: expected the name of a corpus and a version such as 1.0.0"
        )
    return target / corpus / version
