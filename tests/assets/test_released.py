"""A release decides what is made again, never where to: what it says of this machine is not believed."""

import dataclasses
from types import SimpleNamespace
from typing import Any

import pytest

from corpusmith.assets.corpus import Corpus
from corpusmith.assets.registry import corpora, load
from corpusmith.assets.released import as_released
from corpusmith.assets.resources import Workshop
from corpusmith.errors import UserError
from corpusmith.settings import shared

CORPORA = pytest.mark.parametrize("corpus", corpora().values(), ids=lambda corpus: corpus.name)


@pytest.fixture
def workshop(tmp_path) -> Workshop:
    return Workshop(tmp_path, load(profile="smoke"))


def manifest(corpus: Corpus, **params: Any) -> Any:
    """What a manifest says that somebody else wrote."""
    return SimpleNamespace(corpus=corpus.name, version="1.0.0", params={corpus.name: params})


def nested(path: tuple[str, ...], value: Any) -> dict[str, Any]:
    for part in reversed(path):
        value = {part: value}
    return value


@CORPORA
def test_no_setting_of_this_machine_is_taken_from_a_release(corpus, workshop):
    for path in corpus.settings.marked("here"):
        evil = {"evil": "http://evil"} if path[-1] == "servers" else ["/etc/passwd"]
        again = as_released(corpus, workshop, manifest(corpus, **nested(path, evil)))
        assert again.settings == workshop.settings


@CORPORA
def test_no_setting_of_this_machine_is_in_a_release(corpus, workshop):
    said = shared(workshop.settings, corpus.name)
    assert "corpora" not in said["work"]
    for path in corpus.settings.marked("here"):
        table = said[corpus.name]
        for part in path[:-1]:
            table = table[part]
        assert path[-1] not in table


@CORPORA
def test_every_address_is_a_setting_of_this_machine(corpus):
    def named(table, path=()):
        for name, field in table.model_fields.items():
            yield (*path, name)
            if isinstance(field.annotation, type) and hasattr(field.annotation, "model_fields"):
                yield from named(field.annotation, (*path, name))

    addresses = {path for path in named(corpus.settings) if path[-1] in ("servers", "source", "by_class", "sets")}
    assert addresses == set(corpus.settings.marked("here"))


@CORPORA
def test_a_model_that_nobody_here_knows_is_opened_only_if_it_is_allowed(corpus, workshop):
    for path in corpus.settings.marked("model"):
        settings = workshop.settings.of(corpus.name).model_dump()
        for part in path:
            settings = settings[part]
        evil = "llm:evil/model"
        theirs = manifest(corpus, **nested(path, [evil] if isinstance(settings, list) else evil))
        with pytest.raises(UserError, match=r"'llm:evil/model', which neither .* --allow 'llm:evil/model'") as told:
            as_released(corpus, workshop, theirs)
        assert "\n" not in str(told.value)
        again = as_released(corpus, workshop, theirs, allowed=[evil])
        assert again.settings != workshop.settings


def test_a_model_of_the_catalog_is_opened(workshop):
    reddit = corpora()["reddit"]
    again = as_released(reddit, workshop, manifest(reddit, models={"judge": "llm:Qwen/Qwen3-0.6B"}))
    assert again.settings.reddit.models.judge == "llm:Qwen/Qwen3-0.6B"
    assert dataclasses.replace(again, settings=workshop.settings) == workshop


def test_settings_that_are_not_the_corpus_s_are_refused_in_one_line(workshop):
    reddit = corpora()["reddit"]
    with pytest.raises(UserError, match="are not those of this version of corpusmith") as told:
        as_released(reddit, workshop, manifest(reddit, balanced={"rows_per_emotion": "\x1b[2Jmany"}))
    assert "\n" not in str(told.value)
    assert "\x1b" not in str(told.value)
