"""What is wanted, as typed data: params.yaml, a profile and single settings laid over one another and checked.

Each corpus has a table of its own there, of which it says the model; nothing here knows what is in one.
"""

from __future__ import annotations

import copy
import itertools
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, create_model, model_validator
from pydantic_core import ErrorDetails

from corpusmith import yaml_file
from corpusmith.errors import SettingsError

Listed = TypeVar("Listed")


def distinct(values: list[Listed]) -> list[Listed]:
    """The values of a list. Raises ValueError where one stands in it twice."""
    if repeated := sorted({str(value) for value in values if values.count(value) > 1}):
        raise ValueError(f"{', '.join(repeated)} is named more than once")
    return values


def ledger_place(value: str) -> str:
    """Where a ledger may lie. Raises ValueError for an address that is no bucket."""
    if not re.fullmatch(r"s3://[^/\s]+(/\S+)?|(?![a-z][a-z0-9+.-]+:/)\S.*", value):
        raise ValueError("expected s3://bucket/prefix or the path of a folder")
    return value


def check_home(home: Path) -> Path:
    """The home. Raises SettingsError for an address: more lies there than the ledger."""
    if re.match(r"[a-z][a-z0-9+.-]+:/", str(home)):
        raise SettingsError(
            f"the home {home} is an address; expected a folder, in which settings, tables, releases and runs lie. What "
            "was made can lie on an object store: set work.ledger (--set work.ledger=s3://bucket/prefix)"
        )
    return home


Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]
Version = Annotated[str, Field(pattern=r"^[0-9]+\.[0-9]+\.[0-9]+$")]
Names = Annotated[list[str], Field(min_length=1), AfterValidator(distinct)]

Value = TypeVar("Value")
Here = Annotated[Value, "here"]
"""A setting that is this machine's (a path, an address, a credential): no release says it, and none decides it."""
Model = Annotated[Value, "model"]
"""A setting that names a model, or several: a release may name only models that are known here."""


class Table(BaseModel):
    """A table of settings: frozen, complete, with no other key and no other type."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    @classmethod
    def marked(cls, mark: str) -> Iterator[tuple[str, ...]]:
        """The path of each setting that is marked so (``here``, ``model``), in this table and those below it."""
        for name, field in cls.model_fields.items():
            if mark in field.metadata:
                yield (name,)
            elif isinstance(field.annotation, type) and issubclass(field.annotation, Table):
                yield from ((name, *rest) for rest in field.annotation.marked(mark))


class Actors(Table):
    """How many actors of a cluster make at once, and what each of them reserves there."""

    concurrency: Count = 1
    num_cpus: Annotated[float, Field(ge=0)] = 1
    num_gpus: Annotated[float, Field(ge=0)] = 0


def ray_address(value: str) -> str:
    """Where a Ray cluster is. Raises ValueError for what is no address, as ``local``, which would let anybody in."""
    if not re.fullmatch(r"auto|(ray://)?[^\s/]+:[0-9]+", value):
        raise ValueError("expected auto, host:port, ray://host:port, or null for a cluster of this machine's own")
    return value


class Ray(Table):
    """The Ray cluster that makes.

    address: ``auto``, ``host:port`` or ``ray://host:port``; null: RAY_ADDRESS, else a cluster of this process's own.
    makers: by the name of a maker, or of its kind; what is not said there is as under ``default``.
    """

    address: Annotated[str, AfterValidator(ray_address)] | None
    makers: dict[str, Actors]

    def actors(self, *names: str) -> Actors:
        """The actors of a maker: as the first of its names says that is an entry, laid over the default."""
        named = next((self.makers[name] for name in names if name in self.makers), Actors())
        return self.makers.get("default", Actors()).model_copy(update=named.model_dump(exclude_unset=True))


class Work(Table):
    """The engine's; what came later has a default, so that settings that were written before still hold."""

    max_failure_rate: Share
    ledger: Here[Annotated[str, AfterValidator(ledger_place)] | None] = None
    executor: Here[Literal["local", "ray"]] = "local"
    ray: Here[Ray] = Ray(address=None, makers={})
    corpora: Here[list[str]]
    publish: Here[str | None]
    allow_unknown_code: Here[bool]
    webhook: Here[str | None]


