"""Pull a published version, or a part of it: fetched into a folder beside its place, proved, and put there whole."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from filelock import FileLock

from corpusmith.errors import ReleaseError, UserError
from corpusmith.release import chunks, manifest, proof
from corpusmith.release.folder import check_folder, replacing
from corpusmith.release.plain import shown
from corpusmith.release.publish.folders import LATEST, Folder
from corpusmith.release.publish.places import Files, Ranged, described, source_of
from corpusmith.release.semver import newest, numbers
from corpusmith.whole import whole, write_whole

PART: Final = "part"
"""In the manifest of a part: the digest of the whole release's, the splits, and the columns (empty: all of them)."""
BEGUN: Final = ".begun.json"
"""In the folder of what is fetched so far: the manifest of what that will be."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


@dataclass(frozen=True)
class Wanted:
    """What of a release is wanted; nothing said: all of it."""

    splits: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.splits or self.columns)


def pull(
    corpus: str,
    version: str | None,
    source: str | os.PathLike[str],
    into: Path,
    wanted: Wanted = Wanted(),
) -> Path:
    """``into/<corpus>/<version>``: every file fetched, and proved by the digests of the manifest.

    version: one, or what `semver.newest` takes, of which it is the newest; None: the newest of all. wanted: splits and
    columns; what is fetched then is a release too, whose manifest names the whole that it is a part of. Cut at any
    moment, the same call goes on with the files and blocks that it has. Raises ReleaseError when the source has no such
    version, holds another one in its place, or a file is not as it was published: then nothing is changed in ``into``;
    UserError where that is a file, or ``source`` an address of a kind that is not known.
    """
    check_folder(into)
    check_name(corpus)
    place = source_of(source, corpus)
    there = place.versions(corpus)
    chosen = newest(version, there)
    if chosen is None:
        has = f"; it has {', '.join(sorted(there, key=numbers))}" if there else ""
        raise ReleaseError(f"{shown(source)} holds no {' '.join(filter(None, (corpus, shown(version or ''))))}{has}")
    here = into / corpus / chosen
    if isinstance(place, Folder) and here.resolve() == (place.path / corpus / chosen).resolve():
        if wanted:
            raise UserError(f"{here} is where it lies: choose another folder for a part of it, with --into")
        proof.check(here)
        return here
    files = place.open(corpus, chosen)
    data = _manifest(files, shown(source), corpus, chosen)
    said = _checked(data, shown(source), corpus, chosen)
    _columns(said, _tables(said, wanted.splits), wanted.columns)
    with _unfinished(here, _part(said, wanted, said.files).to_json().encode() if wanted else data) as folder:
        if not _is_here(here, said, wanted):
            made = _fetch(files, said, wanted, folder) if wanted else _fetch_all(files, said, data, folder)
            with replacing(here) as new:
                for path in [path for path in folder.iterdir() if not path.name.startswith(".")]:
                    path.rename(new / path.name)
            proof.remember(here, made)
        shutil.rmtree(folder, ignore_errors=True)
    write_whole(here.parent / LATEST, f"{chosen}\n")
    return here


def check_name(corpus: str) -> None:
    """Raises ReleaseError for what is no name of a corpus."""
    if not _NAME.fullmatch(corpus):
        raise ReleaseError(f"{shown(corpus)[:80]!r}: expected the name of a corpus, such as reddit")


@contextlib.contextmanager
def _unfinished(here: Path, begun: bytes) -> Iterator[Path]:
    """The folder of what is fetched so far of what this manifest tells of; one process at a time has it."""
    folder = here.with_name(f".{here.name}.unfinished")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(here.with_name(f".{here.name}.pull.lock")):
        path = folder / BEGUN
        if not path.is_file() or path.read_bytes() != begun:  # of another wish, or of a version that was made anew
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            path.write_bytes(begun)
        yield folder


def _manifest(files: Files, source: str, corpus: str, version: str) -> bytes:
    try:
        return files.small(manifest.NAME)
    except FileNotFoundError:
        raise ReleaseError(f"{source} has no {manifest.NAME} of {corpus} {version}: no release was put there") from None


def _checked(data: bytes, source: str, corpus: str, version: str) -> manifest.Manifest:
    """The manifest of the version at the source.

    Raises ReleaseError for another corpus or version than was asked for, and for a part of a release.
    """
    said = manifest.parsed(data, f"{source}: {manifest.NAME} of {corpus} {version}")
    if (said.corpus, said.version) != (corpus, version):
        raise ReleaseError(f"{source} should hold {corpus} {version}, and holds {said.corpus} {said.version}")
    manifest.check_whole(said, source)
    return said


def _is_here(here: Path, said: manifest.Manifest, wanted: Wanted) -> bool:
    """Whether what is wanted lies there already, as it was published: the whole of it serves every wish.

    Raises ReleaseError where other content of the version lies there: a pulled version never changes.
    """
    try:
        there = manifest.check(here)
    except ReleaseError:
        return False
    of: Mapping[str, Any] = there.more.get(PART, {})
    if there.content != said.content:
        raise ReleaseError(
            f"{here} holds {said.corpus} {said.version} with other content ({there.content[:12]}, found "
            f"{said.content[:12]}); a pulled version never changes: take it away first, or pull into another folder "
            "with --into"
        )
    held = Wanted(tuple(of.get("splits", ())), tuple(of.get("columns", ())))
    return _holds(held.splits, wanted.splits) and _holds(held.columns, wanted.columns)


def _holds(held: Sequence[str], wanted: Sequence[str]) -> bool:
    """Whether those that are wanted are among those that are here; none named means all."""
    return not held or (bool(wanted) and set(wanted) <= set(held))


def _fetch_all(files: Files, said: manifest.Manifest, data: bytes, folder: Path) -> manifest.Manifest:
    """Fetch every file, and prove it. Raises ReleaseError, which names a file that is not as it was published."""
    _get(files, described(said.files, said.files), said, folder)
    (folder / manifest.NAME).write_bytes(data)
    return manifest.check(folder, proved=said.files)


def _fetch(files: Files, said: manifest.Manifest, wanted: Wanted, folder: Path) -> manifest.Manifest:
    """The same of some splits and columns; the manifest of what came."""
    tables = _tables(said, wanted.splits)
    columns = _columns(said, tables, wanted.columns)
    if not columns:
        _get(files, described(said.files, tables), said, folder)
    for name in tables if columns else ():
        _project(files, name, said, columns, folder)
    found = {name: manifest.file(folder / name) for name in tables}
    (folder / manifest.NAME).write_text(_part(said, wanted, found).to_json())
    return manifest.check(folder, proved=found)


def _get(files: Files, names: Mapping[str, int], said: manifest.Manifest, folder: Path) -> None:
    """Fetch the files that are not there yet as they should be. Raises ReleaseError, which names those that are not."""
    lacking = _wrong(names, said, folder)
    files.fetch({name: names[name] for name in lacking}, folder)
    wrong = _wrong(lacking, said, folder)
    for name in wrong:
        (folder / name).unlink(missing_ok=True)
    if wrong:
        raise ReleaseError(
            f"{said.corpus} {said.version}: what came is not what was published: {', '.join(map(shown, wrong))}; "
            "the source is damaged or was changed: tell whoever published it"
        )


def _wrong(names: Iterable[str], said: manifest.Manifest, folder: Path) -> list[str]:
    """The files that are not there as they should be; several are read at once."""
    names = list(names)
    with ThreadPoolExecutor() as pool:
        right = pool.map(lambda name: _is_right(folder / name, said.files[name]), names)
        return [name for name, is_right in zip(names, right, strict=True) if not is_right]


def _is_right(path: Path, said: Mapping[str, Any]) -> bool:
    return path.is_file() and path.stat().st_size == said["bytes"] and manifest.sha256(path) == said["sha256"]


def _project(files: Files, name: str, said: manifest.Manifest, columns: list[str], folder: Path) -> None:
    """Some columns of a shard: their bytes alone where the source gives some bytes of a file, else cut out of it."""
    to, scratch = folder / name, folder / f".{Path(name).name}.whole"
    if to.is_file():
        return
    to.parent.mkdir(parents=True, exist_ok=True)
    digests = said.files[name].get("columns")
    try:
        if isinstance(files, Ranged) and digests:
            ranged, size = files, int(said.files[name]["bytes"])
            chunks.fetch(lambda start, stop: ranged.read(name, start, stop), size, columns, digests, scratch)
        else:
            _get(files, {name: int(said.files[name]["bytes"])}, said, folder)
            to.rename(scratch)
        with whole(to) as unfinished:
            chunks.project(scratch, columns, unfinished)
    except ReleaseError as error:
        raise ReleaseError(f"{said.corpus} {said.version}, {shown(name)}: {error}") from None
    finally:
        scratch.unlink(missing_ok=True)


def _tables(said: manifest.Manifest, splits: Sequence[str]) -> list[str]:
    by_split: dict[str, list[str]] = {}
    for name in said.tables("data"):
        by_split.setdefault(manifest.split_of(name), []).append(name)
    if unknown := [split for split in splits if split not in by_split]:
        raise UserError(f"{said.corpus} {said.version} has no split {shown(unknown[0])}: it has {', '.join(by_split)}")
    return [name for split in dict.fromkeys(splits or by_split) for name in by_split[split]]


def _columns(said: manifest.Manifest, tables: Sequence[str], columns: Sequence[str]) -> list[str]:
    """The columns that are wanted. Raises UserError: there is no such column."""
    there = [name for name in said.files[tables[0]].get("columns", {}) if name] if tables else []
    if there and (unknown := [column for column in columns if column not in there]):
        raise UserError(
            f"{said.corpus} {said.version} has no column {shown(unknown[0])}: it has {', '.join(map(shown, there))}"
        )
    return list(dict.fromkeys(columns))


def _part(said: manifest.Manifest, wanted: Wanted, files: Mapping[str, Mapping[str, Any]]) -> manifest.Manifest:
    part = {"of": said.digest, "splits": sorted(set(wanted.splits)), "columns": list(dict.fromkeys(wanted.columns))}
    return replace(said, files=files, more={**said.more, PART: part})
