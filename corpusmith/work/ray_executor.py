"""Make batches on the actors of a Ray cluster: the rows that the local executor makes, made elsewhere.

These are plain actors and a loop of our own, not Ray Data: that cuts batches anew, though their size is recorded beside
each row and decides its last bits, asks for sources that workers read, and makes finished rows again when a node takes
their blocks along. Only the driver writes to the ledger, so what died with an actor is at most what it had in hand.
"""

from __future__ import annotations

import itertools
import logging
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import pyarrow as pa

import corpusmith
from corpusmith.errors import ClusterError, CorpusmithError
from corpusmith.settings import Ray
from corpusmith.work.produce import Maker, Outcome
from corpusmith.work.ray_actors import Crew, Hand, connect, pickled_maker, reason, rest, rested

AHEAD: Final = 2
"""Batches that an actor has in hand at most: one is made while the next lies ready."""
TRIES: Final = 3
"""Actors that one batch may lose, and that a step may fail to start, before it stops."""
TICK: Final = 1.0
"""Seconds after which a driver that waits looks up, so that an interrupt is noticed."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RayExecutor:
    """An executor: makes with the actors that the settings ask for.

    Batches are taken from the plan as actors get free and come back in the order in which they are done. At the end the
    actors rest, until the next step of this process gives them another maker; an error or an interrupt ends them.
    Raises UserError (no Ray, no cluster at the address), ClusterError (actors died, were killed for memory, or have
    other code), MakerError (the maker cannot be sent), and what the local executor raises.
    """

    settings: Ray

    def __call__(self, maker: Maker, batches: Iterable[pa.RecordBatch]) -> Iterator[Outcome]:
        ray = connect(self.settings.address)
        wanted = self.settings.actors(*names(maker))
        crew = rested(ray, wanted)
        try:
            yield from _Step(crew, maker, wanted.concurrency).outcomes(batches)
        except BaseException:
            crew.end()
            raise
        rest(crew)


def names(maker: Maker) -> tuple[str, str]:
    """What a maker is called in ``work.ray.makers``: its name, and its kind, which begins its fingerprint."""
    return maker.name, maker.fingerprint.partition(":")[0]


@dataclass
class _Work:
    """A batch, and the actors that died with it in hand."""

    batch: pa.RecordBatch
    lost: list[str] = field(default_factory=list)


class _Step:
    """One maker over its batches; ``most`` of them are out of the plan and not yet back at any moment."""

    def __init__(self, crew: Crew, maker: Maker, concurrency: int) -> None:
        self.crew, self.maker, self.concurrency = crew, maker, concurrency
        self.ray = crew.ray
        self.most = concurrency * AHEAD
        self.starting: dict[Any, Hand] = {}
        self.ready: list[Hand] = []
        self.running: dict[Any, tuple[Hand, _Work]] = {}
        self.waiting: deque[_Work] = deque()
        self.not_started: list[str] = []
        self._check_room()
        self.pickled = self.ray.put(pickled_maker(self.ray, maker))

    def outcomes(self, batches: Iterable[pa.RecordBatch]) -> Iterator[Outcome]:
        """What became of each batch, as they are done."""
        source = iter(batches)
        while True:
            free = self.most - len(self.running) - len(self.waiting)
            self.waiting.extend(map(_Work, itertools.islice(source, free)))
            if not self.running and not self.waiting:
                return self._rest()
            self._start()
            self._hand_out()
            pending = [*self.running, *self.starting]
            done, _ = self.ray.wait(pending, num_returns=1, timeout=TICK)
            for ref in done:
                if ref in self.starting:
                    self._started(ref)
                elif outcome := self._made(ref):
                    yield outcome

    def _start(self) -> None:
        """An actor for each batch that is out, as far as so many are wanted; one without room waits for it."""
        wanted = min(self.concurrency, len(self.running) + len(self.waiting))
        for _ in range(wanted - len(self.ready) - len(self.starting)):
            hand = self.crew.one()
            self.starting[hand.actor.hold.remote(self.pickled, sys.path)] = hand

    def _rest(self) -> None:
        """What has worked rests; what has not been placed, or loads in vain, is ended."""
        for hand in self.starting.values():
            self.crew.dismiss(hand)
        self.crew.resting += self.ready

    def _hand_out(self) -> None:
        """Waiting batches to the actors that have the fewest in hand."""
        while self.waiting and self.ready:
            hand = min(self.ready, key=lambda hand: hand.held)
            if hand.held >= AHEAD:
                return
            work = self.waiting.popleft()
            hand.held += 1
            self.running[hand.actor.make.remote(work.batch)] = hand, work

    def _started(self, ref: Any) -> None:
        hand = self.starting.pop(ref)
        try:
            held = self._got(ref, hand)
        except _Died as died:
            if not hand.place:  # one that died while it rested was started well
                self.not_started.append(str(died))
            if len(self.not_started) >= TRIES:
                raise ClusterError(self._say(f"{TRIES} actors could not be started", self.not_started)) from None
            return
        hand.place = held.place
        self.ready.append(hand)
        here = (corpusmith.__version__, self.maker.fingerprint)
        if (held.version, held.fingerprint) != here:
            raise ClusterError(
                f"{self.maker.name}: {hand} would make something else: it has corpusmith {held.version} and "
                f"{held.fingerprint}, this process has {here[0]} and {here[1]}. Expected the same code, model and kind "
                "of hardware: install this version on every node, and start the command on a node like those that make"
            )

    def _made(self, ref: Any) -> Outcome | None:
        """What came of a batch; None: its actor died, and it waits for another."""
        hand, work = self.running.pop(ref)
        hand.held -= 1
        try:
            outcome: Outcome = self._got(ref, hand)
            return outcome
        except _Died as died:
            if hand in self.ready:
                self.ready.remove(hand)
                log.warning("%s: %s; what it had in hand goes to another", self.maker.name, died)
            work.lost.append(str(died))
            if len(work.lost) >= TRIES:
                said = f"{len(work.lost)} actors died with one and the same batch in hand"
                raise ClusterError(self._say(said, work.lost)) from None
            self.waiting.appendleft(work)
            return None

    def _got(self, ref: Any, hand: Hand) -> Any:
        """What an actor returned. Raises it, where it is an error of ours; _Died, where the actor is gone."""
        gone = self.ray.exceptions
        try:
            found = self.ray.get(ref)
        except gone.OutOfMemoryError as error:
            why = [f"{hand} was killed for memory: {reason(error)}"]
            raise ClusterError(self._say("no memory was left on the node of an actor", why)) from None
        except (gone.RayActorError, gone.ObjectLostError, gone.NodeDiedError, gone.WorkerCrashedError) as error:
            if hand in self.crew.every:  # it may yet live, and only be out of reach
                self.crew.dismiss(hand)
            raise _Died(f"{hand} died: {reason(error)}") from error
        except gone.RayTaskError as error:
            raise error.cause from error
        if isinstance(found, CorpusmithError):
            raise found
        return found

    def _say(self, what: str, why: list[str]) -> str:
        entry = " or ".join(f"work.ray.makers.{name}" for name in dict.fromkeys(names(self.maker)))
        return (
            f"{self.maker.name}: {what}, so the step stopped. " + "; ".join(why) + ". Where memory is short, let fewer "
            f"actors share a node (a smaller concurrency or a larger num_cpus in {entry}), make batches smaller "
            f"(they have {self.maker.batch_rows} rows) or take nodes with more; the same command goes on"
        )

    def _check_room(self) -> None:
        """Warn where no node of the cluster could hold an actor: one that grows may get one that can."""
        _, cpus, gpus = self.crew.reserves
        asked = {"CPU": cpus, "GPU": gpus}
        nodes = [node["Resources"] for node in self.ray.nodes() if node["Alive"]]
        if not any(all(node.get(name, 0) >= number for name, number in asked.items()) for node in nodes):
            log.warning(
                "%s waits for a node with num_cpus: %g and num_gpus: %g (work.ray.makers), which none of the %d has",
                *(self.maker.name, cpus, gpus, len(nodes)),
            )


class _Died(Exception):  # noqa: N818
    """An actor is gone; the message says which, and why."""
