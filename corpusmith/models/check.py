"""Whether the catalog is true: classes and files that are here, and what the Hub says of the repositories."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from corpusmith.errors import ModelError
from corpusmith.models.catalog import Entry
from corpusmith.models.loading import explained, folder_of, hub_info
from corpusmith.models.preflight import files_of, pipeline_class, weights_fault

AT_ONCE: Final = 8  # questions to the Hub


@dataclass(frozen=True)
class Checked:
    """What was found of one entry: ``faults`` are against the catalog, ``notes`` are of this machine.

    commit: what its revision is now on the Hub. gated: whether the Hub asks for terms to be accepted.
    """

    name: str
    repository: str
    faults: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    commit: str | None = None
    gated: bool | None = None


def local(entries: Iterable[Entry]) -> list[Checked]:
    """Each entry against what is installed and shipped: pipeline classes, and house folders with their weights."""
    return [_local(entry) for entry in entries]


def online(entries: Sequence[Entry]) -> list[Checked] | None:
    """Each entry of the Hub against what the Hub says: repository, revision, gated or not, licence, weights, variant.

    None where the Hub is out of reach or not to be asked (HF_HUB_OFFLINE); where only some of the questions stay
    unanswered, a note says so of each. HF_ENDPOINT and HF_TOKEN hold.
    """
    named = [entry for entry in entries if _on_hub(entry)]
    asked = list(dict.fromkeys((entry.repository, entry.revision) for entry in named))
    with ThreadPoolExecutor(AT_ONCE, "hub") as pool:
        told = dict(zip(asked, pool.map(_asked, asked), strict=True))
    if told and all(answer is None for answer in told.values()):
        return None
    return [_compared(entry, told[entry.repository, entry.revision]) for entry in named]


def _on_hub(entry: Entry) -> bool:
    return not entry.is_house and not entry.repository.startswith((".", "/", "~"))


def _local(entry: Entry) -> Checked:
    say = partial(Checked, entry.name, entry.repository)
    if entry.unsupported:
        return say(notes=(f"not supported: {entry.unsupported}",))
    try:
        pipeline_class(entry)
    except ModelError as error:
        said = str(error).removeprefix(f"{entry.name}: ")
        return say(notes=(said,)) if "pip install" in said else say(faults=(said,))
    if _on_hub(entry):
        return say()
    try:
        folder_of(entry.repository)
        fault = weights_fault(entry, files_of(entry, entry.revision))
    except ModelError as error:
        return say(faults=(str(error),))
    return say(faults=(fault,)) if fault else say()


def _asked(where: tuple[str, str]) -> Any:
    """The Hub's answer, the ModelError that it comes to, or None."""
    try:
        with explained(where[0]):
            return hub_info(*where)
    except ModelError as error:
        return error


def _compared(entry: Entry, told: Any) -> Checked:
    if told is None:
        return Checked(entry.name, entry.repository, notes=("the Hub did not answer, so it was not compared",))
    if isinstance(told, ModelError):
        return Checked(entry.name, entry.repository, (str(told).removeprefix(f"{entry.repository} "),))
    faults = []
    gated = bool(told.gated)
    if gated != entry.gated:
        faults.append(f"gated is {entry.gated} in the catalog, {gated} on the Hub")
    licence = _licence(told.card_data)
    if licence not in (None, entry.licence):
        faults.append(f"licence is {entry.licence} in the catalog, {licence} on the Hub")
    fault = weights_fault(entry, [file.rfilename for file in told.siblings or ()])
    if fault and not entry.unsupported:
        faults.append(fault)
    return Checked(entry.name, entry.repository, tuple(faults), commit=told.sha, gated=gated)


def _licence(card: Any) -> str | None:
    """The licence that a card names, by its ``license_name`` where it is none of the Hub's list."""
    named = getattr(card, "license", None)
    named = getattr(card, "license_name", None) or named if named == "other" else named
    return None if named is None or named == "other" else str(named).lower()
