"""The bytes of files: resolve with its redirect to the CDN, and the LFS protocol, uploads whole and in parts."""

from __future__ import annotations

import hashlib
import hmac
import math
from pathlib import Path
from typing import Any
from urllib.parse import quote

from hub_access import Access, revision
from hub_http import HubError, Request, Response, answer, file_response
from hub_repository import Entry, Key, Repository

_MEDIA = "application/vnd.git-lfs+json"


class Files:
    """Serves and receives files; addresses on the CDN are signed, since no token is sent there."""

    def __init__(self, folder: Path, access: Access, secret: str) -> None:
        self.folder, self.access, self.objects = folder / "parts", access, access.repositories.objects
        self._secret = secret
        self.endpoint = self.cdn = ""
        self.redirect = True  # LFS files are answered with the address on the CDN
        self.multipart_bytes = 50 << 20  # larger objects are uploaded in parts
        self.part_bytes = 16 << 20
        self._parts: dict[str, dict[int, str]] = {}  # the ETags of the parts that came, by object

    def resolve(self, request: Request, key: Key, name: str, path: str) -> Response:
        """A file of a revision, with the headers that the Hub's client reads."""
        repository = self.access.content(request, key)
        commit = revision(repository, name)
        if path not in commit.files:
            refused = HubError(404, "Entry not found", "EntryNotFound")
            refused.response.headers["X-Repo-Commit"] = commit.oid
            raise refused
        entry = commit.files[path]
        headers = {"X-Repo-Commit": commit.oid, **_headers(entry, path)}
        if entry.lfs:
            headers |= {"X-Linked-Etag": headers["ETag"], "X-Linked-Size": str(entry.size)}
            if self.redirect:
                location = self._signed(self.cdn, f"cdn/{entry.sha256}/{quote(path.rpartition('/')[2])}")
                return Response(status=302, headers=headers | {"Location": location})
        return file_response(request, self.objects.path(entry.sha256), entry.size, headers)

    def served(self, request: Request, sha256: str, name: str) -> Response:
        """What a signed address of the CDN leads to."""
        self._check(request)
        path = self.objects.path(sha256)
        size = path.stat().st_size
        return file_response(request, path, size, _headers(Entry(sha256, size, "", lfs=True), name))

    def batch(self, request: Request, key: Key) -> Response:
        """For each object what is to be done; an object that the repository has needs no upload."""
        said = request.json()
        upload = said["operation"] == "upload"
        repository = self.access.repository(request, key, writes=upload)
        parts = "multipart" in said.get("transfers", ["basic"])
        done = [
            self._upload(repository, one["oid"], one["size"], parts) if upload else self._download(repository, one)
            for one in said["objects"]
        ]
        return answer({"transfer": "basic", "objects": done}, headers={"Content-Type": _MEDIA})

    def _upload(self, repository: Repository, oid: str, size: int, parts: bool) -> dict[str, Any]:
        if oid in repository.lfs:
            return {"oid": oid, "size": size}
        where = f"{'/'.join(repository.key)}/{oid}"
        action: dict[str, Any] = {"href": self._signed(self.cdn, f"lfs/{where}"), "header": {}}
        if parts and size > self.multipart_bytes:
            action = {"href": self._signed(self.endpoint, f"api/complete_multipart/{where}"), "header": {}}
            action["header"]["chunk_size"] = str(self.part_bytes)
            for number in range(1, math.ceil(size / self.part_bytes) + 1):
                action["header"][f"{number:05}"] = self._signed(self.cdn, f"lfs/{where}/{number}")
        prefix = "" if repository.key.kind == "models" else f"{repository.key.kind}/"
        verify = {"href": f"{self.endpoint}/{prefix}{repository.key.id}.git/info/lfs/objects/verify"}
        return {"oid": oid, "size": size, "authenticated": True, "actions": {"upload": action, "verify": verify}}

    def _download(self, repository: Repository, one: dict[str, Any]) -> dict[str, Any]:
        oid = one["oid"]
        if oid not in repository.lfs:
            return {**one, "error": {"code": 404, "message": "Object does not exist"}}
        return {**one, "actions": {"download": {"href": self._signed(self.cdn, f"cdn/{oid}/{oid}")}}}

    def receive(self, request: Request, key: Key, oid: str) -> Response:
        """A whole object, straight to disk."""
        self._check(request)
        try:
            with self.objects.writing(oid) as write:
                for block in request.blocks:
                    write(block)
        except ValueError as error:
            raise HubError(400, str(error)) from error
        self.access.repositories[key].receive(oid)
        return Response(headers={"ETag": f'"{oid}"'})

    def receive_part(self, request: Request, oid: str, number: int) -> Response:
        """A part of an object, written where it belongs in it."""
        self._check(request)
        self.folder.mkdir(parents=True, exist_ok=True)
        draft, digest = self.folder / oid, hashlib.md5(usedforsecurity=False)
        draft.touch()
        with draft.open("r+b") as file:
            file.seek((number - 1) * self.part_bytes)
            for block in request.blocks:
                digest.update(block)
                file.write(block)
        self._parts.setdefault(oid, {})[number] = etag = f'"{digest.hexdigest()}"'
        return Response(headers={"ETag": etag})

    def complete(self, request: Request, key: Key, oid: str) -> Response:
        """Make an object of the parts that came, when they are those that the client says it sent."""
        self._check(request)
        said = {part["partNumber"]: part["etag"] for part in request.json()["parts"]}
        if said != self._parts.get(oid):
            raise HubError(400, "the parts are not those that were uploaded")
        try:
            self.objects.take(self.folder / oid, oid)
        except ValueError as error:
            raise HubError(400, str(error)) from error
        del self._parts[oid]
        self.access.repositories[key].receive(oid)
        return answer({"success": True})

    def verify(self, request: Request, key: Key) -> Response:
        said = request.json()
        repository = self.access.repository(request, key, writes=True)
        if said["oid"] not in repository.lfs or self.objects.path(said["oid"]).stat().st_size != said["size"]:
            raise HubError(404, "Object does not exist")
        return answer({"success": True})

    def _signed(self, base: str, path: str) -> str:
        return f"{base}/{path}?signature={self._signature(path)}"

    def _signature(self, path: str) -> str:
        return hmac.new(self._secret.encode(), path.encode(), "sha256").hexdigest()[:32]

    def _check(self, request: Request) -> None:
        path = "/".join(quote(part) for part in request.segments)
        if not hmac.compare_digest(request.query.get("signature", [""])[0], self._signature(path)):
            raise HubError(403, "SignatureDoesNotMatch")


def _headers(entry: Entry, path: str) -> dict[str, str]:
    name = quote(path.rpartition("/")[2])
    return {"ETag": f'"{entry.etag}"', "Content-Disposition": f"inline; filename*=UTF-8''{name}; filename=\"{name}\";"}
