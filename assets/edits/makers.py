"""Who draws scenes, finds regions, edits and judges: the settings' names, looked up in the catalog, as makers."""

from __future__ import annotations

from collections.abc import Sequence

from corpusmith.assets.edits.scenes import Drawer, Photographs
from corpusmith.assets.edits.settings import Curated, Edits
from corpusmith.errors import ModelError
from corpusmith.models import catalog
from corpusmith.models.editor import Editor
from corpusmith.models.generator import Generator
from corpusmith.models.perceivers import Embedder, Tagger
from corpusmith.models.perceivers.edits import EditJudge
from corpusmith.models.regions import NamedRegions, RegionFinder
from corpusmith.models.text.batch_api import BatchChat
from corpusmith.models.text.chat import LocalChat
from corpusmith.models.text.edit_prompts import EditPromptWriter
from corpusmith.models.text.servers import served
from corpusmith.work.produce import Maker


def generator(name: str) -> Generator:
    """Makes an image of a caption."""
    return Generator(_entry(name, "text_to_image"))


def finder(settings: Edits) -> RegionFinder | NamedRegions:
    """Says what may be edited in an image, and where. Raises ModelError: a vision-language model without a server."""
    wanted = settings.regions
    if wanted.vision is None:
        entry = _entry(wanted.finder, "segment")
        return RegionFinder(entry.repository, _revision(entry))
    if wanted.vision not in settings.servers:
        raise ModelError(f"edits.regions.vision: {wanted.vision} needs a server: name its URL under edits.servers")
    entry = _entry(wanted.segmenter, "segment")
    chat = served(_entry(wanted.vision, "caption").repository, settings.servers[wanted.vision])
    if isinstance(chat, BatchChat):
        raise ModelError(f"edits.regions.vision: {wanted.vision} is asked image by image: name a server without batch+")
    return NamedRegions(chat, entry.repository, _revision(entry))


def writer(settings: Edits) -> EditPromptWriter | None:
    """Writes prompts, through a server where one is named, else in this process; None: the grammar does."""
    name = settings.turns.writer
    if name is None:
        return None
    entry = _entry(name, "language", "caption")
    if name in settings.servers:
        return EditPromptWriter(served(entry.repository, settings.servers[name]))
    return EditPromptWriter(LocalChat(entry.repository))


def editor(name: str) -> Editor:
    """Paints a region anew."""
    return Editor(_entry(name, "inpaint"))


def editors(settings: Edits) -> list[Editor]:
    """All of them; label k of a label map is the k-th."""
    return [editor(name) for name in settings.editors]


def edit_judge(settings: Curated) -> EditJudge:
    """Says whether an edit happened, and as it was asked."""
    embedder = _entry(settings.embedder, "embed")
    judge = _entry(settings.judge, "classify") if settings.judge else None
    return EditJudge(
        Tagger(judge.repository, _revision(judge)) if judge else None,
        Embedder(embedder.repository, _revision(embedder)),
    )


def all_of(settings: Edits) -> Sequence[Maker]:
    """Every maker that the settings name; nothing is loaded."""
    scenes = settings.scenes
    sources: list[Maker] = [Photographs(scenes.max_edge)] if settings.source else [Drawer()]
    if scenes.generated and not settings.source:
        sources.append(generator(scenes.generator))
    written = [found] if (found := writer(settings)) else []
    return [*sources, finder(settings), *written, *editors(settings), edit_judge(settings.curated)]


def _revision(entry: catalog.Entry) -> str | None:
    return None if entry.is_house else entry.revision


def _entry(name: str, *roles: str) -> catalog.Entry:
    found = catalog.entry(name)
    if found.role not in roles:
        raise ModelError(f"{name} is a model of the role {found.role}; expected one of {', '.join(roles)}")
    return found
