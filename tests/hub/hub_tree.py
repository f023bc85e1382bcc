"""What the Hub says of the files and folders of a commit."""

from __future__ import annotations

import hashlib
import itertools
from typing import Any

from hub_repository import Commit, Entry, Repository


def listed(commit: Commit, folder: str, *, recursive: bool) -> dict[str, Entry | None]:
    """The files and, with None, the folders below a folder, by their whole path."""
    prefix = f"{folder.strip('/')}/" if folder else ""
    found: dict[str, Entry | None] = {}
    for path, entry in commit.files.items():
        if not path.startswith(prefix):
            continue
        *folders, name = path[len(prefix) :].split("/")
        for depth in range(len(folders) if recursive else min(len(folders), 1)):
            found[prefix + "/".join(folders[: depth + 1])] = None
        if recursive or not folders:
            found[prefix + "/".join((*folders, name))] = entry
    return found


def described(repository: Repository, commit: Commit, path: str, entry: Entry | None, expand: bool) -> dict[str, Any]:
    if entry:
        said = {"type": "file", "path": path, **blob(entry, "oid", "oid")}
    else:
        said = {"type": "directory", "path": path, "size": 0, "oid": _tree_oid(commit, path)}
    if expand:
        last = _last_change(repository, commit, path)
        said["lastCommit"] = {"id": last.oid, "title": last.title, "date": last.date}
    return said


def blob(entry: Entry, sha256: str, oid: str) -> dict[str, Any]:
    lfs = {sha256: entry.sha256, "size": entry.size, "pointerSize": len(entry.pointer)}
    return {oid: entry.oid, "size": entry.size} | ({"lfs": lfs} if entry.lfs else {})


def _tree_oid(commit: Commit, folder: str) -> str:
    held = [f"{path} {entry.oid}" for path, entry in commit.files.items() if path.startswith(f"{folder}/")]
    return hashlib.sha1("\n".join(held).encode()).hexdigest()


def _last_change(repository: Repository, commit: Commit, path: str) -> Commit:
    def state(at: Commit) -> object:
        return at.files.get(path) or _tree_oid(at, path)

    history = list(repository.history(commit))
    for one, before in itertools.pairwise(history):
        if state(one) != state(before):
            return one
    return history[-1]
