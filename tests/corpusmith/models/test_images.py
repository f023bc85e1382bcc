"""The maker of images: every row by its own seed, once, and again bit for bit."""

from __future__ import annotations

import hashlib
import io
import os
import signal
import subprocess
import sys

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from PIL import Image

from corpusmith.errors import LedgerError
from corpusmith.models import generator
from corpusmith.models.catalog import entry
from corpusmith.models.generator import Generator
from corpusmith.models.images import UnusableError
from corpusmith.work.ledger import Ledger
from corpusmith.work.plan import keys
from corpusmith.work.produce import produce, shelf_of

SD3 = "StableDiffusion3Pipeline"
PROMPTS = [
    f"a {mood} {who} in the street" for mood in ("happy", "sad", "angry") for who in ("man", "woman", "portrait")
]


def plan_of(prompts: list[str]) -> pl.LazyFrame:
    return pl.LazyFrame({"prompt": prompts}, schema={"prompt": pl.String})


def rows_of(maker: Generator, prompts: list[str], **columns: list[int]) -> pa.RecordBatch:
    made = keys(plan_of(prompts).collect(), maker.fingerprint, maker.inputs).to_list()
    return pa.record_batch({"key": made, "prompt": prompts, **columns})


def pixels(row: dict) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(row["image"]["bytes"])))


def made_of(maker: Generator, prompts: list[str]) -> list[dict]:
    return maker.make(rows_of(maker, prompts)).to_pylist()


@pytest.fixture
def maker(unet_folder, entry_of) -> Generator:
    return Generator(entry_of(unet_folder))


@pytest.fixture
def flow(flow_folder, entry_of) -> Generator:
    return Generator(entry_of(flow_folder, pipeline=SD3))


def test_every_row_says_what_it_is(maker):
    for row in made_of(maker, PROMPTS[:5]):
        image = Image.open(io.BytesIO(row["image"]["bytes"]))
        assert (image.format, image.size, image.mode) == ("PNG", (row["width"], row["height"]), row["mode"])
        assert row["image_sha256"] == hashlib.sha256(row["image"]["bytes"]).hexdigest()
        assert row["image"]["path"].endswith(".png")
        assert 0 <= row["seed"] < 2**63
    assert [row["batch"] for row in made_of(maker, PROMPTS[:5])] == [4, 4, 4, 4, 1]


@pytest.mark.parametrize("which", ["maker", "flow"])
def test_a_row_is_made_again_bit_for_bit_in_its_recorded_shape(which, request):
    maker = request.getfixturevalue(which)
    first = made_of(maker, PROMPTS)
    order = [8, 3, 0, 5, 2]
    wanted = rows_of(maker, [PROMPTS[i] for i in order], batch=[first[i]["batch"] for i in order])
    assert [row["image_sha256"] for row in maker.remake(wanted).to_pylist()] == [
        first[i]["image_sha256"] for i in order
    ]


@pytest.mark.parametrize("which", ["maker", "flow"])
def test_a_row_alone_differs_by_one_grey_level_at_most(which, request):
    maker = request.getfixturevalue(which)
    together = made_of(maker, PROMPTS[:4])
    for prompt, row in zip(PROMPTS, together, strict=False):
        (alone,) = made_of(maker, [prompt])
        assert alone["seed"] == row["seed"]
        assert np.abs(pixels(alone).astype(int) - pixels(row)).max() <= 1


def test_another_prompt_or_variant_is_another_image(maker, unet_folder, entry_of):
    early = Generator(entry_of(unet_folder, variant="early"))
    drawn = [*made_of(maker, PROMPTS[:2]), *made_of(early, PROMPTS[:2])]
    assert len({row["image_sha256"] for row in drawn}) == 4


def test_what_reaches_a_pixel_reaches_the_fingerprint(unet_folder, entry_of):
    def of(**fields):
        return Generator(entry_of(unet_folder, **fields)).fingerprint

    changes = ({"steps": 3}, {"guidance": 1.0}, {"variant": "early"}, {"negative_prompt": "sad"}, {"size": 32})
    assert len({of(), *(of(**change) for change in changes)}) == 1 + len(changes)
    assert of() == of(batch=2, cpu_offload="model", name="renamed", note="a note", vram_gb=3)


def test_a_prompt_is_encoded_once_in_a_batch_and_the_negative_once_at_all(maker, monkeypatch):
    asked: list[str] = []
    encode = maker._encoded

    def counting(prompts, **more):
        asked.extend(prompts)
        return encode(prompts, **more)

    monkeypatch.setattr(maker, "_encoded", counting)
    monkeypatch.setattr(generator, "TEXT_BATCH", 1)
    rows = pa.record_batch({"key": [f"{n:032x}" for n in range(8)], "prompt": [PROMPTS[0]] * 4 + PROMPTS[:4]})
    maker.make(rows)
    assert asked == [PROMPTS[0], "", *PROMPTS[:4]]


@pytest.mark.parametrize("prompt", ["", "  \n", None])
def test_a_prompt_without_text_fails_alone_and_is_named(maker, tmp_path, prompt):
    made = produce(plan_of([*PROMPTS[:3], prompt, *PROMPTS[3:6]]), maker, Ledger(tmp_path), max_failure_rate=0.5)
    assert made.collect()["prompt"].to_list() == PROMPTS[:6]
    (failure,) = shelf_of(maker, Ledger(tmp_path)).failures().to_dicts()
    assert failure["message"] == f"{failure['key']}: the prompt has no text"


