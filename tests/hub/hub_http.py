"""HTTP/1.1 as the hub needs it: streamed bodies both ways, ranges, faults on demand, and a log of every request."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from hub_faults import Fault, Faults

BLOCK = 1 << 20


class CutError(Exception):
    """The connection is to be closed now."""


@dataclass
class Logged:
    """One request as it was seen; ``status`` is None when it was never answered."""

    method: str
    path: str  # with its query, unquoted
    token: str | None
    status: int | None = None
    bytes_in: int = 0  # of the bodies, without headers
    bytes_out: int = 0


class Requests(list[Logged]):
    """Every request, in the order in which they came."""

    def matching(self, path: str = "", method: str | None = None) -> list[Logged]:
        """Those whose path matches a regular expression."""
        return [one for one in list(self) if method in (None, one.method) and re.search(path, one.path)]


@dataclass
class Request:
    """A request; ``segments`` are the parts of its path, each unquoted."""

    method: str
    segments: tuple[str, ...]
    query: dict[str, list[str]]
    headers: Message
    blocks: Iterator[bytes]
    token: str | None

    def body(self) -> bytes:
        return b"".join(self.blocks)

    def json(self) -> Any:
        content = self.body()
        try:
            if "form-urlencoded" in (self.headers.get("Content-Type") or ""):
                return parse_qs(content.decode())
            return json.loads(content or b"{}")
        except ValueError as error:
            raise HubError(400, "the body is no JSON") from error


@dataclass
class Response:
    """An answer; its body is bytes, or a part of a file."""

    body: bytes | Path = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    start: int = 0
    length: int | None = None  # of a file: how much of it


class HubError(Exception):
    """A request that is answered with an error; ``code`` is the Hub's X-Error-Code."""

    def __init__(self, status: int, message: str, code: str | None = None, **more: Any) -> None:
        super().__init__(message)
        headers = {"X-Error-Message": re.sub(r"\s+", " ", message)} | ({"X-Error-Code": code} if code else {})
        self.response = answer({"error": message, **more}, status, headers)


