"""A real HTTP server with an OpenAI-compatible batch API, which answers, fails and forgets as a test wants it."""

from __future__ import annotations

import email
import email.policy
import itertools
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from corpusmith.models.text.batch_api import BatchChat

Body = dict[str, Any]


@dataclass
class Batch:
    """One batch as the server has it; ``looks``: how often it was asked for."""

    name: str
    file: str
    metadata: dict[str, str]
    requests: list[Body]
    looks: int = 0


@dataclass
class Ending:
    """What becomes of a batch: its status, whose requests get an answer, and what the others' lines say."""

    status: str = "completed"
    answered: Callable[[Body], bool] = lambda request: True
    refused: Callable[[Body], Body | None] = lambda request: None
    errors: list[str] = field(default_factory=list)


class BatchServer(ThreadingHTTPServer):
    """``ending`` says how a batch ends, or None while it is at work; ``faults``: statuses of next replies, by path.

    answers_as: the name that it gives itself, if not the one that is asked for. asked_singly: the bodies of chat
    completions outside of batches.
    """

    daemon_threads = True

    def __init__(self, ending: Callable[[Batch], Ending | None]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.ending = ending
        self.lock = threading.Lock()
        self.files: dict[str, bytes] = {}
        self.batches: dict[str, Batch] = {}
        self.faults: list[tuple[str, int]] = []
        self.forgotten: set[str] = set()
        self.answers_as: str | None = None
        self.asked_singly: list[Body] = []
        self.keys: set[str] = set()
        self.numbers = itertools.count(1)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"

    def fault(self, path: str) -> int | None:
        """The status that the next request of a path is to get instead of an answer."""
        with self.lock:
            for place, (prefix, status) in enumerate(self.faults):
                if path.startswith(prefix):
                    del self.faults[place]
                    return status
        return None

    def put(self, content: bytes) -> str:
        name = f"file-{next(self.numbers)}"
        self.files[name] = content
        return name

    def described(self, batch: Batch) -> Body:
        ending = self.ending(batch)
        said = {"id": batch.name, "object": "batch", "input_file_id": batch.file, "metadata": batch.metadata}
        if ending is None:
            return {**said, "status": "in_progress"}
        answers = [self.answer(one) for one in batch.requests if ending.answered(one)]
        refusals = [error for one in batch.requests if (error := ending.refused(one))]
        return {
            **said,
            "status": ending.status,
            "output_file_id": self.put(lines(answers)) if answers else None,
            "error_file_id": self.put(lines(refusals)) if refusals else None,
            "errors": {"data": [{"message": message} for message in ending.errors]} if ending.errors else None,
        }

    def answer(self, request: Body) -> Body:
        said = {"message": {"role": "assistant", "content": f"answer {question(request)}"}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 10, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": 2}}
        body = {"model": self.answers_as or request["body"]["model"], "choices": [said], "usage": usage}
        return {"custom_id": request["custom_id"], "response": {"status_code": 200, "body": body}, "error": None}


def question(request: Body) -> str:
    return str(request["body"]["messages"][-1]["content"])


def refusal(request: Body, status: int) -> Body:
    body = {"error": {"message": f"refused {question(request)}"}}
    return {"custom_id": request["custom_id"], "response": {"status_code": status, "body": body}, "error": None}


def lines(said: list[Body]) -> bytes:
    return b"".join(json.dumps(one).encode() + b"\n" for one in said)


class Handler(BaseHTTPRequestHandler):
    server: BatchServer
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        sent = self.rfile.read(int(self.headers["Content-Length"]))
        if self._fails():
            return
        server = self.server
        if self.path == "/v1/files":
            parts = email.message_from_bytes(
                f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode() + sent, policy=email.policy.HTTP
            )
            fields = {part.get_param("name", header="content-disposition"): part for part in parts.iter_parts()}
            assert fields["purpose"].get_content().strip() == "batch"
            return self._say(200, {"id": server.put(fields["file"].get_payload(decode=True))})
        wanted = json.loads(sent)
        if self.path == "/v1/chat/completions":
            server.asked_singly.append(wanted)
            return self._say(200, server.answer({"custom_id": "", "body": wanted})["response"]["body"])
        assert wanted["endpoint"] == "/v1/chat/completions"
        requests = [json.loads(line) for line in server.files[wanted["input_file_id"]].splitlines()]
        name = f"batch_{next(server.numbers)}"
        batch = server.batches[name] = Batch(name, wanted["input_file_id"], wanted["metadata"], requests)
        if server.fault("after /v1/batches"):
            return self._say(500, {})
        self._say(200, server.described(batch))

    def do_GET(self) -> None:
        if self._fails():
            return
        server, parts = self.server, urlsplit(self.path)
        kind, _, name = parts.path.removeprefix("/v1/").partition("/")
        if kind == "files":
            content = server.files.get(name.removesuffix("/content"))
            return self._send(404 if content is None else 200, content or b"")
        if not name:
            asked = parse_qs(parts.query)
            every = [server.described(batch) for batch in server.batches.values()]
            after = [one["id"] for one in every].index(asked["after"][0]) + 1 if "after" in asked else 0
            return self._say(200, {"data": every[after : after + 2], "has_more": after + 2 < len(every)})
        if name not in server.batches or name in server.forgotten:
            return self._say(404, {})
        server.batches[name].looks += 1
        self._say(200, server.described(server.batches[name]))

    def _fails(self) -> bool:
        self.server.keys.add(self.headers.get("Authorization", ""))
        status = self.server.fault(self.path)
        if status is not None:
            self._send(status, b"{}", {"Retry-After": "0.01"})
        return status is not None

    def _say(self, status: int, said: Body) -> None:
        self._send(status, json.dumps(said).encode())

    def _send(self, status: int, content: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


@contextmanager
def batched(ending: Callable[[Batch], Ending | None] = lambda batch: Ending()) -> Iterator[BatchServer]:
    server = BatchServer(ending)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def chat(server: BatchServer, notes: Any, **settings: Any) -> BatchChat:
    return BatchChat("a-model", server.url, notes=notes, first_wait=0.01, **settings)
