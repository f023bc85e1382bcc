"""What goes wrong on demand: which requests fail, how, and how often."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass
class Fault:
    """Something that happens to requests whose path and query, unquoted, match a regular expression.

    It passes over the first ``after`` of them and then strikes ``times`` (None: for ever). It counts what it has
    ``seen`` and ``struck``.
    """

    path: str = ""
    method: str | None = None  # any
    times: int | None = 1
    after: int = 0
    status: int | None = None  # answered instead of what was asked for
    message: str = "a fault was asked for"
    headers: Mapping[str, str] = field(default_factory=dict)  # of that answer, such as Retry-After
    delay: float = 0.0  # seconds before the request is handled
    bytes_per_second: float | None = None  # of the body, each way
    cut_upload: int | None = None  # bytes of the request's body that are read; then the connection closes
    cut_download: int | None = None  # bytes of the answer's body that are sent; then the connection closes
    before: Callable[[], object] | None = None  # called before the request is handled: somebody else's commit, say
    lose_response: bool = False  # the request is handled, and the connection closes without an answer
    seen: int = field(default=0, init=False)
    struck: int = field(default=0, init=False)

    def matches(self, method: str, path: str) -> bool:
        return self.method in (None, method) and re.search(self.path, path) is not None

    def strikes(self) -> bool:
        """Count one more matching request, and say whether this one is struck."""
        self.seen += 1
        if self.seen <= self.after or (self.times is not None and self.struck >= self.times):
            return False
        self.struck += 1
        return True


class Faults:
    """The faults that were asked for."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, fault: Fault) -> Fault:
        with self._lock:
            self._faults.append(fault)
        return fault

    def clear(self) -> None:
        with self._lock:
            self._faults.clear()

    def striking(self, method: str, path: str) -> list[Fault]:
        """The faults that strike this request, counted."""
        with self._lock:
            return [fault for fault in self._faults if fault.matches(method, path) and fault.strikes()]
