"""A version of a corpus, from the build through git, DVC and an object store to somebody else's machine."""

from __future__ import annotations

from pathlib import Path

import pytest
from project import Project

from corpusmith.release import manifest
from tests.dvc.dvc_repository import environment
from tests.object_store import object_store

pytestmark = pytest.mark.xdist_group("dvc")


def test_a_version_that_was_pushed_to_an_object_store_is_pulled_from_a_clone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with object_store() as store:
        for name, value in {**environment(tmp_path), **store.environment()}.items():
            monkeypatch.setenv(name, value)
        project = Project(tmp_path / "project")
        project.run("init", "-q", command="git")
        project.run("init", "-q", command="dvc")
        project.run("remote", "add", "-d", "store", f"s3://{store.bucket}/dvc", command="dvc")
        project.run("add", "-A", command="git")
        project.run("commit", "-qm", "settings", command="git")
        project.run("release", "numbers", "--dvc")
        project.run("push", command="dvc")
        project.run("clone", "-q", ".", tmp_path / "clone", command="git")
        project.run("pull", "numbers@1.0.0", "--from", tmp_path / "clone", "--into", tmp_path / "pulled")
    pulled = manifest.check(tmp_path / "pulled" / "numbers" / "1.0.0")
    assert pulled == manifest.check(project.folder / "data" / "numbers")
    assert pulled.counts["rows"] > 0
