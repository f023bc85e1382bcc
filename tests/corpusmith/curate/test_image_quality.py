"""Measures of images: each moves with what it is named after, and what they say becomes a verdict with reasons."""

import io

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from PIL import Image, ImageFilter

from corpusmith.curate.image_quality import FACTS, MEASURES, SLICE, Inspector, Thresholds, measure, verdicts
from corpusmith.curate.verdicts import REASONS
from corpusmith.work.ledger import Ledger
from corpusmith.work.produce import produce

IMAGE = pa.struct({"bytes": pa.binary(), "path": pa.string()})


def encoded(image, kind="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def noise(seed=0, side=96):
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8))


def plain(*colour):
    return Image.new("RGB", (96, 96), colour)


def measured(*images):
    rows = [{"bytes": i if isinstance(i, bytes) else encoded(i), "path": None} for i in images]
    return measure(pa.array(rows, IMAGE))


def reasons(*images, **thresholds):
    return verdicts(measured(*images), Thresholds(**thresholds))["reasons"].to_list()


def test_columns_and_types_are_as_declared():
    assert measured(noise()).schema == pl.Schema([*pl.Schema(FACTS).items(), *pl.Schema(MEASURES).items()])
    assert measured().schema == measured(noise()).schema


def test_sharpness_falls_with_blur():
    blurred = [noise().filter(ImageFilter.GaussianBlur(sigma)) for sigma in (0, 1, 2, 4)]
    assert measured(*blurred)["sharpness"].is_sorted(descending=True)


def test_brightness_contrast_and_shares_are_those_of_the_luma():
    half = Image.fromarray(np.repeat([[0, 255]], 48, axis=1).repeat(96, axis=0).astype(np.uint8))
    frame = measured(plain(0, 0, 0), plain(255, 255, 255), half)
    assert frame["brightness"].to_list() == pytest.approx([0, 1, 0.5], abs=1e-6)
    assert frame["contrast"].to_list() == pytest.approx([0, 0, 0.5], abs=1e-6)
    assert frame["dark_share"].to_list() == pytest.approx([1, 0, 0.5])
    assert frame["bright_share"].to_list() == pytest.approx([0, 1, 0.5])
    assert frame["entropy"].to_list() == pytest.approx([0, 0, 1], abs=1e-6)
    assert frame["brightness_bin"].to_list() == [0, 10, 5]


def test_colourfulness_follows_the_paper():
    pixels = np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8)
    red, green, blue = pixels.astype(float).transpose(2, 0, 1)
    opponents = red - green, (red + green) / 2 - blue
    spread = np.hypot(*[opponent.std() for opponent in opponents])
    distance = np.hypot(*[opponent.mean() for opponent in opponents])
    frame = measured(Image.fromarray(pixels), plain(90, 90, 90))
    assert frame["colourfulness"][0] == pytest.approx(min((spread + 0.3 * distance) / 109, 1), rel=1e-4)
    assert frame["colourfulness"][1] == 0


def test_a_measure_does_not_depend_on_its_neighbours():
    images = [noise(seed, 20 + seed) for seed in range(SLICE + 3)]
    together = measured(*images)
    assert together[[0, 9, SLICE]].equals(pl.concat([measured(images[row]) for row in (0, 9, SLICE)]))


def test_what_is_blank_has_no_hash():
    assert measured(plain(10, 20, 30), noise())["phash"].is_null().to_list() == [True, False]


def test_each_reason_has_its_image():
    faint = Image.fromarray((np.asarray(noise()) // 32 + 120).astype(np.uint8))
    blurred = noise(side=4).resize((256, 256), Image.Resampling.BICUBIC)
    assert reasons(noise(), b"", b"no image", plain(99, 99, 99), faint, blurred) == [
        [],
        ["undecodable"],
        ["undecodable"],
        ["blank"],
        ["flat"],
        ["blurred"],
    ]
    assert reasons(plain(0, 0, 0), plain(255, 255, 255)) == [["blank", "dark"], ["blank", "bright"]]
    assert reasons(noise(), noise(), size=(96, 97)) == [["wrong_size"]] * 2


def test_faces_count_where_they_are_known_and_an_image_whose_safety_is_not_known_is_left_out():
    frame = pl.concat([measured(noise())] * 4).with_columns(
        faces=pl.Series([0, 1, 2, None], dtype=pl.Int8), safety=pl.Series([0.9, 0.1, None, 0.9], dtype=pl.Float32)
    )
    judged = verdicts(frame, Thresholds(one_face=True, min_safety=0.5))
    assert judged["reasons"].to_list() == [["no_face"], ["unsafe"], ["several_faces", "not_judged"], []]
    assert judged["verdict"].to_list() == ["rejected", "rejected", "rejected", "kept"]
    assert set(judged["reasons"].explode().drop_nulls()) < set(REASONS)


def test_an_image_is_inspected_once_and_a_broken_one_fails_nothing(tmp_path):
    images = [encoded(noise()), b"broken", encoded(noise())]
    plan = pl.LazyFrame(
        {"image_sha256": ["a", "b", "a"], "image": [{"bytes": data, "path": "x.png"} for data in images]}
    )
    made = produce(plan, Inspector(), Ledger(tmp_path)).collect()
    assert made["problem"].to_list() == [None, "not_an_image", None]
    assert made["key"][0] == made["key"][2]
    assert made["phash"][0] == made["phash"][2] == measured(noise())["phash"][0]


def test_blur_is_told_from_sharp_photographs(shared_data):
    paths = sorted((shared_data / "imagenet_sample_dev" / "images").glob("*.JPEG"))[:20]
    photos = [Image.open(path).convert("RGB").resize((512, 512)) for path in paths]
    blurred = [photo.filter(ImageFilter.GaussianBlur(6)) for photo in photos]
    least = Thresholds().min_sharpness
    assert (measured(*[encoded(p, "JPEG") for p in photos])["sharpness"] > least).mean() > 0.95
    assert (measured(*[encoded(p, "JPEG") for p in blurred])["sharpness"] < least).mean() > 0.85
