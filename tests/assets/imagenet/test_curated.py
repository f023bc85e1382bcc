"""What is fit: of its class by several tests, no copy of a real image, no repetition; each reason for itself."""

from __future__ import annotations

import polars as pl
import pytest
from imagenet_corpus import NAMES, corpus

from corpusmith.assets.imagenet import curated


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return corpus(tmp_path_factory.mktemp("home"))


def test_drawings_of_the_asked_classes_are_kept_for_the_most(made):
    verdicts = made.curated.collect()
    assert (verdicts["verdict"] == "kept").mean() > 0.7
    assert verdicts["seen"].null_count() == 0


def test_what_shows_another_class_is_out_of_class_where_too_few_tests_pass(tmp_path, made):
    astray = made.sources.collect()["source"][0]
    wrong = corpus(tmp_path, "imagenet.curated.agree=3", astray=(astray,)).curated
    found = wrong.filter(pl.col("source") == astray).collect()
    assert all("out_of_class" in reasons for reasons in found["reasons"])
    few = wrong.filter(pl.col("tests_passed") < 3).collect()
    assert all("out_of_class" in reasons for reasons in few["reasons"])


def test_each_test_says_its_value_its_threshold_and_whether_it_was_passed(made):
    tests = made.curated.select("key", "tests").explode("tests").unnest("tests").collect()
    assert set(tests["test"]) == {"recognizer", "text", "real images (house/clip)"}
    told = tests.drop_nulls("threshold")
    assert told["passed"].to_list() == (told["value"] >= told["threshold"]).to_list()


def test_a_copy_of_a_real_image_is_refused(made):
    """The sources themselves, taken for generated images of their class."""
    real = made.sources.filter(pl.col("image_sha256").is_not_null()).collect()
    copies = real.select(
        "source", "wnid", "name", "index", "split", "image", "image_sha256", "width", "height",
        key="source", strategy=pl.lit("label"), generator=pl.lit("a copier"), mode=pl.lit("RGB"),
    )  # fmt: skip
    asked = made.workshop.settings.imagenet
    found = curated.curate(made.sources, copies.lazy(), NAMES, made.workshop.make, asked).collect()
    assert all("copies_real" in reasons for reasons in found["reasons"])
    assert found["nearest_real"].to_list() == found["source"].to_list()


def test_images_keep_their_order_and_lose_their_bytes(made):
    assert made.curated.collect()["key"].to_list() == made.images.collect()["key"].to_list()
    assert "image" not in made.curated.collect_schema()
