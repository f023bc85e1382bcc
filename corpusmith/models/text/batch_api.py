"""Asks a hosted model by its provider's batch API: upload the questions, wait for hours, collect the answers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from corpusmith.models.text.batch_notes import Notes, notes_of
from corpusmith.models.text.batch_provider import Answers, Provider
from corpusmith.models.text.chat import Schema, Seeds, drawing, request_of, told
from corpusmith.models.text.exchange import API_KEY, Answer, CutOffError, Exchange, UnansweredError, buildable
from corpusmith.models.text.prompts import Conversation
from corpusmith.models.text.usage import Price
from corpusmith.settings import default_home

MOST_REQUESTS: Final = 50_000  # of one batch, and
MOST_BYTES: Final = 200 * 10**6  # of its file: what OpenAI takes, and those who offer the same API
SUBMISSIONS: Final = 3  # times that a question is put into a batch

Requests = Mapping[str, dict[str, Any]]


@dataclass
class BatchChat:
    """A Chat by the batch API of an OpenAI-compatible provider: /files and /batches beside /chat/completions.

    What is submitted is noted on disk first, by what each request says: a build that was killed finds its batches
    again, running or ended, and pays once. Of a batch that expired, failed or was cancelled the answers that are there
    are kept; the other questions go into another batch, SUBMISSIONS times in all, and fail singly then.

    notes: the folder of the notes; None: in the home that is the default. first_wait: seconds before the second look
    at a batch, which grow to LONGEST_POLL. Everything else as for ServerChat, whose answers these could be: the
    fingerprint is the same.
    """

    name: str
    url: str
    temperature: float = 0.7
    top_p: float = 0.95
    timeout: float = 600.0
    first_wait: float = 2.0
    batch_rows: int = MOST_REQUESTS
    price: Price | None = None
    key: str = API_KEY
    notes: Path | None = None
    revision: str = field(default="served", init=False)

    @property
    def settings(self) -> dict[str, Any]:
        """How it draws, and as whom the provider answers where that is another name."""
        return drawing(self.temperature, self.top_p, self.name, [self._exchange])

    @property
    def provenance(self) -> dict[str, Any]:
        return told(self, [self._exchange])

    @cached_property
    def _exchange(self) -> Exchange:
        return Exchange(self.url, self.name, self.timeout, self.key)

    def answer(
        self, conversations: Sequence[Conversation], seeds: Seeds, max_tokens: int, schema: Schema | None
    ) -> list[Answer | UnansweredError]:
        """See Chat. Raises ModelError too where the provider is silent for long: what it has is collected next time."""
        import httpx

        bodies = [
            request_of(self.name, conversation, int(seed), max_tokens, schema, self.temperature, self.top_p)
            for conversation, seed in zip(conversations, seeds, strict=True)
        ]
        ids = [_identity(body) for body in bodies]
        requests = dict(zip(ids, bodies, strict=True))
        if not requests:
            return []
        folder = self.notes or notes_of(default_home())
        with buildable():
            opened = httpx.Client(timeout=httpx.Timeout(self.timeout, connect=10.0))
        with opened as client:
            provider = Provider(self._exchange, client, self.first_wait, max_tokens)
            answers = _asked(provider, requests, Notes(folder, self._exchange.where, self.name))
        return [answers[one] for one in ids]


def _asked(provider: Provider, requests: Requests, notes: Notes) -> Answers:
    """An answer, or why there is none, to each request."""
    answers: Answers = {}
    for note in notes.of(requests):  # of an earlier build: what they have is paid for
        answers |= _said(provider.collected(note, requests), final=False)
    if one := next((one for one in requests if one not in answers), None):
        provider.check(requests[one])
    for _ in range(SUBMISSIONS):
        left = {one: body for one, body in requests.items() if one not in answers}
        submitted = [provider.submitted(part, notes) for part in _parts(left)]
        for note in submitted:
            answers |= _said(provider.collected(note, requests), final=True)
    why = {one: provider.why.get(one, "no answer") for one in requests if one not in answers}
    return answers | {one: UnansweredError(f"{said} ({SUBMISSIONS} batches)") for one, said in why.items()}


def _said(collected: Answers, final: bool) -> Answers:
    """The answers among what was collected and, where they are final, the refusals of single questions."""
    return {one: said for one, said in collected.items() if final or isinstance(said, Answer | CutOffError)}


def _parts(requests: Requests) -> Iterator[dict[str, bytes]]:
    """The lines of batches, by request, none of which has too many or is too large."""
    part: dict[str, bytes] = {}
    size = 0
    for one, body in requests.items():
        said = {"custom_id": one, "method": "POST", "url": "/v1/chat/completions", "body": body}
        line = json.dumps(said, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
        if part and (len(part) == MOST_REQUESTS or size + len(line) > MOST_BYTES):
            yield part
            part, size = {}, 0
        part[one] = line
        size += len(line)
    if part:
        yield part


def _identity(body: Mapping[str, Any]) -> str:
    """A digest of all that a request says, by which its answer is known in any batch."""
    said = json.dumps(body, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(said.encode(), digest_size=16).hexdigest()