class CorpusSettings(Table):
    """What the table of every corpus has."""

    version: Version


class Splits(Table):
    """Shares of what must not be parted; the rest is train."""

    validation: Share
    test: Share

    @model_validator(mode="after")
    def _some_train(self) -> Splits:
        if not 0 < self.validation + self.test < 1:
            raise ValueError("validation and test together must be more than 0 and less than 1: the rest is train")
        return self


class Settings(Table):
    """Everything that is wanted; a table for each corpus comes to it under the name of the corpus."""

    work: Work

    def of(self, corpus: str) -> CorpusSettings:
        """The table of a corpus."""
        found: CorpusSettings = getattr(self, corpus)
        return found


def load(
    corpora: Mapping[str, type[CorpusSettings]],
    path: Path | None = None,
    *,
    profile: str = "house",
    overrides: Sequence[str] = (),
    source: tuple[str, Sequence[str]] | None = None,
) -> Settings:
    """Settings of ``path`` (params.yaml here, else the one in the package) under a profile and ``key=value`` overrides.

    corpora: the model of each corpus's table. source: a corpus, and what its setting ``source`` is instead.
    Raises SettingsError, which names the file and line, or the override, the key, what was found and what was expected.
    """
    path = path or default_path()
    model = model_of(corpora)
    raw, lines = yaml_file.read(path)
    profiles = raw.pop("profiles", {}) or {}
    if profile not in profiles:
        raise SettingsError(f"unknown profile {profile!r}: {path} has {', '.join(profiles) or 'none'}")
    if not isinstance(over := profiles[profile] or {}, Mapping):
        raise SettingsError(f"{path}: profiles.{profile}: expected a table of settings, found {over!r}")
    layers = [(f"--set {override}", _parse(override)) for override in overrides]
    if source and source[1]:
        corpus, named = source
        layers.append((f"--source {' '.join(named)}", {corpus: {"source": list(named)}}))
    laid = list(itertools.accumulate((layer for _, layer in layers), merge, initial=merge(raw, over)))
    try:
        return model.model_validate(laid[-1])
    except ValidationError as error:
        said = []
        for problem in error.errors():
            first = _since(problem, laid, model)
            blamed = layers[first - 1][0] if first else _line(problem, path, lines, profile)
            said.append(f"{blamed}: {_explain(problem, model)}")
        raise SettingsError("\n".join(said)) from None


def modules(path: Path | None = None) -> list[str]:
    """The modules that ``work.corpora`` names, each of a corpus; read before the settings can be checked as a whole."""
    try:
        found = yaml_file.read(path or default_path())[0]["work"]["corpora"]
    except (SettingsError, TypeError, KeyError):
        return []  # `load` says what is wrong
    return [name for name in found if isinstance(name, str)] if isinstance(found, list) else []


def model_of(corpora: Mapping[str, type[CorpusSettings]]) -> type[Settings]:
    """The model of all settings: the engine's, and a table for each corpus."""
    tables: dict[str, Any] = {name: (table, ...) for name, table in corpora.items()}
    return create_model("Settings", __base__=Settings, **tables)


def shared(settings: Settings, corpus: str) -> dict[str, Any]:
    """The settings that decide a corpus, as plain data: the engine's and its own, without what is this machine's."""
    decides = settings.model_dump(mode="json", include={"work", corpus})
    for table in ("work", corpus):
        for path in getattr(settings, table).marked("here"):
            _drop(decides[table], path)
    return decides


def named_models(table: type[Table], said: Mapping[str, Any]) -> Iterator[str]:
    """Every model that a table of settings names; ``said``: its values, as plain data."""
    for path in table.marked("model"):
        value: Any = said
        for part in path:
            value = value.get(part) if isinstance(value, Mapping) else None
        yield from (value if isinstance(value, list) else [] if value is None else [value])


def _drop(said: dict[str, Any], path: Sequence[str]) -> None:
    *above, last = path
    for part in above:
        said = said[part] if isinstance(said.get(part), dict) else {}
    said.pop(last, None)


