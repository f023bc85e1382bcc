"""Who generates, looks at and embeds images: the settings' names, looked up in the catalog, turned into makers."""

from __future__ import annotations

from corpusmith.assets.portraits.settings import Portraits
from corpusmith.errors import ModelError
from corpusmith.models import catalog, perceivers
from corpusmith.models.generator import Generator
from corpusmith.models.perceivers.chat import LocalVision
from corpusmith.models.perceivers.network import ImageModel
from corpusmith.models.text.servers import Servers, served
from corpusmith.work.produce import Maker


def generator(name: str) -> Generator:
    """Makes an image of a prompt."""
    return Generator(_entry(name, "text_to_image"))


def perceiver(name: str, servers: Servers) -> Maker:
    """Reads a portrait: a classifier, a CLIP-style model with prompts, or a vision-language model that is asked."""
    entry = _entry(name, "classify", "embed", "caption")
    if entry.role == "classify":
        return perceivers.Classifier(entry.repository, _revision(entry))
    if entry.role == "embed":
        return perceivers.ZeroShot(entry.repository, _revision(entry))
    if name in servers:
        return perceivers.VisionChat(served(entry.repository, servers[name]))
    return perceivers.VisionChat(LocalVision(entry.repository, entry.revision, entry.batch))


def embedder(name: str) -> Maker:
    """Turns an image into a vector."""
    entry = _entry(name, "embed")
    return perceivers.Embedder(entry.repository, _revision(entry))


def safety(name: str) -> Maker:
    """Says how safe for work an image is."""
    entry = _entry(name, "classify")
    return perceivers.Safety(entry.repository, _revision(entry))


def all_of(settings: Portraits) -> dict[str, Maker]:
    """Every maker that the settings name, once, by what it does and its name; nothing is loaded."""
    readers = dict.fromkeys([*settings.annotators, *settings.perceivers])
    return {
        **{f"generator {name}": generator(name) for name in settings.generators},
        **{f"perceiver {name}": perceiver(name, settings.servers) for name in readers},
        f"embedder {settings.embedder}": embedder(settings.embedder),
        **({f"safety {settings.safety}": safety(settings.safety)} if settings.safety else {}),
    }


def local_readers(settings: Portraits) -> list[ImageModel]:
    """The models that look at images in this process; a server looks after its own."""
    readers = [value for name, value in all_of(settings).items() if not name.startswith("generator ")]
    models = [maker.chat if isinstance(maker, perceivers.VisionChat) else maker for maker in readers]
    return [model for model in models if isinstance(model, ImageModel)]


def _revision(entry: catalog.Entry) -> str | None:
    return None if entry.is_house else entry.revision


def _entry(name: str, *roles: str) -> catalog.Entry:
    found = catalog.entry(name)
    if found.role not in roles:
        raise ModelError(f"{name} is a model of the role {found.role}; expected one of {', '.join(roles)}")
    return found
