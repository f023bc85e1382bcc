"""The maker of images from images: each from its own, with a text or without, once and again bit for bit."""

from __future__ import annotations

import hashlib
import io

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from PIL import Image

from corpusmith.drawings import objects
from corpusmith.errors import ModelError
from corpusmith.hardware import machine
from corpusmith.models import images as models_images
from corpusmith.models.catalog import entry, of_role
from corpusmith.models.images import IMAGES, UnusableError, png
from corpusmith.models.variations import ImageToImage, square
from corpusmith.work.ledger import Ledger
from corpusmith.work.plan import keys
from corpusmith.work.produce import produce, shelf_of

IMG2IMG = {"role": "image_to_image", "pipeline": "StableDiffusionImg2ImgPipeline", "arguments": {"strength": 0.6}}
VARIATION = {"role": "variation", "pipeline": "StableDiffusionImageVariationPipeline"}
STRUCT = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
PROMPTS = ["a happy man", None, "a sad woman", None, "a happy man", "a portrait of a man"]


def picture(seed: int, width: int = 64, height: int = 64) -> bytes:
    return png(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def plan_of(prompts: list[str | None], images: list[bytes]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "prompt": prompts,
            "before": [hashlib.sha256(image).hexdigest() for image in images],
            "image_before": [{"bytes": image, "path": "a.png"} for image in images],
        },
        schema_overrides={"prompt": pl.String},
    )


def rows_of(maker: ImageToImage, plan: pl.DataFrame, **columns: list[int]) -> pa.RecordBatch:
    keyed = plan.select(keys(plan, maker.fingerprint, maker.inputs), *plan.columns).to_dicts()
    rows = [{**row, **{name: of[n] for name, of in columns.items()}} for n, row in enumerate(keyed)]
    kinds = {name: pa.string() for name in ("key", "prompt", "before")} | {"image_before": STRUCT}
    return pa.RecordBatch.from_pylist(rows, pa.schema(kinds | {name: pa.int32() for name in columns}))


def pixels(row: dict) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(row["image"]["bytes"]))).astype(int)


@pytest.fixture
def redraw(unet_folder, entry_of) -> ImageToImage:
    return ImageToImage(entry_of(unet_folder, **IMG2IMG))


@pytest.fixture
def vary(variation_folder, entry_of) -> ImageToImage:
    return ImageToImage(entry_of(variation_folder, **VARIATION))


def test_every_row_is_an_image_of_the_models_size_whatever_that_of_its_source(redraw, vary):
    images = [picture(0, 200, 90), picture(1, 33, 40), picture(2, 5, 300)]
    for maker in (redraw, vary):
        made = maker.make(rows_of(maker, plan_of([None] * 3, images)))
        assert made.schema == IMAGES
        for row in made.to_pylist():
            assert (row["width"], row["height"], row["mode"], row["batch"]) == (64, 64, "RGB", 3)
            assert row["image_sha256"] == hashlib.sha256(row["image"]["bytes"]).hexdigest()


def test_on_an_accelerator_as_many_are_drawn_at_once_as_fill_it_and_a_row_that_cannot_be_opened_is_not_tried(
    redraw, tmp_path, monkeypatch
):
    tried = []
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(models_images, "runs_on", lambda entry: ("accelerator", "float32"))
    monkeypatch.setattr(models_images, "machine", lambda device: machine("cpu"))
    rate = lambda passes: lambda size: (passes(size), tried.append(size), min(size, 8))[2]  # noqa: E731
    monkeypatch.setattr(models_images.filling, "timed", rate)
    images = [b"no image", *(picture(seed) for seed in range(10))]
    rows = rows_of(redraw, plan_of(["a happy man"] * 11, images))
    with pytest.raises(UnusableError):
        redraw.make(rows)
    assert tried == [4, 8, 16]
    made = redraw.make(rows.slice(1)).to_pylist()
    assert [row["batch"] for row in made] == [7] * 7 + [3] * 3  # the first eight shared a pass with the bad one


@pytest.mark.parametrize("which", ["redraw", "vary"])
def test_what_was_made_is_made_again_bit_for_bit_in_a_batch_of_its_recorded_size(which, request):
    maker = request.getfixturevalue(which)
    prompts = PROMPTS if which == "redraw" else [None] * 6
    plan = plan_of(prompts, [picture(n) for n in range(6)])
    made = maker.make(rows_of(maker, plan)).to_pylist()
    assert [row["batch"] for row in made] == ([4, 2, 4, 2, 4, 4] if which == "redraw" else [4, 4, 4, 4, 2, 2])
    order = [5, 1, 4]
    again = maker.remake(rows_of(maker, plan[order], batch=[made[n]["batch"] for n in order])).to_pylist()
    assert [row["image_sha256"] for row in again] == [made[n]["image_sha256"] for n in order]