def test_the_mates_of_a_failed_row_are_not_drawn_again(maker, tmp_path, monkeypatch):
    drawn: list[int] = []
    draw = maker._pixels
    monkeypatch.setattr(maker, "_pixels", lambda part, prompts: (drawn.append(len(part)), draw(part, prompts))[1])
    made = produce(plan_of([*PROMPTS, ""]), maker, Ledger(tmp_path), max_failure_rate=0.5).collect()
    assert drawn == [4, 4, 1]
    assert made["batch"].to_list() == [4] * 8 + [1]


def test_an_image_that_the_safety_checker_hid_is_a_failure(maker):
    import torch
    from diffusers.pipelines.stable_diffusion import StableDiffusionSafetyChecker
    from transformers import CLIPConfig, CLIPImageProcessor

    vision = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = CLIPConfig(vision_config={**vision, "image_size": 32, "patch_size": 16}, projection_dim=16)
    checker = StableDiffusionSafetyChecker(config)
    checker.concept_embeds_weights.data = torch.full((17,), -2.0)  # everything is like every unsafe concept
    processor = CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    maker.loaded.pipeline.register_modules(safety_checker=checker, feature_extractor=processor)
    with pytest.raises(UnusableError, match="the safety checker of the model hid it"):
        made_of(maker, PROMPTS[:1])


def test_an_image_of_no_numbers_is_a_failure(maker):
    maker.loaded.pipeline.vae.decoder.conv_out.weight.data.fill_(float("nan"))
    with pytest.raises(UnusableError, match=r"not a number: .* bfloat16"):
        made_of(maker, PROMPTS[:1])


def test_a_pipeline_whose_embeddings_cannot_be_given_back_gets_the_words(maker, monkeypatch):
    by_embeddings = made_of(maker, PROMPTS[:4])
    monkeypatch.setattr(generator, "EMBEDDINGS", {})
    by_words = made_of(maker, PROMPTS[:4])
    assert all(
        np.abs(pixels(a).astype(int) - pixels(b)).max() <= 1 for a, b in zip(by_embeddings, by_words, strict=True)
    )


def test_guidance_that_is_distilled_is_one_pass_and_needs_no_negative(flux_folder, entry_of):
    fields = {"pipeline": "FluxPipeline", "arguments": {"max_sequence_length": 12}}
    maker = Generator(entry_of(flux_folder, **fields))
    first = made_of(maker, PROMPTS[:2])
    stronger = Generator(entry_of(flux_folder, guidance=9.0, **fields))
    assert maker._negative == {}
    assert [row["seed"] for row in first] != [row["seed"] for row in made_of(stronger, PROMPTS[:2])]


def test_provenance_names_model_commit_settings_and_libraries(maker):
    made_of(maker, PROMPTS[:1])
    told = maker.provenance
    assert told["revision"] == maker.revision
    assert {"generator", "model", "licence", "dtype", "device", "steps", "torch", "diffusers"} <= set(told)


def test_a_fingerprint_costs_no_torch(unet_folder):
    program = (
        "import sys; from corpusmith.models.catalog import Entry; from corpusmith.models.generator import Generator;"
        f"fields = dict(name='tiny', role='text_to_image', repository={str(unet_folder)!r}, pipeline='P', size=64);"
        "Generator(Entry(**fields, steps=2, licence='mit', vram_gb=0.1)).fingerprint; print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_house_slot_is_a_maker_with_its_own_shelf():
    fast, plain = Generator(entry("house/epsilon-fast")), Generator(entry("house/epsilon"))
    assert (fast.name, plain.name) == ("house-epsilon-fast", "house-epsilon")
    assert fast.settings != plain.settings


def test_a_full_disk_while_generating_keeps_what_was_made(maker, tmp_path, monkeypatch):
    made = produce(plan_of(PROMPTS[:4]), maker, Ledger(tmp_path)).collect()

    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(LedgerError, match=r"No space left on device.*run the same command"):
            produce(plan_of(PROMPTS), maker, Ledger(tmp_path))
    assert not list(tmp_path.rglob("*.tmp"))
    again = produce(plan_of(PROMPTS), maker, Ledger(tmp_path)).collect()
    assert again.head(4).equals(made)


PROGRAM = """
import signal, time
import polars as pl
from corpusmith.models.catalog import Entry
from corpusmith.models.generator import Generator
from corpusmith.work.ledger import Ledger
from corpusmith.work.produce import produce
signal.signal(signal.SIGINT, signal.default_int_handler)  # a test runner may have handed down a deaf one
maker = Generator(Entry.model_validate_json({entry!r}))
draw = maker._pixels
def slow(keys, prompts):
    print(len(keys), flush=True)
    time.sleep({pause})
    return draw(keys, prompts)
maker._pixels = slow
produce(pl.scan_parquet({plan!r}), maker, Ledger({root!r}))
"""


def test_ctrl_c_in_mid_model_loses_at_most_one_batch(unet_folder, entry_of, tmp_path):
    tiny = entry_of(unet_folder, batch=1)
    maker = Generator(tiny)
    prompts = [f"{prompt} {n}" for n in range(4) for prompt in PROMPTS]
    plan = tmp_path / "plan.parquet"
    plan_of(prompts).collect().write_parquet(plan)
    program = PROGRAM.format(entry=tiny.model_dump_json(), pause=0.05, plan=str(plan), root=str(tmp_path / "ledger"))
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    begun = 0
    while begun < 2 * maker.batch_rows + 1:
        begun += int(process.stdout.readline())
    process.send_signal(signal.SIGINT)
    rest, said = process.communicate()
    assert process.returncode != 0
    assert "KeyboardInterrupt" in said
    begun += sum(map(int, rest.split()))
    finished = shelf_of(maker, Ledger(tmp_path / "ledger")).scan().collect().height
    assert begun - maker.batch_rows <= finished < len(prompts)
    made = produce(plan_of(prompts), maker, Ledger(tmp_path / "ledger")).collect()
    assert made["prompt"].to_list() == prompts
