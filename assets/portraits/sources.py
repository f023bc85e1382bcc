"""What the portraits are made from: prompts, the generators, and who looks at their images."""

from __future__ import annotations

import hashlib

import polars as pl

from corpusmith.assets.portraits import earlier, makers
from corpusmith.assets.portraits import prompts as planning
from corpusmith.assets.portraits.settings import Portraits
from corpusmith.assets.portraits.splits import splits
from corpusmith.assets.resources import Workshop
from corpusmith.ingest import people
from corpusmith.models.diffusion import runs_on
from corpusmith.models.preflight import preflight
from corpusmith.work.produce import keys_of, missing, shelf_of


def partitions(workshop: Workshop) -> dict[str, str]:
    """The partitions of portraits/images that the settings ask for: each generator with its fingerprint."""
    return {name: makers.generator(name).fingerprint for name in workshop.settings.portraits.generators}


def ready(workshop: Workshop) -> None:
    """What would stop the work later is found before it begins.

    Raises ModelError if a generator that lacks images, or who looks at images, could not do its work here, and
    SettingsError if there are too few prompts to split.
    """
    settings = workshop.settings.portraits
    splits(prompts(settings), settings.splits)
    for model in makers.local_readers(settings):
        model.ready()
    asked = prompts(settings).lazy()
    for maker in map(makers.generator, settings.generators):
        if missing(keys_of(asked, maker), shelf_of(maker, workshop.ledger)).any():
            preflight(maker.entry, runs_on(maker.entry)[0])


def prompts(settings: Portraits) -> pl.DataFrame:
    """The prompts that the settings ask for."""
    return planning.prompts(settings.vocabulary, settings.prompts.per_emotion, settings.prompts.seed)


def inputs(workshop: Workshop) -> dict[str, str]:
    """A digest of what people said, and the releases that new images are held against."""
    said = people.said(workshop.home, "portraits").collect()
    before = ", ".join(release.name for release in earlier.releases(workshop))
    return {"earlier releases": before, "people": hashlib.sha256(said.write_ndjson().encode()).hexdigest()}
