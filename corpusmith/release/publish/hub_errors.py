"""What the Hub's client raises, as one line that says what to do; and what is worth another try."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

from corpusmith.errors import ReleaseError, UserError
from corpusmith.release.manifest import redacted
from corpusmith.release.plain import shown

Done = TypeVar("Done")
TRIES: Final = 5
FIRST_WAIT = 0.5
"""Seconds; each wait after it is twice as long."""
LONGEST_WAIT: Final = 20.0
MASKED: Final = "***"


class MovedError(ReleaseError):
    """Somebody else has committed since the head was looked at: it is to be looked at again."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is being written by others all the time; run the same command again")

    @staticmethod
    def is_(error: Exception) -> bool:
        """Whether an error of the client says so."""
        return status_of(error) == 412


class PassingError(ReleaseError):
    """The Hub did not answer as it should, which may pass."""

    wait: float | None = None


def retried(act: Callable[[], Done], name: str) -> Done:
    """What ``act`` returns; where the Hub does not answer, lacks a file or has moved on, it is called again.

    Each call looks at everything anew. Raises ReleaseError after TRIES calls.
    """
    for number in range(TRIES):
        try:
            return act()
        except (MovedError, PassingError) as error:
            if number == TRIES - 1:
                raise
            asked = error.wait if isinstance(error, PassingError) else None
            time.sleep(min(asked if asked is not None else FIRST_WAIT * 2**number, LONGEST_WAIT))
    raise AssertionError("unreachable")


@contextmanager
def told(name: str) -> Iterator[None]:
    """Errors of the client as ours, without the token and in one line."""
    try:
        yield
    except (UserError, AssertionError, AttributeError, TypeError):  # ours, or a mistake in a program
        raise
    except Exception as error:
        raise _ours(error, name) from None


def status_of(error: BaseException) -> int | None:
    """The HTTP status that an error is about, also of one that it was raised from."""
    seen: BaseException | None = error
    while seen is not None:
        response = getattr(seen, "response", None)
        if response is not None:
            return int(response.status_code)
        seen = seen.__cause__
    return None


def masked(text: str) -> str:
    """Text without the token, and without the signatures in addresses."""
    from huggingface_hub import get_token

    token = get_token()
    return str(redacted(text.replace(token, MASKED) if token else text))


def _ours(error: Exception, name: str) -> ReleaseError:
    from huggingface_hub.errors import OfflineModeIsEnabled

    place, status = f"hf://datasets/{name}", status_of(error)
    said = _said(error)
    if status == 401:
        return ReleaseError(f"{place}: the Hub knows no such token, or none was sent: set HF_TOKEN, or hf auth login")
    if status == 403:
        return ReleaseError(f"{place}: the token may not do that ({said}): it needs the right to write there")
    if status == 404:
        return ReleaseError(f"{place}: not found ({said}); see the name, and whether the token may see it")
    if status == 409:
        return PassingError(f"{place}: the Hub says that it is there already ({said}); run the same command again")
    if status == 400 and "lfs" in said.lower():
        return PassingError(f"{place}: the Hub lacks the content of a large file ({said}); run the same command again")
    if isinstance(error, OfflineModeIsEnabled):
        return ReleaseError(f"{place}: HF_HUB_OFFLINE is set, so that nothing is asked of the Hub: unset it")
    if status is None and _is_final(error):
        return ReleaseError(f"{place}: {said}")
    if status is None or status in (408, 429) or status >= 500:
        passing = PassingError(
            f"{place}: the Hub does not answer as it should ({said}); run the same command again, it goes on from here"
        )
        passing.wait = _retry_after(error)
        return passing
    return ReleaseError(f"{place}: {said}")


def _is_final(error: Exception) -> bool:
    """Whether an error that is not the Hub's will not pass: a name that cannot be, a disk that is full."""
    of_the_line = isinstance(error, ConnectionError | TimeoutError)
    of_this_machine = isinstance(error, OSError) and error.errno is not None and not of_the_line
    return of_this_machine or isinstance(error, ValueError | LookupError)


def _said(error: BaseException) -> str:
    server = str(getattr(error, "server_message", "") or "").strip()
    text = server or str(error).strip() or type(error).__name__
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return shown(masked(lines[0] if server or len(lines) < 2 else f"{lines[0]} {lines[-1]}"))[:300]


def _retry_after(error: BaseException) -> float | None:
    seen: BaseException | None = error
    while seen is not None:
        headers = getattr(getattr(seen, "response", None), "headers", {})
        try:
            return max(0.0, float(headers["retry-after"]))
        except (KeyError, ValueError):
            seen = seen.__cause__
    return None