def answer(said: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A response that says ``said`` as JSON."""
    return Response(json.dumps(said).encode(), status, {"Content-Type": "application/json"} | dict(headers or {}))


def file_response(request: Request, path: Path, size: int, headers: dict[str, str]) -> Response:
    """A file, or the range of it that was asked for; an If-Range that is not its ETag asks for all of it."""
    headers = {"Accept-Ranges": "bytes", "Content-Type": "application/octet-stream"} | headers
    if request.headers.get("If-None-Match") == headers["ETag"]:
        return Response(status=304, headers=headers)
    found = re.fullmatch(r"bytes=(\d*)-(\d*)", request.headers.get("Range") or "")
    if not found or found[0] == "bytes=-" or request.headers.get("If-Range") not in (None, headers["ETag"]):
        return Response(path, 200, headers, 0, size)
    first, last = found.groups()
    start = int(first) if first else max(size - int(last), 0)
    end = min(int(last) + 1, size) if first and last else size
    if start >= end:
        return Response(status=416, headers=headers | {"Content-Range": f"bytes */{size}"})
    return Response(path, 206, headers | {"Content-Range": f"bytes {start}-{end - 1}/{size}"}, start, end - start)


class Listener(ThreadingHTTPServer):
    """A port that answers with ``route``; closing it closes the connections that are open, too."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(
        self, address: tuple[str, int], route: Callable[[Request], Response], faults: Faults, requests: Requests
    ) -> None:
        self.route, self.faults, self.requests = route, faults, requests
        self._open: set[socket.socket] = set()
        super().__init__(address, Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing: a client that goes away is no news, and all else was answered."""

    @contextlib.contextmanager
    def serving(self) -> Iterator[None]:
        thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self.shutdown()
            self.server_close()
            for one in list(self._open):
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
            thread.join()


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: Listener
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 1 << 16

    def handle_request(self) -> None:
        url = urlsplit(self.path)
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ") or None
        self.logged = Logged(self.command, unquote(self.path), token)
        self.server.requests.append(self.logged)
        self.faults = self.server.faults.striking(self.command, self.logged.path)
        segments = tuple(unquote(part) for part in url.path.strip("/").split("/"))
        blocks = self._blocks()
        query = parse_qs(url.query, keep_blank_values=True)
        request = Request(self.command, segments, query, self.headers, blocks, token)
        try:
            response = self._response(request)
            for _ in blocks:  # what was not read would be taken for the next request
                pass
            if any(fault.lose_response for fault in self.faults):
                raise CutError
            self._send(response)
        except (CutError, ConnectionError):
            self.close_connection = True
            # With unread bytes a close resets the connection; first the end of the stream, as when a line is cut.
            with contextlib.suppress(OSError):
                self.wfile.flush()
                self.connection.shutdown(socket.SHUT_WR)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = handle_request  # noqa: N815

    def _response(self, request: Request) -> Response:
        time.sleep(sum(fault.delay for fault in self.faults))
        try:
            for fault in self.faults:
                if fault.before:
                    fault.before()
            for fault in self.faults:
                if fault.status:
                    headers = {"Content-Type": "application/json"} | dict(fault.headers)
                    return answer({"error": fault.message}, fault.status, headers)
            return self.server.route(request)
        except HubError as refused:
            return refused.response
        except (CutError, ConnectionError):
            raise
        except Exception as error:
            return answer({"error": f"the hub of the tests failed: {error!r}"}, 500)

    def _blocks(self) -> Iterator[bytes]:
        """The request's body; it can end in a cut."""
        limit = _least(self.faults, lambda fault: fault.cut_upload)
        if limit == 0:
            raise CutError
        for content in self._chunks() if self.headers.get("Transfer-Encoding") else self._sized(limit):
            self.logged.bytes_in += len(content)
            self._wait(len(content))
            yield content
            if limit is not None and self.logged.bytes_in >= limit:
                raise CutError

    def _sized(self, limit: int | None) -> Iterator[bytes]:
        left = int(self.headers.get("Content-Length") or 0)
        while left:
            room = BLOCK if limit is None else limit - self.logged.bytes_in
            content = self.rfile.read1(min(left, room, self._block()))
            if not content:
                raise CutError
            left -= len(content)
            yield content

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self.rfile.readline().split(b";")[0] or b"0", 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()

    def _block(self) -> int:
        rate = _least(self.faults, lambda fault: fault.bytes_per_second)
        return max(1, int(rate / 10)) if rate else BLOCK

    def _wait(self, count: int) -> None:
        if rate := _least(self.faults, lambda fault: fault.bytes_per_second):
            time.sleep(count / rate)

    def _send(self, response: Response) -> None:
        length = len(response.body) if isinstance(response.body, bytes) else (response.length or 0)
        self.logged.status = response.status
        self.send_response(response.status)
        for name, value in response.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        if self.command != "HEAD":
            self._send_body(response, length)
        self.wfile.flush()

    def _send_body(self, response: Response, length: int) -> None:
        limit = _least(self.faults, lambda fault: fault.cut_download)
        count = length if limit is None else min(limit, length)
        # Counted before it is sent: the client may look as soon as it has the last byte.
        self.logged.bytes_out = count
        if isinstance(response.body, bytes):
            self.wfile.write(response.body[:count])
        else:
            self._send_file(response.body, response.start, count)
        if limit is not None and count < length:
            raise CutError

    def _send_file(self, path: Path, start: int, count: int) -> None:
        self.wfile.flush()
        with path.open("rb") as file:
            file.seek(start)
            try:
                if count and not any(fault.bytes_per_second for fault in self.faults):
                    self.connection.sendfile(file, start, count)
                while content := file.read(min(self._block(), start + count - file.tell())):
                    self._wait(len(content))
                    self.connection.sendall(content)
            finally:
                self.logged.bytes_out = file.tell() - start

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the log is ``requests``."""


def _least(faults: list[Fault], limit: Callable[[Fault], float | None]) -> Any:
    """The smallest of the limits that the faults set, None when none does."""
    return min((found for found in map(limit, faults) if found is not None), default=None)
