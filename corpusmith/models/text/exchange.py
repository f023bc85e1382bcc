"""One question to an OpenAI-compatible server and its answer over HTTP, bounded in size, time and trust."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import os
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

from corpusmith.curate.markup import visible
from corpusmith.errors import ModelError
from corpusmith.models.text.usage import Usage, counted

Wait = TypeVar("Wait", float, None)

API_KEY: Final = "OPENAI_API_KEY"
ATTEMPTS: Final = 5
SECRETS: Final = {API_KEY}
"""The environment variables with the keys that this process sends: no text shows any of them."""
REFUSED: Final = (401, 403, 404)  # nobody's row: the key, the address or the model's name is wrong
AGAIN: Final = (408, 409, 425, 429)
RATE_LIMITED: Final = 429
CROWDED: Final = (RATE_LIMITED, 503, 529)
CUT: Final = "length"  # how an answer ended that is not whole,
FILTERED: Final = "content_filter"  # and one that was withheld
LONGEST_WAIT: Final = 30.0
BODY: Final = 4 * 2**20  # bytes of a reply, unpacked
LONGEST_TOKEN: Final = 128  # characters: the longest that vocabularies hold are runs of spaces
SECRET: Final = 8  # characters: shorter keys are placeholders ("EMPTY"), which may stand in any text
SHOWN: Final = 200


class Answer(str):
    """An answer's text, which says what it took where the server does."""

    usage: Usage | None

    def __new__(cls, text: str, usage: Usage | None = None) -> Answer:
        made = super().__new__(cls, text)
        made.usage = usage
        return made


class UnansweredError(Exception):
    """One question got no answer; the others of its batch may have theirs."""


class CutOffError(UnansweredError):
    """The answer stopped at its limit, so it is not whole; ``text`` is what there is of it."""

    def __init__(self, text: str, usage: Usage | None = None) -> None:
        super().__init__(f"cut off at its limit: {text[:SHOWN]!r}")
        self.text, self.usage = text, usage


class UnreadableError(Exception):
    """A reply is no chat completion, or one that cannot be taken: says why. The question is asked again."""


class AgainError(Exception):
    """A question got no answer this time, says why, and may get one the next time.

    away: nothing listens at the address. crowded: too much was asked at once. limited: the server says so itself.
    wait: seconds that it asks for, if it does.
    """

    def __init__(
        self,
        why: str,
        *,
        away: bool = False,
        crowded: bool = False,
        limited: bool = False,
        wait: float | None = None,
    ) -> None:
        super().__init__(why)
        self.away, self.crowded, self.limited, self.wait = away, crowded, limited, wait


