"""The shelf of a home: every version of a corpus that was released there, side by side, with one changelog.

``HOME/versions/<corpus>/<version>`` is a whole release folder. Its files are hard links to those of the release that
was built, where the file system has them. No file of a release is ever written in place, so that a later build leaves a
version alone; nor should anybody edit one there: it is the same file.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
from collections.abc import Collection
from pathlib import Path

from corpusmith.errors import ReleaseError
from corpusmith.release import changelog, manifest
from corpusmith.release.folder import held, replacing
from corpusmith.release.plain import read_text, shown
from corpusmith.release.semver import VERSION, numbers
from corpusmith.whole import write_whole

FOLDER = "versions"
PLACES = (FOLDER, "published", "pulled")
"""Where a home has versions, the first place first."""
_IGNORED = "# The changelogs are for git; the releases are for DVC.\n/*/*/\n.*.lock\n"


def versions(home: Path, corpus: str, places: Collection[str] = (FOLDER,)) -> list[str]:
    """The versions of a corpus that lie in a home, the oldest first."""
    found = {path.parent.name for place in places for path in (home / place / corpus).glob(f"*/{manifest.NAME}")}
    return sorted((version for version in found if VERSION.fullmatch(version)), key=numbers)


def find(home: Path, corpus: str, version: str) -> Path:
    """The folder of a version: on the shelf, published or pulled. Raises ReleaseError, which lists those there are."""
    for place in PLACES:
        if version in versions(home, corpus, (place,)):
            return home / place / corpus / version
    there = ", ".join(versions(home, corpus, PLACES)) or "none"
    raise ReleaseError(
        f"no {shown(corpus)} {shown(version)} among the versions in {home}: there are {there} "
        f"(looked in {', '.join(PLACES)}); one that was released elsewhere is pulled first: "
        f"corpusmith pull {shown(corpus)}@{shown(version)} --from REPOSITORY"
    )


def newest(home: Path, corpus: str) -> str | None:
    """The newest version that was released, here or, as the changelog knows, elsewhere; None: none was."""
    known = {*versions(home, corpus, PLACES), *changelog.entries(_written(home, corpus))}
    return max(known, key=numbers, default=None)


def put(release: Path, home: Path) -> Path:
    """Put a release on the shelf under its version, and its changelog beside the versions; where it is then."""
    said = manifest.read(release)
    manifest.check_whole(said, release)
    shelf = home / FOLDER / said.corpus
    lay(release, shelf / said.version)
    if not (ignored := home / FOLDER / ".gitignore").exists():
        write_whole(ignored, _IGNORED)
    settle(home, said.corpus)
    return shelf / said.version


def settle(home: Path, corpus: str) -> None:
    """Bring the changelog beside the versions up to the newest one: a killed `put` may have left it behind."""
    there = versions(home, corpus)
    said = _written(home, corpus)
    if there and there[-1] not in changelog.entries(said):
        write_whole(home / FOLDER / corpus / changelog.NAME, _read(home / FOLDER / corpus / there[-1] / changelog.NAME))


def lay(release: Path, into: Path) -> None:
    """Let ``into`` be the same release: exactly the files of its manifest, whole or not there.

    They are linked where that can be; what was published or pulled is copied, so that it shares no file with data/.
    """
    said = manifest.read(release)
    handed_on = release.resolve().parents[1].name in PLACES[1:]
    with held(release.resolve()), replacing(into) as folder:
        _link(release, folder, [manifest.NAME, *said.files], handed_on)


def with_changelog(release: Path, text: str) -> manifest.Manifest:
    """Write a release's CHANGELOG.md anew, and its digest into the manifest; all else is the same. The new manifest."""
    said = manifest.read(release)
    with replacing(release) as folder:
        _link(release, folder, [name for name in said.files if name != changelog.NAME])
        path = folder / changelog.NAME
        path.write_text(text)
        file = {"sha256": manifest.sha256(path), "bytes": path.stat().st_size}
        new = dataclasses.replace(said, files={**said.files, changelog.NAME: file})
        (folder / manifest.NAME).write_text(new.to_json())
    return new


def changelog_of(home: Path, corpus: str, version: str) -> str:
    """What CHANGELOG.md says in a version: as it was released, or, of one that was not, of all before it.

    Empty: nothing is known to have been released before.
    """
    if version in versions(home, corpus, PLACES):
        return _read(find(home, corpus, version) / changelog.NAME)
    said = _written(home, corpus)
    before = [each for each in changelog.entries(said) if numbers(each) <= numbers(version)]
    return changelog.up_to(said, corpus, version) if before else ""


def _written(home: Path, corpus: str) -> str:
    return _read(home / FOLDER / corpus / changelog.NAME)


def _read(path: Path) -> str:
    try:
        return read_text(path)
    except FileNotFoundError:
        return ""


def _link(release: Path, folder: Path, names: list[str], copies: bool = False) -> None:
    for name in [*names, *([manifest.RUN] if (release / manifest.RUN).is_file() else [])]:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if not copies:
            with contextlib.suppress(OSError):  # another file system, or one without links
                os.link(release / name, folder / name)
                continue
        shutil.copyfile(release / name, folder / name, follow_symlinks=False)
