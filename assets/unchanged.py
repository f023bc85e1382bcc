"""Tell whether a release is already what a build would make: the same sources, settings, code and libraries."""

from __future__ import annotations

import hashlib
import importlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

import corpusmith
import corpusmith.assets
import corpusmith.validation
from corpusmith.assets import glance
from corpusmith.assets.corpus import Corpus
from corpusmith.assets.resources import Workshop
from corpusmith.errors import ReleaseError
from corpusmith.release import manifest, parquet, tombstones
from corpusmith.settings import Table, shared
from corpusmith.whole import write_whole

FAILED = ["not_made", "not_judged"]


@dataclass(frozen=True)
class Inputs:
    """All that decides a corpus.

    parts: settings, sources (name and SHA-256 of each), the fingerprints of who makes its rows, digests of what else it
    is made from, of what was taken down and of the code. glance: the same as files and times (assets/glance.py).
    """

    parts: Mapping[str, Any]
    glance: Mapping[str, Any]

    @property
    def digest(self) -> str:
        """SHA-256 over the parts."""
        return hashlib.sha256(json.dumps(self.parts, sort_keys=True).encode()).hexdigest()


def inputs(corpus: Corpus, workshop: Workshop) -> Inputs:
    """All that decides a corpus as it is now; every source is read to its end."""
    parts = {
        "settings": shared(workshop.settings, corpus.name),
        "sources": [[source.name, source.sha256] for source in corpus.sources(workshop)],
        # a model that the build itself adapts is decided by what it is made from, and not there before the first one
        "makers": sorted(name for name, made in corpus.makers(workshop).items() if not made.get("adapter")),
        "inputs": dict(corpus.inputs(workshop)),
        "taken_down": tombstones.digest(workshop.home, corpus.name),
        "code": code(corpus.graph),
    }
    return Inputs(parts, _glance(corpus, workshop, parts))


def code(graph: str | None = None) -> str:
    """SHA-256 over our own files, house models included, and the versions of the libraries that compute.

    graph: the module of a corpus's assets; a corpus of somebody else's is decided by the files beside it as well.
    """
    return glance.code(_folders(graph))


def theirs(graph: str) -> Path:
    """The folder of the module of a corpus's assets."""
    return Path(str(importlib.import_module(graph).__file__)).parent


def remember(workshop: Workshop, corpus: str, decided_by: Inputs) -> None:
    """Note what the release that lies there was made from."""
    release = workshop.release(corpus)
    said = {"inputs": decided_by.digest, "manifest": manifest.sha256(release / manifest.NAME)}
    parts = {"parts": decided_by.parts, "glance": decided_by.glance}
    write_whole(note_of(workshop.home, corpus), json.dumps(said | parts))


def changes(workshop: Workshop, corpus: str, now: Inputs) -> list[str] | None:
    """What is not as it was when the release was built, a line for each; None: it is not known what that was.

    Sources and models are compared by content, which takes as long as reading them.
    """
    try:
        old = json.loads(note_of(workshop.home, corpus).read_text())["parts"]
    except (OSError, ValueError, KeyError):
        return None
    new = json.loads(json.dumps(now.parts))
    found = glance.settings_changed(old["settings"], new["settings"])
    found += glance.sources_changed(*({name: [sha] for name, sha in parts["sources"]} for parts in (old, new)))
    if gone_or_new := sorted(set(old["makers"]) ^ set(new["makers"])):
        signs = (f"{'+' if maker in new['makers'] else '−'} {maker}" for maker in gone_or_new)
        found.append(f"models changed: {', '.join(signs)}")
    names = sorted({*old["inputs"], *new["inputs"]})
    found += [f"{name} changed" for name in names if old["inputs"].get(name) != new["inputs"].get(name)]
    said = {"taken_down": glance.TAKEN_DOWN, "code": glance.CODE_CHANGED}
    return found + [sentence for name, sentence in said.items() if old[name] != new[name]]


def every_row_made(release: Path) -> bool:
    """Whether no row is among the rejected because a model failed: that may pass, so it is worth another try."""
    if not (release / "rejected").is_dir():
        return True
    failed = pl.col("reasons").list.set_intersection(FAILED).list.len() > 0
    return not parquet.scan(release, "rejected").select(failed.any()).collect().item()


def unchanged(workshop: Workshop, corpus: str, decided_by: Inputs) -> manifest.Manifest | None:
    """The manifest of the release, if it is whole and was made from the same; else None."""
    release = workshop.release(corpus)
    try:
        said = json.loads(note_of(workshop.home, corpus).read_text())
        if (said["inputs"], said["manifest"]) != (decided_by.digest, manifest.sha256(release / manifest.NAME)):
            return None
        return manifest.check(release)
    except (OSError, ValueError, KeyError, ReleaseError):
        return None


def note_of(home: Path, corpus: str) -> Path:
    """Where it is noted what the release of a corpus was made from."""
    return home / ".corpusmith" / "built" / f"{corpus}.json"


def _glance(corpus: Corpus, workshop: Workshop, parts: Mapping[str, Any]) -> dict[str, Any]:
    """What is noted to be compared at a glance: of the sources, the files that settings of this machine name."""
    settings = workshop.settings.model_dump(mode="json", include={"work", corpus.name})
    here = [(table, *path) for table in ("work", corpus.name) for path in _table(workshop, table).marked("here")]
    named = [value for table, *path in here if table != "work" for value in _texts(_at(settings[table], path))]
    if corpus.reads_sources and not named:
        named = [str(workshop.inbox)]
    folders = _folders(corpus.graph)
    names = [".".join(path) for path in here]
    return glance.note(workshop.profile, parts["settings"], names, folders, named, parts["taken_down"])


def _table(workshop: Workshop, name: str) -> Table:
    found: Table = getattr(workshop.settings, name)
    return found


def _at(said: Any, path: list[str]) -> Any:
    for part in path:
        said = said.get(part) if isinstance(said, Mapping) else None
    return said


def _texts(value: Any) -> list[str]:
    """The paths that a setting may name."""
    if isinstance(value, Mapping):
        return [text for held in value.values() for text in _texts(held)]
    if isinstance(value, list):
        return [text for held in value for text in _texts(held)]
    return [value] if isinstance(value, str) and Path(value).expanduser().exists() else []


def _folders(graph: str | None) -> tuple[Path, ...]:
    folders = [Path(module.__path__[0]) for module in (corpusmith, corpusmith.validation, corpusmith.assets)]
    if graph and not any(theirs(graph).is_relative_to(folder) for folder in folders):
        folders.append(theirs(graph))
    return tuple(folders)
