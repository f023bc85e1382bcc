"""What the Hub keeps: repositories with their commits, branches and tags, and the bytes of their files, in a folder."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, NamedTuple

BLOCK = 1 << 20
LFS_SUFFIXES = (".parquet", ".arrow", ".bin", ".safetensors", ".zip", ".gz", ".zst", ".tar", ".npy", ".jpg", ".png")
LFS_BYTES = 10 << 20  # what is larger is LFS whatever it is called
_ATTRIBUTES = "".join(f"*{suffix} filter=lfs diff=lfs merge=lfs -text\n" for suffix in LFS_SUFFIXES).encode()


class Key(NamedTuple):
    """What names a repository: ``kind`` is ``models``, ``datasets`` or ``spaces``, ``id`` is ``owner/name``."""

    kind: str
    id: str


@dataclass(frozen=True)
class Entry:
    """One file of a commit; ``oid`` is git's hash of the blob, for an LFS file that of its pointer."""

    sha256: str
    size: int
    oid: str
    lfs: bool

    @property
    def etag(self) -> str:
        return self.sha256 if self.lfs else self.oid

    @property
    def pointer(self) -> bytes:
        """What lies in git in place of an LFS file."""
        return b"version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize %d\n" % (
            self.sha256.encode(),
            self.size,
        )


@dataclass(frozen=True)
class Commit:
    oid: str
    parent: str | None
    title: str
    message: str
    author: str
    date: str
    files: Mapping[str, Entry]


class StaleParentError(Exception):
    """The branch has another head than the commit's parent."""


class MissingObjectError(Exception):
    """A commit names LFS objects that the repository was not sent; its arguments are the paths."""


class UnknownRevisionError(Exception):
    """There is no such revision, or no such path; its argument names it."""


class Objects:
    """The bytes of all files of all repositories, each under its sha256."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def path(self, sha256: str) -> Path:
        return self.folder / sha256

    def put(self, content: bytes) -> str:
        with self.writing() as write:
            write(content)
        return hashlib.sha256(content).hexdigest()

    @contextmanager
    def writing(self, expected: str | None = None) -> Iterator[Callable[[bytes], object]]:
        """A function to write an object's bytes with; ValueError at the end when they are not ``expected``'s."""
        draft = self.folder / f".{uuid.uuid4().hex}"
        digest = hashlib.sha256()
        try:
            with draft.open("wb") as file:

                def write(content: bytes) -> None:
                    digest.update(content)
                    file.write(content)

                yield write
            self._keep(draft, digest.hexdigest(), expected)
        finally:
            draft.unlink(missing_ok=True)

    def take(self, draft: Path, expected: str) -> None:
        """Make a file that was written elsewhere in this file system an object."""
        with draft.open("rb") as file:
            self._keep(draft, hashlib.file_digest(file, "sha256").hexdigest(), expected)

    def _keep(self, draft: Path, sha256: str, expected: str | None) -> None:
        if expected not in (None, sha256):
            raise ValueError(f"the bytes have the sha256 {sha256}, not {expected}")
        os.replace(draft, self.path(sha256))

    def open(self, sha256: str) -> BinaryIO:
        return self.path(sha256).open("rb")


@dataclass
class Repository:
    """One repository; its ``lfs`` are the objects it was sent, which a repository made anew under its name has not."""

    key: Key
    objects: Objects
    folder: Path
    private: bool = False
    gated: bool = False
    created: str = ""
    branches: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    pull_requests: dict[str, str] = field(default_factory=dict)
    lfs: set[str] = field(default_factory=set)
    commits: dict[str, Commit] = field(default_factory=dict, repr=False)
    lock: threading.RLock = field(default_factory=threading.RLock, repr=False)

    def resolve(self, revision: str) -> Commit:
        """The commit that a branch, a tag, a ``refs/pr/N`` or a commit's hash names. Raises UnknownRevisionError."""
        for refs in (self.branches, self.tags, self.pull_requests):
            if revision in refs:
                return self.commits[refs[revision]]
        if revision in self.commits:
            return self.commits[revision]
        short = [oid for oid in self.commits if len(revision) >= 7 and oid.startswith(revision)]
        if len(short) == 1:
            return self.commits[short[0]]
        raise UnknownRevisionError(revision)

    def history(self, commit: Commit) -> Iterator[Commit]:
        """The commit and those before it."""
        at: Commit | None = commit
        while at:
            yield at
            at = self.commits[at.parent] if at.parent else None

    def read(self, path: str, revision: str = "main") -> bytes:
        return self.objects.path(self.resolve(revision).files[path].sha256).read_bytes()

    def entry(self, content: bytes) -> Entry:
        """A file that lies in git itself."""
        return Entry(self.objects.put(content), len(content), _git_hash(content), lfs=False)

    def lfs_entry(self, sha256: str) -> Entry:
        """A file whose bytes are an LFS object of this repository. Raises MissingObjectError when it was never sent."""
        if sha256 not in self.lfs:
            raise MissingObjectError(sha256)
        bare = Entry(sha256, self.objects.path(sha256).stat().st_size, "", lfs=True)
        return replace(bare, oid=_git_hash(bare.pointer))

    def receive(self, sha256: str) -> None:
        """Note that the repository was sent this object."""
        with self.lock:
            self.lfs.add(sha256)
            self.save()

    def commit(
        self,
        files: Mapping[str, bytes | Entry | None],
        title: str = "a commit",
        *,
        revision: str = "main",
        message: str = "",
        parent: str | None = None,
        author: str = "somebody",
        pull_request: bool = False,
    ) -> tuple[Commit, str]:
        """The new commit and the ref that points at it; a file's None deletes it, bytes become an LFS file by rule.

        With ``pull_request`` the ref is a new ``refs/pr/N``. Raises StaleParentError when ``parent`` is not the head,
        and UnknownRevisionError for a revision that is no branch.
        """
        with self.lock:
            head = self.base(revision, parent, pull_request=pull_request)
            changed = {name: self._entry(name, one) if isinstance(one, bytes) else one for name, one in files.items()}
            held = {path: entry for path, entry in {**head.files, **changed}.items() if entry}
            made = self._add(head.oid, title, message, author, held)
            if pull_request:
                revision = f"refs/pr/{len(self.pull_requests) + 1}"
            refs = self.pull_requests if revision.startswith("refs/pr/") else self.branches
            refs[revision] = made.oid
            self.save()
            return made, revision

    def base(self, revision: str, parent: str | None, *, pull_request: bool = False) -> Commit:
        """What a commit would be put on. Raises what ``commit`` does."""
        if revision not in self.branches and revision not in self.pull_requests:
            raise UnknownRevisionError(revision)
        head = self.resolve(revision)
        if parent and pull_request:
            return self.resolve(parent)
        if parent and not head.oid.startswith(parent):
            raise StaleParentError(revision)
        return head

    def _entry(self, path: str, content: bytes) -> Entry:
        if not is_lfs(path, len(content)):
            return self.entry(content)
        self.lfs.add(sha256 := self.objects.put(content))
        return self.lfs_entry(sha256)

    def start(self) -> None:
        """The first commit, as the Hub makes it."""
        files = {".gitattributes": self.entry(_ATTRIBUTES)}
        self.branches["main"] = self._add(None, "initial commit", "", self.key.id.partition("/")[0], files).oid
        self.save()

    def _add(self, parent: str | None, title: str, message: str, author: str, files: Mapping[str, Entry]) -> Commit:
        date = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        oid = hashlib.sha1(f"{self.key}{parent}{title}{date}{uuid.uuid4()}".encode()).hexdigest()
        made = Commit(oid, parent, title, message, author, date, dict(sorted(files.items())))
        self.commits[oid] = made
        _write(self.folder / "commits" / f"{oid}.json", asdict(made))
        return made

    def save(self) -> None:
        """Write all but the commits, which were written when they were made."""
        names = ("private", "gated", "created", "branches", "tags", "pull_requests")
        said = {name: getattr(self, name) for name in names}
        _write(self.folder / "repository.json", {"key": self.key, **said, "lfs": sorted(self.lfs)})


