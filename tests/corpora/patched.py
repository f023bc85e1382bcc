"""The command line of corpusmith in a process of its own that dies at a step of a release, or has other settings.

python patched.py STEP ARGUMENT… with a name of STEPS. Libraries keep the streams of a process, and close them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from corpusmith import settings
from corpusmith.assets import versions
from corpusmith.dagster_project import evolve
from corpusmith.dagster_project.cli import app
from corpusmith.release import shelf


def die(*_: object) -> None:
    raise KeyboardInterrupt


def second(original: Callable[..., Any]) -> Callable[..., Any]:
    """Does what it should the first time, and dies the second."""
    calls = iter([original, die])
    return lambda *arguments: next(calls)(*arguments)


def package_settings(params: str) -> None:
    """As if the settings that are in force were those of the package: a file that is nobody's own."""
    settings.default_path = evolve.default_path = versions.default_path = lambda: Path(params)


STEPS: dict[str, Callable[[], None]] = {
    "in the changelog": lambda: setattr(shelf, "_link", die),
    "before the settings": lambda: setattr(versions, "write_version", die),
    "before the shelf": lambda: setattr(shelf, "put", die),
    "on the shelf": lambda: setattr(shelf, "_link", second(shelf._link)),
    "before the shelf's changelog": lambda: setattr(shelf, "settle", second(shelf.settle)),
}

if __name__ == "__main__":
    step, *arguments = sys.argv[1:]
    STEPS[step]() if step in STEPS else package_settings(step)
    app(arguments)
