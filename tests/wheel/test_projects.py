"""`corpusmith init` writes a whole project or nothing, and nothing over what is there."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml

from corpusmith.assets import registry
from corpusmith.dagster_project.projects import contents, start
from corpusmith.errors import UserError


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def repository(tmp_path) -> Path:
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    return tmp_path


def test_the_settings_of_a_project_are_ours_with_the_corpus_and_all_comments(tmp_path):
    text = contents("mine", "replies")["params.yaml"]
    (tmp_path / "params.yaml").write_text(text)
    assert yaml.safe_load(text)["work"]["corpora"] == ["corpora.replies.corpus"]
    assert yaml.safe_load(text)["replies"]["version"] == "1.0.0"
    without = contents("mine", None)["params.yaml"]
    assert {line for line in without.splitlines() if "corpora: []" not in line} <= set(text.splitlines())
    (tmp_path / "params.yaml").write_text(without)
    registry.load(tmp_path / "params.yaml")


def test_the_stages_of_a_project_depend_on_what_is_there(tmp_path):
    start(tmp_path / "mine", "replies")
    build = yaml.safe_load((tmp_path / "mine" / "dvc.yaml").read_text())["stages"]["build"]
    assert build["foreach"] == ["replies"]
    assert all((tmp_path / "mine" / name).exists() for name in build["do"]["deps"])
    assert "data/${item}/manifest.json" in build["do"]["outs"]


def test_without_a_corpus_the_stages_are_those_that_ship(tmp_path):
    stages = yaml.safe_load(contents("mine", None)["dvc.yaml"])["stages"]["build"]
    assert stages["foreach"] == ["reddit", "portraits", "edits", "imagenet"]
    assert stages["do"]["deps"] == ["corpora", "pyproject.toml"]


def test_init_again_changes_nothing(tmp_path):
    start(tmp_path / "mine", "replies", str(tmp_path / "remote"))
    before = files(tmp_path)
    again = start(tmp_path / "mine", "replies", str(tmp_path / "remote"))
    assert again["written"] == []
    assert files(tmp_path) == before


def test_a_remote_can_be_named_later_but_not_moved(tmp_path):
    start(tmp_path / "mine")
    long = str(tmp_path / ("a" * 100))  # longer than the line that DVC prints it on
    assert start(tmp_path / "mine", remote=long)["written"] == [".dvc/config: the remote"]
    assert start(tmp_path / "mine", remote=long)["written"] == []
    with pytest.raises(UserError, match="has a remote storage"):
        start(tmp_path / "mine", remote=str(tmp_path / "b"))


@pytest.mark.parametrize("name", ["README.md", "params.yaml", "corpora/replies/corpus.py"])
def test_what_is_there_is_not_overwritten(tmp_path, name):
    theirs = tmp_path / name
    theirs.parent.mkdir(parents=True, exist_ok=True)
    theirs.write_text("theirs")
    with pytest.raises(UserError, match=f"{name} is there already"):
        start(tmp_path, "replies")
    assert files(tmp_path) == {name: b"theirs"}


def test_a_link_to_nowhere_is_there_too(tmp_path):
    (tmp_path / "README.md").symlink_to(tmp_path / "nowhere")
    with pytest.raises(UserError, match=r"README\.md is there already"):
        start(tmp_path)


def test_a_file_is_no_place_for_a_project(tmp_path):
    (tmp_path / "mine").write_text("theirs")
    with pytest.raises(UserError, match="mine is a file"):
        start(tmp_path / "mine")


@pytest.mark.parametrize("name", ["Replies", "re-plies", "../replies", "class", "", "reddit", "work", "profiles"])
def test_a_name_that_no_corpus_can_have_is_refused(tmp_path, name):
    with pytest.raises(UserError, match="--corpus"):
        start(tmp_path / "mine", name)
    assert not (tmp_path / "mine").exists()


def test_in_a_repository_no_other_is_made(repository):
    start(repository / "mine", "replies")
    assert not (repository / "mine" / ".git").exists()
    assert (repository / "mine" / ".dvc" / "config").exists()


def test_nothing_stays_where_dvc_fails(repository):
    (repository / ".gitignore").write_text(".dvc\n")
    with pytest.raises(UserError, match=r"dvc failed in .*nothing was written") as caught:
        start(repository / "mine", "replies")
    assert "\n" not in str(caught.value)
    assert not (repository / "mine").exists()


def test_nothing_stays_where_there_is_no_git(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="git cannot be run"):
        start(tmp_path / "mine", "replies")
    assert not (tmp_path / "mine").exists()


def test_what_fails_leaves_what_was_there(repository):
    (repository / ".gitignore").write_text(".dvc\n")
    (repository / "mine").mkdir()
    (repository / "mine" / "notes.txt").write_text("theirs")
    with pytest.raises(UserError):
        start(repository / "mine", "replies")
    assert files(repository / "mine") == {"notes.txt": b"theirs"}
