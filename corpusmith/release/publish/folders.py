"""A folder of published corpora: ``<corpus>/<version>``, and ``latest`` beside the versions."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from corpusmith.errors import ReleaseError
from corpusmith.release import manifest
from corpusmith.release.folder import held, replacing
from corpusmith.release.plain import check_plain, read_text, shown
from corpusmith.release.publish.places import Planned, Published, described
from corpusmith.release.semver import VERSION, numbers
from corpusmith.whole import write_whole

LATEST = "latest"
_LATEST_BYTES = 64


@dataclass(frozen=True)
class Folder:
    """The folder that holds the corpora."""

    path: Path

    def versions(self, corpus: str) -> list[str]:
        """The versions that are there."""
        found = (self.path / corpus).glob(f"*/{manifest.NAME}")
        return [path.parent.name for path in found if VERSION.fullmatch(path.parent.name)]

    def open(self, corpus: str, version: str) -> FolderFiles:
        """The files of a version."""
        return FolderFiles(self.path / corpus / version)

    def publish(self, release: Path, said: manifest.Manifest) -> Published:
        """``<corpus>/<version>``, a checked copy of the release."""
        place = self.path / said.corpus / said.version
        if self._exists(said):
            return Published(str(place), new=False)
        copy(release, place, said)
        write_whole(place.parent / LATEST, f"{max(self.versions(said.corpus), key=numbers)}\n")
        return Published(str(place), new=True)

    def plan(self, release: Path, said: manifest.Manifest) -> Planned:
        """All files, or none where the version is there."""
        files = described(said.files, said.files)
        place, exists = self.path / said.corpus / said.version, self._exists(said)
        return Planned(str(place), exists, {} if exists else files, files if exists else {}, ())

    def _exists(self, said: manifest.Manifest) -> bool:
        place = self.path / said.corpus / said.version
        if not place.exists():
            return False
        check_same(said, manifest.check(place), str(place))
        return True


@dataclass(frozen=True)
class FolderFiles:
    """A version in a folder here."""

    path: Path

    def small(self, name: str) -> bytes:
        """All bytes of a small file."""
        return read_text(self.path / name).encode()

    def fetch(self, names: Mapping[str, int], folder: Path) -> None:
        """Copy files."""
        with held(self.path.resolve()):
            for name in names:
                with _telling(self.path / name):
                    check_plain(self.path / name)
                    (folder / name).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(self.path / name, folder / name, follow_symlinks=False)

    def read(self, name: str, start: int, stop: int) -> bytes:
        """Some bytes of a file."""
        with _telling(self.path / name):
            check_plain(self.path / name)
            with (self.path / name).open("rb") as file:
                file.seek(start)
                return file.read(stop - start)


@contextlib.contextmanager
def _telling(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise ReleaseError(f"{shown(path)} is missing: the version is damaged; publish it anew elsewhere") from None


def check_same(said: manifest.Manifest, there: manifest.Manifest, place: str) -> None:
    """Raises ReleaseError where a version is published with other content than that which is to be published."""
    if (there.corpus, there.version, there.content) != (said.corpus, said.version, said.content):
        raise ReleaseError(
            f"{shown(place)} is published already, with other content ({there.content[:12]}, here "
            f"{said.content[:12]}): a published version never changes; make the next: corpusmith release "
            f"{said.corpus} --bump minor"
        )


def copy(source: Path, place: Path, said: manifest.Manifest) -> None:
    """Copy exactly the files of the manifest, and check the copy before it takes its place."""
    with held(source.resolve()), replacing(place) as folder:
        run = [manifest.RUN] if (source / manifest.RUN).is_file() else []
        for name in (manifest.NAME, *run, *said.files):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / name, folder / name, follow_symlinks=False)
        manifest.check(folder)


def latest(folder: Path, corpus: str) -> str | None:
    """The version that ``latest`` names; None: there is no such file. Raises ReleaseError for what names none."""
    try:
        found = read_text(folder / corpus / LATEST, _LATEST_BYTES).strip()
    except (FileNotFoundError, NotADirectoryError):
        return None
    if not VERSION.fullmatch(found):
        raise ReleaseError(f"{folder / corpus / LATEST} names no version: {shown(found)!r}")
    return found
