"""What is here is said truly, what a profile needs and is not here is missing, and no secret is ever said."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from huggingface_hub import constants

from corpusmith.assets import doctor, registry
from corpusmith.assets.doctor import Hub, Model

ONLINE, AWAY = Hub(True, False, False), Hub(False, False, False)
SECRET = "hf_thisisthetokenitself"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch):
    """A Hub that knows one token."""

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            knows = self.headers.get("authorization") == f"Bearer {SECRET}"
            body = b'{"name": "ada"}' if knows else b'{"error": "who are you?"}'
            self.send_response(200 if knows else 401)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing is printed."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    yield server
    server.shutdown()
    server.server_close()


def states(checks) -> dict[str, str]:
    return {check.what: check.state for check in checks}


def test_the_token_is_told_by_whose_it_is_and_never_itself(hub, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", SECRET)
    said = list(doctor.reach(doctor.ask_hub()))
    assert states(said) == {"Hub": "ok", "token": "ok"}
    assert "ada" in said[1].said
    assert SECRET not in str(said)


def test_a_token_that_the_hub_does_not_take_is_told(hub, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_another")
    assert states(doctor.reach(doctor.ask_hub())) == {"Hub": "ok", "token": "attention"}


def test_a_hub_that_does_not_answer_is_no_error(hub, monkeypatch):
    hub.shutdown()
    hub.server_close()
    assert not doctor.ask_hub().reachable
    assert "missing" not in states(doctor.reach(doctor.ask_hub())).values()


def test_offline_nothing_is_asked(monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "ENDPOINT", "http://nobody.invalid")
    assert doctor.ask_hub().offline


def test_the_clock_is_held_against_the_hubs():
    assert doctor.clock(ONLINE).state == "ok"
    assert doctor.clock(Hub(True, False, False, time=0.0)).state == "attention"


@pytest.mark.parametrize(
    ("model", "hub", "state"),
    [
        (Model("a", "o/a", 1, here=True), AWAY, "ok"),
        (Model("a", "o/a", 1, here=False), ONLINE, "attention"),
        (Model("a", "o/a", 1, here=False), AWAY, "missing"),
        (Model("a", "o/a", 1, here=False, gated=True), ONLINE, "missing"),
        (Model("a", "o/a", 1, here=False, gated=True), Hub(True, False, True, "ada"), "attention"),
        (Model("a", "o/a", 1, here=True, unsupported="pickles"), ONLINE, "missing"),
        (Model("a", "o/a", 1, here=False, needless=True), AWAY, "attention"),
    ],
)
def test_a_model_that_cannot_be_had_is_missing(model, hub, state):
    assert states(doctor.needs([model], hub, "gpu")) == {"a": state}


def test_more_memory_or_disk_than_there_is_is_missing(tmp_path):
    huge, small = Model("huge", "o/huge", 1e6, here=False), Model("small", "o/small", 0.001, here=False)
    for model, state in ((huge, "missing"), (small, "ok")):
        assert states(doctor.memory([small, model])) == {"GPU": state}
        assert doctor.disk(tmp_path / "not there yet", [model]).state == state


def test_the_house_profile_lacks_nothing_and_the_gpu_profile_names_published_models(tmp_path):
    tables = {name: corpus.settings for name, corpus in registry.corpora().items()}
    house = [model.name for model in doctor.named(registry.load(), tables)]
    of_house = doctor.named(registry.load(), tables, house)
    assert "missing" not in states(doctor.needs(of_house, AWAY, "house")).values()
    found = {model.name: model for model in doctor.named(registry.load(profile="gpu"), tables, house)}
    assert {"sdxl", "Qwen/Qwen3-32B"} <= found.keys()
    assert not [name for name in found if name.startswith("house")]
    assert found["sdxl"].repository.endswith("stable-diffusion-xl-base-1.0")


def test_a_model_of_a_server_is_not_needed_here(tmp_path):
    tables = {name: corpus.settings for name, corpus in registry.corpora().items()}
    served = 'reddit.models.servers={"Qwen/Qwen3-32B": "http://127.0.0.1:8000"}'
    found = doctor.named(registry.load(profile="gpu", overrides=[served]), tables)
    assert "Qwen/Qwen3-32B" not in {model.name for model in found}


def test_remotes_of_dvc_are_told_by_name_alone(tmp_path):
    assert doctor.dvc_remote(tmp_path).state == "attention"
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc" / "config").write_text(
        "['remote \"team\"']\n    url = https://ada:password@example.org/corpora\n"
    )
    found = doctor.dvc_remote(tmp_path)
    assert (found.state, found.said) == ("ok", "remotes: team")


def test_a_home_that_cannot_be_written_is_missing(monkeypatch, tmp_path):
    assert doctor.writable(tmp_path / "new").state == "ok"
    assert doctor.writable(Path("/proc")).state == "missing"


def test_who_commits_is_told(tmp_path, monkeypatch):
    for name, value in {"GIT_CONFIG_GLOBAL": str(tmp_path / "config"), "GIT_CONFIG_SYSTEM": "/dev/null"}.items():
        monkeypatch.setenv(name, value)
    assert doctor.git_identity(tmp_path).state == "attention"
    (tmp_path / "config").write_text("[user]\nname = Ada\nemail = ada@example.org\n")
    assert doctor.git_identity(tmp_path).said == "commits are by Ada"
