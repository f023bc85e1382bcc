"""Pipelines of the catalog open with the ecosystem's classes, and what cannot be had is said before any work."""

from __future__ import annotations

import shutil

import pytest

from corpusmith.errors import ModelError
from corpusmith.models import loading
from corpusmith.models.catalog import entry, of_role
from corpusmith.models.diffusion import load
from corpusmith.models.generator import Generator
from corpusmith.models.preflight import preflight, weights_fault

SD3 = "StableDiffusion3Pipeline"


def weights_differ(one, other, part):
    pairs = zip(getattr(one, part).parameters(), getattr(other, part).parameters(), strict=True)
    return any(bool((a != b).any()) for a, b in pairs)


def test_a_variant_has_its_own_weights_and_shares_what_it_lacks(unet_folder, entry_of):
    plain, early = load(entry_of(unet_folder)), load(entry_of(unet_folder, variant="early"))
    assert weights_differ(plain.pipeline, early.pipeline, "unet")
    assert not weights_differ(plain.pipeline, early.pipeline, "vae")
    assert plain.revision != early.revision
    assert early.provenance["variant"] == "early"


def test_another_early_checkpoint_leaves_the_final_one_as_it_was(unet_folder, tmp_path):
    folder = shutil.copytree(unet_folder, tmp_path / "unet")
    before = {variant: loading.revision_of(str(folder), None, variant) for variant in (None, "early")}
    (folder / "unet" / "diffusion_pytorch_model.early.safetensors").write_bytes(b"other")
    loading.revision_of.cache_clear()
    after = {variant: loading.revision_of(str(folder), None, variant) for variant in (None, "early")}
    assert before[None] == after[None]
    assert before["early"] != after["early"]


def test_a_card_or_a_measure_makes_no_other_model(unet_folder, tmp_path):
    folder = shutil.copytree(unet_folder, tmp_path / "unet")
    before = loading.revision_of(str(folder))
    (folder / "README.md").write_text("a card")
    (folder / "vae" / "metrics.json").write_text("{}")
    loading.revision_of.cache_clear()
    assert loading.revision_of(str(folder)) == before


def test_the_commit_of_a_model_that_is_loaded_along_is_part_of_the_key(unet_folder, entry_of, tmp_path):
    folder = shutil.copytree(unet_folder, tmp_path / "decoder")
    (folder / "README.md").write_text("---\nprior:\n- house/epsilon\n---\n")
    with pytest.raises(ModelError, match="its card names house/epsilon, to be loaded along"):
        load(entry_of(folder))
    alone, with_prior = entry_of(folder), entry_of(folder, connected=["house/epsilon"])
    assert load(with_prior).connected == (("house/epsilon", loading.revision_of("house/epsilon")),)
    assert Generator(alone).fingerprint != Generator(with_prior).fingerprint


@pytest.mark.parametrize(
    ("role", "opened"),
    [("image_to_image", "StableDiffusionImg2ImgPipeline"), ("inpaint", "StableDiffusionInpaintPipeline")],
)
def test_the_siblings_open_the_same_folder(unet_folder, entry_of, role, opened):
    assert type(load(entry_of(unet_folder), role).pipeline).__name__ == opened


def test_a_pipeline_without_its_largest_text_encoder_opens(flow_folder, entry_of):
    loaded = load(entry_of(flow_folder, pipeline=SD3))
    assert loaded.pipeline.text_encoder_3 is None
    assert loaded.dtype == "float32"


def test_the_settings_of_an_entry_reach_the_pipeline(unet_folder, entry_of):
    settings = {
        "scheduler": {"name": "DPMSolverMultistepScheduler", "arguments": {"use_karras_sigmas": True}},
        "vae_slicing": True,
        "vae_tiling": True,
        "attention_backend": "native",
    }
    pipeline = load(entry_of(unet_folder, **settings)).pipeline
    assert type(pipeline.scheduler).__name__ == "DPMSolverMultistepScheduler"
    assert pipeline.scheduler.config.use_karras_sigmas
    assert not pipeline.scheduler.config.get("clip_sample")
    assert pipeline.vae.use_slicing
    assert pipeline.vae.use_tiling


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"variant": "late"}, r"no variant 'late'; it has the variants: early"),
        (
            {"pipeline": "StableDiffusionXLPipeline"},
            "the catalog says StableDiffusionXLPipeline, .* is a StableDiffusion",
        ),
        ({"pipeline": "NoSuchPipeline"}, "diffusers [0-9.]+ has no NoSuchPipeline"),
        ({"scheduler": {"name": "NoSuchScheduler"}}, "no scheduler NoSuchScheduler"),
        ({"attention_backend": "flash"}, "attention_backend flash"),
        ({"repository": "./no/such/folder"}, "is no model folder"),
        ({"repository": "/models/old.ckpt"}, "is a pickle.*only safetensors"),
        ({"vram_gb": 1e6}, r"needs about .* GB, and this machine has .* GB free"),
        ({"unsupported": "it is a pickle: use sdxl"}, "cannot be loaded: it is a pickle: use sdxl"),
    ],
)
def test_what_cannot_be_opened_says_why(unet_folder, entry_of, fields, said):
    with pytest.raises(ModelError, match=said):
        load(entry_of(unet_folder, **fields))


def test_a_model_that_does_not_fit_the_gpu_says_what_to_try(unet_folder, entry_of, monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (8_000_000_000, 16_000_000_000))
    with pytest.raises(ModelError, match=r"needs about 12.0 GB, and the GPU \(cuda\) has 8.0 GB free: try cpu_offload"):
        preflight(entry_of(unet_folder, vram_gb=12), "cuda")
    preflight(entry_of(unet_folder, vram_gb=12, cpu_offload="model"), "cuda")