@dataclass
class Exchange:
    """Asks the server at ``url`` (up to and with ``/v1``) one question at a time.

    ``url#NAME`` says that the server calls the model NAME; else it must answer as ``model``, or not say.
    timeout: seconds for a whole answer. key: the environment variable with the key that it is sent, and nobody else.
    Whatever came back is masked for all keys before it is cut, kept or shown.
    """

    url: str
    model: str
    timeout: float
    key: str = API_KEY

    @property
    def where(self) -> str:
        """The address without what may be secret in it."""
        return without_login(self.url)

    @property
    def answers_as(self) -> str:
        """The name by which the server must call the model."""
        return unquote(urldefrag(self.url).fragment) or self.model

    def headers(self) -> dict[str, str]:
        """What every request says: who asks, by the key that the environment has now, and that nothing be packed.

        Raises ModelError: a key that no header may hold.
        """
        SECRETS.add(self.key)
        key = _secret(self.key)
        if not (key.isascii() and key.isprintable()):
            raise ModelError(f"the key in {self.key} cannot be sent: it has characters that no header may have")
        return {"Accept-Encoding": "identity"} | ({"Authorization": f"Bearer {key}"} if key else {})

    def address(self, of: str) -> str:
        """Where the API has one of its parts, such as ``chat/completions``."""
        return f"{urldefrag(self.url).url.rstrip('/')}/{of}"

    async def ask(self, client: Any, request: Mapping[str, Any]) -> Answer:
        """The answer, by an httpx.AsyncClient; asked once.

        Raises AgainError, CutOffError, UnansweredError (this row's), ModelError (nobody's row: every other would fail
        too).
        """
        import httpx

        try:
            status, said, body = await self._sent(client, request)
            if status < 300:
                return self.content(body, request["max_tokens"])
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise AgainError(f"no server answers ({type(error).__name__})", away=True) from error
        except (TimeoutError, httpx.TimeoutException) as error:
            raise AgainError(f"no whole answer within {self.timeout:g} s", crowded=True) from error
        except httpx.TransportError as error:
            raise AgainError(f"{type(error).__name__} {shown(str(error))}".strip()) from error
        except UnreadableError as error:
            raise AgainError(str(error)) from error
        except (UnicodeError, httpx.InvalidURL) as error:
            raise UnansweredError(f"the question cannot be sent: {type(error).__name__}") from error
        self.stop_at(status, said)
        raise self.refusal(status, said, body)

    def refusal(self, status: int, said: Any, body: bytes) -> AgainError | UnansweredError:
        """What a status and what came with it (``said``: the headers) mean for one question."""
        limited = status == RATE_LIMITED
        why = f"{'rate limited' if limited else 'status'} {status}: {shown(body.decode('utf-8', 'replace'))}"
        if status < 500 and status not in AGAIN:
            return UnansweredError(why)
        wait = asked_to_wait(said.get("retry-after"), None)
        return AgainError(why, crowded=status in CROWDED, limited=limited, wait=wait)

    async def _sent(self, client: Any, request: Mapping[str, Any]) -> tuple[int, Any, bytes]:
        """Status, headers and body of one request; the body is read as a stream and given up past BODY."""
        async with (
            asyncio.timeout(self.timeout),
            client.stream("POST", self.address("chat/completions"), json=request, headers=self.headers()) as response,
        ):
            received = bytearray()
            async for part in response.aiter_raw():
                received += part
                if len(received) > BODY:
                    raise UnreadableError(f"a reply of more than {BODY} bytes")
            encoding = response.headers.get("content-encoding", "identity")
            return response.status_code, response.headers, unpacked(bytes(received), encoding)

    def stop_at(self, status: int, said: Any) -> None:
        """Raises ModelError for a status that every other question would get too."""
        if status < 400:
            to = said.get("location", "")
            raise ModelError(
                f"{self.where} redirects to {_redirected(self.url, to)} (status {status}), which is not followed: "
                "if that is the server you mean, name its address up to /v1 in models.servers"
            )
        if status == 404:
            raise ModelError(
                f"{self.where} has no model {self.model!r} (or no /chat/completions): check models.servers"
            )
        if status in REFUSED:
            given = "was not accepted" if _secret(self.key) else "is not set"
            raise ModelError(
                f"{self.where} refused with status {status}: the key in the environment variable {self.key} {given}"
            )

    def content(self, body: bytes, max_tokens: int) -> Answer:
        """The text of a chat completion.

        Raises UnreadableError, CutOffError, UnansweredError (it was refused), ModelError (another model's).
        """
        try:
            return self.answer_in(json.loads(masked(body.decode())), max_tokens)
        except (ValueError, RecursionError) as error:
            raise UnreadableError(f"a body that is no chat completion ({type(error).__name__})") from error

    def answer_in(self, reply: Any, max_tokens: int) -> Answer:
        """The same of its JSON, in which the key was masked."""
        try:
            choice, said, usage = reply["choices"][0], reply.get("model"), counted(reply.get("usage"))
            message, ended = choice["message"], choice.get("finish_reason")
            refused = message.get("refusal") or (FILTERED if ended == FILTERED else None)
            empty = message.get("content") is None and (refused or ended == CUT)
            content = "" if empty else _joined(message.get("content"))
            content.encode()  # a lone surrogate is no text
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise UnreadableError(f"a body that is no chat completion ({type(error).__name__})") from error
        content = masked(content)
        self.check_model(said)
        if refused:
            raise UnansweredError(f"the model refused: {shown(str(refused))}")
        if len(content) > max_tokens * LONGEST_TOKEN:
            raise UnreadableError(f"an answer of {len(content)} characters, more than {max_tokens} tokens can hold")
        if ended == CUT:
            raise CutOffError(content, usage)
        return Answer(content, usage)

    def check_model(self, said: object) -> None:
        """Raises ModelError for the name of another model than the one that is asked."""
        if isinstance(said, str) and said and said != self.answers_as:
            named = shown(said)
            raise ModelError(
                f"{self.where} was asked for {self.answers_as!r} and answers as {named!r}: ask for that model, or "
                f"allow it by naming it after a # in models.servers ({self.where}#{named})"
            )


@contextlib.contextmanager
def buildable() -> Iterator[None]:
    """What is raised within, where httpx makes a client of the environment's settings, is a ModelError."""
    import httpx

    try:
        yield
    except (OSError, ValueError, ImportError, httpx.InvalidURL) as error:
        why = type(error).__name__ if isinstance(error, httpx.InvalidURL) else str(error)  # it quotes passwords
        raise ModelError(
            f"no HTTP client can be made ({shown(why)}): see HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and SSL_CERT_FILE"
        ) from None


def _secret(name: str) -> str:
    """The key in an environment variable, empty where it is not set; files of keys end in a line break."""
    return os.environ.get(name, "").strip()


def masked(text: str) -> str:
    """The text without any key, wherever it stands."""
    # the longest first: a key may begin as another does
    for key in sorted(map(_secret, tuple(SECRETS)), key=len, reverse=True):
        text = text.replace(key, "***") if len(key) >= SECRET else text
    return text


def shown(text: str) -> str:
    """What a server said, for people: masked, on one line, without control characters, cut."""
    return " ".join(visible(masked(text)).split())[:SHOWN]


def asked_to_wait(header: str | None, otherwise: Wait) -> float | Wait:
    """Seconds of a Retry-After header, at least a hundredth of a second and at most LONGEST_WAIT.

    Its date form and nonsense count as absent.
    """
    try:
        seconds = float(header or "nan")
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


def unpacked(body: bytes, encoding: str) -> bytes:
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
