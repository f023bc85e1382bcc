"""The suite of generated ImageNet: it passes over a sound release, and names the row of every planted fault."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import polars as pl
import pytest
from imagenet_corpus import Corpus, corpus

from corpusmith.assets.imagenet import rows as released
from corpusmith.validation.imagenet import SENTENCES, SUITE, Limits
from corpusmith.validation.schema import IMAGENET, schema

Row = dict[str, Any]


@pytest.fixture(scope="module")
def good(tmp_path_factory) -> Corpus:
    return corpus(tmp_path_factory.mktemp("home"))


def failures(good: Corpus, rows: pl.LazyFrame, rejected: pl.LazyFrame | None = None) -> dict[str, set[str]]:
    limits = Limits.of(good.workshop.settings.imagenet.model_dump(), released.made(good.curated))
    refused = good.rejected.drop("image") if rejected is None else rejected
    report = SUITE.validate(rows, refused, limits)
    return {result.name: set(result.keys) for result in report.results if not result.success}


def test_a_sound_release_passes_every_expectation(good):
    limits = Limits.of(good.workshop.settings.imagenet.model_dump(), released.made(good.curated))
    report = SUITE.validate(good.rows, good.rejected.drop("image"), limits)
    assert [result.name for result in report.results if not result.success] == []
    assert {result.name for result in report.results} == set(SENTENCES)


def another_wnid(row: Row) -> None:
    row["wnid"] = "n99999999"


def another_label(row: Row) -> None:
    row["label"] = "teapot"


def no_prompt(row: Row) -> None:
    row["prompt"] = None


def another_split(row: Row) -> None:
    row["split"] = "test" if row["split"] == "train" else "train"


def a_broken_image(row: Row) -> None:
    row["image"] = {**row["image"], "bytes": row["image"]["bytes"][:40]}


def another_digest(row: Row) -> None:
    row["image_sha256"] = "0" * 64


def of_no_class(row: Row) -> None:
    row["tests_passed"] = 0


def like_a_real_one(row: Row) -> None:
    row["nearest_similarity"], row["nearest_bits"] = 1.0, 0


def another_strategy(row: Row) -> None:
    row["strategy"] = "dream"  # and the other ways of all sources, which then lack it, are named as well


def another_seed(row: Row) -> None:
    row["seed"] += 1


def another_plan(row: Row) -> None:
    row["plan"] = row["plan"].replace("photo", "print")


@pytest.mark.parametrize(
    ("fault", "slugs"),
    [
        (another_wnid, {"wnid_known"}),
        (another_label, {"label_of_wnid", "source_one_class"}),
        (no_prompt, {"values_present"}),
        (another_split, {"source_in_one_split"}),
        (a_broken_image, {"decodes"}),
        (another_digest, {"hash_matches"}),
        (of_no_class, {"of_its_class"}),
        (like_a_real_one, {"no_real_copies"}),
        (another_strategy, {"strategy_known"}),
        (another_seed, {"seed_from_key"}),
        (another_plan, {"key_recomputes"}),
    ],
)
def test_a_fault_is_found_and_its_row_is_named(good, fault: Callable[[Row], None], slugs: set[str]):
    rows = good.rows.collect().to_dicts()
    chosen = next(row for row in rows if row["strategy"] == "label" and row["split"] == "train")
    fault(chosen)
    found = failures(good, pl.DataFrame(rows, schema(IMAGENET)).lazy())
    assert slugs <= set(found)
    assert all(chosen["key"] in found[slug] for slug in slugs)


def test_a_strategy_without_text_may_have_no_prompt(good):
    rows = good.rows.with_columns(prompt=pl.col("prompt").fill_null("a photo"))
    assert "prompt_absent" in failures(good, rows)


def test_a_real_image_that_was_not_asked_for_in_every_way_is_found(good):
    lost = good.rows.collect()["key"][0]
    assert {"pairs_complete", "all_accounted"} <= set(failures(good, good.rows.filter(pl.col("key") != lost)))


def test_a_class_of_which_next_to_nothing_was_kept_is_found(good):
    first = good.rows.collect()["label"][0]
    assert first in failures(good, good.rows.filter(pl.col("label") != first))["classes_in_balance"]


def test_a_class_that_the_recognizer_does_not_see_is_found(good):
    blind = good.rows.with_columns(seen=pl.when(pl.col("label") == "lemon").then(pl.lit("orange")).otherwise("seen"))
    assert "seen_as_asked" in failures(good, blind)


def test_an_image_twice_in_one_way_is_found(good):
    twice = good.rows.with_columns(source=pl.col("source").first().over("label", "split"))
    assert "one_image_each" in failures(good, twice)


def test_a_rejected_row_without_a_reason_is_found(good):
    bare = good.rejected.drop("image").with_columns(reasons=pl.lit([], pl.List(pl.String)))
    if good.rejected.collect().height:
        assert "rejected_reasons_known" in failures(good, good.rows, bare)
