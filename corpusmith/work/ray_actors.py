"""The actors of a Ray cluster that make: how a process gets at them, and lets them go."""

from __future__ import annotations

import contextlib
import copy
import gc
import io
import itertools
import logging
import os
import platform
import re
import secrets
import signal
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

import pyarrow as pa

import corpusmith
from corpusmith.errors import ClusterError, CorpusmithError, MakerError, UserError
from corpusmith.release.plain import shown
from corpusmith.settings import Actors
from corpusmith.work.produce import Maker, Outcome, attempt

LONGEST: Final = 600
"""Characters of what Ray says that are told at most."""
_RESTING: list[ActorPool] = []


def address_of(said: str | None) -> str | None:
    """Where the cluster is: as said, else RAY_ADDRESS; None: this process starts one of its own."""
    found = said or os.environ.get("RAY_ADDRESS")
    return None if found in ("", "local") else found


def connect(address: str | None) -> Any:
    """The module ``ray``, connected: as it is already, to an address, or to a cluster that ends with this process.

    A cluster of one's own lets in only who has a token that is drawn for it, since Ray listens on every interface.
    """
    address = address_of(address)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if address is None and "ray" not in sys.modules:  # which reads this when it is imported
        os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    try:
        import ray
    except ModuleNotFoundError:
        raise UserError(
            "work.executor is ray, which is not installed: pip install 'corpusmith[ray]', or --set work.executor=local"
        ) from None
    if ray.is_initialized():
        return ray
    options: dict[str, Any] = {} if address else {"include_dashboard": False}
    try:
        with _own_sigterm():
            ray.init(address or "local", log_to_driver=False, logging_level=logging.ERROR, **options)
    except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        where = (
            f"work.ray.address: there is no cluster at {shown(address)}" if address else "no Ray cluster could start"
        )
        raise UserError(f"{where}: {reason(error)}") from error
    return ray


