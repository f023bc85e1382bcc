"""Who draws, looks at and adapts: the settings' names, looked up in the catalog, turned into makers."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Final

from corpusmith.assets.imagenet import ways
from corpusmith.assets.imagenet.settings import ImageNet
from corpusmith.assets.imagenet.ways import Way
from corpusmith.errors import ModelError, SettingsError
from corpusmith.models import catalog
from corpusmith.models.catalog import Entry
from corpusmith.models.generator import Generator
from corpusmith.models.perceivers import Embedder, Recognizer, Safety, TextSimilarity
from corpusmith.models.perceivers.chat import Captioner, LocalVision
from corpusmith.models.text.servers import Servers, served
from corpusmith.models.variations import ImageToImage
from corpusmith.work.produce import Maker

TRUE_GUIDANCE: Final = "true_cfg_scale"
"""What pipelines call the scale of a guidance by a second pass whose own guidance is distilled."""


class PairedGenerator(Generator):
    """A generator of images that are paired with a source: one text is drawn anew for each."""

    inputs = ("prompt", "source")


Drawer = PairedGenerator | ImageToImage


def drawer(way: Way, adapted: Entry | None) -> Drawer:
    """Draws images in one way (ways.WAY). adapted: the entry of the generator that was adapted."""
    if way["generator"] == ways.FINETUNED:
        assert adapted is not None
        entry = adapted
    elif way["strategy"] in ways.FROM_IMAGE:
        entry = _entry(way["generator"], "image_to_image", *(["variation"] if way["strategy"] == "image" else []))
    else:
        entry = _entry(way["generator"], "text_to_image")
    return _drawer(_at(entry, way).model_dump_json())


@cache
def _drawer(said: str) -> Drawer:
    """One maker of an entry for all blocks of classes, since it holds a model."""
    entry = Entry.model_validate_json(said)
    return PairedGenerator(entry) if entry.role == "text_to_image" else ImageToImage(entry)


@cache
def recognizer(name: str, names: tuple[str, ...]) -> Recognizer:
    """Says whether an image shows the class that it is of, one of ``names``."""
    entry = _entry(name, "classify")
    return Recognizer(entry.repository, _revision(entry), names)


@cache
def embedder(name: str) -> Embedder:
    """Turns an image into a vector."""
    entry = _entry(name, "embed")
    return Embedder(entry.repository, _revision(entry))


@cache
def text_similarity(name: str) -> TextSimilarity:
    """Says how near an image is to a text."""
    entry = _entry(name, "embed")
    return TextSimilarity(entry.repository, _revision(entry))


def safety(name: str) -> Safety:
    """Says how safe for work an image is."""
    entry = _entry(name, "classify")
    return Safety(entry.repository, _revision(entry))


def captioner(name: str, servers: Servers) -> Captioner:
    """Says in a sentence what an image shows."""
    entry = _entry(name, "caption")
    if name in servers:
        return Captioner(served(entry.repository, servers[name]))
    return Captioner(LocalVision(entry.repository, entry.revision, entry.batch))


def all_of(settings: ImageNet, names: Iterable[str], adapted: Entry | None) -> list[Maker]:
    """Every maker that the settings name, once; nothing is loaded. Without ``adapted`` its own images are left out."""
    drawn = [way for way in ways.ways(settings) if adapted or way["generator"] != ways.FINETUNED]
    rules = settings.curated
    looking: list[Maker] = [recognizer(rules.recognizer, tuple(names)), *map(embedder, rules.embedders)]
    looking.append(text_similarity(rules.embedders[0]))
    if rules.safety:
        looking.append(safety(rules.safety))
    if settings.captions.captioner:
        looking.append(captioner(settings.captions.captioner, settings.servers))
    makers: list[Maker] = [*(drawer(way, adapted) for way in drawn), *looking]
    return list({maker.fingerprint: maker for maker in makers}.values())


def _at(entry: Entry, way: Way) -> Entry:
    """The entry with what a point of the grid says otherwise."""
    said = {name: way[name] for name in ("guidance", "steps") if way[name] is not None}
    arguments = dict(entry.arguments)
    if "guidance" in said and TRUE_GUIDANCE in arguments:
        arguments[TRUE_GUIDANCE] = said.pop("guidance")
    if way["strength"] is not None and entry.role == "image_to_image":
        arguments["strength"] = way["strength"]
        if (steps := said.get("steps") or entry.steps) and int(way["strength"] * steps) < 1:
            raise SettingsError(
                f"imagenet.grid: of {steps} steps of {entry.name} a strength of {way['strength']:g} leaves none: "
                f"expected {1 / steps:g} at the least"
            )
    return entry.model_copy(update={**said, "arguments": arguments})


def _revision(entry: Entry) -> str | None:
    return None if entry.is_house else entry.revision


def _entry(name: str, *roles: str) -> Entry:
    found = catalog.entry(name)
    if found.role not in roles:
        raise ModelError(f"{name} is a model of the role {found.role}; expected one of {', '.join(roles)}")
    return found
