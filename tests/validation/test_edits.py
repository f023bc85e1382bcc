"""The suite of the edits: it passes over a sound release, and names the chain of every fault that is planted in one."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest
from edits_corpus import EDITORS, Corpus, corpus
from PIL import Image

from corpusmith.assets.edits import rows as released
from corpusmith.curate import masks
from corpusmith.models.images import png
from corpusmith.validation.edits import SENTENCES, SUITE, Limits
from corpusmith.validation.schema import EDITS, schema

Row = dict[str, Any]


@pytest.fixture(scope="module")
def good() -> Corpus:
    return corpus(24, lambda number: number % 5 == 1)


def limits(good: Corpus) -> Limits:
    return Limits.of(good.settings.model_dump(), released.made(good.scenes))


def failures(good: Corpus, rows: pl.DataFrame) -> dict[str, set[str]]:
    report = SUITE.validate(rows.lazy(), good.rejected.drop("image"), limits(good))
    return {result.name: set(result.keys) for result in report.results if not result.success}


def test_a_sound_release_passes_every_expectation(good):
    report = SUITE.validate(good.rows, good.rejected.drop("image"), limits(good))
    assert [result.name for result in report.results if not result.success] == []
    assert {result.name for result in report.results} == set(SENTENCES)


def pixels(image: Row) -> np.ndarray:
    return np.array(Image.open(io.BytesIO(image["bytes"])))


def put(image: Row, changed: np.ndarray) -> Row:
    return {**image, "bytes": png(changed)}


def again(row: Row) -> None:
    """State the digests of what a row holds now: not they should give the fault away."""
    for name in ("image", "mask", "base"):
        row[f"{name}_sha256"] = hashlib.sha256(row[name]["bytes"]).hexdigest()
    for turn in row["turns"]:
        turn["image_sha256"] = hashlib.sha256(turn["image"]["bytes"]).hexdigest()


def a_pixel_outside(row: Row) -> None:
    turn = row["turns"][-1]
    image = pixels(turn["image"])
    row_, column = np.argwhere(masks.opened(turn["mask"]["bytes"]) == 0)[0]
    image[row_, column, 0] ^= 1
    turn["image"] = put(turn["image"], image)
    row["image"] = turn["image"]


def a_map_shifted_by_a_row(row: Row) -> None:
    row["mask"] = {**row["mask"], "bytes": masks.png(np.roll(masks.opened(row["mask"]["bytes"]), 1, axis=0))}


def a_region_shifted_by_a_row(row: Row) -> None:
    mask = row["turns"][-1]["mask"]
    row["turns"][-1]["mask"] = {**mask, "bytes": masks.png(np.roll(masks.opened(mask["bytes"]) > 0, 1, axis=0))}


def a_map_of_another_size(row: Row) -> None:
    row["mask"] = {**row["mask"], "bytes": masks.png(masks.opened(row["mask"]["bytes"])[:-1])}


def a_map_with_colours(row: Row) -> None:
    row["mask"] = put(row["mask"], np.zeros((64, 64, 3), np.uint8))


def a_label_of_nobody(row: Row) -> None:
    label_map = masks.opened(row["mask"]["bytes"])
    row["mask"] = {**row["mask"], "bytes": masks.png(np.where(label_map > 0, np.uint8(9), label_map))}


def another_image(row: Row) -> None:
    row["image"] = row["base"]


def no_prompt(row: Row) -> None:
    row["turns"][0]["prompt"] = "  "


def a_turn_less(row: Row) -> None:
    row["turn_count"] += 1


def an_editor_that_is_none(row: Row) -> None:
    row["turns"][-1]["editor"] = row["editors"][-1] = row["editor"] = "somebody"


def turns_of_another_base(row: Row) -> None:
    plan = json.loads(row["turns"][0]["plan"])
    row["turns"][0]["plan"] = json.dumps({**plan, "before": "0" * 64})


def a_broken_image(row: Row) -> None:
    row["base"] = {**row["base"], "bytes": row["base"]["bytes"][:40]}


@pytest.mark.parametrize(
    ("fault", "slugs"),
    [
        (a_pixel_outside, {"outside_unchanged"}),
        (a_map_shifted_by_a_row, {"map_composed"}),
        (a_region_shifted_by_a_row, {"map_composed", "outside_unchanged", "turns_linked"}),
        (a_map_of_another_size, {"sizes_agree"}),
        (a_map_with_colours, {"opens"}),
        (a_label_of_nobody, {"labels_known", "map_composed"}),
        (another_image, {"image_is_last"}),
        (no_prompt, {"prompts_present"}),
        (a_turn_less, {"turns_counted"}),
        (an_editor_that_is_none, {"editor_known", "map_composed"}),
        (turns_of_another_base, {"turns_linked", "key_recomputes"}),
        (a_broken_image, {"opens"}),
    ],
)
def test_a_fault_is_found_and_its_chain_is_named(good, fault: Callable[[Row], None], slugs: set[str]):
    rows = good.rows.collect().to_dicts()
    chosen = next(row for row in rows if len(row["turns"]) == 1)
    fault(chosen)
    again(chosen)
    found = failures(good, pl.DataFrame(rows, schema(EDITS)))
    assert set(found) == slugs
    assert all(chosen["key"] in keys or chosen["turns"][0]["key"] in keys for keys in found.values())


def test_an_image_whose_digest_is_another_is_found(good):
    rows = good.rows.collect().with_columns(mask_sha256=pl.lit("0" * 64))
    assert set(failures(good, rows)) == {"hash_matches"}


def test_a_base_that_nearly_repeats_one_of_another_split_is_found(good):
    rows = good.rows.collect()
    first = rows.row(0, named=True)
    other = next(split for split in ("train", "test") if split != first["split"])
    copy = pl.DataFrame([{**first, "key": "f" * 32, "scene": "f" * 32, "split": other}], schema(EDITS))
    found = failures(good, pl.concat([rows, copy]))
    assert {"base_in_one_split", "no_copies_across_splits"} <= set(found)


def test_a_scene_that_is_lost_is_missed(good):
    assert set(failures(good, good.rows.collect()[1:])) == {"all_accounted"}


def test_regions_out_of_bounds_are_found(good):
    tight = Limits(EDITORS, min_area=0.2, max_area=0.21)
    report = SUITE.validate(good.rows, None, tight)
    assert [result.name for result in report.results if not result.success] == ["area_in_bounds"]
