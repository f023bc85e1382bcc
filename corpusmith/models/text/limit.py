"""How many questions may be under way at a server at once, found out from what it does with them."""

from __future__ import annotations

from typing import Final

FIRST: Final = 64  # under way to begin with
GENTLE: Final = 0.9  # of what was one too many, where it had felt its way there
NEAR: Final = 0.75  # of what was too much: so far it is quickly back
WINDOW: Final = 2  # rounds of answers after which throughput is looked at
PAYS: Final = 1.05  # times the throughput that more at once must bring
MORE: Final = 1.5  # times as many at once of which that is asked, and
MOST: Final = 2.0  # times as many that are tried
STALE: Final = 2  # windows in a row without it, after which the limit falls back
HOLD: Final = 10  # windows for which it then stays; twice as many the next time,
LONGEST_HOLD: Final = 64  # up to so many


class Limit:
    """Additive increase, multiplicative decrease (Chiu and Jain 1989), at most ``most``; times are in seconds.

    It doubles with each round of answers until something is refused, and is halved then, once for all that was sent
    before. It is quickly back near what was too much, and goes on by one, by two, by three … with each round: so it
    feels its way there, falls back a little (GENTLE) where it then is too much again, and is soon at the most where
    what was in the way has passed. It falls back to what it was, and stays there for a while, where MORE times as many
    at once brought less than PAYS times the answers a second: they only queue. How many a second they are is looked at
    anew at the end of that while.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.at = float(min(FIRST, most))
        self._too_much: float | None = None
        self._rounds = 0.0  # since it was back near what was too much
        self._cut_at = float("-inf")
        self._best: tuple[float, float] | None = None  # limit and answers/s
        self._stale = self._held = 0
        self._hold = HOLD
        self._answers = 0  # of the window: since when, how many until it is over, and their limits added up
        self._since = self._enough = self._at_once = 0.0

    @property
    def places(self) -> int:
        """How many may be under way now."""
        return max(1, int(self.at))

    def answered(self, now: float, busy: bool) -> None:
        """One question was answered; busy: as many were under way as may be. Only then is anything to be learnt."""
        if not busy:
            self._answers = 0
            return
        if not self._held:
            self.at = min(float(self.most), self.at + self._step())
        self._look(now)

    def refused(self, began: float, now: float) -> None:
        """A question that was sent at ``began`` was refused as one too many, or took too long."""
        if began < self._cut_at:
            return
        kept = GENTLE if self._rounds >= 1 else 0.5
        self._too_much, self._rounds = self.at, 0.0
        self.at, self._cut_at = max(1.0, kept * self.at), now
        self._forget()

    def restart(self) -> None:
        """Its server was gone: one question finds out whether it is back."""
        self.at, self._too_much = 1.0, None
        self._forget()

    def _forget(self) -> None:
        self._best, self._stale, self._held, self._hold, self._answers = None, 0, 0, HOLD, 0

    def _step(self) -> float:
        if self._best is not None and self.at >= MOST * self._best[0]:
            return 0.0
        if self._too_much is None or self.at < NEAR * self._too_much:
            return 1.0
        self._rounds += 1 / self.at
        return min(1.0, (1 + self._rounds) / self.at)

    def _look(self, now: float) -> None:
        if not self._answers:
            self._since, self._at_once, self._enough = now, 0.0, WINDOW * max(self.at, 2.0)
        self._answers += 1
        self._at_once += self.at
        if self._answers > self._enough:
            rate, at_once = (self._answers - 1) / max(now - self._since, 1e-9), self._at_once / self._answers
            self._answers = 0
            self._judge(at_once, rate)

    def _judge(self, at_once: float, rate: float) -> None:
        if self._held:
            self._held -= 1
            if not self._held:
                self._best = at_once, rate  # the server may have become slower, or faster
        elif self._best is None or rate >= PAYS * self._best[1]:
            self._best, self._stale, self._hold = (at_once, rate), 0, HOLD
        elif at_once >= MORE * self._best[0]:
            self._stale += 1
            if self._stale == STALE:
                self.at, self._stale = self._best[0], 0
                self._held, self._hold = self._hold, min(2 * self._hold, LONGEST_HOLD)
