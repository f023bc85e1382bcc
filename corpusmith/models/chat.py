"""Asks a language model many questions at once: one in this process, or any OpenAI-compatible server."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, Protocol

import numpy as np

from corpusmith.errors import ModelError
from corpusmith.models.prompts import Conversation

Seeds = np.ndarray[Any, np.dtype[np.uint64]]
Schema = Mapping[str, Any]

API_KEY: Final = "OPENAI_API_KEY"
ATTEMPTS: Final = 5
REFUSED: Final = (401, 403, 404)  # nobody's row: the key, the address or the model's name is wrong
AGAIN: Final = (408, 409, 425, 429)
LONGEST_WAIT: Final = 30.0


class UnansweredError(Exception):
    """One question got no answer; the others of its batch may have theirs."""


class Chat(Protocol):
    """A model that is talked to.

    name, revision: what answers, for fingerprints. settings: how it draws, JSON-able. batch_rows: questions at once.
    """

    @property
    def name(self) -> str: ...
    @property
    def revision(self) -> str: ...
    @property
    def settings(self) -> dict[str, Any]: ...
    @property
    def provenance(self) -> dict[str, Any]: ...
    @property
    def batch_rows(self) -> int: ...

    def answer(
        self, conversations: Sequence[Conversation], seeds: Seeds, max_tokens: int, schema: Schema | None
    ) -> list[str | UnansweredError]:
        """The answer to each conversation, in order; the JSON schema is enforced where the model's server can do so.

        Raises ModelError where no row could be answered: a wrong key, an unknown model, a server that is not there.
        """
        ...


@dataclass
class LocalChat:
    """A causal LM through transformers in this process; loads on the first question.

    The schema is not enforced while drawing: the prompt asks for it and the caller checks, so coverage stays honest.
    """

    name: str
    wanted: str | None = None
    temperature: float = 0.7
    top_p: float = 0.95
    batch_rows: int = 64

    @cached_property
    def revision(self) -> str:
        """The resolved commit, or the hash of a folder's files."""
        from corpusmith.models.loading import revision_of

        return revision_of(self.name, self.wanted)

    @property
    def settings(self) -> dict[str, Any]:
        return {"temperature": self.temperature, "top_p": self.top_p}

    @property
    def provenance(self) -> dict[str, Any]:
        from corpusmith.models.loading import hardware

        return {"model": self.name, "revision": self.revision, **self.settings, **hardware()}

    @cached_property
    def language(self) -> Any:
        """The loaded model (corpusmith.models.language.Language)."""
        from corpusmith.models.language import load

        return load(self.name, self.wanted)

    def answer(
        self, conversations: Sequence[Conversation], seeds: Seeds, max_tokens: int, schema: Schema | None
    ) -> list[str | UnansweredError]:
        """See Chat. Questions of like length share a batch; a row's draws come from its own seed."""
        from corpusmith.models.sampling import sample

        asked = [self._tokens(conversation) for conversation in conversations]
        order = sorted(range(len(asked)), key=lambda row: len(asked[row]))
        answers: list[str | UnansweredError] = [""] * len(asked)
        for start in range(0, len(order), self.batch_rows):
            rows = order[start : start + self.batch_rows]
            drawn = sample(
                self.language,
                [asked[row] for row in rows],
                seeds[rows],
                max_tokens=max_tokens,
                temperature=self.temperature,
                top_p=self.top_p,
            )
            texts = self.language.tokenizer.batch_decode(drawn, skip_special_tokens=True)
            for row, text in zip(rows, texts, strict=True):
                answers[row] = text
        return answers

    def _tokens(self, conversation: Conversation) -> list[int]:
        """Prompt tokens by the model's chat template; models that can think aloud are asked not to."""
        tokenizer = self.language.tokenizer
        if not tokenizer.chat_template:
            raise ModelError(f"{self.name} has no chat template: choose its instruction-tuned version")
        text = tokenizer.apply_chat_template(
            conversation, tokenize=False, add_generation_prompt=True, enable_thinking=False
        )
        return list(tokenizer(text, add_special_tokens=False)["input_ids"])


