"""An object store of published corpora: ``s3://bucket/prefix/<corpus>/<version>``, through s3fs.

A store has no renames. A version is there when its manifest is, which is written last, and only where none is. Who
publishes first lays claim to the version, so that of two with other content no file is mixed with the other's.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from corpusmith.errors import ReleaseError, UserError
from corpusmith.release import manifest
from corpusmith.release.plain import SMALL, shown
from corpusmith.release.publish.folders import check_same
from corpusmith.release.publish.places import Planned, Published, described
from corpusmith.release.semver import VERSION
from corpusmith.work.store import masked

AT_ONCE: Final = 8
BLOCK: Final = 16 << 20
TRIES: Final = 5
CLAIM: Final = ".claim"
"""Of a version: the digest of the manifest that it will have, from before the first file on."""
DIGEST: Final = "sha256"
"""Of an object's metadata: what its upload said that it is, so that it is not uploaded again."""


def bucket_of(address: str) -> Bucket:
    """The store that an address names; keys and endpoint are those of the AWS tools (AWS_ACCESS_KEY_ID,
    AWS_ENDPOINT_URL…). Raises UserError: s3fs is missing, or there is no bucket in it.
    """
    try:
        import s3fs
    except ImportError:
        raise UserError(f"{shown(address)}: s3fs is not installed: pip install 'corpusmith[s3]'") from None
    root = address.removeprefix("s3://").rstrip("/")
    if not root or root.startswith("/"):
        raise UserError(f"{shown(address)} names no bucket: expected s3://bucket/prefix")
    return Bucket(s3fs.S3FileSystem(use_listings_cache=False, skip_instance_cache=True), root)


@dataclass(frozen=True)
class Bucket:
    """A bucket, or a prefix in one, that holds the corpora."""

    fs: Any
    root: str

    def versions(self, corpus: str) -> list[str]:
        """The versions whose manifest is there."""
        with _told(f"s3://{self.root}/{corpus}"):
            try:
                found = self.fs.ls(f"{self.root}/{corpus}", detail=False)
            except FileNotFoundError:
                return []
            names = [path.rstrip("/").rpartition("/")[2] for path in found]
            return [n for n in names if VERSION.fullmatch(n) and self._is_there(corpus, n)]

    def open(self, corpus: str, version: str) -> Objects:
        """The files of a version."""
        return Objects(self.fs, f"{self.root}/{corpus}/{version}")

    def publish(self, release: Path, said: manifest.Manifest) -> Published:
        """Upload what is lacking, take away what is none of it, and upload the manifest last.

        Raises ReleaseError where somebody else is about to publish the version with other content.
        """
        if self._exists(said):
            return Published(self._place(said), new=False)
        self._claim(said)
        lacking = self.plan(release, said)
        if lacking.exists:
            return Published(lacking.place, new=False)
        root = self._root(said)
        with _told(lacking.place), ThreadPoolExecutor(AT_ONCE) as pool:

            def upload(name: str) -> None:
                marked = {DIGEST: said.files[name]["sha256"]} if name in said.files else {}
                self.fs.put_file(str(release / name), f"{root}/{name}", Metadata=marked)

            run = [manifest.RUN] if (release / manifest.RUN).is_file() else []
            list(pool.map(upload, [*lacking.upload, *run]))
            if lacking.delete:
                self.fs.rm([f"{root}/{name}" for name in lacking.delete])
            try:
                self.fs.put_file(str(release / manifest.NAME), f"{root}/{manifest.NAME}", mode="create")
            except FileExistsError:  # somebody else was quicker, with the same
                return Published(lacking.place, new=not self._exists(said))
        return Published(lacking.place, new=True)

    def plan(self, release: Path, said: manifest.Manifest) -> Planned:
        """All files but those that an earlier try has uploaded."""
        root, files = self._root(said), described(said.files, said.files)
        if self._exists(said):
            return Planned(self._place(said), True, {}, files, ())
        with _told(self._place(said)), ThreadPoolExecutor(AT_ONCE) as pool:
            there = {path.removeprefix(f"{root}/") for path in self.fs.find(root)}
            names = [name for name in files if name in there]
            same = dict(
                zip(names, pool.map(lambda name: self._has(f"{root}/{name}", said.files[name]), names), strict=True)
            )
        upload = {name: size for name, size in files.items() if not same.get(name)}
        stale = there - {*files, manifest.NAME, manifest.RUN, CLAIM}
        here = {name: size for name, size in files.items() if same.get(name)}
        return Planned(self._place(said), False, upload, here, tuple(sorted(stale)))

    def _claim(self, said: manifest.Manifest) -> None:
        """Let nobody with other files publish the version. Raises ReleaseError: somebody has such a claim."""
        path = f"{self._root(said)}/{CLAIM}"
        with _told(self._place(said)):
            try:
                self.fs.pipe_file(path, said.digest.encode(), mode="create")
            except FileExistsError:
                if self.fs.cat_file(path).decode(errors="replace") != said.digest:
                    raise ReleaseError(
                        f"{self._place(said)}: somebody else is publishing this version with other content, or was cut "
                        f"off; where nobody is, take away s3://{shown(path)} and run the same command again"
                    ) from None

    def _root(self, said: manifest.Manifest) -> str:
        return f"{self.root}/{said.corpus}/{said.version}"

    def _place(self, said: manifest.Manifest) -> str:
        return f"s3://{self._root(said)}"

    def _exists(self, said: manifest.Manifest) -> bool:
        if not self._is_there(said.corpus, said.version):
            return False
        path = f"{self._root(said)}/{manifest.NAME}"
        with _told(self._place(said)):
            data = self.fs.cat_file(path)
        check_same(said, manifest.parsed(data, f"s3://{path}"), self._place(said))
        return True

    def _is_there(self, corpus: str, version: str) -> bool:
        with _told(f"{self.root}/{corpus}/{version}"):
            return bool(self.fs.exists(f"{self.root}/{corpus}/{version}/{manifest.NAME}"))

    def _has(self, path: str, said: Mapping[str, Any]) -> bool:
        return bool(self.fs.size(path) == said["bytes"] and self.fs.metadata(path).get(DIGEST) == said["sha256"])


