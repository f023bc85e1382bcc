"""Who labels, rewrites and writes: the settings' names turned into makers."""

from __future__ import annotations

from corpusmith.assets.reddit.settings import Models
from corpusmith.models import house
from corpusmith.models.text import adapted_writer, chat, classify, rewrite, writers
from corpusmith.models.text.adapted_judge import AdaptedJudge, is_adapted
from corpusmith.models.text.servers import served
from corpusmith.work.produce import Maker

LLM = "llm:"
HOUSE = "house"  # what needs no other model; house/… is one of the adapted ones


def judge(models: Models) -> Maker:
    """Reads the emotion of a text: a house classifier, any sequence classifier of the Hub, or a language model."""
    return _judge(models.judge, models)


def second_judge(models: Models) -> Maker | None:
    """The same of the rows that may be released; None where no second one is named."""
    return None if models.second_judge is None else _judge(models.second_judge, models)


def rewriter(models: Models) -> Maker:
    """Puts a neutral comment into a target emotion."""
    if models.rewriter.startswith(LLM):
        return writers.LlmRewriter(_chat(models.rewriter, models))
    return rewrite.HouseRewriter() if models.rewriter == HOUSE else adapted_writer.rewriter(models.rewriter)


def generator(models: Models) -> Maker:
    """Writes a new comment of an emotion."""
    if models.generator.startswith(LLM):
        return writers.LlmGenerator(_chat(models.generator, models))
    return writers.HouseGenerator() if models.generator == HOUSE else adapted_writer.generator(models.generator)


def _judge(named: str, models: Models) -> Maker:
    if named.startswith(LLM):
        return writers.LlmClassifier(_chat(named, models))
    if not named.startswith(house.PREFIX):
        return classify.HubClassifier(named)
    return AdaptedJudge(named) if is_adapted(house.folder(named)) else classify.HouseClassifier(named)


def _chat(named: str, models: Models) -> chat.Chat:
    name = named.removeprefix(LLM)
    server = models.servers.get(name)
    return served(name, server) if server else chat.LocalChat(name)
