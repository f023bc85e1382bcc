"""Notice Ctrl-C even where a library swallows it, as imports and finalisers do."""

from __future__ import annotations

import os
import signal
from types import TracebackType


class Interrupts:
    """While it is open, ``seen`` says whether SIGINT arrived, whoever handled it."""

    def __enter__(self) -> Interrupts:
        self._read, self._write = os.pipe()
        os.set_blocking(self._read, False)
        os.set_blocking(self._write, False)
        self._before = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        self._seen = False
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._seen = self.seen
        signal.set_wakeup_fd(self._before)
        os.close(self._read)
        os.close(self._write)

    @property
    def seen(self) -> bool:
        """Whether SIGINT arrived since this was opened."""
        try:
            while not self._seen and (numbers := os.read(self._read, 64)):
                self._seen = signal.SIGINT in numbers
        except BlockingIOError:
            pass
        return self._seen

    def check(self) -> None:
        """Raises KeyboardInterrupt if SIGINT arrived."""
        if self.seen:
            raise KeyboardInterrupt
