"""The setting that says where language models are served, and the chats that it stands for."""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import BeforeValidator, model_validator

from corpusmith.models.text.batch_api import BatchChat
from corpusmith.models.text.chat import ServerChat
from corpusmith.models.text.usage import Price
from corpusmith.settings import Count, Names, Table

BATCH: Final = "batch+"
CONCURRENCY: Final = 64


class Server(Table):
    """Where one model is served: addresses up to and with /v1, or one of a batch API, with ``batch+`` before it."""

    urls: Names
    concurrency: Count = CONCURRENCY
    price: Price | None = None

    @model_validator(mode="after")
    def _one_batch_api(self) -> Server:
        if len(self.urls) > 1 and any(url.startswith(BATCH) for url in self.urls):
            raise ValueError(f"expected one address where it is of a batch API ({BATCH}…)")
        return self


def _server(value: Any) -> Any:
    """An address or several alone stand for a server."""
    value = {"urls": value} if isinstance(value, str | list) else value
    if isinstance(value, dict) and isinstance(value.get("urls"), str):
        value = {**value, "urls": [value["urls"]]}
    return value


Servers = dict[str, Annotated[Server, BeforeValidator(_server)]]
"""Model: its address, a list of addresses, or a table {urls, concurrency, price: {input, output, cached}}."""


def served(model: str, server: Server | str) -> ServerChat | BatchChat:
    """The chat with a model at its server."""
    found = Server.model_validate(_server(server)) if isinstance(server, str) else server
    first, *_ = found.urls
    if first.startswith(BATCH):
        return BatchChat(model, first.removeprefix(BATCH), price=found.price)
    return ServerChat(model, found.urls, concurrency=found.concurrency, price=found.price)
