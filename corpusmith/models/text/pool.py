"""The servers of one model, and the questions that are shared out among them from a thread of its own."""

from __future__ import annotations

import asyncio
import functools
import heapq
import itertools
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Final

from corpusmith.errors import ModelError
from corpusmith.models.text.exchange import (
    ATTEMPTS,
    LONGEST_WAIT,
    AgainError,
    Answer,
    CutOffError,
    Exchange,
    UnansweredError,
    buildable,
)
from corpusmith.models.text.limit import Limit

LIMITED_IN_A_ROW: Final = 10  # questions given up as rate limited, none answered between, after which the step stops
FAULTS_IN_A_ROW: Final = 5  # of a server, after which it is left out while there is another
CONNECT: Final = 10.0  # seconds
IDLE: Final = 4.0  # seconds of a connection; servers close theirs after five and more
WEIGHT: Final = 0.1  # of one answer in the mean of a server's seconds for one

Request = Mapping[str, Any]
Waiting = tuple[int, "asyncio.Future[Server]", "Server | None"]
"""A question's number, the server that it will be told of, and the one that failed it last, if any."""


@dataclass
class Server:
    """One address: what is under way there, how fast it answers, and until when it is left alone (loop's seconds).

    idle: clients with a connection each. One client with all of them looks through them all, over and over, for every
    question (httpcore 1.0): at 64 that is most of what a question costs.
    """

    exchange: Exchange
    limit: Limit
    idle: list[Any] = field(default_factory=list)
    under_way: int = 0
    seconds: float = 0.0
    faults: int = 0
    rests: int = 0
    rests_until: float = field(default=float("-inf"))
    paused_until: float = field(default=float("-inf"))

    @property
    def load(self) -> tuple[float, int]:
        """By which servers are compared: seconds until one more question is answered, and how many are under way."""
        return (self.under_way + 1) * self.seconds, self.under_way