@pytest.mark.parametrize("which", ["redraw", "vary"])
def test_the_image_that_is_drawn_from_decides(which, request):
    """Two rows of one key differ in nothing but what they carry."""
    maker = request.getfixturevalue(which)
    [row] = rows_of(maker, plan_of([None], [picture(0)])).to_pylist()
    other = {**row, "image_before": {"bytes": png(np.full((64, 64, 3), 250, np.uint8)), "path": "b.png"}}
    first, second = (
        maker.make(pa.RecordBatch.from_pylist([one], rows_of(maker, plan_of([None], [b""])).schema)).to_pylist()[0]
        for one in (row, other)
    )
    assert first["seed"] == second["seed"]
    assert first["image_sha256"] != second["image_sha256"]


def test_a_null_prompt_is_not_led_by_any_text(redraw, monkeypatch):
    asked: list[dict] = []
    passed = redraw._passed
    monkeypatch.setattr(redraw, "_passed", lambda keys, **given: (asked.append(given), passed(keys, **given))[1])
    redraw.make(rows_of(redraw, plan_of(["a man", None], [picture(0), picture(1)])))
    said, silent = asked
    assert said["prompt"] == ["a man"]
    assert "guidance_scale" not in said
    assert (silent["prompt"], silent["guidance_scale"]) == ([""], 1.0)


def test_a_weaker_drawing_stays_nearer_to_its_source():
    """The house model at two strengths, from drawings of its own kind."""
    drawn = [objects.draw(row) for row in objects.traits(4, 5).iter_rows(named=True)]
    plan = plan_of([None] * 4, [png(np.asarray(image)) for image in drawn])
    off = {}
    for strength in (0.3, 1.0):
        base = entry("house/redraw-velocity")
        maker = ImageToImage(base.model_copy(update={"arguments": {"strength": strength}}))
        made = maker.make(rows_of(maker, plan)).to_pylist()
        pairs = zip(made, drawn, strict=True)
        off[strength] = np.mean([np.abs(pixels(row) - np.asarray(image)).mean() for row, image in pairs])
    assert off[0.3] < 0.6 * off[1.0]


def test_a_variation_model_refuses_a_plan_with_prompts(vary, tmp_path):
    plan = plan_of(["a man"], [picture(0)]).lazy()
    with pytest.raises(ModelError, match=r"tiny draws from an image and reads no text.*'a man'.*image_to_image"):
        produce(plan, vary, Ledger(tmp_path))


@pytest.mark.parametrize(
    ("prompt", "image", "said"),
    [(" ", picture(9), "no text"), (None, b"", "empty"), ("a man", b"no image", "not_an_image")],
)
def test_a_bad_row_fails_alone_and_says_why(redraw, tmp_path, prompt, image, said):
    plan = plan_of(["a man", prompt, None], [picture(0), image, picture(1)]).lazy()
    made = produce(plan, redraw, Ledger(tmp_path), max_failure_rate=1.0).collect()
    assert made["prompt"].to_list() == ["a man", None]
    assert said in shelf_of(redraw, Ledger(tmp_path)).failures()["message"][0]


def test_the_mates_of_a_failed_row_are_not_drawn_again(redraw, tmp_path, monkeypatch):
    drawn: list[int] = []
    passed = redraw._passed
    monkeypatch.setattr(redraw, "_passed", lambda keys, **given: (drawn.append(len(keys)), passed(keys, **given))[1])
    plan = plan_of([None] * 6, [picture(n) for n in range(5)] + [b""]).lazy()
    produce(plan, redraw, Ledger(tmp_path), max_failure_rate=1.0)
    assert drawn == [4, 1]


def test_an_image_of_no_numbers_is_a_failure(redraw):
    redraw.loaded.pipeline.vae.decoder.conv_out.weight.data.fill_(float("nan"))
    with pytest.raises(UnusableError, match=r"not a number: .* bfloat16"):
        redraw.make(rows_of(redraw, plan_of([None], [picture(0)])))


def test_what_reaches_a_pixel_reaches_the_fingerprint(unet_folder, entry_of):
    def of(**fields):
        return ImageToImage(entry_of(unet_folder, **{**IMG2IMG, **fields})).fingerprint

    changes = ({"steps": 3}, {"guidance": 1.0}, {"arguments": {"strength": 0.7}}, {"variant": "early"})
    assert len({of(), *(of(**change) for change in changes)}) == 1 + len(changes)
    assert of() == of(batch=2, name="renamed")


def test_every_house_entry_draws_from_an_image_and_has_a_shelf_of_its_own():
    house = [found for found in of_role("image_to_image") if found.is_house]
    assert len({ImageToImage(found).fingerprint for found in house}) == len(house) >= 3
    plan = plan_of(["A red balloon", None], [picture(0), picture(1)])
    for found in house:
        maker = ImageToImage(found.model_copy(update={"steps": 4}))
        assert maker.make(rows_of(maker, plan))["width"].to_pylist() == [64, 64]


@pytest.mark.parametrize(("size", "box"), [((90, 30), (30, 0, 60, 30)), ((30, 91), (0, 30, 30, 60))])
def test_the_square_that_is_seen_is_the_middle_one(size, box):
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))
    assert square(image, None).tobytes() == image.crop(box).tobytes()
    assert square(image, 16).size == (16, 16)
