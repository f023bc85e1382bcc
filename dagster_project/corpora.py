"""The corpora by name, and where the functions of each are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final

from corpusmith.errors import UserError


def _lazy(place: str) -> Callable[..., Any]:
    """The function at ``module:name``, imported when it is first called: the command line starts at once."""
    module, _, name = place.partition(":")

    def call(*args: Any) -> Any:
        return getattr(import_module(module), name)(*args)

    return call


def _nothing(*_: Any) -> None:
    """What is always ready."""


@dataclass(frozen=True)
class Corpus:
    """One corpus.

    partitioned: the job, and the set of partitions, of its one partitioned asset; first: the job before these, if any.
    partitions(workshop): the partitions that its settings ask for. inputs(workshop): digests, by name, of what it is
    made from besides settings and code.
    ready(workshop): raises where the work cannot be done. reads_sources: whether it is made from files that one names.
    preview(workshop, rows), estimate(workshop), remaker(workshop): as their modules say.
    """

    name: str
    partitioned: str
    first: str | None
    partitions: Callable[..., list[str]]
    inputs: Callable[..., dict[str, str]]
    preview: Callable[..., Any]
    estimate: Callable[..., Any]
    remaker: Callable[..., Any]
    ready: Callable[..., None] = _nothing
    reads_sources: bool = False


CORPORA: Final = {
    corpus.name: corpus
    for corpus in (
        Corpus(
            name="reddit",
            partitioned="reddit_dumps",
            first=None,
            partitions=_lazy("assets.reddit.sources:partitions"),
            inputs=_lazy("assets.reddit.sources:inputs"),
            preview=_lazy("assets.reddit.preview:preview"),
            estimate=_lazy("assets.reddit.estimate:estimate"),
            remaker=_lazy("assets.reddit.remake:remaker"),
            reads_sources=True,
        ),
        Corpus(
            name="portraits",
            partitioned="portraits_images",
            first="portraits_prompts",
            partitions=_lazy("assets.portraits.sources:partitions"),
            inputs=_lazy("assets.portraits.sources:inputs"),
            preview=_lazy("assets.portraits.preview:preview"),
            estimate=_lazy("assets.portraits.estimate:estimate"),
            remaker=_lazy("assets.portraits.remake:remaker"),
            ready=_lazy("assets.portraits.sources:ready"),
        ),
    )
}


def corpus_of(name: str) -> Corpus:
    """The corpus of a name. Raises UserError: there is none."""
    if name not in CORPORA:
        raise UserError(f"unknown corpus {name!r}: expected one of {', '.join(CORPORA)}")
    return CORPORA[name]
