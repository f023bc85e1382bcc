"""Synthetic corpora you can trust: every row is made once, on purpose, and can be made again."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from corpusmith.release.read import load, pull

__version__ = "0.1.0"
__all__ = ["__version__", "load", "pull"]

if not (Path(__file__).parent / "assets").is_dir():
    # in a checkout assets/, validation/ and dagster_project/ lie beside this folder; the wheel has them in it
    __path__.append(str(Path(__file__).parents[1]))


def __getattr__(name: str) -> Any:
    """``load`` and ``pull`` are imported when they are first used: `import corpusmith` stays quick."""
    if name in ("load", "pull"):
        from corpusmith.release import read

        return getattr(read, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
