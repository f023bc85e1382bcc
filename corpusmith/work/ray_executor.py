"""Make batches on the actors of a Ray cluster: the rows that the local executor makes, made elsewhere.

These are plain actors and a loop of our own, not Ray Data: that cuts batches anew, though their size is recorded beside
each row and decides its last bits, asks for sources that workers read, and makes finished rows again when a node takes
their blocks along. Only the driver writes to the ledger, so what died with an actor is at most what it had in hand.
"""

from __future__ import annotations

import difflib
import itertools
import logging
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from corpusmith.errors import ClusterError, CorpusmithError, SettingsError
from corpusmith.settings import Ray
from corpusmith.work.ledger import KEY
from corpusmith.work.produce import Maker, Outcome
from corpusmith.work.ray_actors import (
    ActorPool,
    Loaded,
    PooledActor,
    address_of,
    connect,
    loaded,
    pickled_maker,
    reason,
    rest,
    rested,
)

IN_FLIGHT: Final = 2
"""Batches that an actor has in hand at most: one is made while the next lies ready."""
TRIES: Final = 3
"""Actors that may die making one batch, or one after the other before any has started, before a step stops."""
NODES: Final = 10
"""Nodes that may die with one batch: they seldom die of it."""
LIKE: Final = 0.8
"""How like the name of a maker an entry of the settings is, of 1, that is taken for a slip of the pen."""
TICK: Final = 1.0
"""Seconds after which a driver that waits looks up, so that an interrupt is noticed."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RayExecutor:
    """An executor: makes with the actors that the settings ask for.

    Batches are taken from the plan as actors get free and come back in the order in which they are done. At the end the
    actors rest, until the next step of this process gives them another maker; an error or an interrupt ends them.
    Raises SettingsError (an entry misspells the maker), UserError (no Ray, no cluster at the address), ClusterError
    (actors died, find no room, or have other code), MakerError (the maker cannot be sent), and what the local executor
    raises.
    """

    settings: Ray

    def __call__(self, maker: Maker, batches: Iterable[pa.RecordBatch]) -> Iterator[Outcome]:
        check_entries(self.settings.makers, maker)
        ray = connect(self.settings.address)
        wanted = self.settings.actors(*names(maker))
        pool = rested(ray, wanted)
        try:
            grows = address_of(self.settings.address) is not None
            yield from _Step(pool, maker, wanted.concurrency, grows).outcomes(batches)
        except BaseException:
            pool.end()
            raise
        rest(pool)


def names(maker: Maker) -> tuple[str, str]:
    """What a maker is called in ``work.ray.makers``: its name, and its kind, which begins its fingerprint."""
    return maker.name, maker.fingerprint.partition(":")[0]


def check_entries(entries: Iterable[str], maker: Maker) -> None:
    """Raises SettingsError for an entry of ``work.ray.makers`` that is nearly the name of a maker, and no other's.

    Corpora of other people have makers of their own, so that a strange name alone is no fault.
    """
    from corpusmith.models.catalog import catalog

    known = {"default", *names(maker)}
    for entry in catalog().values():
        known |= {entry.name.replace("/", "-"), Path(entry.repository).name.lower()}
    strange = [entry for entry in entries if entry not in known]
    for name in names(maker):
        if near := difflib.get_close_matches(name, strange, n=1, cutoff=LIKE):
            raise SettingsError(f"work.ray.makers.{near[0]}: no maker is called so; did you mean {name}?")


@dataclass(eq=False)
class _Work:
    """A batch, the actors that died while they made it, and those that died with their nodes then."""

    batch: pa.RecordBatch
    lost: list[str] = field(default_factory=list)
    nodes: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        keys = self.batch[KEY]
        return f"the batch of the rows {keys[0]} to {keys[-1]}"

    def count(self, died: _Died) -> list[str]:
        """Note that an actor died while it made the batch; all that did, where it is one too many, else none."""
        deaths, bound = (self.nodes, NODES) if died.with_node else (self.lost, TRIES)
        deaths.append(str(died))
        return deaths if len(deaths) >= bound else []


class _Step:
    """One maker over its batches; ``most`` of them are out of the plan and not yet back at any moment."""

    def __init__(self, pool: ActorPool, maker: Maker, concurrency: int, grows: bool) -> None:
        self.pool, self.maker, self.concurrency = pool, maker, concurrency
        self.ray = pool.ray
        self.most = concurrency * IN_FLIGHT
        self.starting: dict[Any, PooledActor] = {}
        self.ready: list[PooledActor] = []
        self.running: dict[Any, tuple[PooledActor, _Work]] = {}
        self.waiting: deque[_Work] = deque()
        self.not_started: list[str] = []
        self.here = loaded(maker)
        self._check_room(grows)
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
            actor = self.pool.one()
            self.starting[actor.handle.load.remote(self.pickled, sys.path)] = actor

    def _rest(self) -> None:
        """What has worked rests; what has not been placed, or loads in vain, is ended."""
        for actor in self.starting.values():
            self.pool.dismiss(actor)
        self.pool.resting += self.ready

    def _hand_out(self) -> None:
        """Waiting batches to the actors that have the fewest in hand."""
        while self.waiting and self.ready:
            actor = min(self.ready, key=lambda actor: len(actor.in_flight))
            if len(actor.in_flight) >= IN_FLIGHT:
                return
            work = self.waiting.popleft()
            actor.in_flight.append(work)
            self.running[actor.handle.make.remote(work.batch)] = actor, work

    def _started(self, ref: Any) -> None:
        actor = self.starting.pop(ref)
        try:
            there: Loaded = self._got(ref, actor)
        except _Died as died:
            if not actor.place:  # one that died while it rested was started well
                self.not_started.append(str(died))
            if len(self.not_started) >= TRIES:
                raise ClusterError(self._say(f"{TRIES} actors could not be started", self.not_started)) from None
            return
        actor.place = there.place
        self.ready.append(actor)
        self.not_started.clear()
        if not there.makes_as(self.here):
            raise ClusterError(
                f"{self.maker.name}: {actor} would make something else: it has {there}, this process has {self.here}. "
                "Expected the same code, model and kind of hardware: install this version on every node, and start the "
                "command on a node like those that make"
            )

    def _made(self, ref: Any) -> Outcome | None:
        """What came of a batch; None: its actor died, and it waits for another."""
        actor, work = self.running.pop(ref)
        try:
            outcome: Outcome = self._got(ref, actor)
        except _Died as died:
            if actor in self.ready:
                self.ready.remove(actor)
                log.warning("%s: %s; what it had in hand goes to another", self.maker.name, died)
                oldest: _Work = actor.in_flight[0]  # the others lay behind it
                if deaths := oldest.count(died):
                    said = f"{len(deaths)} actors died while they made {oldest}"
                    raise ClusterError(self._say(said, deaths)) from None
            self.waiting.appendleft(work)
            return None
        actor.in_flight.remove(work)
        return outcome

    def _got(self, ref: Any, actor: PooledActor) -> Any:
        """What an actor returned. Raises it, where it is an error of ours; _Died, where the actor is gone."""
        gone = self.ray.exceptions
        dead = (gone.RayActorError, gone.ObjectLostError, gone.NodeDiedError, gone.WorkerCrashedError)
        try:
            found = self.ray.get(ref)
        except (*dead, gone.OutOfMemoryError) as error:
            if actor in self.pool.every:  # it may yet live, and only be out of reach
                self.pool.dismiss(actor)
            how = "was killed for memory" if isinstance(error, gone.OutOfMemoryError) else "died"
            raise _Died(f"{actor} {how}: {reason(error)}", _with_node(gone, error)) from error
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

    def _check_room(self, grows: bool) -> None:
        """Warn where no node of the cluster could hold an actor: one that grows may get one that can.

        Raises ClusterError: it is this process's own, which does not grow.
        """
        _, cpus, gpus = self.pool.reserves
        asked = {"CPU": cpus, "GPU": gpus}
        nodes = [node["Resources"] for node in self.ray.nodes() if node["Alive"]]
        if any(all(node.get(name, 0) >= number for name, number in asked.items()) for node in nodes):
            return
        wanted = f"num_cpus: {cpus:g} and num_gpus: {gpus:g} (work.ray.makers)"
        if not grows:
            has = nodes[0] if nodes else {}
            raise ClusterError(
                f"{self.maker.name} asks for an actor with {wanted}, and this machine has {has.get('CPU', 0):g} and "
                f"{has.get('GPU', 0):g}. A cluster of this machine's own does not grow: ask for less, or set "
                "work.ray.address"
            )
        log.warning("%s waits for a node with %s, which none of the %d has", self.maker.name, wanted, len(nodes))


class _Died(Exception):  # noqa: N818
    """An actor is gone; the message says which, and why. with_node: its whole node is."""

    def __init__(self, said: str, with_node: bool) -> None:
        super().__init__(said)
        self.with_node = with_node


def _with_node(gone: Any, error: Exception) -> bool:
    """Whether an actor died because its node did; Ray says so in words alone."""
    if isinstance(error, gone.NodeDiedError | gone.ObjectLostError):  # what a process made outlives it on its node
        return True
    return "its node has died" in str(error)
