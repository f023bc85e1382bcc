"""Fine-tuning: what is learned is learned once, goes on after a kill, and is laid over its base by whoever draws."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from corpusmith.drawings import objects
from corpusmith.errors import ModelError, PlanError
from corpusmith.models import lora
from corpusmith.models.catalog import entry
from corpusmith.models.diffusion import load
from corpusmith.models.finetune import FINETUNED, Examples, Finetuner, adapted
from corpusmith.models.generator import Generator
from corpusmith.models.images import png
from corpusmith.models.lora import Recipe
from corpusmith.models.variations import ImageToImage
from corpusmith.work.ledger import Ledger
from corpusmith.work.produce import produce, shelf_of

KEY = "0123456789abcdef" * 2
SHORT = Recipe(rank=2, alpha=2, steps=6, batch_rows=2, rate=1e-2, warm_up=2)
FLUX = {"pipeline": "FluxPipeline", "arguments": {"max_sequence_length": 12}}


def table(rows: int, seed: int) -> pl.DataFrame:
    drawn = objects.traits(rows, seed)
    images = [png(np.asarray(objects.draw(row))) for row in drawn.iter_rows(named=True)]
    return pl.DataFrame(
        {
            "image": [{"bytes": image, "path": "a.png"} for image in images],
            "image_sha256": [hashlib.sha256(image).hexdigest() for image in images],
            "caption": drawn["name"],
        }
    )


@pytest.fixture(scope="module")
def few() -> Examples:
    return Examples(table(5, 1).lazy(), table(3, 2).lazy())


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(lora, "HELD_OUT", 4)
    monkeypatch.setattr(lora, "MEASURES", 2)


def row_of(tuner: Finetuner) -> pa.RecordBatch:
    return pa.record_batch({"key": [KEY], "examples": [tuner.examples.digest]})


def made_by(tuner: Finetuner) -> dict:
    made = tuner.make(row_of(tuner))
    assert made.schema == FINETUNED
    return made.to_pylist()[0]


PROGRAM = """
import sys, time
import polars as pl
from pathlib import Path
from corpusmith.models import lora
from corpusmith.models.catalog import Entry
from corpusmith.models.finetune import Examples, Finetuner
from corpusmith.models.lora import Recipe
lora.HELD_OUT, lora.MEASURES, lora.SAVE_EVERY = 4, 2, 1
step = lora.Task.step
def said(task, number):
    print(number, flush=True)
    time.sleep(0.2)
    return step(task, number)
