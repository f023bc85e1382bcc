"""Settings of imagenet that cannot be met are found before the work begins, and what was taken down is no source."""

from __future__ import annotations

import polars as pl
import pytest
from imagenet_corpus import settings

from corpusmith.assets.imagenet import classes, finetuned, makers, sources
from corpusmith.assets.imagenet.ways import strategies, ways
from corpusmith.assets.resources import Workshop
from corpusmith.errors import SettingsError
from corpusmith.release import tombstones
from corpusmith.release.takedown import sha256_of


def test_without_a_word_the_strategies_are_those_for_which_there_is_something():
    def asked(*overrides: str) -> list[str]:
        return strategies(settings(*overrides).imagenet)

    assert asked() == ["label", "template", "caption", "image", "image_label"]
    assert asked("imagenet.source=[photos]") == ["label", "template", "image", "image_label"]
    assert "caption" in asked("imagenet.source=[photos]", "imagenet.captions.by_class=cupl.json")
    assert asked("imagenet.of_each_class=5") == ["label", "template"]


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("imagenet.strategies=[label, label]", "label is named more than once"),
        ("imagenet.grid.strength=[0.5, 0.5]", "0.5 is named more than once"),
        ("imagenet.classes=foo", "expected one of all, hundred, drawn, or a list of wnids"),
        ("imagenet.names={n07747607: ''}", "should match pattern"),
    ],
)
def test_a_setting_that_says_nothing_sensible_is_refused(override, says):
    with pytest.raises(SettingsError, match=says):
        settings(override)


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("imagenet.curated.agree=4", "agree is 4, and there are 3 tests"),
        ("imagenet.of_each_class=5", "image are drawn from real images, and there are none"),
    ],
)
def test_rules_that_no_image_could_meet_are_refused(override, says):
    with pytest.raises(SettingsError, match=says):
        sources.check_rules(settings(override, "imagenet.strategies=[label, image]").imagenet)


def test_other_words_for_what_is_no_class_are_refused():
    with pytest.raises(SettingsError, match=r"imagenet\.names: n00000001 is none of ImageNet's"):
        classes.check_names({"n00000001": "a thing"})


def test_an_image_alone_is_led_by_no_guidance_so_it_is_not_tried_there():
    tried = list(ways(settings("imagenet.grid.guidance=[2.0, 7.5]").imagenet))
    assert [way["guidance"] for way in tried if way["strategy"] == "image"] == [None]
    assert [way["guidance"] for way in tried if way["strategy"] == "image_label"] == [2.0, 7.5]


def test_a_model_is_adapted_only_where_some_way_asks_for_it():
    assert finetuned.is_wanted(settings("imagenet.finetuned.base=house/velocity").imagenet)
    unasked = settings("imagenet.finetuned.base=house/velocity", "imagenet.strategies=[image]")
    assert not finetuned.is_wanted(unasked.imagenet)


def test_a_strength_of_which_no_step_is_left_is_refused():
    asked = settings("imagenet.grid.strength=[0.01]").imagenet
    way = next(way for way in ways(asked) if way["strategy"] == "image")
    with pytest.raises(SettingsError, match=r"a strength of 0\.01 leaves none: expected 0\.1 at the least"):
        makers.drawer(way, None)


def test_a_real_image_that_was_taken_down_is_no_source(tmp_path):
    workshop = Workshop(tmp_path, settings())
    real = sources.sources(workshop).collect()
    by_name, by_bytes = real["source"][0], real["source"][3]
    digests = [sha256_of(by_name), real["image_sha256"][3]]
    path = tombstones.path_of(tmp_path, "imagenet")
    path.parent.mkdir()
    tombstones.add(path, pl.DataFrame({"key": digests, "holds": "", "version": "", "reason": "asked for"}))
    left = sources.sources(workshop).filter(pl.col("image_sha256").is_not_null()).collect()
    assert set(real["source"]) - set(left["source"]) == {by_name, by_bytes}
