"""One question to an OpenAI-compatible server and its answer over HTTP, bounded in size, time and trust."""

from __future__ import annotations

import asyncio
import json
import math
import os
import zlib
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

from corpusmith.curate.markup import visible
from corpusmith.errors import ModelError

API_KEY: Final = "OPENAI_API_KEY"
ATTEMPTS: Final = 5
REFUSED: Final = (401, 403, 404)  # nobody's row: the key, the address or the model's name is wrong
AGAIN: Final = (408, 409, 425, 429)
RATE_LIMITED: Final = 429
LONGEST_WAIT: Final = 30.0
LIMITED_IN_A_ROW: Final = 10  # questions given up as rate limited, none answered between, after which the step stops
BODY: Final = 4 * 2**20  # bytes of a reply, unpacked
LONGEST_TOKEN: Final = 128  # characters: the longest that vocabularies hold are runs of spaces
SECRET: Final = 8  # characters: shorter keys are placeholders ("EMPTY"), which may stand in any text
SHOWN: Final = 200


class UnansweredError(Exception):
    """One question got no answer; the others of its batch may have theirs."""


class CutOffError(UnansweredError):
    """The answer stopped at its limit, so it is not whole; ``text`` is what there is of it."""

    def __init__(self, text: str) -> None:
        super().__init__(f"cut off at its limit: {text[:SHOWN]!r}")
        self.text = text


class UnreadableError(Exception):
    """A reply is no chat completion, or one that cannot be taken: says why. The question is asked again."""


@dataclass
class Exchange:
    """Asks the server at ``url`` (up to and with ``/v1``) one question at a time.

    ``url#NAME`` says that the server calls the model NAME; else it must answer as ``model``, or not say.
    timeout: seconds for a whole answer. Whatever came back is masked for the key before it is cut, kept or shown.
    """

    url: str
    model: str
    timeout: float
    first_wait: float
    _limited: int = field(default=0, init=False)

    @property
    def where(self) -> str:
        """The address without what may be secret in it."""
        return without_login(self.url)

    @property
    def answers_as(self) -> str:
        """The name by which the server must call the model."""
        return unquote(urldefrag(self.url).fragment) or self.model

    async def ask(self, client: Any, request: dict[str, Any]) -> str:
        """The answer's text.

        Raises CutOffError, UnansweredError (this row's), ModelError (nobody's row: every other would fail too).
        """
        import httpx

        why = ""
        limited = False
        for attempt in range(ATTEMPTS):
            wait = min(self.first_wait * 2**attempt, LONGEST_WAIT)
            limited = False
            try:
                status, headers, body = await self._sent(client, request)
                if status < 300:
                    answer = self._content(body, request["max_tokens"])
                    self._limited = 0
                    return answer
            except httpx.ConnectError as error:
                if attempt + 1 == ATTEMPTS:
                    raise ModelError(
                        f"no server answers at {self.where}: start it, or correct models.servers"
                    ) from error
            except TimeoutError:
                why = f"no whole answer within {self.timeout:g} s"
            except httpx.TransportError as error:
                why = f"{type(error).__name__} {shown(str(error))}".strip()
            except UnreadableError as error:
                why = str(error)
            except (UnicodeError, httpx.InvalidURL) as error:
                raise UnansweredError(f"the question cannot be sent: {type(error).__name__}") from error
            else:
                self._stop_at(status, headers)
                limited = status == RATE_LIMITED
                what = "rate limited" if limited else "status"
                why = f"{what} {status}: {shown(body.decode('utf-8', 'replace'))}"
                if status < 500 and status not in AGAIN:
                    raise UnansweredError(why)
                wait = asked_to_wait(headers.get("retry-after"), wait)
            if attempt + 1 < ATTEMPTS:
                await asyncio.sleep(wait)
        self._count(limited)
        raise UnansweredError(f"{self.where} gave no answer in {ATTEMPTS} attempts; the last: {why}")

    async def _sent(self, client: Any, request: dict[str, Any]) -> tuple[int, Any, bytes]:
        """Status, headers and body of one request; the body is read as a stream and given up past BODY."""
        address = f"{urldefrag(self.url).url.rstrip('/')}/chat/completions"
        async with (
            asyncio.timeout(self.timeout),
            client.stream("POST", address, json=request, headers={"Accept-Encoding": "identity"}) as response,
        ):
            received = bytearray()
            async for part in response.aiter_raw():
                received += part
                if len(received) > BODY:
                    raise UnreadableError(f"a reply of more than {BODY} bytes")
            encoding = response.headers.get("content-encoding", "identity")
            return response.status_code, response.headers, _unpacked(bytes(received), encoding)

    def _stop_at(self, status: int, headers: Any) -> None:
        """Raises ModelError for a status that every other question would get too."""
        if status < 400:
            to = headers.get("location", "")
            raise ModelError(
                f"{self.where} redirects to {_redirected(self.url, to)} (status {status}), which is not followed: "
                "if that is the server you mean, name its address up to /v1 in models.servers"
            )
        if status == 404:
            raise ModelError(
                f"{self.where} has no model {self.model!r} (or no /chat/completions): check models.servers"
            )
        if status in REFUSED:
            given = "was not accepted" if os.environ.get(API_KEY) else "is not set"
            raise ModelError(
                f"{self.where} refused with status {status}: the key in the environment variable {API_KEY} {given}"
            )

    def _count(self, limited: bool) -> None:
        self._limited = self._limited + 1 if limited else 0
        if self._limited >= LIMITED_IN_A_ROW:
            raise ModelError(
                f"{self.where} is rate limited: {self._limited} questions in a row were given up after {ATTEMPTS} "
                "attempts each; run it again later, or ask less at once. What was stored is kept"
            )

    def _content(self, body: bytes, max_tokens: int) -> str:
        """The text of a chat completion. Raises UnreadableError, CutOffError, ModelError (another model's)."""
        try:
            reply = json.loads(masked(body.decode()))
            choice = reply["choices"][0]
            content = _joined(choice["message"]["content"])
            content.encode()  # a lone surrogate is no text
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            raise UnreadableError(f"a body that is no chat completion ({type(error).__name__})") from error
        content = masked(content)
        self._is_asked_model(reply.get("model"))
        if len(content) > max_tokens * LONGEST_TOKEN:
            raise UnreadableError(f"an answer of {len(content)} characters, more than {max_tokens} tokens can hold")
        if choice.get("finish_reason") == "length":
            raise CutOffError(content)
        return content

    def _is_asked_model(self, said: object) -> None:
        if isinstance(said, str) and said and said != self.answers_as:
            named = shown(said)
            raise ModelError(
                f"{self.where} was asked for {self.answers_as!r} and answers as {named!r}: ask for that model, or "
                f"allow it by naming it after a # in models.servers ({self.where}#{named})"
            )