lora.Task.step = said
examples = Examples(*(pl.scan_parquet(file) for file in sys.argv[3:5]))
tuner = Finetuner(Entry.model_validate_json(sys.argv[1]), Recipe(**{recipe!r}), examples, Path(sys.argv[2]))
import pyarrow as pa
tuner.make(pa.record_batch({{"key": [{key!r}], "examples": [examples.digest]}}))
"""


def test_a_killed_training_goes_on_and_ends_with_the_same_bytes(unet_folder, entry_of, few, tmp_path, monkeypatch):
    tiny = entry_of(unet_folder)
    unbroken = made_by(Finetuner(tiny, SHORT, few, tmp_path / "unbroken"))
    files = [tmp_path / "train.parquet", tmp_path / "held-out.parquet"]
    for frame, file in zip((few.train, few.held_out), files, strict=True):
        frame.collect().sample(fraction=1, shuffle=True, seed=7).write_parquet(file)  # their order decides nothing
    program = PROGRAM.format(recipe=vars(SHORT), key=KEY)
    arguments = [tiny.model_dump_json(), str(tmp_path / "killed"), *map(str, files)]
    process = subprocess.Popen([sys.executable, "-c", program, *arguments], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    while int(process.stdout.readline()) < 4:
        pass
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert process.returncode == -signal.SIGKILL
    taken: list[int] = []
    step = lora.Task.step
    monkeypatch.setattr(lora.Task, "step", lambda task, number: (taken.append(number), step(task, number))[1])
    assert made_by(Finetuner(tiny, SHORT, few, tmp_path / "killed")) == unbroken
    assert taken == [4, 5]
    assert not list(tmp_path.rglob("*.tmp"))


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction", "flow"])
def test_every_kind_of_generator_learns_something_and_is_left_as_it_was(
    kind, unet_folder, flux_folder, entry_of, few, tmp_path
):
    scheduler = {"name": "DDIMScheduler", "arguments": {"prediction_type": kind}}
    asked = entry_of(flux_folder, **FLUX) if kind == "flow" else entry_of(unet_folder, scheduler=scheduler)
    tuner = Finetuner(asked, SHORT, few, tmp_path)
    network = tuner.loaded.pipeline.transformer if kind == "flow" else tuner.loaded.pipeline.unet
    before = {name: value.clone() for name, value in network.state_dict().items()}
    made = made_by(tuner)
    after = network.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    assert [loss["step"] for loss in made["losses"]] == [0, 3, 6]
    assert [loss["train"] is None for loss in made["losses"]] == [True, False, False]
    assert len({loss["held_out"] for loss in made["losses"]}) == 3


def test_a_house_generator_errs_less_on_drawings_that_it_was_never_shown(tmp_path, monkeypatch):
    """An early checkpoint, and drawings that it is shown by the name of the thing alone."""
    monkeypatch.setattr(lora, "HELD_OUT", 96)
    monkeypatch.setattr(lora, "MEASURES", 1)
    examples = Examples(table(96, 11).lazy(), table(48, 12).lazy())
    recipe = Recipe(steps=40, batch_rows=12, rate=2e-3, warm_up=4)
    before, after = made_by(Finetuner(entry("house/velocity-early"), recipe, examples, tmp_path))["losses"]
    assert after["held_out"] < before["held_out"]


@pytest.fixture(scope="module")
def adapter(unet_folder, entry_of, few, tmp_path_factory) -> bytes:
    return made_by(Finetuner(entry_of(unet_folder), SHORT, few, tmp_path_factory.mktemp("checkpoints")))["adapter"]


def test_an_adapter_is_the_same_bytes_however_safetensors_wrote_it(tmp_path):
    tensors = {"b": torch.ones(3), "a": torch.zeros(2, 2)}
    names = [f"name{number}" for number in range(20)]
    for name in ("one", "other"):
        save_file(tensors, tmp_path / name, metadata=dict.fromkeys(names, "é"))
    one, other = (lora._in_order((tmp_path / name).read_bytes()) for name in ("one", "other"))
    assert one == other
    (tmp_path / "read").write_bytes(one)
    with safe_open(tmp_path / "read", "pt") as file:
        assert file.metadata() == dict.fromkeys(names, "é")
        assert {name: file.get_tensor(name).tolist() for name in tensors} == {
            name: tensor.tolist() for name, tensor in tensors.items()
        }


def test_an_adapted_model_is_drawn_with_like_any_other(unet_folder, entry_of, adapter, tmp_path):
    base = entry_of(unet_folder)
    tuned = adapted(base, adapter, tmp_path)
    prompt = pa.record_batch({"key": [KEY], "prompt": ["a happy man"]})
    images = {Generator(one).make(prompt)["image_sha256"][0].as_py() for one in (base, tuned, tuned)}
    assert len(images) == 2
    redraw = ImageToImage(tuned)
    assert type(redraw.loaded.pipeline).__name__ == "StableDiffusionImg2ImgPipeline"


def test_it_is_known_by_its_base_and_its_adapter_wherever_they_lie(unet_folder, entry_of, adapter, tmp_path):
    base = entry_of(unet_folder)
    here, there = (Generator(adapted(base, adapter, tmp_path / name)) for name in ("here", "there"))
    other = Generator(adapted(base, adapter + b" ", tmp_path / "other"))
    assert here.fingerprint == there.fingerprint
    assert len({here.fingerprint, Generator(base).fingerprint, other.fingerprint}) == 3
    assert here.provenance["revision"] == Generator(base).revision
    assert here.provenance["adapter"] == hashlib.sha256(adapter).hexdigest()
    assert str(tmp_path) not in json.dumps(here.provenance).replace(str(unet_folder), "")


def test_an_adapted_model_can_be_adapted_further(unet_folder, entry_of, adapter, few, tmp_path):
    tuned = adapted(entry_of(unet_folder), adapter, tmp_path / "adapters")
    again = Finetuner(tuned, SHORT, few, tmp_path)
    assert again.fingerprint != Finetuner(entry_of(unet_folder), SHORT, few, tmp_path).fingerprint
    assert made_by(again)["adapter"] != adapter


def test_it_is_made_once_and_all_that_decides_it_is_in_its_key(unet_folder, entry_of, few, tmp_path):
    tuner = Finetuner(entry_of(unet_folder), SHORT, few, tmp_path / "checkpoints")
    plan, ledger = pl.LazyFrame({"examples": [few.digest]}), Ledger(tmp_path / "ledger")
    first = produce(plan, tuner, ledger).collect()
    again = Finetuner(entry_of(unet_folder, name="renamed", steps=9, batch=1), SHORT, few, tmp_path / "elsewhere")
    assert again.fingerprint == tuner.fingerprint
    again.name = tuner.name
    assert produce(plan, again, ledger).collect().equals(first)
    assert not (tmp_path / "elsewhere").exists()
    changes = (replace(SHORT, rate=1e-3), replace(SHORT, seed=1), replace(SHORT, steps=7))
    others = {Finetuner(tuner.entry, change, few, tmp_path).fingerprint for change in changes}
    assert len({tuner.fingerprint, *others}) == 4


def test_the_digest_of_examples_is_of_images_and_captions_and_of_no_order(few):
    train, held_out = few.train, few.held_out
    assert Examples(train.reverse(), held_out).digest == few.digest
    others = [
        Examples(train.with_columns(caption=pl.lit("a thing")), held_out),
        Examples(train.head(4), held_out),
        Examples(held_out, train),
    ]
    assert len({few.digest, *(other.digest for other in others)}) == 4


def test_a_plan_of_other_examples_is_refused(unet_folder, entry_of, few, tmp_path):
    tuner = Finetuner(entry_of(unet_folder), SHORT, few, tmp_path)
    with pytest.raises(PlanError, match=r"tiny-finetuned holds the examples .* and the plan asks for 0000"):
        tuner.make(pa.record_batch({"key": [KEY], "examples": ["0" * 64]}))


@pytest.mark.parametrize(("image", "said"), [(b"no image", "not_an_image"), (None, "empty")])
def test_an_example_that_cannot_be_opened_fails_the_training_and_leaves_nothing_torn(
    unet_folder, entry_of, few, tmp_path, image, said
):
    bad = few.train.collect().with_columns(
        image=pl.Series([{"bytes": image, "path": "a.png"}] * 5, dtype=few.train.collect_schema()["image"])
    )
    tuner = Finetuner(entry_of(unet_folder), SHORT, Examples(bad.lazy(), few.held_out), tmp_path / "checkpoints")
    plan, ledger = pl.LazyFrame({"examples": [tuner.examples.digest]}), Ledger(tmp_path / "ledger")
    assert produce(plan, tuner, ledger).collect().is_empty()
    assert said in shelf_of(tuner, ledger).failures()["message"][0]
    assert not list(tmp_path.rglob("latents.npy")) + list(tmp_path.rglob("*.tmp"))


def test_without_held_out_examples_there_is_nothing_to_measure_on(unet_folder, entry_of, few, tmp_path):
    tuner = Finetuner(entry_of(unet_folder), SHORT, Examples(few.train, few.held_out.head(0)), tmp_path)
    with pytest.raises(ValueError, match="no examples for held-out"):
        tuner.make(row_of(tuner))


def test_what_is_not_fine_tuned_here_says_what_is(flow_folder, unet_folder, entry_of, few, tmp_path):
    with pytest.raises(ModelError, match=r"StableDiffusion3Pipeline, .* StableDiffusionPipeline, FluxPipeline"):
        Finetuner(entry_of(flow_folder, pipeline="StableDiffusion3Pipeline"), SHORT, few, tmp_path)
    scheduler = {"name": "DDIMScheduler", "arguments": {"prediction_type": "sample"}}
    tuner = Finetuner(entry_of(unet_folder, scheduler=scheduler), SHORT, few, tmp_path)
    with pytest.raises(ModelError, match="predicts sample; fine-tuning knows epsilon and v_prediction"):
        tuner.make(row_of(tuner))


def test_an_adapter_that_cannot_be_laid_over_says_why(unet_folder, flux_folder, entry_of, adapter, tmp_path):
    missing = entry_of(unet_folder, adapter=str(tmp_path / "none.safetensors"))
    with pytest.raises(ModelError, match=r"tiny: the adapter .*none.safetensors is not there"):
        _ = Generator(missing).fingerprint
    (tmp_path / "old.bin").write_bytes(b"\x80")
    with pytest.raises(ModelError, match="no LoRA weights in safetensors"):
        load(entry_of(unet_folder, adapter=str(tmp_path / "old.bin")))
    with pytest.raises(ModelError, match=hashlib.sha256(adapter).hexdigest()):
        load(adapted(entry_of(flux_folder, **FLUX), adapter, tmp_path))
    (tmp_path / "torn.safetensors").write_bytes(adapter[:500])
    with pytest.raises(ModelError, match=r"torn.safetensors"):
        load(entry_of(unet_folder, adapter=str(tmp_path / "torn.safetensors")))


def test_a_fingerprint_costs_no_torch(unet_folder, few):
    program = (
        "import sys; import polars as pl; from pathlib import Path; from corpusmith.models.catalog import Entry;"
        "from corpusmith.models.finetune import Examples, Finetuner; from corpusmith.models.lora import Recipe;"
        f"fields = dict(name='tiny', role='text_to_image', repository={str(unet_folder)!r}, size=64, steps=2);"
        "entry = Entry(**fields, pipeline='StableDiffusionPipeline', licence='mit', vram_gb=0.1);"
        "Finetuner(entry, Recipe(), Examples(pl.LazyFrame(), pl.LazyFrame()), Path('x')).fingerprint;"
        "print('torch' in sys.modules, 'peft' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False False"
