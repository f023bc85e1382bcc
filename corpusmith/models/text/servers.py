"""The setting that says where language models are served, and the chats that it stands for."""

from __future__ import annotations

from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator

from corpusmith.models.catalog import entry
from corpusmith.models.text.batch_api import BatchChat
from corpusmith.models.text.chat import ServerChat
from corpusmith.models.text.exchange import API_KEY, without_login
from corpusmith.models.text.usage import Price
from corpusmith.settings import Count, Names, Table

BATCH: Final = "batch+"
CONCURRENCY: Final = 64
BATCH_ROWS: Final = 256  # at least: with fewer than may be under way at once, some servers would be idle


class Server(Table):
    """Where one model is served: addresses up to and with /v1, or one of a batch API, with ``batch+`` before it.

    key: the name of the environment variable with the key that these addresses are sent.
    """

    urls: Names
    concurrency: Count = CONCURRENCY
    price: Price | None = None
    key: Annotated[str, Field(pattern=r"^[A-Z_][A-Z0-9_]*$")] = API_KEY

    @field_validator("urls")
    @classmethod
    def _addresses(cls, urls: list[str]) -> list[str]:
        for url in urls:
            address = urlsplit(url.removeprefix(BATCH))  # raises ValueError for brackets that are no IPv6 address
            if address.scheme not in ("http", "https") or not address.netloc:
                raise ValueError(f"{url!r} is no address: expected http://host:port/v1, or {BATCH}https://…")
            if address.query:
                raise ValueError(f"{without_login(url)}?… has a query, which no request would have: write it without")
        return urls

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


def _bare(servers: dict[str, Server]) -> dict[str, Server]:
    for name in servers:
        if name.startswith("llm:"):
            raise ValueError(f"{name}: expected the model without llm:")
    return servers


def _in_catalog(servers: dict[str, Server]) -> dict[str, Server]:
    for name in servers:
        entry(name)
    return servers


Servers = Annotated[dict[str, Annotated[Server, BeforeValidator(_server)]], AfterValidator(_bare)]
"""Model: its address, a list of addresses, or a table {urls, concurrency, price: {input, output, cached}, key}."""
CatalogServers = Annotated[Servers, AfterValidator(_in_catalog)]
"""The same of models by their name in the catalog. Raises ModelError for one that is not there."""


def served(model: str, server: Server | str) -> ServerChat | BatchChat:
    """The chat with a model at its server."""
    found = Server.model_validate(_server(server)) if isinstance(server, str) else server
    first, *_ = found.urls
    if first.startswith(BATCH):
        return BatchChat(model, first.removeprefix(BATCH), price=found.price, key=found.key)
    at_once = found.concurrency * len(found.urls)
    return ServerChat(
        model,
        found.urls,
        concurrency=found.concurrency,
        batch_rows=max(BATCH_ROWS, at_once),
        price=found.price,
        key=found.key,
    )
