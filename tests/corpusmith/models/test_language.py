"""The loader of causal LMs: the shipped one opens, and what cannot be had is explained."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from corpusmith.emotions import EMOTIONS
from corpusmith.errors import ModelError
from corpusmith.models import house, loading
from corpusmith.models.text import language, prompts

HOUSE = house.folder("house/language")


class Refusing(BaseHTTPRequestHandler):
    """A Hub that knows one gated repository and nothing else."""

    def do_GET(self) -> None:
        gated = "/secret/" in self.path
        self.send_response(403 if gated else 404)
        self.send_header("X-Error-Code", "GatedRepo" if gated else "RepoNotFound")
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_HEAD = do_GET  # noqa: N815 - the server calls it so

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    from huggingface_hub import constants

    server = HTTPServer(("127.0.0.1", 0), Refusing)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    loading.revision_of.cache_clear()
    yield
    server.shutdown()
    server.server_close()


def test_the_house_lm_opens_with_the_ecosystem_s_own_classes() -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(HOUSE)
    tokenizer = AutoTokenizer.from_pretrained(HOUSE)
    assert model.config.model_type == "qwen3"
    text = "Wait, what?! I can't believe it's 10 o'clock… \u2764\ufe0f naïve"
    assert tokenizer.decode(tokenizer.encode(text)) == text
    assert tokenizer.apply_chat_template(prompts.write("joy"), tokenize=False, add_generation_prompt=True) == (
        "<|user|>Write a comment that shows joy.<|end|><|assistant|>"
    )


def test_the_house_lm_is_small_and_holds_no_pickle() -> None:
    sizes = {file.name: file.stat().st_size for file in HOUSE.iterdir()}
    assert sizes["model.safetensors"] <= 9_000_000
    assert sum(sizes.values()) <= 12_000_000
    assert not [name for name in sizes if name.endswith((".bin", ".pt", ".pkl", ".py"))]


def test_every_emotion_is_asked_for_in_prompts_of_the_same_length() -> None:
    tokenizer = language.load("house/language").tokenizer
    assert len({len(tokenizer.encode(prompts.write(emotion)[0]["content"])) for emotion in EMOTIONS}) == 1


def test_the_loader_resolves_the_revision_and_pads_on_the_left() -> None:
    loaded = language.load("house/language")
    assert loaded.revision == loading.revision_of("house/language") == house.revision(HOUSE)
    assert len(loaded.revision) == 40
    assert loaded.tokenizer.padding_side == "left"
    assert not loaded.model.training
    assert loaded.provenance["model"] == "house/language"


def test_hidden_states_of_every_layer_are_there_for_probes() -> None:
    loaded = language.load("house/language")
    ids = loaded.tokenizer("so happy today", return_tensors="pt")["input_ids"]
    states = loaded.model(ids, output_hidden_states=True).hidden_states
    assert len(states) == loaded.model.config.num_hidden_layers + 1
    assert all(state.isfinite().all() for state in states)


def test_the_revision_follows_the_files(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    for folder in (one, other):
        shutil.copytree(HOUSE, folder)
    assert loading.revision_of(str(one)) == loading.revision_of(str(other))
    changed = shutil.copytree(HOUSE, tmp_path / "changed")
    with (changed / "model.safetensors").open("r+b") as weights:
        weights.seek(-1, 2)
        last = weights.read(1)
        weights.seek(-1, 2)
        weights.write(bytes([last[0] ^ 1]))
    assert loading.revision_of(str(changed)) != loading.revision_of(str(one))


def test_a_revision_costs_no_torch() -> None:
    script = (
        "import sys; from corpusmith.models.text import language, writers; maker = writers.HouseGenerator(); "
        "maker.fingerprint; print('torch' in sys.modules, 'transformers' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("house/no-such", "no house model.*house/language"),
        ("./no/such/folder", "no config.json"),
        ("not a name at all!", "neither"),
    ],
)
def test_a_name_that_is_no_model_is_said_to_be_none(name: str, said: str) -> None:
    with pytest.raises(ModelError, match=said):
        language.load(name)


def test_pickled_weights_are_not_loaded(tmp_path: Path) -> None:
    folder = shutil.copytree(HOUSE, tmp_path / "pickled", ignore=shutil.ignore_patterns("*.safetensors"))
    (folder / "pytorch_model.bin").write_bytes(b"\x80\x04K\x01.")
    with pytest.raises(ModelError, match="safetensors"):
        language.load(str(folder))


def test_remote_code_is_not_run(tmp_path: Path) -> None:
    folder = shutil.copytree(HOUSE, tmp_path / "remote")
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "strange", "auto_map": {"AutoConfig": "evil.Config", "AutoModelForCausalLM": "evil.Model"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    with pytest.raises(ModelError):
        language.load(str(folder))
    assert not (tmp_path / "ran").exists()


def test_damaged_weights_are_a_model_error(tmp_path: Path) -> None:
    folder = shutil.copytree(HOUSE, tmp_path / "torn")
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(ModelError, match="torn"):
        language.load(str(folder))


@pytest.mark.usefixtures("hub")
def test_a_gated_model_says_how_to_get_in() -> None:
    with pytest.raises(ModelError, match=r"gated.*HF_TOKEN"):
        language.load("secret/model")


@pytest.mark.usefixtures("hub")
def test_a_repository_that_is_not_there_is_said_to_be_missing() -> None:
    with pytest.raises(ModelError, match="neither a house model"):
        language.load("nobody/nothing")


def test_offline_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    loading.revision_of.cache_clear()
    with pytest.raises(ModelError, match="out of reach"):
        language.load("Qwen/Qwen3-0.6B")


def test_a_template_that_asks_for_the_day_is_told_the_same_one_every_day():
    tokenizer = language.load("house/language").tokenizer
    tokenizer.chat_template = (
        '{%- if strftime_now is defined %}{%- set date_string = strftime_now("%d %b %Y") %}{%- endif %}'
        "{{ date_string }}, {{ strftime_now('%B') }}: {{ messages[0]['content'] }}"
    )
    assert language.templated(tokenizer, [{"role": "user", "content": "Hello"}]) == "26 Jul 2024, July: Hello"