@contextlib.contextmanager
def _own_sigterm() -> Iterator[None]:
    """Ray takes SIGTERM over; who handled it before (Dagster, to end a run) gets it back."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if callable(before) and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)


@dataclass(frozen=True)
class Loaded:
    """What an actor says once it has the maker: where it is, and what it would make there."""

    place: str
    version: str
    fingerprint: str
    device: str

    def makes_as(self, other: Loaded) -> bool:
        """Whether the same rows come of both; not every maker has the device, or what follows from it, decide a key."""
        return (self.version, self.fingerprint, self.device) == (other.version, other.fingerprint, other.device)

    def __str__(self) -> str:
        return f"corpusmith {self.version} and {self.fingerprint} on {self.device or 'any device'}"


def loaded(maker: Maker) -> Loaded:
    """What this process would make with a maker; of several cards of a machine each is as good."""
    device = str(maker.provenance.get("device") or "").partition(":")[0]
    place = f"pid {os.getpid()} on {platform.node()}"
    return Loaded(place, corpusmith.__version__, maker.fingerprint, device)


class _Actor:
    """Holds a maker and makes batch after batch with it; what is ours is returned, so that Ray wraps no error."""

    def __init__(self, threads: str | None) -> None:
        self.threads = threads

    def load(self, pickled: bytes, path: list[str]) -> Loaded | CorpusmithError:
        """Take the maker; its fingerprint is computed anew, by the code and the models that are here.

        path: where the driver finds modules, such as those of corpora that its settings name.
        """
        from ray import cloudpickle

        sys.path += [place for place in path if place not in sys.path]
        self._as_the_driver()
        self.let_go()
        try:
            self.maker: Maker = cloudpickle.loads(pickled)
            return loaded(self.maker)
        except CorpusmithError as error:
            return error
        except Exception as error:
            place = f"pid {os.getpid()} on {platform.node()}"
            return ClusterError(f"{place} cannot load the maker: {type(error).__name__}: {error}")

    def let_go(self) -> None:
        """Give up the maker, its model and the memory of the card that it took: others may need it."""
        vars(self).pop("maker", None)
        gc.collect()
        torch = sys.modules.get("torch")
        if torch is not None and torch.cuda.is_available():
            torch.cuda.empty_cache()

    def make(self, batch: pa.RecordBatch) -> Outcome | CorpusmithError:
        self._as_the_driver()
        try:
            return attempt(self.maker, batch)
        except CorpusmithError as error:
            return error

    def _as_the_driver(self) -> None:
        """Ray sets OMP_NUM_THREADS to the CPUs of an actor, before each call: sums would come out in another order."""
        if self.threads is None:
            os.environ.pop("OMP_NUM_THREADS", None)
        else:
            os.environ["OMP_NUM_THREADS"] = self.threads


@dataclass(eq=False)
class PooledActor:
    """An actor as the driver knows it; ``in_flight``: what it was given to make and has not returned, in that order."""

    handle: Any
    number: int
    place: str = ""
    in_flight: list[Any] = field(default_factory=list)

    def __str__(self) -> str:
        return f"actor {self.number} ({self.place or 'not placed yet'})"


class ActorPool:
    """Actors that reserve the same: those that rest, and more as they are wanted."""

    def __init__(self, ray: Any, wanted: Actors) -> None:
        self.ray, self.reserves = ray, _reserves(ray, wanted)
        self.remote = ray.remote(_Actor).options(
            num_cpus=wanted.num_cpus,
            num_gpus=wanted.num_gpus,
            max_restarts=0,
            max_task_retries=0,
            scheduling_strategy="SPREAD",
        )
        self.every: list[PooledActor] = []
        self.resting: list[PooledActor] = []
        self.numbers = itertools.count(1)

    def one(self) -> PooledActor:
        """An actor that rests, else a new one."""
        if self.resting:
            return self.resting.pop()
        self.every.append(PooledActor(self.remote.remote(os.environ.get("OMP_NUM_THREADS")), next(self.numbers)))
        return self.every[-1]

    def dismiss(self, actor: PooledActor) -> None:
        """End an actor, if it lives."""
        self.every.remove(actor)
        with contextlib.suppress(Exception):  # it, or the cluster, is gone already
            self.ray.kill(actor.handle)

    def end(self) -> None:
        """End every actor."""
        for actor in [*self.every]:
            self.dismiss(actor)


def _reserves(ray: Any, wanted: Actors) -> tuple[str, float, float]:
    """What makes actors of use for another step: the connection that they came by, and what they reserve."""
    return ray.get_runtime_context().get_job_id(), wanted.num_cpus, wanted.num_gpus


def rested(ray: Any, wanted: Actors) -> ActorPool:
    """A pool of such actors, which may have worked before; one of others is ended, so that there is room."""
    if _RESTING and _RESTING[-1].reserves == _reserves(ray, wanted):
        return _RESTING.pop()
    end_actors()
    return ActorPool(ray, wanted)


def rest(pool: ActorPool) -> None:
    """Keep a pool for the next step; its actors let go of what they have loaded."""
    for actor in pool.resting:
        actor.handle.let_go.remote()
    _RESTING.append(pool)


def end_actors() -> None:
    """End the actors that rest, so that others find room in the cluster before this process ends."""
    while _RESTING:
        _RESTING.pop().end()


def pickled_maker(ray: Any, maker: Maker) -> bytes:
    """A maker without what it, or what it holds, remembers: models and fingerprints are each machine's own.

    Raises MakerError: it cannot be sent.
    """

    class Pickler(ray.cloudpickle.CloudPickler):  # type: ignore[misc]
        def reducer_override(self, thing: Any) -> Any:
            known = [name for name in getattr(thing, "__dict__", ()) if _is_remembered(thing, name)]
            if isinstance(thing, type) or not known:
                return super().reducer_override(thing)
            bare = copy.copy(thing)
            for name in known:
                del bare.__dict__[name]
            return bare.__reduce_ex__(4)

    sink = io.BytesIO()
    try:
        Pickler(sink).dump(maker)
    except Exception as error:
        raise MakerError(f"{maker.name} cannot be sent to an actor: {type(error).__name__}: {error}") from error
    return sink.getvalue()


def _is_remembered(thing: Any, name: str) -> bool:
    return isinstance(getattr(type(thing), name, None), cached_property)


def reason(error: Exception) -> str:
    """Why Ray says that something died, in a line."""
    said = shown(" ".join(str(error).split()))
    return re.split(r"The actor (?:is dead|died) because ", said)[-1][:LONGEST]
