"""Where versions are published and pulled from: a folder, an object store, a repository of the Hub, or one of DVC."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

from corpusmith.errors import UserError
from corpusmith.release.manifest import Manifest
from corpusmith.release.plain import shown
from corpusmith.release.publish import versions

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")


class Published(NamedTuple):
    """Where a version lies, and whether it was put there now."""

    place: str
    new: bool


class Planned(NamedTuple):
    """What publishing would do: bytes by name of the files to upload, those that are there already, those to delete.

    place: where the version would lie. exists: it is published already, and nothing would be done.
    """

    place: str
    exists: bool
    upload: Mapping[str, int]
    there: Mapping[str, int]
    delete: tuple[str, ...]


class Files(Protocol):
    """The files of one version."""

    def small(self, name: str) -> bytes:
        """All bytes of a small file.

        Raises FileNotFoundError: there is none; ReleaseError: it is larger than plain.SMALL, or cannot be had.
        """

    def fetch(self, names: Mapping[str, int], folder: Path) -> None:
        """Write files (name: bytes) into a folder, going on where an earlier call was cut.

        Raises ReleaseError where one cannot be had.
        """


@runtime_checkable
class Ranged(Files, Protocol):
    """Files of which some bytes can be had without the rest."""

    def read(self, name: str, start: int, stop: int) -> bytes:
        """Some bytes of a file. Raises ReleaseError."""


class Source(Protocol):
    """Where versions are pulled from."""

    def versions(self, corpus: str) -> list[str]:
        """The versions of a corpus that are there, in any order. Raises ReleaseError where nobody can tell."""

    def open(self, corpus: str, version: str) -> Files:
        """The files of a version. Raises ReleaseError where they are not to be had."""


class Place(Source, Protocol):
    """Where versions are published to: each whole or not there, and never changed."""

    def publish(self, release: Path, said: Manifest) -> Published:
        """Put a release there, which is as its manifest says. Raises ReleaseError: the version is there otherwise."""

    def plan(self, release: Path, said: Manifest) -> Planned:
        """What that would do. Raises as `publish`, and changes nothing."""


@dataclass(frozen=True)
class Options:
    """Of a repository of the Hub: the branch to commit to, or a pull request; whether a new one is for everybody."""

    branch: str | None = None
    pull_request: bool = False
    public: bool = False


PLAIN = Options()
"""Nothing special."""


def place_of(address: str | os.PathLike[str], corpus: str, options: Options = PLAIN) -> Place:
    """Where an address publishes to: a folder, ``s3://bucket/prefix`` or ``hf://datasets/ORG/NAME``.

    ``{corpus}`` in it is filled in. Raises UserError for an address of a kind that is not known, for a file, and for
    options of the Hub with another place.
    """
    text = _expanded(address).replace("{corpus}", corpus)
    if text.startswith("hf://"):
        from corpusmith.release.publish.hub import repository_of

        return repository_of(text, options)
    if options != PLAIN:
        raise UserError(
            f"{shown(text)}: a branch, a pull request and --public are for a repository of the Hub (hf://…)"
        )
    if text.startswith("s3://"):
        from corpusmith.release.publish.objects import bucket_of

        return bucket_of(text)
    from corpusmith.release.publish.folders import Folder

    return Folder(_folder(text))


def source_of(address: str | os.PathLike[str], corpus: str) -> Source:
    """The same, and DVC repositories, here or at the address of a git repository, to pull from."""
    text = _expanded(address)
    is_place = text.startswith(("hf://", "s3://")) or (Path(text) / corpus).is_dir()
    if not is_place and versions.is_repository(text):
        return versions.Repository(os.path.abspath(text) if Path(text).exists() else text)
    return place_of(address, corpus)


def _expanded(address: str | os.PathLike[str]) -> str:
    """The address, with the home of a person written out; a file: one as the path that it is."""
    return os.path.expanduser(os.fspath(address).removeprefix("file://"))


def _folder(text: str) -> Path:
    """The folder that an address names. Raises UserError: it is a file, or has a scheme that is not known."""
    from corpusmith.release.folder import check_folder

    if (scheme := _SCHEME.match(text)) and not Path(text).exists():
        raise UserError(
            f"{shown(text)}: an address of the kind {scheme[0]} is not known; expected a folder, s3://bucket/prefix or "
            "hf://datasets/ORG/NAME"
        )
    check_folder(Path(text))
    return Path(text)


def described(files: Mapping[str, Mapping[str, object]], names: Collection[str]) -> dict[str, int]:
    """Bytes by name."""
    return {name: int(str(files[name]["bytes"])) for name in names}