def test_weights_for_other_programs_are_no_pickles_of_a_pipeline():
    sdxl = [f"{part}/model.{variant}safetensors" for part in ("unet", "vae") for variant in ("", "fp16.")]
    openvino = [
        f"{part}/openvino_model.{kind}" for part in ("unet", "vae_decoder", "vae_encoder") for kind in ("bin", "xml")
    ]
    assert weights_fault(entry("sdxl"), [*sdxl, *openvino, "model_index.json"]) is None


def test_a_checkpoint_in_pickles_is_refused_unread(unet_folder, entry_of, tmp_path):
    folder = shutil.copytree(unet_folder, tmp_path / "pickled", ignore=shutil.ignore_patterns("*model*.safetensors"))
    (folder / "unet" / "diffusion_pytorch_model.bin").write_bytes(b"\x80\x04cos\nsystem\n.")
    with pytest.raises(ModelError, match="weights of unet in pickles only, which can run any code"):
        load(entry_of(folder))


def test_code_that_comes_with_a_model_is_not_run(unet_folder, entry_of, tmp_path):
    folder = shutil.copytree(unet_folder, tmp_path / "remote")
    index = folder / "model_index.json"
    index.write_text(index.read_text().replace('"diffusers",\n    "UNet2DConditionModel"', '"evil",\n    "Evil"'))
    for place in (folder, folder / "unet"):
        (place / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    with pytest.raises(ModelError):
        load(entry_of(folder))
    assert not (tmp_path / "ran").exists()


def test_damaged_weights_are_named(unet_folder, entry_of, tmp_path):
    folder = shutil.copytree(unet_folder, tmp_path / "torn")
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(ModelError, match="torn"):
        load(entry_of(folder))


def test_what_needs_a_package_that_is_not_here_says_which():
    pytest.importorskip("diffusers")
    try:
        import sentencepiece  # noqa: F401
    except ImportError:
        with pytest.raises(ModelError, match="pip install sentencepiece"):
            preflight(entry("kolors"), "cpu")


def test_a_model_of_the_hub_is_loaded_at_its_commit_and_then_from_the_cache(
    model_hub, unet_folder, entry_of, monkeypatch
):
    from huggingface_hub import constants

    model_hub.folders["org/tiny"] = unet_folder
    loaded = load(entry_of("org/tiny", variant="early"))
    assert loaded.revision == model_hub.commit
    assert loaded.provenance["revision"] == model_hub.commit
    assert "org/tiny/unet/diffusion_pytorch_model.early.safetensors" in model_hub.fetched
    assert "org/tiny/unet/diffusion_pytorch_model.safetensors" not in model_hub.fetched
    fetched = len(model_hub.fetched)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    loading.revision_of.cache_clear()
    assert load(entry_of("org/tiny", variant="early")).revision == model_hub.commit
    assert len(model_hub.fetched) == fetched


def test_the_cache_serves_where_the_hub_cannot_be_reached(model_hub, unet_folder, entry_of, monkeypatch):
    from huggingface_hub import constants, hf_api

    model_hub.folders["org/tiny"] = unet_folder
    load(entry_of("org/tiny"))
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(hf_api.api, "endpoint", "http://127.0.0.1:9")
    loading.revision_of.cache_clear()
    assert preflight(entry_of("org/tiny"), "cpu") == model_hub.commit


@pytest.mark.parametrize(
    ("name", "fields", "said"),
    [
        ("org/none", {}, "neither a house model, a folder, nor a repository"),
        ("org/tiny", {"revision": "v9"}, "org/tiny has no such revision"),
        ("org/tiny", {"variant": "fp16"}, "org/tiny has no variant 'fp16'; it has the variants: early"),
        ("org/secret", {}, r"org/secret is gated: accept its terms .* HF_TOKEN"),
    ],
)
def test_the_hub_s_refusals_come_before_any_download(model_hub, unet_folder, entry_of, name, fields, said):
    model_hub.folders |= {"org/tiny": unet_folder, "org/secret": unet_folder}
    model_hub.gated.add("org/secret")
    with pytest.raises(ModelError, match=said):
        preflight(entry_of(name, **fields), "cpu")
    assert model_hub.fetched == []


def test_a_token_opens_a_gated_model(model_hub, unet_folder, entry_of, monkeypatch):
    model_hub.folders["org/secret"] = unet_folder
    model_hub.gated.add("org/secret")
    monkeypatch.setenv("HF_TOKEN", model_hub.token)
    assert load(entry_of("org/secret")).revision == model_hub.commit


def test_a_model_that_was_never_fetched_is_missing_offline(model_hub, entry_of, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ModelError, match="not in the local cache and the Hub is out of reach"):
        preflight(entry_of("org/tiny"), "cpu")


@pytest.mark.parametrize("name", [found.name for found in of_role("inpaint") if found.is_house])
def test_every_house_editor_opens_and_changes_what_the_mask_covers(name):
    import numpy as np
    import torch

    editor = entry(name)
    pipeline = load(editor).pipeline
    image, mask = np.full((1, 64, 64, 3), 0.5, np.float32), np.ones((1, 64, 64, 1), np.float32)
    seed = torch.Generator().manual_seed(0)
    size = {"height": 64, "width": 64}
    asked = {"prompt": "A red balloon", "image": image, "mask_image": mask, "num_inference_steps": 2, "strength": 1.0}
    with torch.inference_mode():
        edited = pipeline(**asked, **size, **editor.arguments, generator=seed, output_type="np").images
    assert edited.shape == image.shape
    assert np.abs(edited - image).mean() > 0.05
