"""How many questions may be under way at once, against servers that are simulated event by event in their own time."""

from __future__ import annotations

import heapq
import itertools
import random
import statistics
from collections.abc import Callable

import pytest

from corpusmith.models.text.limit import FIRST, Limit


class Simulated:
    """A server that works at ``width`` questions at once, lets others queue, and refuses more than ``room``."""

    def __init__(self, limit: Limit, width: int, room: int = 10**9, seconds: Callable[[], float] | None = None) -> None:
        drawn = random.Random(1)
        self.limit, self.width, self.room = limit, width, room
        self.seconds = seconds or (lambda: drawn.uniform(0.2, 0.8))
        self.now, self.answered, self.refused, self.places = 0.0, 0, 0, list[int]()
        self._ends: list[tuple[float, int, float]] = []
        self._free = [0.0] * width
        self._numbers = itertools.count()

    def grow(self, width: int, seconds: Callable[[], float]) -> None:
        """From now on it works at more questions at once, as fast as is said."""
        self._free = sorted(self._free + [self.now] * (width - self.width))
        self.width, self.seconds = width, seconds

    def run(self, questions: int) -> None:
        """As many answers more, by a client that always has a question at hand."""
        until = self.answered + questions
        while self.answered < until:
            while len(self._ends) < self.limit.places:
                self._ask()
            self.now, _, began = heapq.heappop(self._ends)
            if began < 0:
                self.refused += 1
                self.limit.refused(-began, self.now)
            else:
                self.answered += 1
                self.places.append(self.limit.places)
                self.limit.answered(self.now, busy=len(self._ends) + 1 >= self.limit.places)

    def _ask(self) -> None:
        if len(self._ends) >= self.room:
            return heapq.heappush(self._ends, (self.now + 0.01, next(self._numbers), -self.now - 1e-6))
        free = max(self.now, heapq.heappop(self._free))
        end = free + self.seconds()
        heapq.heappush(self._free, end)
        heapq.heappush(self._ends, (end, next(self._numbers), self.now))


def test_what_a_server_can_bear_is_used_to_the_full() -> None:
    server = Simulated(Limit(256), width=1000)
    server.run(4000)
    assert server.limit.places == 256


def test_a_server_that_refuses_is_kept_busy_and_seldom_refuses_again() -> None:
    server = Simulated(Limit(64), width=1000, room=20)
    server.run(300)
    before = (server.now, server.answered, server.refused)
    server.run(2000)
    seconds, answered, refused = (
        now - then for now, then in zip((server.now, server.answered, server.refused), before, strict=True)
    )
    assert answered / seconds > 0.93 * 20 / 0.5
    assert refused < 0.15 * answered


def test_after_a_wave_of_refusals_it_is_soon_back_at_the_most() -> None:
    server = Simulated(Limit(64), width=1000, room=4)
    server.run(400)
    assert server.limit.places <= 8
    server.room = 10**9
    server.run(64 * 15)
    assert server.limit.places == 64


def test_all_that_were_sent_before_a_refusal_halve_it_once() -> None:
    limit = Limit(64)
    for _ in range(20):
        limit.refused(began=1.0, now=2.0)
    assert limit.places == FIRST // 2
    limit.refused(began=2.5, now=3.0)
    assert limit.places == FIRST // 4


def test_it_is_never_less_than_one() -> None:
    limit = Limit(4)
    for now in range(10):
        limit.refused(began=now, now=now + 0.5)
    assert limit.places == 1


def test_where_more_at_once_only_queue_it_falls_back() -> None:
    server = Simulated(Limit(1024), width=40)
    server.run(20_000)
    assert statistics.mean(server.places[-10_000:]) < 256


def test_a_server_that_is_another_one_later_is_found_out_anew() -> None:
    drawn = random.Random(1)
    server = Simulated(Limit(256), width=40)
    server.run(8000)
    assert server.limit.places < 256
    server.grow(1000, seconds=lambda: drawn.uniform(6, 24))  # slow, and many at once do not queue
    server.run(20_000)
    assert server.limit.places == 256


@pytest.mark.parametrize("seed", range(3))
def test_answers_of_very_different_length_do_not_keep_it_down(seed: int) -> None:
    drawn = random.Random(seed)
    server = Simulated(Limit(256), width=1000, seconds=lambda: drawn.lognormvariate(0, 1))
    server.run(10_000)
    assert statistics.mean(server.places) > 0.95 * 256


def test_a_few_questions_teach_nothing() -> None:
    limit = Limit(256)
    for now in range(1000):
        limit.answered(float(now), busy=False)
    assert limit.places == FIRST == 64


def test_a_server_that_was_gone_is_asked_one_question_first() -> None:
    limit = Limit(64)
    limit.restart()
    assert limit.places == 1
    limit.answered(1.0, busy=True)
    assert limit.places == 2
