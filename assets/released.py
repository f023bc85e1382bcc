"""What the release assets of all corpora show, and which settings a release records."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import dagster as dg

from assets.resources import Workshop
from corpusmith.release.manifest import Manifest
from corpusmith.settings import HERE, Settings, merge


def shown(manifest: Manifest, folder: Path) -> dg.MaterializeResult:
    """What the UI and the command line show of a release."""
    report = folder / "report" / "index.html"
    return dg.MaterializeResult(
        metadata={
            "version": manifest.version,
            "rows": manifest.counts["rows"],
            "release": dg.MetadataValue.path(str(folder)),
            "report": dg.MetadataValue.path(str(report)),
            "balance": dg.MetadataValue.json(manifest.counts),
        }
    )


def params(settings: Settings, corpus: str) -> dict[str, Any]:
    """The settings that decide a corpus, as plain data: the engine's and its own, without what is this machine's."""
    return settings.model_dump(include={"work", corpus}, exclude={corpus: HERE[corpus]})


def as_released(workshop: Workshop, manifest: Manifest) -> Workshop:
    """The workshop with the settings that a release was made with; what is this machine's is as it is here."""
    here = workshop.settings.model_dump(include={manifest.corpus: HERE[manifest.corpus]})
    settings = merge(merge(workshop.settings.model_dump(), manifest.params), here)
    return dataclasses.replace(workshop, settings=Settings.model_validate(settings))
