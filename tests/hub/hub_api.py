"""The Hub's JSON API on repositories: making them, what is in them, their refs, and commits."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import quote, urlencode

import hub_tree
import pathspec
import yaml
from hub_access import Access, Account, revision
from hub_http import HubError, Request, Response, answer
from hub_repository import (
    Commit,
    Entry,
    Key,
    MissingObjectError,
    Repository,
    StaleParentError,
    UnknownRevisionError,
    is_lfs,
)

_DANGLING = (
    "Your push was rejected because an LFS pointer pointed to a file that does not exist. For instance, this can "
    "happen if you used git push --no-verify to push your changes. Offending file: - "
)


class Api:
    """What is under ``/api``; the routes to its methods are in hub_server.py."""

    def __init__(self, access: Access) -> None:
        self.access, self.repositories = access, access.repositories
        self.endpoint = ""
        self.page_size = 1000  # entries of a tree, commits of a history
        self.lfs: Callable[[str, int], bool] = is_lfs

    # --- accounts and repositories

    def whoami(self, request: Request) -> Response:
        account = self.access.signed_in(request)
        role = "write" if account.writes else "read"
        token = {"accessToken": {"displayName": account.name, "role": role}, "type": "access_token"}
        orgs = [{"type": "org", "name": "org", "roleInOrg": role}] if account.member else []
        return answer({"type": "user", "name": account.name, "fullname": account.name, "orgs": orgs, "auth": token})

    def create(self, request: Request) -> Response:
        account, said = self.access.signed_in(request, writes=True), request.json()
        key = _key(said, account)
        private = said.get("visibility") == "private" or bool(said.get("private"))
        url = f"{self.endpoint}/{_prefix(key)}"
        try:
            self.repositories.create(key, private=private)
        except KeyError:
            kind = key.kind.removesuffix("s")
            raise HubError(409, f"You already created this {kind} repo: {key.id}", url=url) from None
        return answer({"url": url, "name": key.id, "private": private})

    def delete(self, request: Request) -> Response:
        account, said = self.access.signed_in(request), request.json()
        self.repositories.delete(self.access.repository(request, _key(said, account), writes=True).key)
        return Response()

    def move(self, request: Request) -> Response:
        said = request.json()
        kind = f"{said['type']}s"
        source = self.access.repository(request, Key(kind, said["fromRepo"]), writes=True)
        try:
            self.repositories.move(source.key, Key(kind, said["toRepo"]))
        except KeyError:
            raise HubError(409, f"{said['toRepo']} exists already") from None
        return Response()

    def settings(self, request: Request, repository: Repository) -> Response:
        said = request.json()
        repository.private = said.get("visibility", "private" if said.get("private") else "public") == "private"
        repository.gated = bool(said.get("gated", repository.gated))
        repository.save()
        return answer({"private": repository.private, "gated": repository.gated})

    def info(self, request: Request, repository: Repository, name: str = "main") -> Response:
        """What the client's repo_info reads; with ``blobs`` the files' sizes, with ``expand`` only the named fields."""
        commit = revision(repository, name)
        card = _front_matter(repository, commit)
        blobs = request.query.get("blobs", ["false"])[0].lower() in ("true", "1")
        said = {
            "_id": hashlib.sha1(repository.created.encode()).hexdigest()[:24],
            "id": repository.key.id,
            "author": repository.key.id.partition("/")[0],
            "sha": commit.oid,
            "createdAt": repository.created,
            "lastModified": commit.date,
            "private": repository.private,
            "gated": "auto" if repository.gated else False,
            "disabled": False,
            "downloads": 0,
            "likes": 0,
            "tags": _tags(card),
            "cardData": card,
            "usedStorage": sum(self.repositories.objects.path(oid).stat().st_size for oid in repository.lfs),
            "siblings": [
                {"rfilename": path, **(hub_tree.blob(entry, "sha256", "blobId") if blobs else {})}
                for path, entry in commit.files.items()
            ],
        }
        wanted = {"_id", "id", *request.query.get("expand", ()), *request.query.get("expand[]", ())}
        return answer({name: said[name] for name in said if len(wanted) == 2 or name in wanted})

    def validate_yaml(self, request: Request) -> Response:
        try:
            card = _yaml(request.json()["content"])
        except (yaml.YAMLError, ValueError) as error:
            raise HubError(400, "Invalid YAML", errors=[{"message": str(error)}], warnings=[]) from error
        warnings = [] if card else [{"message": "empty or missing yaml metadata in repo card"}]
        return answer({"errors": [], "warnings": warnings})

    # --- files

    def tree(self, request: Request, repository: Repository, name: str, folder: str) -> Response:
        """What lies in a folder, with all below it when asked for, a page at a time."""
        commit = revision(repository, name)
        query = {key: values[0] for key, values in request.query.items()}
        found = hub_tree.listed(commit, folder, recursive=query.get("recursive", "").lower() in ("true", "1"))
        if folder and not found:
            raise HubError(404, f"{folder} does not exist on {name!r}", "EntryNotFound")
        paths = sorted(path for path in found if path > query.get("cursor", ""))
        page = paths[: int(query.get("limit", self.page_size))]
        headers = {}
        if len(page) < len(paths):
            path = "/".join(quote(part, safe="") for part in request.segments)
            following = urlencode(query | {"cursor": page[-1]})
            headers["Link"] = f'<{self.endpoint}/{path}?{following}>; rel="next"'
        expand = query.get("expand", "").lower() in ("true", "1")
        return answer(
            [hub_tree.described(repository, commit, path, found[path], expand) for path in page], headers=headers
        )

    def paths_info(self, request: Request, repository: Repository, name: str) -> Response:
        """The named files and folders; those that are not there are left out."""
        commit, said = revision(repository, name), request.json()
        everything = hub_tree.listed(commit, "", recursive=True)
        expand = str(said.get("expand", ["false"])).strip("[]'").lower() == "true"
        paths = [said["paths"]] if isinstance(said.get("paths"), str) else said.get("paths", [])
        there = [path.strip("/") for path in paths if path.strip("/") in everything]
        return answer([hub_tree.described(repository, commit, path, everything[path], expand) for path in there])

    def preupload(self, request: Request, repository: Repository, name: str) -> Response:
        """Whether each file is to be sent as LFS, and whether .gitignore keeps it out."""
        commit, said = revision(repository, name), request.json()
        lines = said.get("gitIgnore") or _text(repository, commit, ".gitignore")
        ignored = pathspec.GitIgnoreSpec.from_lines(lines.splitlines())
        return answer(
            {
                "files": [
                    {
                        "path": one["path"],
                        "uploadMode": "lfs" if self.lfs(one["path"], one["size"]) else "regular",
                        "shouldIgnore": ignored.match_file(one["path"]),
                        "oid": commit.files[one["path"]].etag if one["path"] in commit.files else None,
                    }
                    for one in said["files"]
                ]
            }
        )

    def commit(self, request: Request, repository: Repository, name: str) -> Response:
        """Apply the operations of an ndjson body, all or none."""
        account = self.access.account(request)
        lines = [json.loads(line) for line in request.body().splitlines() if line.strip()]
        header = next(line["value"] for line in lines if line["key"] == "header")
        pull_request = "create_pr" in request.query
        with repository.lock:
            try:
                base = repository.base(name, header.get("parentCommit"), pull_request=pull_request)
                made, ref = repository.commit(
                    _changes(repository, base, lines),
                    header["summary"],
                    revision=name,
                    message=header.get("description", ""),
                    parent=header.get("parentCommit"),
                    author=account.name if account else "",
                    pull_request=pull_request,
                )
            except StaleParentError:
                raise HubError(412, "A commit has happened since. Please refresh and try again.") from None
            except UnknownRevisionError as error:
                raise HubError(404, f"Invalid rev id: {error}", "RevisionNotFound") from None
        url = f"{self.endpoint}/{_prefix(repository.key)}"
        said = {"success": True, "commitOid": made.oid, "commitUrl": f"{url}/commit/{made.oid}", "hookOutput": ""}
        if pull_request:
            said["pullRequestUrl"] = f"{url}/discussions/{ref.rpartition('/')[2]}"
        return answer(said)

    # --- refs and history

    def refs(self, request: Request, repository: Repository) -> Response:
        said = {
            "branches": _refs("refs/heads/", repository.branches),
            "tags": _refs("refs/tags/", repository.tags),
            "converts": [],
        }
        if "include_prs" in request.query:
            said["pullRequests"] = _refs("", repository.pull_requests)
        return answer(said)

    def create_branch(self, request: Request, repository: Repository, branch: str) -> Response:
        start = request.json().get("startingPoint") or "main"
        return self._point(repository, repository.branches, branch, start)

    def create_tag(self, request: Request, repository: Repository, name: str) -> Response:
        return self._point(repository, repository.tags, request.json()["tag"], name)

    def _point(self, repository: Repository, refs: dict[str, str], ref: str, name: str) -> Response:
        with repository.lock:
            if ref in refs:
                raise HubError(409, f"Reference already exists: {ref}")
            refs[ref] = revision(repository, name).oid
            repository.save()
        return answer({"success": True})

    def delete_ref(self, repository: Repository, refs: dict[str, str], ref: str) -> Response:
        with repository.lock:
            if ref not in refs:
                raise HubError(404, f"Invalid rev id: {ref}", "RevisionNotFound")
            if refs is repository.branches and ref == "main":
                raise HubError(403, "The main branch cannot be deleted")
            del refs[ref]
            repository.save()
        return answer({"success": True})

    def commits(self, request: Request, repository: Repository, name: str) -> Response:
        history = list(repository.history(revision(repository, name)))
        page = int(request.query.get("p", ["0"])[0])
        start, end = page * self.page_size, (page + 1) * self.page_size
        headers = {"X-Total-Count": str(len(history))}
        if end < len(history):
            path = "/".join(quote(part, safe="") for part in request.segments)
            headers["Link"] = f'<{self.endpoint}/{path}?p={page + 1}>; rel="next"'
        said = [
            {"id": one.oid, "title": one.title, "message": one.message, "authors": [{"user": one.author}]}
            | {"date": one.date, "formatted": {"title": one.title, "message": one.message}}
            for one in history[start:end]
        ]
        return answer(said, headers=headers)


def _key(said: dict[str, Any], account: Account) -> Key:
    kind = f"{said.get('type') or 'model'}s"
    return Key(kind, f"{said.get('organization') or account.name}/{said['name']}")


def _prefix(key: Key) -> str:
    return key.id if key.kind == "models" else "/".join(key)


def _refs(prefix: str, refs: dict[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "ref": f"{prefix}{name}", "targetCommit": oid} for name, oid in refs.items()]


def _changes(repository: Repository, base: Commit, lines: Iterable[dict[str, Any]]) -> dict[str, Entry | None]:
    """What each path becomes; None deletes it. Raises HubError for what is missing."""
    files: dict[str, Entry | None] = {}
    missing = []
    for line in lines:
        said = line["value"]
        path = said.get("path", "")
        match line["key"]:
            case "file":
                encoded = said.get("encoding") == "base64"
                content = base64.b64decode(said["content"]) if encoded else said["content"].encode()
                files[path] = repository.entry(content)
            case "lfsFile":
                try:
                    files[path] = repository.lfs_entry(said["oid"])
                except MissingObjectError:
                    missing.append(path)
            case "copyFile":
                source = revision(repository, said["srcRevision"]) if said.get("srcRevision") else base
                files[path] = source.files.get(said["srcPath"]) or _no_entry(said["srcPath"])
            case "deletedFile" | "deletedFolder" | "deletedEntry":
                below = f"{path.rstrip('/')}/"
                gone = [name for name in base.files if name == path or name.startswith(below)] or _no_entry(path)
                files |= dict.fromkeys(gone)
    if missing:
        raise HubError(400, _DANGLING + " - ".join(missing))
    return files


def _no_entry(path: str) -> Any:
    raise HubError(404, f"{path} does not exist", "EntryNotFound")


def _text(repository: Repository, commit: Commit, path: str) -> str:
    if path not in commit.files:
        return ""
    return repository.objects.path(commit.files[path].sha256).read_bytes().decode(errors="replace")


def _front_matter(repository: Repository, commit: Commit) -> dict[str, Any]:
    try:
        return _yaml(_text(repository, commit, "README.md"))
    except (yaml.YAMLError, ValueError):
        return {}


def _yaml(text: str) -> dict[str, Any]:
    """The metadata at the top of a card. Raises ValueError or YAMLError when it is no mapping."""
    lines = text.lstrip("\ufeff").splitlines()
    if not lines or lines[0] != "---" or "---" not in lines[1:]:
        return {}
    said = yaml.safe_load("\n".join(lines[1 : lines.index("---", 1)])) or {}
    if not isinstance(said, dict):
        raise ValueError("metadata is not a mapping")
    plain: dict[str, Any] = json.loads(json.dumps(said, default=str))
    return plain


def _tags(card: dict[str, Any]) -> list[str]:
    """The tags that the Hub makes of a card's fields."""
    tags = list(card.get("tags") or [])
    for name, prefix in (("task_categories", "task_categories"), ("language", "language"), ("license", "license")):
        values = card.get(name) or []
        tags += [f"{prefix}:{value}" for value in ([values] if isinstance(values, str) else values)]
    return [*tags, "region:us"]
