"""Tell whether a release is already what a build would make: the same sources, settings, code and libraries."""

from __future__ import annotations

import functools
import hashlib
import importlib
import importlib.metadata
import json
import sys
from pathlib import Path

import polars as pl

import corpusmith
import corpusmith.assets
import corpusmith.validation
from corpusmith.assets.corpus import Corpus
from corpusmith.assets.resources import Workshop
from corpusmith.errors import ReleaseError
from corpusmith.release import manifest, parquet, tombstones
from corpusmith.settings import shared
from corpusmith.whole import write_whole

FAILED = ["not_made", "not_judged"]
LIBRARIES = (
    "diffusers",
    "great-expectations",
    "numpy",
    "pillow",
    "polars",
    "pyarrow",
    "scikit-learn",
    "scipy",
    "tokenizers",
    "torch",
    "transformers",
)


def inputs(corpus: Corpus, workshop: Workshop) -> str:
    """SHA-256 over all that decides a corpus: settings, sources, who makes its rows, what was taken down, the code."""
    decides = {
        "settings": shared(workshop.settings, corpus.name),
        "sources": [(source.name, source.sha256) for source in corpus.sources(workshop)],
        # a model that the build itself adapts is decided by what it is made from, and not there before the first one
        "makers": sorted(name for name, made in corpus.makers(workshop).items() if not made.get("adapter")),
        "inputs": dict(corpus.inputs(workshop)),
        "taken_down": tombstones.digest(workshop.home, corpus.name),
        "code": code(corpus.graph),
    }
    return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()


@functools.cache
def code(graph: str | None = None) -> str:
    """SHA-256 over our own files, house models included, and the versions of the libraries that compute.

    graph: the module of a corpus's assets; a corpus of somebody else's is decided by the files beside it as well.
    """
    found = hashlib.sha256(sys.version.encode())
    for library in LIBRARIES:
        found.update(f"{library} {importlib.metadata.version(library)}\n".encode())
    folders = [Path(module.__path__[0]) for module in (corpusmith, corpusmith.validation, corpusmith.assets)]
    if graph and not any(theirs(graph).is_relative_to(folder) for folder in folders):
        folders.append(theirs(graph))
    for folder in folders:
        for path in sorted(path for path in folder.rglob("*") if _is_code(path)):
            found.update(f"{folder.name}/{path.relative_to(folder)} {manifest.sha256(path)}\n".encode())
    return found.hexdigest()


def theirs(graph: str) -> Path:
    """The folder of the module of a corpus's assets."""
    return Path(str(importlib.import_module(graph).__file__)).parent


def remember(workshop: Workshop, corpus: str, decided_by: str) -> None:
    """Note what the release that lies there was made from."""
    release = workshop.release(corpus)
    said = {"inputs": decided_by, "manifest": manifest.sha256(release / manifest.NAME)}
    path = _note(workshop, corpus)
    write_whole(path, json.dumps(said))


def every_row_made(release: Path) -> bool:
    """Whether no row is among the rejected because a model failed: that may pass, so it is worth another try."""
    if not (release / "rejected").is_dir():
        return True
    failed = pl.col("reasons").list.set_intersection(FAILED).list.len() > 0
    return not parquet.scan(release, "rejected").select(failed.any()).collect().item()


def unchanged(workshop: Workshop, corpus: str, decided_by: str) -> manifest.Manifest | None:
    """The manifest of the release, if it is whole and was made from the same; else None."""
    release = workshop.release(corpus)
    try:
        said = json.loads(_note(workshop, corpus).read_text())
        if said != {"inputs": decided_by, "manifest": manifest.sha256(release / manifest.NAME)}:
            return None
        return manifest.check(release)
    except (OSError, ValueError, ReleaseError):
        return None


def _note(workshop: Workshop, corpus: str) -> Path:
    return workshop.home / ".corpusmith" / "built" / f"{corpus}.json"


def _is_code(path: Path) -> bool:
    return path.is_file() and "__pycache__" not in path.parts and not path.name.startswith(".")
