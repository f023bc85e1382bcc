"""Asks a language model many questions at once: one in this process, or any OpenAI-compatible server."""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, Protocol

import numpy as np

from corpusmith.errors import ModelError
from corpusmith.models.text.exchange import (
    API_KEY,
    ATTEMPTS,
    Answer,
    CutOffError,
    Exchange,
    UnansweredError,
    shown,
)
from corpusmith.models.text.language import templated
from corpusmith.models.text.pool import Pool
from corpusmith.models.text.prompts import Conversation
from corpusmith.models.text.usage import Price, Usage

BEGINNING: Final = 4096  # characters of a conversation by which it is sorted
MESSAGES: Final = 8
Seeds = np.ndarray[Any, np.dtype[np.uint64]]
Schema = Mapping[str, Any]

__all__ = ["ATTEMPTS", "Answer", "Chat", "CutOffError", "LocalChat", "Schema", "Seeds", "ServerChat", "UnansweredError"]


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
    ) -> Sequence[str | UnansweredError]:
        """The answer to each conversation, in order; the JSON schema is enforced where the model's server can do so.

        One that used up ``max_tokens`` without an end is a CutOffError. An Answer says what it took.
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
    guidance: float = 0.0

    @cached_property
    def revision(self) -> str:
        """The resolved commit, or the hash of a folder's files."""
        from corpusmith.models.loading import revision_of

        return revision_of(self.name, self.wanted)

    @property
    def settings(self) -> dict[str, Any]:
        """How it draws; the dtype too, since another one writes other texts."""
        from corpusmith.models.loading import language_hardware
        from corpusmith.models.text.sampling import TOP_K

        drawn = {"temperature": self.temperature, "top_p": self.top_p, "top_k": TOP_K}
        if self.guidance:
            drawn["guidance"] = self.guidance
        return {**drawn, "dtype": language_hardware(self.name)["dtype"]}

    @property
    def provenance(self) -> dict[str, Any]:
        from corpusmith.models.loading import language_hardware, origin

        said = {"model": self.name, "revision": self.revision, **self.settings, **language_hardware(self.name)}
        return said | origin(self.name, self.revision)

    @cached_property
    def language(self) -> Any:
        """The loaded model (corpusmith.models.text.language.Language)."""
        from corpusmith.models.text.language import load

        return load(self.name, self.wanted)

    def answer(
        self,
        conversations: Sequence[Conversation],
        seeds: Seeds,
        max_tokens: int,
        schema: Schema | None,
        against: Sequence[Conversation] = (),
    ) -> list[str | UnansweredError]:
        """See Chat. Questions of like length share a batch; a row's draws come from its own seed.

        against: other questions, one for each, that the answers are to be led away from, by ``guidance``.
        """
        from corpusmith.models.text.sampling import sample

        asked = [self._tokens(conversation) for conversation in conversations]
        others = [self._tokens(conversation) for conversation in against]
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
                against=[others[row] for row in rows] if others else (),
                guidance=self.guidance,
            )
            texts = self.language.tokenizer.batch_decode(drawn, skip_special_tokens=True)
            for row, tokens, text in zip(rows, drawn, texts, strict=True):
                usage = Usage(prompt=len(asked[row]), completion=len(tokens))
                answers[row] = CutOffError(text, usage) if len(tokens) == max_tokens else Answer(text, usage)
        return answers

    def _tokens(self, conversation: Conversation) -> list[int]:
        """Prompt tokens by the model's chat template; models that can think aloud are asked not to."""
        tokenizer = self.language.tokenizer
        if not tokenizer.chat_template:
            raise ModelError(f"{self.name} has no chat template: choose its instruction-tuned version")
        return list(tokenizer(templated(tokenizer, conversation), add_special_tokens=False)["input_ids"])


