"""What the portraits are made from besides settings and code: the generators and the models that look at them."""

from __future__ import annotations

import hashlib

from assets.portraits import makers
from assets.resources import Workshop
from corpusmith.ingest import people


def partitions(workshop: Workshop) -> list[str]:
    """The partitions of portraits/images that the settings ask for."""
    return list(workshop.settings.portraits.generators)


def inputs(workshop: Workshop) -> dict[str, str]:
    """The fingerprint of every model by its name, which holds its resolved revision, and a digest of what people said.

    Raises ModelError: a model that is unknown or cannot be had is found before any work starts.
    """
    models = {name: maker.fingerprint for name, maker in makers.all_of(workshop.settings.portraits).items()}
    said = people.said(workshop.home, "portraits").collect()
    return {**models, "people": hashlib.sha256(said.write_ndjson().encode()).hexdigest()}
