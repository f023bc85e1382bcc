"""The house models: small ones that the project trained itself and ships."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Final

from corpusmith.errors import ModelError

HOUSE: Final = Path(__file__).parent / "house"
PREFIX: Final = "house/"
HEADLINES: Final = ("macro_f1", "ece", "zero_shot.macro_f1", "zero_shot.coverage", "generated.read_as_asked_mean")
"""What a list of models shows of their metrics.json; a dot leads into a table."""
UNREAD: Final = ("README.md", "metrics.json")


def folder(name: str) -> Path:
    """The folder of a shipped model: ``house/emotion-judge`` or ``emotion-judge``. Raises ModelError: no such model."""
    found = HOUSE / name.removeprefix(PREFIX)
    if not (found / "config.json").is_file():
        known = ", ".join(sorted(PREFIX + config.parent.name for config in HOUSE.glob("*/config.json")))
        raise ModelError(f"{name} is no house model; there are: {known or 'none'}")
    return found


def revision(model: Path) -> str:
    """The first 40 hexadecimal digits of a sha256 over the names and contents of the files that a model is loaded from.

    Its card and its metrics are not among them: a better sentence there makes no other model.
    """
    digest = hashlib.sha256()
    for file in sorted(file for file in model.iterdir() if file.is_file() and file.name not in UNREAD):
        with file.open("rb") as content:
            digest.update(f"{file.name}\0{hashlib.file_digest(content, 'sha256').hexdigest()}\n".encode())
    return digest.hexdigest()[:40]


def shipped() -> list[dict[str, Any]]:
    """Every house model: name, revision, bytes, and what was measured of it (the plain numbers of its metrics.json)."""
    return [_described(config.parent) for config in sorted(HOUSE.glob("*/config.json"))]


def _described(model: Path) -> dict[str, Any]:
    metrics = model / "metrics.json"
    measured = json.loads(metrics.read_text()) if metrics.is_file() else {}
    return {
        "name": PREFIX + model.name,
        "revision": revision(model),
        "bytes": sum(file.stat().st_size for file in model.iterdir() if file.is_file()),
        "measured": {name: _value(measured, name) for name in HEADLINES if _value(measured, name) is not None},
    }


def _value(measured: Any, name: str) -> Any:
    for part in name.split("."):
        measured = measured.get(part) if isinstance(measured, dict) else None
    return measured