def default_path() -> Path:
    """params.yaml of the folder one stands in or above it; outside a checkout, the one that ships in the package."""
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "params.yaml").is_file() and (folder / "dvc.yaml").is_file():
            return folder / "params.yaml"
    shipped = Path(str(resources.files("corpusmith"))) / "params.yaml"
    return shipped if shipped.is_file() else Path(__file__).parents[1] / "params.yaml"


def default_home() -> Path:
    """CORPUSMITH_HOME, else the checkout one stands in, else the folder one stands in."""
    if "CORPUSMITH_HOME" in os.environ:
        return check_home(Path(os.environ["CORPUSMITH_HOME"])).expanduser().resolve()
    folder = default_path().parent
    return folder if (folder / "dvc.yaml").is_file() else Path.cwd()


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """``base`` with the values of ``over`` laid over it, table by table."""
    merged = copy.deepcopy(dict(base))
    for name, value in over.items():
        nested = isinstance(value, Mapping) and isinstance(merged.get(name), Mapping)
        merged[name] = merge(merged[name], value) if nested else value
    return merged


def _parse(override: str) -> dict[str, Any]:
    name, equals, text = override.partition("=")
    if not equals or not name:
        raise SettingsError(f"--set {override!r}: expected dotted.key=value, such as corpus.setting=value")
    value, _ = yaml_file.parse(text, f"--set {override}")
    for part in reversed(name.split(".")):
        value = {part: value}
    return dict(value)


def _since(problem: ErrorDetails, laid: Sequence[Mapping[str, Any]], model: type[Settings]) -> int:
    """Since which of the settings, each with a layer more than the one before, a problem of the last is there."""
    here, since = _identity(problem), len(laid) - 1
    while since and here in _problems(laid[since - 1], model):
        since -= 1
    return since


def _problems(settings: Mapping[str, Any], model: type[Settings]) -> set[tuple[str, ...]]:
    try:
        model.model_validate(settings)
    except ValidationError as error:
        return {_identity(problem) for problem in error.errors()}
    return set()


def _identity(problem: ErrorDetails) -> tuple[str, ...]:
    """Where and what a problem is; a value counts, but not a whole table, of which a layer may change another part."""
    value = "" if isinstance(problem["input"], Mapping) else repr(problem["input"])
    return (*map(str, problem["loc"]), problem["type"], value)


def _line(problem: ErrorDetails, path: Path, lines: Mapping[tuple[str, ...], int], profile: str) -> str:
    """The file and the line of the setting, or of the table that lacks it."""
    named = tuple(str(part) for part in problem["loc"])
    while named:
        if line := lines.get(("profiles", profile, *named)) or lines.get(named):
            return f"{path}:{line}"
        named = named[:-1]
    return str(path)


def _explain(problem: ErrorDetails, model: type[Settings]) -> str:
    where = [str(part) for part in problem["loc"]]
    what = "is not a setting" if problem["type"] == "extra_forbidden" else problem["msg"]
    found = "" if problem["type"] in ("extra_forbidden", "missing") else f", found {problem['input']!r}"
    return f"{'.'.join(where)}: {what}{found}{_listed(problem)}{_near(problem, where, model)}"


def _listed(problem: ErrorDetails) -> str:
    is_one = problem["type"] == "list_type" and isinstance(problem["input"], str)
    return f"; write [{problem['input']}]" if is_one else ""


def _bare(annotation: Any) -> Any:
    """A type without what is said of it, and without None."""
    if get_origin(annotation) is Annotated:
        return _bare(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return _bare(next(one for one in get_args(annotation) if one is not NoneType))
    return annotation


def _near(problem: ErrorDetails, where: Sequence[str], model: type[BaseModel]) -> str:
    if problem["type"] != "extra_forbidden":
        return ""
    import difflib

    table: Any = model
    for part in where[:-1]:
        inside = table.model_fields[part].annotation if hasattr(table, "model_fields") else get_args(table)[-1]
        table = _bare(inside)
    close = difflib.get_close_matches(where[-1], list(table.model_fields), n=1)
    return f"; did you mean {close[0]}?" if close else f"; expected one of {', '.join(table.model_fields)}"