@dataclass
class ServerChat:
    """A model behind an OpenAI-compatible server (vLLM, SGLang, llama.cpp, a provider), asked over HTTP.

    url: up to and with ``/v1``. The key is read from the environment variable OPENAI_API_KEY when it is needed, and is
    in no log, error, fingerprint or provenance. 429, 5xx, timeouts and broken bodies are tried again,
    after growing waits.
    """

    name: str
    url: str
    temperature: float = 0.7
    top_p: float = 0.95
    concurrency: int = 32
    timeout: float = 300.0
    first_wait: float = 0.5
    batch_rows: int = 256
    revision: str = field(default="served", init=False)

    @property
    def settings(self) -> dict[str, Any]:
        return {"temperature": self.temperature, "top_p": self.top_p}

    @property
    def provenance(self) -> dict[str, Any]:
        return {"model": self.name, "revision": self.revision, "server": _without_login(self.url), **self.settings}

    def answer(
        self, conversations: Sequence[Conversation], seeds: Seeds, max_tokens: int, schema: Schema | None
    ) -> list[str | UnansweredError]:
        """See Chat. At most ``concurrency`` questions are under way at once."""
        requests = [
            self._request(conversation, int(seed), max_tokens, schema)
            for conversation, seed in zip(conversations, seeds, strict=True)
        ]
        return asyncio.run(self._answer(requests))

    def _request(self, conversation: Conversation, seed: int, max_tokens: int, schema: Schema | None) -> dict[str, Any]:
        request: dict[str, Any] = {
            "model": self.name,
            "messages": conversation,
            "seed": seed % 2**31,  # what every server takes
            "max_tokens": max_tokens,
            **self.settings,
        }
        if schema is not None:
            named = {"name": "answer", "schema": dict(schema), "strict": True}
            request["response_format"] = {"type": "json_schema", "json_schema": named}
        return request

    async def _answer(self, requests: list[dict[str, Any]]) -> list[str | UnansweredError]:
        import httpx

        key = os.environ.get(API_KEY, "")
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        places = asyncio.Semaphore(self.concurrency)
        limits = httpx.Limits(max_connections=self.concurrency)
        async with httpx.AsyncClient(headers=headers, timeout=self.timeout, limits=limits) as client:

            async def one(request: dict[str, Any]) -> str | UnansweredError:
                async with places:
                    try:
                        return await self._ask(client, request)
                    except UnansweredError as error:
                        return UnansweredError(str(error).replace(key, "***") if key else str(error))

            return await asyncio.gather(*(one(request) for request in requests))

    async def _ask(self, client: Any, request: dict[str, Any]) -> str:
        import httpx

        address = f"{self.url.rstrip('/')}/chat/completions"
        why = ""
        for attempt in range(ATTEMPTS):
            wait = min(self.first_wait * 2**attempt, LONGEST_WAIT)
            try:
                response = await client.post(address, json=request)
            except httpx.ConnectError as error:
                if attempt + 1 == ATTEMPTS:
                    raise ModelError(
                        f"no server answers at {_without_login(self.url)}: start it, or correct models.servers"
                    ) from error
            except httpx.TransportError as error:
                why = f"{type(error).__name__} {error}".strip()
            else:
                if response.status_code in REFUSED:
                    raise ModelError(self._refusal(response.status_code))
                if response.status_code < 400:
                    try:
                        return _content(response.json())
                    except (ValueError, LookupError, TypeError) as error:
                        why = f"a body that is no chat completion ({type(error).__name__})"
                else:
                    why = f"status {response.status_code}: {response.text[:200]}"
                    if response.status_code < 500 and response.status_code not in AGAIN:
                        raise UnansweredError(why)
                    wait = _asked_to_wait(response.headers.get("retry-after"), wait)
            if attempt + 1 < ATTEMPTS:
                await asyncio.sleep(wait)
        raise UnansweredError(f"{_without_login(self.url)} gave no answer in {ATTEMPTS} attempts; the last: {why}")

    def _refusal(self, status: int) -> str:
        where = _without_login(self.url)
        if status == 404:
            return f"{where} has no model {self.name!r} (or no /chat/completions): check models.servers"
        given = "was not accepted" if os.environ.get(API_KEY) else "is not set"
        return f"{where} refused with status {status}: the key in the environment variable {API_KEY} {given}"


def _content(body: Any) -> str:
    content = body["choices"][0]["message"]["content"]
    if not isinstance(content, str):
        raise TypeError("no text in the answer")
    return content


def _asked_to_wait(header: str | None, otherwise: float) -> float:
    """Seconds of a Retry-After header, bounded; its date form and nonsense count as absent."""
    try:
        return min(max(float(header or otherwise), 0.0), LONGEST_WAIT)
    except ValueError:
        return otherwise


def _without_login(url: str) -> str:
    """The address without a user, password or query, any of which may be a secret."""
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