class Pool:
    """Asks the servers of a model, at most ``concurrency`` questions at once at each and fewer while it refuses some.

    An event loop and the clients live in a thread until ``close``. The oldest question goes first; one that
    may be answered the next time is asked ATTEMPTS times in all, after growing waits from ``first_wait`` seconds on.
    A server that is gone, or at fault FAULTS_IN_A_ROW times, is left out for a while if there is another one, and what
    one was at fault with is asked of another. Raises ModelError: the environment lets no client be made.
    """

    def __init__(self, exchanges: Sequence[Exchange], concurrency: int, timeout: float, first_wait: float) -> None:
        self.first_wait = first_wait
        self.servers = [Server(exchange, Limit(concurrency)) for exchange in exchanges]
        self._waiting: list[Waiting] = []
        self._numbers = itertools.count()
        self._limited = 0
        self._client = _clients(timeout)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=_run, args=(self._loop, self.servers), name="servers", daemon=True)
        self._thread.start()

    def start(self, requests: Sequence[Request], order: Sequence[int]) -> Future[list[Answer | UnansweredError]]:
        """The answer to each request once they are there; they are asked in ``order``, after what was started before.

        The future raises ModelError where no question could be answered.
        """
        numbered = {row: (next(self._numbers), requests[row]) for row in order}
        return asyncio.run_coroutine_threadsafe(self._all(numbered), self._loop)

    def close(self) -> None:
        """Give up what is under way."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        if self._thread is not threading.current_thread():
            self._thread.join(1.0)

    async def _all(self, numbered: Mapping[int, tuple[int, Request]]) -> list[Answer | UnansweredError]:
        asked = {row: self._loop.create_task(self._answer(*question)) for row, question in numbered.items()}
        try:
            return await asyncio.gather(*(asked[row] for row in range(len(asked))))
        except BaseException:
            for one in asked.values():
                one.cancel()
            raise

    async def _answer(self, number: int, request: Request) -> Answer | UnansweredError:
        """One answer. Raises ModelError."""
        attempt = 0
        not_at: Server | None = None
        while True:
            server = await self._place(number, not_at)
            try:
                return await self._asked(server, request)
            except AgainError as error:
                if error.away and self._others(server):
                    continue  # that the server is gone is not this question's fault
                attempt += 1
                if attempt == ATTEMPTS:
                    return self._given_up(server, error)
                if not error.limited:
                    not_at = server
                if not error.wait:  # who was told when to come again waits for a place until then
                    await asyncio.sleep(min(self.first_wait * 2 ** (attempt - 1), LONGEST_WAIT))

    async def _asked(self, server: Server, request: Request) -> Answer | UnansweredError:
        """What a server that a place was found at says. Raises ModelError, AgainError."""
        began = self._loop.time()
        client = server.idle.pop() if server.idle else self._client()
        try:
            answer = await server.exchange.ask(client, request)
        except AgainError as error:
            self._failed(server, error, began)
            raise
        except CutOffError as error:
            self._answered(server, began)
            return error
        except UnansweredError as error:
            self._limited = 0
            return error
        else:
            self._answered(server, began)
            return answer
        finally:
            server.idle.append(client)
            server.under_way -= 1
            self._share()

    async def _place(self, number: int, not_at: Server | None) -> Server:
        """A server with room for the question, which counts as under way there from now on; not_at: if possible."""
        place: asyncio.Future[Server] = self._loop.create_future()
        heapq.heappush(self._waiting, (number, place, not_at))
        self._share()
        try:
            return await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                place.result().under_way -= 1
                self._share()
            raise

    def _share(self) -> None:
        """Give the servers' free places to those who wait, in the order of their numbers."""
        passed: list[Waiting] = []  # over: they wait for another server than the one with room
        while self._waiting and self._free():
            waiting = heapq.heappop(self._waiting)
            _, place, not_at = waiting
            if place.done():  # cancelled
                continue
            server = self._free(not_at)
            if server is None:
                passed.append(waiting)
                continue
            server.under_way += 1
            place.set_result(server)
        for waiting in passed:
            heapq.heappush(self._waiting, waiting)

    def _free(self, not_at: Server | None = None) -> Server | None:
        now, awake = self._loop.time(), self._awake()
        able = [
            server
            for server in [server for server in awake if server is not not_at] or awake
            if server.under_way < server.limit.places and server.paused_until <= now
        ]
        return min(able, key=lambda server: server.load, default=None)

    def _awake(self) -> list[Server]:
        """The servers that are not left out; all of them where none would be left."""
        now = self._loop.time()
        return [server for server in self.servers if server.rests_until <= now] or self.servers

    def _others(self, than: Server) -> bool:
        now = self._loop.time()
        return any(server is not than and server.rests_until <= now for server in self.servers)

    def _answered(self, server: Server, began: float) -> None:
        now = self._loop.time()
        seconds = now - began
        server.seconds = seconds if not server.seconds else server.seconds + WEIGHT * (seconds - server.seconds)
        server.faults = server.rests = self._limited = 0
        server.limit.answered(now, busy=server.under_way >= server.limit.places)

    def _failed(self, server: Server, error: AgainError, began: float) -> None:
        now = self._loop.time()
        server.seconds = max(server.seconds, now - began)
        if error.crowded:
            server.limit.refused(began, now)
        if error.wait:
            server.paused_until = max(server.paused_until, now + error.wait)
            self._share_at(server.paused_until)
        server.faults += not error.limited
        if (error.away or server.faults >= FAULTS_IN_A_ROW) and server.rests_until <= now:
            server.rests_until = now + min(self.first_wait * 2 ** min(server.rests, 9), LONGEST_WAIT)
            server.rests, server.faults = server.rests + 1, 0
            server.seconds = 0.0  # so that it is asked then, one question
            server.limit.restart()
            self._share_at(server.rests_until)

    def _share_at(self, when: float) -> None:
        self._loop.call_at(when + 0.001, self._share)

    def _given_up(self, server: Server, error: AgainError) -> UnansweredError:
        """What becomes of a question after its last attempt. Raises ModelError."""
        if error.away:
            where = ", ".join(one.exchange.where for one in self.servers)
            raise ModelError(f"no server answers at {where}: start it, or correct models.servers") from error
        self._count(error, server)
        return UnansweredError(f"{error} ({ATTEMPTS} attempts)")

    def _count(self, error: AgainError, server: Server) -> None:
        self._limited = self._limited + 1 if error.limited else 0
        if self._limited >= LIMITED_IN_A_ROW:
            raise ModelError(
                f"{server.exchange.where} is rate limited: {self._limited} questions in a row were given up after "
                f"{ATTEMPTS} attempts each, the last with {error}; run it again later, or ask less at once. What was "
                "stored is kept"
            )


def _clients(timeout: float) -> Callable[[], Any]:
    """What makes an httpx.AsyncClient, for one question at a time. Raises ModelError where it could not."""
    import httpx

    with buildable():
        made = functools.partial(
            httpx.AsyncClient,
            verify=httpx.create_ssl_context(),
            timeout=httpx.Timeout(timeout, connect=min(timeout, CONNECT)),
            limits=httpx.Limits(keepalive_expiry=IDLE),
        )
        made()
    return made


def _run(loop: asyncio.AbstractEventLoop, servers: Sequence[Server]) -> None:
    asyncio.set_event_loop(loop)
    loop.run_forever()
    under_way = asyncio.all_tasks(loop)
    for task in under_way:
        task.cancel()
    loop.run_until_complete(asyncio.gather(*under_way, return_exceptions=True))
    loop.run_until_complete(asyncio.gather(*(client.aclose() for server in servers for client in server.idle)))
    loop.close()
