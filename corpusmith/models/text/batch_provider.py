"""Speaks the OpenAI batch API to a provider: files, batches and what is in them, bounded in size, time and trust."""

from __future__ import annotations

import contextlib
import itertools
import json
import re
import tempfile
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from corpusmith.errors import ModelError
from corpusmith.models.text.batch_notes import Note, Notes
from corpusmith.models.text.exchange import (
    ATTEMPTS,
    BODY,
    LONGEST_WAIT,
    AgainError,
    Answer,
    Exchange,
    UnansweredError,
    UnreadableError,
    masked,
    shown,
    unpacked,
)

ENDED: Final = ("completed", "failed", "expired", "cancelled")
LONGEST_POLL: Final = 60.0  # seconds between two looks
SILENT: Final = 30  # looks in a row at which the server does not say how a batch is, after which the step stops
LOST: Final = 3  # looks in a row at which the server knows no such batch
LISTED: Final = 1000  # batches among which one is looked for that was sent and not noted
TOKEN: Final = "corpusmith"

Answers = dict[str, Answer | UnansweredError]


@dataclass
class Provider:
    """Speaks the batch API, each call tried ATTEMPTS times, then ModelError.

    why: what became of each question that got no answer, by request.
    """

    exchange: Exchange
    client: Any
    first_wait: float
    max_tokens: int
    why: dict[str, str] = field(default_factory=dict)

    def check(self, request: Mapping[str, Any]) -> None:
        """Ask one question for one token: that another model answers is found out before all of them are paid for.

        Raises ModelError: another model, a wrong key, no answer at all. That this question is refused says nothing, and
        a provider may have batches and no /chat/completions.
        """

        def asked() -> None:
            status, said, body = self._reply("POST", "chat/completions", json={**request, "max_tokens": 1})
            if status < 300:
                self.exchange.check_model(_object(body).get("model"))
            elif status != 404:
                self._stop_at(status, said, body)

        self._patiently(asked)

    def submitted(self, lines: Mapping[str, bytes], notes: Notes) -> Note:
        """A batch of these lines, which is noted before it is sent and again once it has a name."""
        note = notes.write(Note.of(lines))
        with tempfile.TemporaryFile() as file:
            file.writelines(lines.values())

            def upload() -> Any:
                file.seek(0)
                sent = {"file": ("requests.jsonl", file, "application/jsonl")}
                return self._sent("POST", "files", files=sent, data={"purpose": "batch"})

            uploaded = self._patiently(upload)
        return notes.write(note.named(self._created(note, _text(uploaded, "id"))))

    def _created(self, note: Note, file: str) -> str:
        """The name of a new batch; one that was made although its answer was lost is found."""
        wanted = {
            "input_file_id": file,
            "endpoint": "/v1/chat/completions",
            "completion_window": "24h",
            "metadata": {TOKEN: note.token},
        }
        tried = False

        def create() -> str:
            nonlocal tried
            found = self._found(note.token) if tried else None
            tried = True
            return found or _text(self._sent("POST", "batches", json=wanted), "id")

        return str(self._patiently(create))

    def collected(self, note: Note, requests: Collection[str]) -> Answers:
        """What a batch said of the requests, once it has ended; nothing of one that was never sent.

        Raises ModelError: the provider does not know, or does not say.
        """
        name = note.batch or self._patiently(lambda: self._found(note.token))
        if not name:
            note.forget()
            return {}
        batch = self._ended(name)
        if batch is None:
            raise ModelError(
                f"{self.exchange.where} knows no batch {shown(name)}, which this home submitted: use the key of that "
                f"project; to pay for its questions again, delete {note.path}"
            )
        self.why |= dict.fromkeys(note.requests.intersection(requests), _why(batch))
        answers: Answers = {}
        for file in (batch.get("error_file_id"), batch.get("output_file_id")):
            if isinstance(file, str) and file:
                answers |= self._patiently(lambda file=file: dict(self._read(file, requests)))
        return answers

    def _ended(self, name: str) -> dict[str, Any] | None:
        """The batch once nothing more comes of it; None where there is none of that name. Raises ModelError."""
        wait, silent, unknown = self.first_wait, 0, 0
        while True:
            asked = wait
            try:
                batch = self._sent("GET", f"batches/{name}")
                silent, unknown = 0, unknown + 1 if batch is None else 0
                if unknown == LOST or (batch and batch.get("status") in ENDED):
                    return batch
            except AgainError as error:
                silent += 1
                if silent == SILENT:
                    raise ModelError(
                        f"{self.exchange.where} did not say how batch {shown(name)} is, {SILENT} times in a row "
                        f"({error}): run the same command again later, it looks for the same batch"
                    ) from error
                asked = max(wait, error.wait or 0.0)
            time.sleep(asked)
            wait = min(wait * 1.5, LONGEST_POLL)

    def _found(self, token: str) -> str | None:
        """The name of the batch that says the token, among the last ones, where the provider lists them."""
        after: dict[str, str] = {}
        for _ in range(LISTED // 100):
            listed = self._sent("GET", "batches", params={"limit": "100", **after})
            batches = listed.get("data") if listed else None
            for batch in batches or []:
                if isinstance(batch, dict) and (batch.get("metadata") or {}).get(TOKEN) == token:
                    return _text(batch, "id")
            if not listed or not batches or not listed.get("has_more"):
                return None
            after = {"after": _text(batches[-1], "id")}
        return None

    def _read(self, file: str, requests: Collection[str]) -> Iterator[tuple[str, Answer | UnansweredError]]:
        """What a file of the provider says of the requests; questions that may be asked once more are left out."""
        for line in self._lines(file):
            try:
                said = json.loads(masked(line.decode()))
                one, response, error = str(said["custom_id"]), said.get("response") or {}, said.get("error")
            except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
                continue
            if one not in requests:
                continue
            try:
                yield one, self._answer(response, error)
            except UnansweredError as refused:
                yield one, refused
            except AgainError as problem:
                self.why[one] = str(problem)

    def _answer(self, response: Any, error: Any) -> Answer:
        """The answer in one line. Raises UnansweredError, AgainError."""
        status = response.get("status_code") if isinstance(response, dict) else None
        if status == 200:
            try:
                return self.exchange.answer_in(response.get("body"), self.max_tokens)
            except UnreadableError as unreadable:
                raise AgainError(str(unreadable)) from unreadable
        body = json.dumps(error or response).encode()
        raise self.exchange.refusal(status if isinstance(status, int) and status >= 400 else 500, {}, body)

    def _lines(self, file: str) -> Iterator[bytes]:
        """The lines of a file of the provider, none longer than BODY; none of a file that is gone."""
        address, asking = self._address(f"files/{file}/content"), self.exchange.headers()
        with _transport(), self.client.stream("GET", address, headers=asking) as got:
            if got.status_code == 404:
                return
            if got.status_code != 200:
                self._check(got.status_code, got.headers, _whole(got))
            held = b""
            for part in got.iter_bytes():
                *whole, held = (held + part).split(b"\n")
                yield from whole
                if len(held) > BODY:
                    raise AgainError(f"a line of more than {BODY} bytes")
            yield held

    def _patiently(self, call: Any) -> Any:
        """What a call returns, tried ATTEMPTS times. Raises ModelError."""
        for attempt in itertools.count(1):
            try:
                return call()
            except AgainError as error:
                if attempt == ATTEMPTS:
                    raise ModelError(f"{self.exchange.where}: {error}, {ATTEMPTS} times; run it again later") from error
                time.sleep(error.wait or min(self.first_wait * 2 ** (attempt - 1), LONGEST_WAIT))

    def _sent(self, method: str, path: str, **said: Any) -> dict[str, Any] | None:
        """The JSON of a reply; None where there is no such thing. Raises AgainError, ModelError."""
        status, told, body = self._reply(method, path, **said)
        if status == 404 and method == "GET":
            return None
        self._check(status, told, body)
        return _object(body)

    def _reply(self, method: str, path: str, **said: Any) -> tuple[int, Any, bytes]:
        """Status, headers and body of a reply. Raises AgainError."""
        asking = self.exchange.headers()
        with _transport(), self.client.stream(method, self._address(path), headers=asking, **said) as reply:
            return reply.status_code, reply.headers, _whole(reply)

    def _check(self, status: int, said: Any, body: bytes) -> None:
        """Raises AgainError or ModelError for a reply that is none."""
        if 200 <= status < 300:
            return
        problem = self._stop_at(status, said, body)
        why = "has no batch API (/files and /batches)" if status == 404 else f"takes no such batch ({problem})"
        raise ModelError(f"{self.exchange.where} {why}: leave batch+ out of models.servers, or correct it")

    def _stop_at(self, status: int, said: Any, body: bytes) -> UnansweredError:
        """What was refused in a reply. Raises AgainError, and ModelError where every other would get the same."""
        if status < 400 or status in (401, 403):
            self.exchange.stop_at(status, said)
        problem = self.exchange.refusal(status, said, body)
        if isinstance(problem, AgainError):
            raise problem
        return problem

    def _address(self, path: str) -> str:
        return self.exchange.address(path)


@contextlib.contextmanager
def _transport() -> Iterator[None]:
    import httpx

    try:
        yield
    except httpx.TransportError as error:
        raise AgainError(f"{type(error).__name__} {shown(str(error))}".strip()) from error


def _whole(reply: Any) -> bytes:
    """The body of a reply. Raises AgainError: too much of it, or packed in a way that was not asked for."""
    received = bytearray()
    for part in reply.iter_raw():
        received += part
        if len(received) > BODY:
            raise AgainError(f"a reply of more than {BODY} bytes")
    try:
        return unpacked(bytes(received), reply.headers.get("content-encoding", "identity"))
    except UnreadableError as error:
        raise AgainError(str(error)) from error


def _object(body: bytes) -> dict[str, Any]:
    """The JSON object of a body, without the key. Raises AgainError."""
    try:
        found = json.loads(masked(body.decode()))
    except (ValueError, RecursionError) as error:
        raise AgainError("a reply that is no JSON") from error
    if not isinstance(found, dict):
        raise AgainError("a reply that is no JSON object")
    return found


def _why(batch: Mapping[str, Any]) -> str:
    """What a batch says of why questions have no answer."""
    errors = (batch.get("errors") or {}).get("data") if isinstance(batch.get("errors"), dict) else None
    told = [shown(str(one.get("message"))) for one in errors or [] if isinstance(one, dict)]
    return f"its batch is {shown(str(batch.get('status')))}{': ' + told[0] if told else ''}"


def _text(reply: Any, name: str) -> str:
    value = reply.get(name) if isinstance(reply, dict) else None
    if not isinstance(value, str) or not re.fullmatch(r"[\w.:-]+", value):
        raise AgainError(f"a reply without {name}")
    return value
