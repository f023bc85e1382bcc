"""The corpora by name: ours and other people's, registered by an entry point or named in the settings."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Final

from corpusmith.errors import UserError

if TYPE_CHECKING:
    from corpusmith import settings
    from corpusmith.assets.corpus import Corpus

GROUP: Final = "corpusmith.corpora"
"""The group of entry points ``name = "module:CORPUS"``."""


def installed() -> dict[str, EntryPoint]:
    """The corpora that installed packages register, by name; none of them is loaded."""
    return {point.name: point for point in entry_points(group=GROUP)}


def corpora(params: Path | None = None) -> dict[str, Corpus]:
    """Every corpus by its name: the installed ones, and those in the modules that ``work.corpora`` names.

    These are modules of the folder that the settings lie in, or installed ones.

    Raises UserError for one that cannot be loaded, is no Corpus, or has another's name.
    """
    from corpusmith import settings

    params = params or settings.default_path()
    modules = settings.modules(params)
    if modules and (folder := str(params.resolve().parent)) not in sys.path:
        sys.path.append(folder)  # at the end: nothing of theirs stands before an installed package
    found = [_loaded(point.value) for _, point in sorted(installed().items())]
    found += [_loaded(f"{module}:CORPUS") for module in modules]
    by_name: dict[str, Corpus] = {}
    for corpus in found:
        if by_name.setdefault(corpus.name, corpus) is not corpus:
            raise UserError(
                f"two corpora are called {corpus.name}: one of {by_name[corpus.name].graph}, one of {corpus.graph}"
            )
    return by_name


def corpus_of(name: str) -> Corpus:
    """The corpus of a name. Raises UserError: there is none."""
    found = corpora()
    if name not in found:
        from corpusmith import settings, yaml_file

        yaml_file.read(settings.default_path())  # what is wrong with the settings is said first
        raise UserError(f"unknown corpus {name!r}: expected one of {', '.join(found)}")
    return found[name]


def load(
    path: Path | None = None,
    *,
    profile: str = "house",
    overrides: Sequence[str] = (),
    source: tuple[str, Sequence[str]] | None = None,
) -> settings.Settings:
    """The settings of the engine and of every corpus, as `corpusmith.settings.load` has them."""
    from corpusmith import settings

    tables = {name: corpus.settings for name, corpus in corpora(path).items()}
    return settings.load(tables, path, profile=profile, overrides=overrides, source=source)


@cache
def _loaded(place: str) -> Corpus:
    """The corpus at ``module:name``."""
    from corpusmith.assets.corpus import Corpus

    module, _, name = place.partition(":")
    try:
        found = getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise UserError(
            f"the corpus {place} cannot be loaded ({error}): expected a module with a Corpus of that name; "
            f"it is registered by an entry point of the group {GROUP}, or by work.corpora in params.yaml"
        ) from error
    if not isinstance(found, Corpus):
        raise UserError(f"{place} is a {type(found).__name__}; expected a Corpus (assets/corpus.py)")
    return found
