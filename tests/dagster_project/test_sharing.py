"""corpusmith publish, pull and versions, as a person calls them; the token is never seen."""

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "hub"))

import numbers_release
from hub_faults import Fault
from hub_server import Hub, serve
from project import Project

from corpusmith.release import manifest


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A home with a release of unknown code."""
    made = numbers_release.project(tmp_path_factory.mktemp("numbers") / "home")
    release = numbers_release.release(made.folder)
    said = manifest.read(release)
    (release / manifest.NAME).write_text(replace(said, code={**said.code, "commit": None}).to_json())
    return made


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """A Hub, of which the commands of these tests know."""
    with pytest.MonkeyPatch.context() as patch, serve(tmp_path_factory.mktemp("hub")) as served:
        home = tmp_path_factory.mktemp("hf")
        for name, value in served.environment(home).items():
            patch.setenv(name, value)
        yield served


ALLOW = "--allow-unknown-code"


def test_a_version_goes_to_the_hub_and_comes_back(project: Project, hub: Hub, tmp_path: Path) -> None:
    to = "hf://datasets/org/{corpus}"
    refused = project.run("publish", "numbers", "--to", to, code=2)
    assert ALLOW in refused
    planned = json.loads(project.run("publish", "numbers", "--to", to, ALLOW, "--dry-run", "--json"))
    assert (planned["exists"], planned["card"]["license"]) == (False, "apache-2.0")
    assert not hub.requests.matching(method="POST")
    assert project.run("publish", "numbers", "--to", to, ALLOW) == "published: hf://datasets/org/numbers@v1.0.0\n"
    again = project.run("publish", "numbers", "--to", to, ALLOW)
    assert again == "published already, nothing was written: hf://datasets/org/numbers@v1.0.0\n"
    source = "hf://datasets/org/numbers"
    assert json.loads(project.run("versions", "numbers", "--from", source, "--json")) == [
        {"version": "1.0.0", "in": [source]}
    ]
    said = project.run("pull", "numbers@^1", "--from", source, "--split", "train", "--columns", "n, square", "--json")
    assert [*manifest.check(Path(json.loads(said)["pulled"])).tables("data")] == ["data/train-00000-of-00001.parquet"]
    assert "numbers 1.0.0  data, pulled" in project.run("versions", "numbers")


ECHOED = [
    {"path": "/commit/main", "status": 400},
    {"path": "/tag/", "status": 429, "headers": {"Retry-After": "0"}, "times": None},
]


def test_the_token_is_in_no_output_and_no_file(project: Project, hub: Hub, tmp_path: Path) -> None:
    """The Hub says it in every error; the client's own cache and logs are looked at, too."""
    to, outputs = "hf://datasets/org/{corpus}-secret", []
    for fault in ECHOED:
        hub.faults.add(Fault(message=f"who are you, {hub.token}?\nBearer {hub.token}", **fault))
        outputs.append(project.run("publish", "numbers", "--to", to, ALLOW, code=2))
        assert "who are you, ***?" in outputs[-1]
        hub.faults.clear()
    outputs.append(project.run("publish", "numbers", "--to", to, ALLOW, "--debug"))
    source = to.format(corpus="numbers")
    for path in ("/refs", "/resolve/.*/README"):
        hub.faults.add(Fault(path=path, status=403, message=f"not for {hub.token}", times=None))
        pull = ("pull", "numbers", "--from", source, "--into", tmp_path, "--debug")
        started = project.start(*pull)
        outputs += started.communicate()
        assert started.returncode
        hub.faults.clear()
    outputs.append(project.run("pull", "numbers", "--from", source, "--into", tmp_path))
    folders = (project.folder, tmp_path, hub.folder / "objects", Path(os.environ["HF_HOME"]))
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    assert len(files) > 50
    assert not [text for text in outputs if hub.token in text]
    assert not [path for path in files if hub.token.encode() in path.read_bytes()]


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (("publish", "numbers@"), "expected a version after the @, such as numbers@1.2.0"),
        (("pull", "numbers", "--from", "ftp://x/y"), "is not known"),
        (("versions", "numbers", "--from", "hf://datasets/org/nowhere"), "is not there, or not for you"),
    ],
)
def test_a_mistake_is_told_in_a_line(project: Project, hub: Hub, command: tuple[str, ...], words: str) -> None:
    said = project.run(*command, code=2)
    assert words in " ".join(said.split())
    assert "Traceback" not in said
