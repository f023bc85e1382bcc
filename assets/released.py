"""What a release of any corpus is written from, what it shows, and the settings that it is made again with."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
from pydantic import ValidationError

from corpusmith.assets.corpus import Corpus
from corpusmith.assets.resources import Workshop
from corpusmith.assets.taken_down import without_taken_down
from corpusmith.errors import UserError
from corpusmith.models import catalog
from corpusmith.release import shelf
from corpusmith.release.inputs import Release
from corpusmith.release.manifest import Manifest
from corpusmith.settings import merge, named_models, shared


def release_of(corpus: Corpus, workshop: Workshop, tables: Mapping[str, Any]) -> Release:
    """Everything that a release says, ready to be written; ``tables``: those of ``corpus.tables`` and the scores."""
    content = corpus.content(workshop, **{name: tables[name] for name in corpus.tables})
    content = without_taken_down(content, corpus, workshop)
    version = workshop.settings.of(corpus.name).version
    return Release(
        corpus=corpus.name,
        version=version,
        text=corpus.card(workshop),
        rows=content.rows,
        rejected=content.rejected,
        scores=pl.concat([tables[name] for name in corpus.scores]).collect(),
        made=content.made,
        makers=corpus.makers(workshop),
        params=shared(workshop.settings, corpus.name),
        sources=corpus.sources(workshop),
        changelog=shelf.changelog_of(workshop.home, corpus.name, version),
        lineage=corpus.lineage,
    )


def shown(manifest: Manifest, folder: Path, more: Mapping[str, Any] = {}) -> dg.MaterializeResult:
    """What the UI and the command line show of a release; what Dagster compares of two is their digest.

    more: further metadata.
    """
    report = folder / "report" / "index.html"
    return dg.MaterializeResult(
        data_version=dg.DataVersion(manifest.digest),
        metadata={
            **more,
            "version": manifest.version,
            "rows": manifest.counts["rows"],
            "release": dg.MetadataValue.path(str(folder)),
            "report": dg.MetadataValue.path(str(report)),
            "balance": dg.MetadataValue.json(manifest.counts),
        },
    )


def as_released(corpus: Corpus, workshop: Workshop, manifest: Manifest, allowed: Collection[str] = ()) -> Workshop:
    """The workshop with the settings that a release was made with; what is this machine's is as it is here.

    A release says what is made again, never where: of its settings none is taken that is marked ``Here``, and none of
    the engine's. Raises UserError for a model that neither the catalog nor the settings here know, unless ``allowed``,
    and for settings that are not the corpus's.
    """
    mine = workshop.settings.of(corpus.name)
    theirs = manifest.params.get(corpus.name, {})
    laid = merge(mine.model_dump(), theirs)
    for path in corpus.settings.marked("here"):
        _put(laid, path, _at(mine.model_dump(), path))
    named_here = {*named_models(corpus.settings, mine.model_dump()), *allowed}
    for model in named_models(corpus.settings, laid):
        if model not in named_here and not (isinstance(model, str) and catalog.known(model)):
            raise UserError(
                f"the release names the model {model!r}, which neither the catalog nor your settings know: "
                f"if you trust it, allow it with --allow {model!r}"
            )
    try:
        table = corpus.settings.model_validate(laid)
    except ValidationError as error:
        wrong = ", ".join(".".join(map(str, problem["loc"])) for problem in error.errors())
        raise UserError(
            f"the settings of {manifest.corpus} {manifest.version} are not those of this version of corpusmith: "
            f"{corpus.name}.{wrong!r}; use the version that the manifest names"
        ) from None
    return dataclasses.replace(workshop, settings=workshop.settings.model_copy(update={corpus.name: table}))


def _at(said: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    for part in path:
        said = said[part]
    return said


def _put(said: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    *above, last = path
    for part in above:
        said = said[part] if isinstance(said.get(part), dict) else said.setdefault(part, {})
    said[last] = value
