"""A maker that labels text by a language model's adapted lower layers: slow, and of another kind than a house judge.

It needs the base that it adapts, which is fetched apart (``corpusmith models fetch``).
"""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from corpusmith.errors import ModelError
from corpusmith.models import catalog, house, loading
from corpusmith.models.text.classify import LABELS, labels
from corpusmith.work.plan import fingerprint

if TYPE_CHECKING:
    from corpusmith.models.adapted_network import AdaptedLanguageModel

VERSION: Final = 1  # of how texts are read and labels are made: raise it when that changes
BATCH_ROWS: Final = 256
ARCHITECTURE: Final = "adapted-language-model"


class AdaptedJudge:
    """Labels ``text`` with an adapted language model of the project's own.

    A row's labels do not depend on the rows beside it, but for the last bits of a number. model: a house model or a
    folder. Raises ModelError: no such model, or a base that cannot be had.
    """

    name = "adapted-judge"
    inputs = ("text",)
    schema = LABELS

    def __init__(self, model: str = "house/adapted-judge", batch_rows: int = BATCH_ROWS) -> None:
        self.model, self.batch_rows = model, batch_rows
        self._folder = loading.folder_of(model) or house.folder(model)

    def __getstate__(self) -> dict[str, Any]:
        """What another process needs: it loads the weights itself."""
        return {name: value for name, value in self.__dict__.items() if name != "_network"}

    @cached_property
    def fingerprint(self) -> str:
        """Model, revision of its files, its base and the commit of that, dtype, version of this code."""
        decides = {"base": self._base, "dtype": self.hardware["dtype"], "version": VERSION}
        return fingerprint(self.name, self.model, self._revision, decides)

    @property
    def provenance(self) -> dict[str, Any]:
        """The same for people, with the device, and where the base's weights are from, if not the Hub."""
        from_elsewhere = loading.origin(*self._base.split("@"))
        said = {"model": self.model, "revision": self._revision, "base": self._base, "version": VERSION}
        return said | self.hardware | from_elsewhere

    @cached_property
    def hardware(self) -> dict[str, str]:
        """Device and dtype on the machine that asks: those of the base."""
        return loading.language_hardware(self._base.split("@")[0])

    @cached_property
    def _revision(self) -> str:
        return house.revision(self._folder)

    @cached_property
    def _base(self) -> str:
        base = config_of(self._folder)["base"]
        return f"{base}@{base_revision(base)}"

    @cached_property
    def _network(self) -> AdaptedLanguageModel:
        from corpusmith.models.adapted_network import load

        return load(self._folder, self.hardware["dtype"], self.hardware["device"])

    def make(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        """The columns of LABELS for each row."""
        return labels(self._network.predict(rows["text"]))


def is_adapted(folder: Path) -> bool:
    """Whether a model's folder holds a judge of this kind."""
    config = folder / "config.json"
    return config.is_file() and ARCHITECTURE in config.read_text(encoding="utf-8")


def config_of(folder: Path) -> dict[str, Any]:
    """What a folder's config.json says. Raises ModelError: it is none of such a judge."""
    try:
        config: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        expected = "config.json and model.safetensors"
        raise ModelError(f"{folder} is no adapted judge, expected {expected}: {error}") from error
    if config.get("architecture") != ARCHITECTURE:
        raise ModelError(f"{folder} is no adapted judge: its architecture is {config.get('architecture')!r}")
    return config


def base_revision(base: str) -> str:
    """The resolved commit of a base. Raises ModelError, which says how to get it."""
    try:
        return loading.revision_of(base)
    except ModelError as error:
        raise ModelError(advice(base, error)) from error


def advice(base: str, error: ModelError) -> str:
    """What to say where a base cannot be had."""
    named = next((entry.name for entry in catalog.catalog().values() if entry.repository == base), base)
    return f"an adapted judge needs its base {base}: corpusmith models fetch {named} ({error})"
