"""A real HTTP server that speaks the OpenAI protocol, well or badly, as a test wants it."""

from __future__ import annotations

import json
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np

from corpusmith.models.text import prompts
from corpusmith.models.text.chat import ServerChat

Reply = tuple[int, bytes, dict[str, str]]


class Server(ThreadingHTTPServer):
    """Speaks the OpenAI protocol; ``behave`` makes the reply to a question, given how often it was asked before.

    Where it raises Cut, the connection is cut instead. trickle: seconds between two bytes of a reply; 0 sends it at
    once. connections: how many were opened.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, behave: Callable[[str, int], Reply], trickle: float = 0.0, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.behave, self.trickle = behave, trickle
        self.lock = threading.Lock()
        self.asked: dict[str, int] = defaultdict(int)
        self.requests: list[tuple[str, dict[str, str], dict[str, Any]]] = []
        self.under_way = self.most_under_way = self.connections = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that gave up on a slow reply is no news."""


class Cut(Exception):  # noqa: N818
    """The server hangs up."""


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        with self.server.lock:
            self.server.connections += 1

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        question = body["messages"][-1]["content"]
        server = self.server
        with server.lock:
            before = server.asked[question]
            server.asked[question] += 1
            server.requests.append((self.path, dict(self.headers), body))
            server.under_way += 1
            server.most_under_way = max(server.most_under_way, server.under_way)
        try:
            status, content, headers = server.behave(question, before)
        except Cut:
            self.close_connection = True
            return
        finally:
            with server.lock:
                server.under_way -= 1
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if not self.server.trickle:
            self.wfile.write(content)
            return
        for byte in content:
            self.wfile.write(bytes([byte]))
            time.sleep(self.server.trickle)

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


def said(text: str) -> Reply:
    return 200, json.dumps({"choices": [{"message": {"role": "assistant", "content": text}}]}).encode(), {}


@contextmanager
def served(behave: Callable[[str, int], Reply], trickle: float = 0.0, port: int = 0) -> Iterator[Server]:
    server = Server(behave, trickle, port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def asking(*questions: str) -> list[prompts.Conversation]:
    return [[{"role": "user", "content": question}] for question in questions]


def seeds(*values: int) -> np.ndarray[Any, np.dtype[np.uint64]]:
    return np.array(values, dtype=np.uint64)


def chat(server: Server, **settings: Any) -> ServerChat:
    return ServerChat("a-model", server.url, **{"first_wait": 0.01, **settings})