def masked(text: str) -> str:
    """The text without the key, wherever it stands."""
    key = os.environ.get(API_KEY, "")
    return text.replace(key, "***") if len(key) >= SECRET else text


def shown(text: str) -> str:
    """What a server said, for people: masked, on one line, without control characters, cut."""
    return " ".join(visible(masked(text)).split())[:SHOWN]


def asked_to_wait(header: str | None, otherwise: float) -> float:
    """Seconds of a Retry-After header, at least a hundredth of a second and at most LONGEST_WAIT.

    Its date form and nonsense count as absent.
    """
    try:
        seconds = float(header or otherwise)
    except ValueError:
        return otherwise
    return otherwise if math.isnan(seconds) or seconds <= 0 else min(max(seconds, 0.01), LONGEST_WAIT)


def without_login(url: str) -> str:
    """The address without a user, password, query or fragment, any of which may be a secret."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _redirected(url: str, location: str) -> str:
    try:
        return shown(without_login(urljoin(f"{urldefrag(url).url.rstrip('/')}/chat/completions", location)))
    except ValueError:
        return "an address that is none"


def _joined(content: Any) -> str:
    """The text of an answer, which some servers give in parts."""
    if isinstance(content, list):
        content = "".join(part["text"] for part in content if part.get("type", "text") == "text")
    if not isinstance(content, str):
        raise TypeError("no text in the answer")
    return content


def _unpacked(body: bytes, encoding: str) -> bytes:
    """The body as it was before it was packed, never more than BODY of it."""
    if encoding.strip().lower() in ("", "identity"):
        return body
    if encoding.strip().lower() not in ("gzip", "deflate"):
        raise UnreadableError(f"a reply packed in a way that was not asked for ({shown(encoding)})")
    try:
        unpacked = zlib.decompressobj(wbits=47).decompress(body, BODY + 1)
    except zlib.error as error:
        raise UnreadableError("a reply whose packing is broken") from error
    if len(unpacked) > BODY:
        raise UnreadableError(f"a reply of more than {BODY} bytes when unpacked")
    return unpacked
