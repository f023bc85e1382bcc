"""The house models: small ones that the project trained itself and ships."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Final

from corpusmith.errors import ModelError

HOUSE: Final = Path(__file__).parent / "house"
PREFIX: Final = "house/"
ADAPTER: Final = "adapter_config.json"
INDICES: Final = ("config.json", "model_index.json", ADAPTER)
"""The file that makes a folder a model: of one network, of a diffusion pipeline, or of adapters over another model."""
HEADLINES: Final = (
    *("macro_f1", "ece", "zero_shot.macro_f1", "zero_shot.coverage", "generated.read_as_asked_mean"),
    *("clean.emotion_accuracy.value", "objects.accuracy.value", "zero_shot.emotion_accuracy.value"),
)
"""What a list of models shows of their metrics.json; a dot leads into a table."""
UNREAD: Final = ("README.md", "metrics.json")


def is_model(folder: Path) -> bool:
    """Whether a folder holds one network or one pipeline."""
    return any((folder / index).is_file() for index in INDICES)


def folder(name: str) -> Path:
    """The folder of a shipped model: ``house/emotion-judge`` or ``emotion-judge``. Raises ModelError: no such model."""
    found = HOUSE / name.removeprefix(PREFIX)
    if not is_model(found):
        raise ModelError(f"{name} is no house model that lies in {HOUSE}; there are: {', '.join(names()) or 'none'}")
    return found


def revision(model: Path, variant: str | None = None) -> str:
    """The first 40 hexadecimal digits of a sha256 over the names and contents of the files that a model is loaded from.

    Its card and its metrics are not among them: a better sentence there makes no other model. Nor are the weights of
    another variant: a new early checkpoint leaves the final one as it was.
    """
    digest = hashlib.sha256()
    for file in sorted(read_files(model, variant)):
        with file.open("rb") as content:
            named = file.relative_to(model).as_posix()
            digest.update(f"{named}\0{hashlib.file_digest(content, 'sha256').hexdigest()}\n".encode())
    return digest.hexdigest()[:40]


def read_files(model: Path, variant: str | None = None) -> list[Path]:
    """The files that a model is loaded from; a component without weights of that variant has its plain ones."""
    files = [file for file in model.rglob("*") if file.is_file() and file.name not in UNREAD]
    files = [file for file in files if not any(part.startswith(".") for part in file.relative_to(model).parts)]
    varied = {file.parent for file in files if variant is not None and variant_of(file) == variant}
    return [
        file
        for file in files
        if file.suffix != ".safetensors" or variant_of(file) == (variant if file.parent in varied else None)
    ]


def variant_of(weights: Path) -> str | None:
    """``early`` of ``model.early.safetensors`` or ``model.early-00001-of-00002.safetensors``; None of plain weights."""
    _, _, named = weights.name.removesuffix(".safetensors").partition(".")
    return named.partition("-")[0] or None


def shipped() -> list[dict[str, Any]]:
    """Every house model: name, revision, bytes, and what was measured of it (the plain numbers of its metrics.json)."""
    return [_described(model) for model in _folders()]


def names() -> list[str]:
    """The house models by name, such as ``house/clip``."""
    return [PREFIX + model.name for model in _folders()]


def _folders() -> list[Path]:
    return sorted({index.parent for name in INDICES for index in HOUSE.glob(f"*/{name}")})


def _described(model: Path) -> dict[str, Any]:
    metrics = model / "metrics.json"
    measured = json.loads(metrics.read_text()) if metrics.is_file() else {}
    return {
        "name": PREFIX + model.name,
        "revision": revision(model),
        "bytes": sum(file.stat().st_size for file in model.rglob("*") if file.is_file()),
        "measured": {name: _value(measured, name) for name in HEADLINES if _value(measured, name) is not None},
    }


def _value(measured: Any, name: str) -> Any:
    for part in name.split("."):
        measured = measured.get(part) if isinstance(measured, dict) else None
    return measured
