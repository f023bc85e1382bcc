"""What is wanted, as typed data: params.yaml, a profile and single settings laid over one another and checked."""

from __future__ import annotations

import codecs
import copy
import itertools
import os
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from corpusmith.errors import SettingsError


def _distinct(names: list[str]) -> list[str]:
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"{', '.join(repeated)} is named more than once")
    return names


Share = Annotated[float, Field(ge=0, le=1)]
Writer = Annotated[str, Field(pattern=r"^(house|llm:.+)$")]
Count = Annotated[int, Field(ge=1)]
Version = Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+$")]
Names = Annotated[list[str], Field(min_length=1), AfterValidator(_distinct)]


HERE: Final[dict[str, Any]] = {
    "reddit": {"source": True, "models": {"servers": True}},
    "portraits": {"servers": True},
}
"""The settings of each corpus that are this machine's, and in no release, as pydantic's include and exclude."""


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Work(_Settings):
    """The engine's."""

    max_failure_rate: Share


class Demo(_Settings):
    """The dump that the project writes itself."""

    comments: Annotated[int, Field(ge=100)]
    seed: int


class Comments(_Settings):
    """Which comments are fit at all."""

    min_words: Count
    max_characters: Count
    nsfw: bool
    jaccard: Share


class Models(_Settings):
    """Who labels, writes and is scored."""

    judge: str
    rewriter: Writer
    generator: Writer
    servers: dict[str, str]
    probed: Annotated[list[str], Field(min_length=1)]


class Labelled(_Settings):
    """What the judge must be sure of."""

    min_confidence: Share


class Rewritten(_Settings):
    """How much is rewritten, and what a rewrite must keep."""

    share: Share
    min_content_kept: Share
    rounds: Count


class Synthesized(_Settings):
    """How the rest is written."""

    examples: Count
    max_overlap_words: Count
    rounds: Count


class Balanced(_Settings):
    """How many rows of each emotion, and how they are split."""

    rows_per_emotion: Count | None
    tolerance: Share
    validation: Share
    test: Share

    @model_validator(mode="after")
    def _some_train(self) -> Balanced:
        if not 0 < self.validation + self.test < 1:
            raise ValueError("validation and test together must be more than 0 and less than 1: the rest is train")
        return self


class Scores(_Settings):
    """How the baselines are measured."""

    epochs: Count
    learning_rate: Annotated[float, Field(gt=0)]
    zero_shot_rows: Count
    bootstrap: Count


def _known(encoding: str) -> str:
    try:
        return codecs.lookup(encoding).name
    except LookupError:
        raise ValueError("expected an encoding that Python knows, such as utf-8 or cp1252") from None


Encoding = Annotated[str, AfterValidator(_known)]


class Reddit(_Settings):
    """The Reddit corpus."""

    version: Version
    source: list[str]
    text_column: str | None
    header: bool | None
    encoding: Encoding | None
    source_damage: Literal["stop", "use"]
    max_broken: Share
    demo: Demo
    comments: Comments
    models: Models
    labelled: Labelled
    rewritten: Rewritten
    synthesized: Synthesized
    balanced: Balanced
    scores: Scores


class Prompts(_Settings):
    """How many prompts of each emotion, and the seed of their design."""

    per_emotion: Count
    seed: int


class Curated(_Settings):
    """When an image is fit, and when two are one."""

    min_sharpness: Annotated[float, Field(ge=0)]
    min_contrast: Share
    max_dark_share: Share
    max_bright_share: Share
    one_face: bool
    min_safety: Share
    max_hash_distance: Annotated[int, Field(ge=0, le=16)]
    min_similarity: Share


class Splits(_Settings):
    """Shares of the prompts; the rest is train."""

    validation: Share
    test: Share

    @model_validator(mode="after")
    def _some_train(self) -> Splits:
        if not 0 < self.validation + self.test < 1:
            raise ValueError("validation and test together must be more than 0 and less than 1: the rest is train")
        return self


class PortraitScores(_Settings):
    """How the leaderboards are measured."""

    bootstrap: Count


class Portraits(_Settings):
    """The corpus of emotion portraits."""

    version: Version
    vocabulary: Literal["memo", "ekman"]
    prompts: Prompts
    generators: Names
    curated: Curated
    annotators: Names
    safety: str | None
    embedder: str
    perceivers: Names
    servers: dict[str, str]
    splits: Splits
    scores: PortraitScores


