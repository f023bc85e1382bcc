"""Asks a language model many questions at once: one in this process, or any OpenAI-compatible server."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from corpusmith.errors import ModelError
from corpusmith.models.text.exchange import API_KEY, ATTEMPTS, CutOffError, Exchange, UnansweredError
from corpusmith.models.text.prompts import Conversation

Seeds = np.ndarray[Any, np.dtype[np.uint64]]
Schema = Mapping[str, Any]

__all__ = ["ATTEMPTS", "Chat", "CutOffError", "LocalChat", "Schema", "Seeds", "ServerChat", "UnansweredError"]


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

        One that used up ``max_tokens`` without an end is a CutOffError.
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
        """How it draws; the dtype too, since another one writes other texts."""
        from corpusmith.models.loading import hardware
        from corpusmith.models.text.sampling import TOP_K

        drawn = {"temperature": self.temperature, "top_p": self.top_p, "top_k": TOP_K}
        return {**drawn, "dtype": hardware()["dtype"]}

    @property
    def provenance(self) -> dict[str, Any]:
        from corpusmith.models.loading import hardware

        return {"model": self.name, "revision": self.revision, **self.settings, **hardware()}

    @cached_property
    def language(self) -> Any:
        """The loaded model (corpusmith.models.text.language.Language)."""
        from corpusmith.models.text.language import load

        return load(self.name, self.wanted)

    def answer(
        self, conversations: Sequence[Conversation], seeds: Seeds, max_tokens: int, schema: Schema | None
    ) -> list[str | UnansweredError]:
        """See Chat. Questions of like length share a batch; a row's draws come from its own seed."""
        from corpusmith.models.text.sampling import sample

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
            for row, tokens, text in zip(rows, drawn, texts, strict=True):
                answers[row] = CutOffError(text) if len(tokens) == max_tokens else text
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

    url: up to and with ``/v1``, and ``#NAME`` where the server calls the model otherwise. The key is read from the
    environment variable OPENAI_API_KEY when it is needed, and is in no log, error, answer, fingerprint or provenance.
    429, 5xx, timeouts and broken bodies are tried again, after growing waits (corpusmith.models.text.exchange).
    timeout: seconds for a whole answer.
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
        """How it draws, and as whom the server answers where that is another name."""
        drawn = {"temperature": self.temperature, "top_p": self.top_p}
        served_as = self._exchange.answers_as
        return drawn if served_as == self.name else {**drawn, "answers_as": served_as}

    @property
    def provenance(self) -> dict[str, Any]:
        exchange = self._exchange
        told = {"server": exchange.where, "answers_as": exchange.answers_as}
        return {"model": self.name, "revision": self.revision, **self.settings, **told}

    @cached_property
    def _exchange(self) -> Exchange:
        return Exchange(self.url, self.name, self.timeout, self.first_wait)

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
            "temperature": self.temperature,
            "top_p": self.top_p,
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
                        return await self._exchange.ask(client, request)
                    except UnansweredError as error:
                        return error

            return await asyncio.gather(*(one(request) for request in requests))
