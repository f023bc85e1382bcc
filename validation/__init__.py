"""What must hold of each corpus."""

from importlib import import_module
from types import ModuleType
from typing import Final

SUITES: Final = {"reddit": "validation.reddit", "portraits": "validation.portraits"}
"""The suite of each corpus: a module with Limits, sentences, validate and validate_release; see ``suite_of``."""


def suite_of(corpus: str) -> ModuleType:
    """The suite of a corpus, loaded when it is asked for. Raises KeyError for a corpus that has none."""
    return import_module(SUITES[corpus])