class Settings(_Settings):
    """Everything that is wanted, of every corpus."""

    work: Work
    reddit: Reddit
    portraits: Portraits


def load(
    path: Path | None = None, *, profile: str = "house", overrides: Sequence[str] = (), source: Sequence[str] = ()
) -> Settings:
    """Settings of ``path`` (params.yaml here, else the one in the package) under a profile and ``key=value`` overrides.

    Raises SettingsError, which names the file and line, or the override, the key, what was found and what was expected.
    """
    path = path or default_path()
    try:
        text = path.read_text()
    except OSError as error:
        raise SettingsError(f"cannot read the settings {path}: {error.strerror}") from error
    try:
        raw = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        raise SettingsError(f"{path} is not valid YAML: {error}") from error
    if not isinstance(raw, dict):
        raise SettingsError(f"{path}:1: expected a table of settings, found {type(raw).__name__}")
    lines = _lines(text)
    profiles = raw.pop("profiles", {}) or {}
    if profile not in profiles:
        raise SettingsError(f"unknown profile {profile!r}: {path} has {', '.join(profiles) or 'none'}")
    layers = [(f"--set {override}", _parse(override)) for override in overrides]
    if source:
        layers.append((f"--source {' '.join(source)}", {"reddit": {"source": list(source)}}))
    laid = list(
        itertools.accumulate((layer for _, layer in layers), merge, initial=merge(raw, profiles[profile] or {}))
    )
    try:
        return Settings.model_validate(laid[-1])
    except ValidationError as error:
        said = []
        for problem in error.errors():
            first = _since(problem, laid)
            blamed = layers[first - 1][0] if first else _line(problem, path, lines, profile)
            said.append(f"{blamed}: {_explain(problem)}")
        raise SettingsError("\n".join(said)) from None


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
        return Path(os.environ["CORPUSMITH_HOME"]).expanduser().resolve()
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
        raise SettingsError(f"--set {override!r}: expected dotted.key=value, such as reddit.demo.comments=5000")
    try:
        value: Any = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise SettingsError(f"--set {override!r}: {text!r} is not a YAML value ({error})") from error
    for part in reversed(name.split(".")):
        value = {part: value}
    return dict(value)


def _lines(text: str) -> dict[tuple[str, ...], int]:
    """The line of each key, by its path."""
    found: dict[tuple[str, ...], int] = {}

    def walk(node: yaml.Node, path: tuple[str, ...]) -> None:
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                found[(*path, str(key.value))] = key.start_mark.line + 1
                walk(value, (*path, str(key.value)))

    root = yaml.compose(text)
    if root is not None:
        walk(root, ())
    return found


def _since(problem: ErrorDetails, laid: Sequence[Mapping[str, Any]]) -> int:
    """Since which of the settings, each with a layer more than the one before, a problem of the last is there."""
    here, since = _identity(problem), len(laid) - 1
    while since and here in _problems(laid[since - 1]):
        since -= 1
    return since


def _problems(settings: Mapping[str, Any]) -> set[tuple[str, ...]]:
    try:
        Settings.model_validate(settings)
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


def _explain(problem: ErrorDetails) -> str:
    where = [str(part) for part in problem["loc"]]
    what = "is not a setting" if problem["type"] == "extra_forbidden" else problem["msg"]
    found = "" if problem["type"] in ("extra_forbidden", "missing") else f", found {problem['input']!r}"
    return f"{'.'.join(where)}: {what}{found}{_listed(problem)}{_near(problem, where)}"


def _listed(problem: ErrorDetails) -> str:
    is_one = problem["type"] == "list_type" and isinstance(problem["input"], str)
    return f"; write [{problem['input']}]" if is_one else ""


def _near(problem: ErrorDetails, where: Sequence[str]) -> str:
    if problem["type"] != "extra_forbidden":
        return ""
    import difflib

    model: Any = Settings
    for part in where[:-1]:
        model = model.model_fields[part].annotation
    close = difflib.get_close_matches(where[-1], list(model.model_fields), n=1)
    return f"; did you mean {close[0]}?" if close else f"; expected one of {', '.join(model.model_fields)}"
