"""Xet storage as hf_xet uploads to it: xorbs of compressed chunks, and shards that say which of them make a file."""

from __future__ import annotations

import secrets
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
from hub_http import HubError, Request, Response, answer
from hub_repository import Key, Repositories

_HEADER, _RECORD = 48, 48
_LAST = b"\xff" * 32
_VERIFIED, _WITH_SHA256 = 0x80000000, 0x40000000
_GROUPED = 2


class _Chunk(NamedTuple):
    at: int
    stored: int
    size: int
    scheme: int


class Xet:
    """The store behind ``/cas/<its name>``; tokens say for which repository something is uploaded."""

    def __init__(self, folder: Path, repositories: Repositories) -> None:
        self.folder, self.repositories = folder / "xorbs", repositories
        self.folder.mkdir(parents=True, exist_ok=True)
        self._tokens: dict[str, Key] = {}

    def token(self, key: Key, url: str) -> Response:
        """What a client needs to upload: as JSON for hf_xet, and in headers for huggingface_hub."""
        token, expires = f"xet_{secrets.token_hex(8)}", int(time.time()) + 3600
        self._tokens[token] = key
        headers = {"X-Xet-Cas-Url": url, "X-Xet-Access-Token": token, "X-Xet-Token-Expiration": str(expires)}
        return answer({"casUrl": url, "accessToken": token, "exp": expires}, headers=headers)

    def route(self, request: Request) -> Response:
        """Newer ways (xorb grants, shards v2, known chunks) are answered 404: the client then takes these."""
        match request.method, *request.segments[2:]:
            case "POST", "v1", "xorbs", _, str() as name if name.isalnum():
                self._key(request)
                return self._keep(name, request)
            case "POST", "v1", "shards":
                return self._register(self._key(request), request.body())
        raise HubError(404, "not found")

    def _key(self, request: Request) -> Key:
        if request.token not in self._tokens:
            raise HubError(401, "this is no token of Xet's")
        return self._tokens[request.token]

    def _keep(self, name: str, request: Request) -> Response:
        path = self.folder / name
        new = not path.exists()
        draft = path.with_name(f".{secrets.token_hex(8)}")
        with draft.open("wb") as file:
            for block in request.blocks:
                file.write(block)
        draft.replace(path)
        return answer({"was_inserted": new})

    def _register(self, key: Key, shard: bytes) -> Response:
        """Put a shard's files together, and note that the repository was sent them."""
        repository = self.repositories[key]
        for sha256, terms in _files(shard):
            if not self.repositories.objects.path(sha256).exists():
                self._assemble(sha256, terms)
            repository.receive(sha256)
        return answer({"result": 1})

    def _assemble(self, sha256: str, terms: list[tuple[str, int, int]]) -> None:
        with self.repositories.objects.writing(sha256) as write:
            for name, start, end in terms:
                if not (path := self.folder / name).exists():
                    raise HubError(400, f"the xorb {name} was never uploaded")
                for content in _contents(path, start, end):
                    write(content)


def _files(shard: bytes) -> Iterator[tuple[str, list[tuple[str, int, int]]]]:
    """Each file's sha256 and its terms: a xorb, and the first and one past the last of its chunks."""
    at = _HEADER
    while shard[at : at + 32] != _LAST:
        flags, count = struct.unpack_from("<II", shard, at + 32)
        at += _RECORD
        terms = [
            (_hex(shard[place : place + 32]), *struct.unpack_from("<II", shard, place + 40))
            for place in range(at, at + count * _RECORD, _RECORD)
        ]
        at += count * _RECORD * (2 if flags & _VERIFIED else 1)
        if not flags & _WITH_SHA256:
            raise HubError(400, "a file has no sha256")
        yield _hex(shard[at : at + 32]), terms
        at += _RECORD


def _hex(digest: bytes) -> str:
    """A hash as Xet writes it: four little-endian numbers of eight bytes."""
    return "".join(f"{number:016x}" for number in struct.unpack("<4Q", digest))


def _contents(xorb: Path, start: int, end: int) -> Iterator[bytes]:
    with xorb.open("rb") as file:
        for number, chunk in enumerate(_chunks(xorb)):
            if start <= number < end:
                file.seek(chunk.at)
                yield _plain(file.read(chunk.stored), chunk)


def _chunks(xorb: Path) -> Iterator[_Chunk]:
    size, at = xorb.stat().st_size, 0
    with xorb.open("rb") as file:
        while at < size:
            file.seek(at)
            header = file.read(8)
            if header[0]:  # the chunks end where a footer begins; its first byte is a letter
                return
            stored, length = (int.from_bytes(header[place : place + 3], "little") for place in (1, 5))
            yield _Chunk(at + 8, stored, length, header[4])
            at += 8 + stored


def _plain(stored: bytes, chunk: _Chunk) -> bytes:
    if chunk.scheme == 0:
        return stored
    content: bytes = pa.decompress(stored, chunk.size, codec="lz4", asbytes=True)
    if chunk.scheme != _GROUPED:
        return content
    plain, at = bytearray(chunk.size), 0
    for place in range(4):  # the bytes at 0, 4, 8 … come first, then those at 1, 5, 9 …
        count = len(range(place, chunk.size, 4))
        plain[place::4] = content[at : at + count]
        at += count
    return bytes(plain)