@dataclass
class ServerChat:
    """A model behind OpenAI-compatible servers (vLLM, SGLang, llama.cpp, a provider), asked over HTTP.

    url: up to and with ``/v1``, and ``#NAME`` where the server calls the model otherwise; several are shared out by
    load. The key is read from the environment variable ``key`` when it is needed, and is in no log, error, answer,
    fingerprint or provenance. 429, 5xx, timeouts and broken bodies are tried again, after growing waits
    (corpusmith.models.text.pool). concurrency: questions at once at each server, at most; fewer while it refuses some.
    timeout: seconds for a whole answer. price: what tokens cost there; it decides nothing.
    """

    name: str
    url: str | Sequence[str]
    temperature: float = 0.7
    top_p: float = 0.95
    concurrency: int = 64
    timeout: float = 300.0
    first_wait: float = 0.5
    batch_rows: int = 256
    price: Price | None = None
    key: str = API_KEY
    revision: str = field(default="served", init=False)

    @property
    def settings(self) -> dict[str, Any]:
        """How it draws, and as whom the servers answer where that is another name."""
        return drawing(self.temperature, self.top_p, self.name, self._exchanges)

    @property
    def provenance(self) -> dict[str, Any]:
        return told(self, self._exchanges)

    @cached_property
    def _exchanges(self) -> list[Exchange]:
        urls = [self.url] if isinstance(self.url, str) else self.url
        return [Exchange(url, self.name, self.timeout, self.key) for url in urls]

    @cached_property
    def _pool(self) -> Pool:
        pool = Pool(self._exchanges, self.concurrency, self.timeout, self.first_wait)
        weakref.finalize(self, pool.close)
        return pool

    def __getstate__(self) -> dict[str, Any]:
        """What another process needs: it connects by itself."""
        return {name: value for name, value in self.__dict__.items() if name != "_pool"}

    def answer(
        self, conversations: Sequence[Conversation], seeds: Seeds, max_tokens: int, schema: Schema | None
    ) -> list[Answer | UnansweredError]:
        """See Chat."""
        return self.start(conversations, seeds, max_tokens, schema).result() if conversations else []

    def start(
        self, conversations: Sequence[Conversation], seeds: Seeds, max_tokens: int, schema: Schema | None
    ) -> Future[list[Answer | UnansweredError]]:
        """The same, for later: what is started first is asked first, so that no straggler keeps the servers idle.

        Questions that begin alike are asked one after the other, while the servers still have that beginning at hand.
        """
        requests = [
            request_of(self.name, conversation, int(seed), max_tokens, schema, self.temperature, self.top_p)
            for conversation, seed in zip(conversations, seeds, strict=True)
        ]
        alike = sorted(range(len(conversations)), key=lambda row: beginning(conversations[row]))
        return self._pool.start(requests, alike)


def request_of(
    name: str,
    conversation: Conversation,
    seed: int,
    max_tokens: int,
    schema: Schema | None,
    temperature: float,
    top_p: float,
) -> dict[str, Any]:
    """The body of a chat completion, whose answer must be JSON of the schema where there is one."""
    request: dict[str, Any] = {
        "model": name,
        "messages": conversation,
        "seed": seed % 2**31,  # what every server takes
        "max_tokens": max_tokens,
        "temperature": temperature,
        "top_p": top_p,
    }
    if schema is not None:
        named = {"name": "answer", "schema": dict(schema), "strict": True}
        request["response_format"] = {"type": "json_schema", "json_schema": named}
    return request


def beginning(conversation: Conversation) -> str:
    """The first words of a conversation, by which those are sorted that a server reads in part only once."""
    parts = (part for message in conversation for part in _texts(message["content"]))
    return "\n".join(itertools.islice(parts, MESSAGES))[:BEGINNING]


def _texts(content: str | Sequence[Mapping[str, Any]]) -> list[str]:
    return [content] if isinstance(content, str) else [part.get("text", "") for part in content]


def drawing(temperature: float, top_p: float, name: str, exchanges: Sequence[Exchange]) -> dict[str, Any]:
    """The settings of a served model that decide its answers. Raises ModelError: its servers call it differently."""
    names = {exchange.answers_as: exchange.where for exchange in exchanges}
    if len(names) > 1:
        said = ", ".join(f"{where} as {shown(called)!r}" for called, where in names.items())
        raise ModelError(f"the servers of {name} answer under different names ({said}): serve one model under one name")
    drawn = {"temperature": temperature, "top_p": top_p}
    return {**drawn, "answers_as": called} if (called := next(iter(names))) != name else drawn


def told(chat: Chat, exchanges: Sequence[Exchange]) -> dict[str, Any]:
    """The provenance of a served model."""
    served = {"server": ", ".join(exchange.where for exchange in exchanges), "answers_as": exchanges[0].answers_as}
    return {"model": chat.name, "revision": chat.revision, **chat.settings, **served}
