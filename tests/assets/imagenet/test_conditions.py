"""The plan of generated images: each real image once in each way, whoever else is there."""

from __future__ import annotations

import polars as pl
import pytest
from imagenet_corpus import settings

from corpusmith.assets.imagenet import conditions
from corpusmith.assets.imagenet.ways import FROM_IMAGE, ways
from corpusmith.errors import SettingsError

TEMPLATES = ("a photo of the {}.", "a drawing of a {}.", "a sketch of a {}.")


def places(count: int = 6, **columns: object) -> pl.LazyFrame:
    table = {
        "source": [f"drawn/train/n07747607/{n:04d}" for n in range(count)],
        "kind": "drawn",
        "wnid": "n07747607",
        "name": "orange",
        "index": 950,
        "split": "train",
        "image_sha256": [f"{n:064d}" for n in range(count)],
        "caption": "An orange in a park",
        **columns,
    }
    return pl.LazyFrame(table).with_columns(pl.col("index").cast(pl.Int32))


def planned(real: pl.LazyFrame, *overrides: str, captions: dict[str, list[str]] | None = None) -> pl.DataFrame:
    return conditions.conditions(real, captions or {}, TEMPLATES, settings(*overrides).imagenet).collect()


def test_every_real_image_is_asked_for_once_in_every_way():
    found = planned(places())
    assert found.height == 6 * 5
    assert found.group_by("source").agg(pl.col("strategy").n_unique())["strategy"].to_list() == [5] * 6
    assert found.schema == conditions.CONDITION


def test_what_starts_from_an_image_names_it_and_what_starts_from_a_text_does_not():
    found = planned(places())
    from_image = found.filter(pl.col("strategy").is_in(FROM_IMAGE))
    assert from_image["before"].null_count() == 0
    assert found.filter(~pl.col("strategy").is_in(FROM_IMAGE))["before"].null_count() == 6 * 3
    assert found.filter(pl.col("strategy") == "image")["prompt"].null_count() == 6


def test_a_text_says_the_class_the_template_or_the_caption():
    found = planned(places(1)).rows_by_key("strategy", named=True, unique=True)
    assert found["label"]["prompt"] == "a photo of a orange"
    assert found["template"]["prompt"] in [template.replace("{}", "orange") for template in TEMPLATES]
    assert found["image_label"]["prompt"] == found["template"]["prompt"]
    assert found["caption"]["prompt"] == "An orange in a park"


def test_a_template_stays_when_other_images_come_and_go():
    all_of = planned(places(6)).filter(pl.col("strategy") == "template")
    few = planned(places(6).filter(pl.col("source").str.ends_with("3"))).filter(pl.col("strategy") == "template")
    assert few["prompt"].to_list() == all_of.filter(pl.col("source").str.ends_with("3"))["prompt"].to_list()
    assert all_of["template"].n_unique() > 1


def test_other_words_for_a_class_change_the_prompts_of_that_class_alone():
    lemons = places(2, wnid="n07749582", name="lemon", source=["drawn/a", "drawn/b"])
    both = pl.concat([places(2), lemons])
    plain, called = planned(both), planned(both, "imagenet.names={n07749582: a sour lemon}")
    changed = plain["prompt"].ne_missing(called["prompt"])
    assert set(called.filter(changed)["name"]) == {"lemon"}
    assert set(called.filter(changed)["strategy"]) == {"label", "template", "image_label"}


def test_each_point_of_the_grid_makes_every_image_and_strength_is_none_of_a_text():
    found = planned(places(1), "imagenet.grid={guidance: [2.0, 7.5], steps: [], strength: [0.4, 0.8]}")
    counted = dict(found.group_by("strategy").len().rows())
    assert counted == {"label": 2, "template": 2, "caption": 2, "image": 2, "image_label": 4}
    assert set(found.filter(pl.col("strategy") == "label")["strength"]) == {None}


def test_the_adapted_generator_draws_the_strategies_that_are_named_for_it():
    drawn = [way for way in ways(settings("imagenet.finetuned.base=house/velocity").imagenet)]
    assert [way["strategy"] for way in drawn if way["generator"] == "finetuned"] == ["label"]


def test_a_source_without_a_caption_gets_one_of_its_class():
    silent = places(4).with_columns(caption=pl.lit(None, pl.String))
    found = planned(silent, captions={"orange": ["A round fruit.", "A citrus."]})
    assert set(found.filter(pl.col("strategy") == "caption")["prompt"]) <= {"A round fruit.", "A citrus."}


def test_a_caption_that_nobody_gives_is_an_error_that_says_what_to_set():
    silent = places(4).with_columns(caption=pl.lit(None, pl.String))
    with pytest.raises(SettingsError, match=r"4 of 4 real images have no caption .*captions\.by_class or captioner"):
        planned(silent)


def test_an_image_that_could_not_be_opened_is_not_asked_for():
    broken = places(3).with_columns(
        image_sha256=pl.when(pl.col("source").str.ends_with("1")).then(None).otherwise("image_sha256")
    )
    assert planned(broken)["source"].n_unique() == 2
