"""What must hold of each corpus."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from validation.suite import Report

SUITES: Final = {"reddit": "validation.reddit", "portraits": "validation.portraits"}
"""The suite of each corpus: a module with SENTENCES, Limits and validate; see ``suite_of``."""


def suite_of(corpus: str) -> ModuleType:
    """The suite of a corpus, loaded when it is asked for. Raises KeyError for a corpus that has none."""
    return import_module(SUITES[corpus])


def validate_release(corpus: str, folder: Path, docs: Path | None = None) -> Report:
    """The suite of a corpus over a release folder, by the limits and counts of its manifest if it has one.

    Raises ReleaseError when the folder has no data, or a file is not named or filled as its split says.
    """
    from validation import tables

    suite = suite_of(corpus)
    rows, rejected, said = tables.released(folder)
    made = said.get("counts", {}).get("made")
    params = said.get("params", {}).get(corpus)
    limits = suite.Limits.of(params, made) if params else suite.Limits(made=made)
    report: Report = suite.validate(rows, rejected, limits, docs)
    return report
