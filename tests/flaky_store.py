"""A proxy before an object store that misbehaves on demand, and that counts what it is asked."""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal
from urllib.parse import urlsplit

from tests.object_store import ObjectStore

Kind = Literal["slow down", "cut upload", "cut download", "lost answer", "hang"]
HOP = {"connection", "keep-alive", "transfer-encoding", "date", "server", "content-length"}
SLOW_DOWN = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"


@dataclasses.dataclass
class Fault:
    """What is done to the next ``times`` requests of a method whose path and query contain ``part``.

    lost answer: the store does what it is asked, and the connection is cut before it says so. hang: nothing is said for
    ``seconds``, then the connection is cut.
    """

    kind: Kind
    method: str
    part: str = ""
    times: int = 1
    seconds: float = 0.0


@dataclasses.dataclass
class Flaky:
    """``store``: the object store as it is seen through the proxy. ``asked``: method and path of every request."""

    store: ObjectStore
    asked: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    faults: list[Fault] = dataclasses.field(default_factory=list)
    lock: threading.Lock = dataclasses.field(default_factory=threading.Lock)

    def count(self, method: str, part: str = "") -> int:
        """How many requests of a method had ``part`` in path or query."""
        return sum(one == method and part in path for one, path in self.asked)

    def take(self, method: str, path: str) -> Fault | None:
        """The fault that a request meets, which is then used up."""
        with self.lock:
            self.asked.append((method, path))
            for fault in self.faults:
                if fault.times and fault.method == method and fault.part in path:
                    fault.times -= 1
                    return fault
        return None


@contextlib.contextmanager
def flaky(store: ObjectStore) -> Iterator[Flaky]:
    """A proxy before the store on a free port, until the block ends."""
    host = urlsplit(store.endpoint).netloc
    seen = Flaky(store)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            fault = seen.take(self.command, self.path)
            size = int(self.headers.get("Content-Length") or 0)
            kind = fault.kind if fault else ""
            if kind == "cut upload":
                self.rfile.read(size // 2)
                return self.cut()
            body = self.body(size)
            if kind == "slow down":
                return self.say(503, [("Content-Type", "application/xml")], SLOW_DOWN)
            if fault and kind == "hang":
                time.sleep(fault.seconds)
                return self.cut()
            status, headers, data = self.forwarded(body)
            if kind == "lost answer":
                return self.cut()
            self.say(status, headers, data, len(data) // 2 if kind == "cut download" else None)

        def body(self, size: int) -> bytes:
            if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
                return self.rfile.read(size)
            data = b""
            while length := int(self.rfile.readline().split(b";")[0], 16):
                data += self.rfile.read(length)
                self.rfile.readline()
            self.rfile.readline()
            return data

        def forwarded(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
            connection = http.client.HTTPConnection(host, timeout=60)
            sent = {name: value for name, value in self.headers.items() if name.lower() not in HOP - {"date"}}
            connection.request(self.command, self.path, body, {**sent, "Content-Length": str(len(body))})
            got = connection.getresponse()
            data, length = got.read(), got.headers.get("Content-Length")
            headers = [(name, value) for name, value in got.getheaders() if name.lower() not in HOP]
            if self.command == "HEAD" and length:
                headers.append(("Content-Length", length))
            connection.close()
            return got.status, headers, data

        def say(self, status: int, headers: list[tuple[str, str]], data: bytes, only: int | None = None) -> None:
            self.send_response(status)
            for name, value in headers:
                self.send_header(name, value)
            if self.command != "HEAD":
                self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data[:only])
            if only is not None:
                self.cut()

        def cut(self) -> None:
            self.close_connection = True
            self.wfile.flush()
            with contextlib.suppress(OSError):
                self.connection.shutdown(2)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    for method in ("GET", "PUT", "HEAD", "POST", "DELETE"):
        setattr(Handler, f"do_{method}", Handler.answer)

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

        def handle_error(self, *_: object) -> None:
            """A client that goes away is none."""

    server = Server(("127.0.0.1", 0), Handler)
    seen.store = dataclasses.replace(store, endpoint=f"http://127.0.0.1:{server.server_port}")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield seen
    finally:
        server.shutdown()
        server.server_close()