@dataclass(frozen=True)
class Objects:
    """The files of a version in any fsspec file system."""

    fs: Any
    root: str

    def small(self, name: str) -> bytes:
        """All bytes of a small file."""
        with _told(f"{self.root}/{name}"):
            size = self.fs.size(f"{self.root}/{name}") if self.fs.exists(f"{self.root}/{name}") else None
        if size is None:
            raise FileNotFoundError(name)
        if size > SMALL:
            raise ReleaseError(f"{shown(self.root)}/{shown(name)} is larger than {SMALL:,} bytes")
        return self.read(name, 0, size)

    def fetch(self, names: Mapping[str, int], folder: Path) -> None:
        """Read files in blocks, several at once; a block that was written is not read again."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(lambda name: self._fetch(name, names[name], folder / name), names))

    def _fetch(self, name: str, size: int, to: Path) -> None:
        to.parent.mkdir(parents=True, exist_ok=True)
        unfinished = to.with_name(f".{to.name}.unfinished")
        with unfinished.open("ab") as file:
            while (done := file.tell()) < size:
                file.write(self.read(name, done, min(done + BLOCK, size)))
        unfinished.replace(to)

    def read(self, name: str, start: int, stop: int) -> bytes:
        """Some bytes of a file; a store that does not answer is asked again."""
        with _told(f"{self.root}/{name}"):
            for wait in _waits():
                try:
                    data: bytes = self.fs.cat_file(f"{self.root}/{name}", start=start, end=stop)
                    if len(data) == stop - start:
                        return data
                    raise OSError(f"{len(data):,} bytes, expected {stop - start:,}")
                except (FileNotFoundError, PermissionError):
                    raise
                except Exception:
                    if wait is None:
                        raise
                    time.sleep(wait)
        raise AssertionError("unreachable")


def _waits() -> Iterator[float | None]:
    """Seconds to wait after each try; None after the last one."""
    yield from (0.2 * 2**number for number in range(TRIES - 1))
    yield None


@contextmanager
def _told(place: str) -> Iterator[None]:
    """What a store says as one ReleaseError that names the place; never what it was asked with."""
    try:
        yield
    except (ReleaseError, UserError, FileExistsError):
        raise
    except FileNotFoundError:
        raise ReleaseError(f"{shown(place)}: a file of it is not there, or there is no such bucket") from None
    except Exception as error:
        said = shown(masked(str(error))).strip()[:300] or type(error).__name__
        raise ReleaseError(f"{shown(place)}: the store says: {said}; the same command goes on") from None
