"""The maker of edits: a region is painted anew, all else stays as it was, and it can be made again."""

from __future__ import annotations

import io

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from PIL import Image

from corpusmith.curate import masks
from corpusmith.drawings import scenes
from corpusmith.hardware import machine
from corpusmith.models import editor, images
from corpusmith.models.catalog import entry, of_role
from corpusmith.models.editor import Editor, square_around
from corpusmith.models.images import UnusableError, png
from corpusmith.work.ledger import Ledger
from corpusmith.work.plan import keys
from corpusmith.work.produce import produce, shelf_of

FAST = "house/edit-velocity-fast"


def picture(width: int, height: int, seed: int = 0) -> bytes:
    return png(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def region(width: int, height: int, box: tuple[int, int, int, int]) -> bytes:
    mask = np.zeros((height, width), bool)
    left, top, right, bottom = box
    mask[top:bottom, left:right] = True
    return masks.png(mask)


def plan_of(*rows: tuple[bytes, bytes], prompt: str = "a red balloon", strength: float = 1.0) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "before": [f"b{n}" for n in range(len(rows))],
            "region": [f"r{n}" for n in range(len(rows))],
            "operation": ["add"] * len(rows),
            "prompt": [prompt] * len(rows),
            "strength": [strength] * len(rows),
            "image_before": [{"bytes": image, "path": "a.png"} for image, _ in rows],
            "mask": [mask for _, mask in rows],
        }
    )


def batch(plan: pl.DataFrame, maker: Editor, **columns: list[int]) -> pa.RecordBatch:
    keyed = plan.select(keys(plan, maker.fingerprint, maker.inputs), *plan.columns)
    rows = [{**row, **{name: of[n] for name, of in columns.items()}} for n, row in enumerate(keyed.to_dicts())]
    return pa.RecordBatch.from_pylist(rows)


def pixels(image: dict) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(image["bytes"])).convert("RGB")).astype(int)


@pytest.fixture(scope="module")
def maker() -> Editor:
    return Editor(entry(FAST))


@pytest.mark.parametrize(
    ("size", "box"),
    [
        ((64, 64), (20, 20, 40, 40)),
        ((200, 90), (150, 60, 200, 90)),
        ((40, 33), (0, 0, 12, 30)),
        ((300, 5), (10, 1, 40, 4)),
    ],
)
def test_outside_the_region_nothing_changes_in_an_image_of_any_size(maker, size, box):
    plan = plan_of((picture(*size), region(*size, box)))
    [row] = maker.make(batch(plan, maker)).to_pylist()
    before, after = pixels(plan["image_before"][0]), pixels(row["image"])
    inside = masks.opened(plan["mask"][0]) > 0
    assert (row["width"], row["height"]) == size
    assert np.array_equal(before[~inside], after[~inside])
    assert (before[inside] != after[inside]).any()
    assert row["leak"] > 0  # this editor reads all through an autoencoder, and what it changed was put back


def test_a_whole_image_may_be_the_region_and_leaks_nowhere(maker):
    [row] = maker.make(batch(plan_of((picture(64, 64), region(64, 64, (0, 0, 64, 64)))), maker)).to_pylist()
    assert row["leak"] == 0


def test_what_was_made_is_made_again_bit_for_bit_in_a_batch_of_its_recorded_size(maker):
    plan = plan_of(*((picture(64, 64, n), region(64, 64, (8, 8, 30 + n, 30))) for n in range(3)))
    made = maker.make(batch(plan, maker)).to_pylist()
    assert [row["batch"] for row in made] == [3] * 3
    again = maker.remake(batch(plan[1:2], maker, batch=[3])).to_pylist()
    assert again[0]["image_sha256"] == made[1]["image_sha256"]


