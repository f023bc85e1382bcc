"""Processes that a test starts, waits for and ends."""

import contextlib
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

PATIENCE = 300  # a busy machine is no failure


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def until(holds: Callable[[], Any], what: str) -> Any:
    """What ``holds`` returns as soon as it is true. Raises AssertionError."""
    ends = time.monotonic() + PATIENCE
    while time.monotonic() < ends:
        if found := holds():
            return found
        time.sleep(0.1)
    raise AssertionError(f"{what}: not within {PATIENCE} s")


@contextlib.contextmanager
def running(
    line: list[Any], log: Path, environment: Mapping[str, str], at: Path | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is asked to end, and killed if it does not."""
    with open(log, "w") as said:
        words = list(map(str, line))
        process = subprocess.Popen(words, stdout=said, stderr=subprocess.STDOUT, env=environment, cwd=at or log.parent)
        try:
            yield process
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