class Repositories:
    """All repositories of a folder; a name without a kind is a dataset's: ``repositories["org/name"]``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "repositories"
        self.objects = Objects(folder / "objects")
        self.moved: dict[Key, Key] = {}
        self.lock = threading.RLock()
        self._held = {one.key: one for one in map(self._load, sorted(self.folder.glob("*/repository.json")))}

    def __getitem__(self, name: Key | str) -> Repository:
        return self._held[Key("datasets", name) if isinstance(name, str) and not isinstance(name, Key) else name]

    def find(self, key: Key) -> Repository | None:
        return self._held.get(key)

    def create(self, key: Key, *, private: bool = False) -> Repository:
        """A new repository with its first commit. Raises KeyError when there is one of that name."""
        with self.lock:
            if key in self._held:
                raise KeyError(key)
            made = Repository(key, self.objects, self.folder / uuid.uuid4().hex, private)
            made.created = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
            made.start()
            self.moved.pop(key, None)
            self._held[key] = made
            return made

    def delete(self, key: Key) -> None:
        with self.lock:
            shutil.rmtree(self._held.pop(key).folder)

    def move(self, source: Key, target: Key) -> None:
        """Give a repository another name, and remember the old one. Raises KeyError when the new one is taken."""
        with self.lock:
            if target in self._held:
                raise KeyError(target)
            self._held[target] = self._held.pop(source)
            self._held[target].key = target
            self._held[target].save()
            self.moved[source] = target

    def _load(self, path: Path) -> Repository:
        said = json.loads(path.read_text())
        key, lfs = Key(*said.pop("key")), set(said.pop("lfs"))
        commits = {}
        for one in (path.parent / "commits").glob("*.json"):
            fields = json.loads(one.read_text())
            fields["files"] = {name: Entry(**entry) for name, entry in fields["files"].items()}
            commits[one.stem] = Commit(**fields)
        return Repository(key, self.objects, path.parent, **said, lfs=lfs, commits=commits)


def is_lfs(path: str, size: int) -> bool:
    """Whether the Hub wants a file as an LFS object."""
    return size > LFS_BYTES or (size > 0 and path.lower().endswith(LFS_SUFFIXES))


def _git_hash(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def _write(path: Path, said: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{uuid.uuid4().hex}")
    draft.write_text(json.dumps(said))
    os.replace(draft, path)