def test_on_an_accelerator_as_many_are_painted_at_once_as_fill_it(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(images, "runs_on", lambda entry: ("accelerator", "float32"))
    monkeypatch.setattr(images, "machine", lambda device: machine("cpu"))
    monkeypatch.setattr(images.filling, "timed", lambda passes: lambda size: (passes(size), min(size, 4))[1])
    maker = Editor(entry(FAST).model_copy(update={"batch": 2}))
    plan = plan_of(*((picture(64, 64, n), region(64, 64, (8, 8, 30 + n, 30))) for n in range(5)))
    made = maker.make(batch(plan, maker)).to_pylist()
    assert [row["batch"] for row in made] == [4, 4, 4, 4, 1]


def test_rows_of_another_strength_ride_in_a_batch_of_their_own(maker):
    rows = (picture(64, 64), region(64, 64, (8, 8, 30, 30)))
    plan = pl.concat([plan_of(rows, strength=0.6), plan_of(rows), plan_of(rows, strength=0.6)])
    plan = plan.with_columns(before=pl.Series(["x", "y", "z"]))
    made = maker.make(batch(plan, maker)).to_pylist()
    assert [row["batch"] for row in made] == [2, 1, 2]


@pytest.mark.parametrize(
    ("image", "mask", "said"),
    [
        (picture(64, 64), region(64, 32, (8, 8, 30, 30)), "the mask has 64×32 pixels, its image 64×64"),
        (picture(64, 64), region(64, 64, (0, 0, 0, 0)), "the mask is empty"),
        (picture(64, 64), b"no mask", "PNG"),
        (picture(64, 64), picture(64, 64), "one channel"),
        (b"no image", region(64, 64, (8, 8, 30, 30)), "not_an_image"),
        (b"", region(64, 64, (8, 8, 30, 30)), "empty"),
    ],
)
def test_a_bad_row_fails_alone_and_says_why(maker, image, mask, said, tmp_path):
    good = (picture(64, 64, 1), region(64, 64, (8, 8, 30, 30)))
    plan = plan_of(good, (image, mask), (picture(64, 64, 2), good[1])).lazy()
    ledger = Ledger(tmp_path)
    made = produce(plan, maker, ledger, max_failure_rate=1.0).collect()
    assert made["before"].to_list() == ["b0", "b2"]
    assert said in shelf_of(maker, ledger).failures()["message"][0]


def test_a_row_without_words_fails(maker):
    with pytest.raises(UnusableError, match="no text"):
        maker.make(batch(plan_of((picture(64, 64), region(64, 64, (8, 8, 30, 30))), prompt=" "), maker))


class StableDiffusionInpaintPipeline:
    """One that returns what it is told to."""

    def __init__(self, answer):
        self.answer = answer

    def __call__(self, prompt, image, mask_image, height, width, num_inference_steps, strength, generator, output_type):
        return type("Output", (), {"images": [self.answer(np.asarray(one) / 255) for one in image]})()


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda image: image[::2, ::2], "returned 32×32 pixels, expected 64×64"),
        (lambda image: image * np.nan, "not a number"),
        (lambda image: image * 0, "safety checker"),
    ],
)
def test_an_editor_that_returns_no_usable_image_is_told_so(answer, said, monkeypatch):
    maker = Editor(entry(FAST))
    loaded = type(
        "Loaded", (), {"pipeline": StableDiffusionInpaintPipeline(answer), "device": "cpu", "dtype": "float32"}
    )()
    monkeypatch.setitem(maker.__dict__, "loaded", loaded)
    with pytest.raises(UnusableError, match=said):
        maker.make(batch(plan_of((picture(64, 64), region(64, 64, (8, 8, 30, 30)))), maker))


def test_an_editor_that_returns_its_input_leaks_nothing_and_changes_nothing(monkeypatch):
    maker = Editor(entry(FAST))
    loaded = type(
        "Loaded",
        (),
        {"pipeline": StableDiffusionInpaintPipeline(lambda image: image), "device": "cpu", "dtype": "float32"},
    )()
    monkeypatch.setitem(maker.__dict__, "loaded", loaded)
    plan = plan_of((picture(64, 64), region(64, 64, (1, 1, 63, 63))))
    [row] = maker.make(batch(plan, maker)).to_pylist()
    assert row["leak"] == 0
    assert np.array_equal(pixels(row["image"]), pixels(plan["image_before"][0]))


def test_a_text_to_image_pipeline_is_made_to_paint_a_region(monkeypatch):
    """Kolors and HunyuanDiT have no inpainting pipeline in diffusers; here the house's own stands in for them."""
    from corpusmith.models.diffusion import load

    maker = Editor(entry(FAST))
    text_to_image = load(entry("house/velocity-fast"), "text_to_image")
    monkeypatch.setitem(maker.__dict__, "loaded", text_to_image)
    drawing, _ = scenes.draw_with_masks(scenes.traits(1, 3).row(0, named=True))
    plan = plan_of((png(np.asarray(drawing)), region(64, 64, (20, 20, 44, 44))))
    seen = {}
    paste = editor._pasted
    monkeypatch.setattr(editor, "_pasted", lambda *said: seen.update(crop=said[1], image=said[2]) or paste(*said))
    [row] = maker.make(batch(plan, maker)).to_pylist()
    off = np.abs(np.asarray(seen["image"]) * 255 - seen["crop"].seen)
    far = ~masks.widened(seen["crop"].region, 6)
    assert off[far].mean() < 25  # what the autoencoder loses; a free drawing is off by three times as much
    assert off[seen["crop"].region].mean() > 2 * off[far].mean()
    assert row["leak"] > 0


@pytest.mark.parametrize(
    ("size", "box", "square"),
    [
        ((100, 100), (40, 40, 60, 60), (36, 36, 28)),
        ((100, 100), (0, 0, 20, 20), (0, 0, 28)),
        ((100, 40), (0, 0, 100, 40), (0, -30, 100)),
        ((100, 100), (10, 10, 11, 11), (10, 10, 1)),
    ],
)
def test_the_square_that_is_seen_lies_around_the_region(size, box, square):
    assert square_around(masks.opened(region(*size, box)) > 0) == square


def test_every_house_editor_has_a_shelf_of_its_own():
    makers = [Editor(found) for found in of_role("inpaint") if found.is_house]
    assert len({maker.fingerprint for maker in makers}) == len(makers) == 8
