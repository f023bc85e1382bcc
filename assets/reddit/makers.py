"""Who labels, rewrites and writes: the settings' names turned into makers."""

from __future__ import annotations

from corpusmith.settings import Reddit
from corpusmith.work.produce import Maker


def judge(settings: Reddit) -> Maker:
    """Reads the emotion of a text: a house classifier, any sequence classifier of the Hub, or a language model."""
    from corpusmith.models import classify

    name = settings.models.judge
    if name == "llm":
        from corpusmith.models import writers

        return writers.LlmClassifier(_chat(settings))
    return classify.HouseClassifier(name) if name.startswith("house/") else classify.HubClassifier(name)


def rewriter(settings: Reddit) -> Maker:
    """Puts a neutral comment into a target emotion."""
    if settings.models.rewriter == "llm":
        from corpusmith.models import writers

        return writers.LlmRewriter(_chat(settings))
    from corpusmith.models import rewrite

    return rewrite.HouseRewriter()


def generator(settings: Reddit) -> Maker:
    """Writes a new comment of an emotion."""
    from corpusmith.models import writers

    return writers.LlmGenerator(_chat(settings)) if settings.models.generator == "llm" else writers.HouseGenerator()


def _chat(settings: Reddit):  # type: ignore[no-untyped-def]
    from corpusmith.models import chat

    models = settings.models
    return chat.ServerChat(models.llm, models.llm_url) if models.llm_url else chat.LocalChat(models.llm)
