"""The stage of dvc.yaml: when it runs, what it makes, and that a new corpus is one word in it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml

from corpusmith.release import manifest
from tests.dvc.dvc_repository import ROOT, Repository

pytestmark = pytest.mark.xdist_group("dvc")


def test_a_stage_with_nothing_changed_is_skipped(origin: Repository) -> None:
    assert "didn't change, skipping" in origin.dvc("repro")


def test_git_tracks_none_of_the_rows(origin: Repository) -> None:
    assert not [name for name in origin.git("ls-files").splitlines() if name.startswith("data/")]


def test_dvc_tracks_every_file_of_a_release(origin: Repository) -> None:
    release = origin.folder / "data" / "reddit"
    outs = yaml.safe_load((origin.folder / "dvc.lock").read_text())["stages"]["build@reddit"]["outs"]
    tracked = [release.parents[1] / out["path"] for out in outs]
    files = [path for path in release.rglob("*") if path.is_file()]
    assert [path for path in files if not {path, *path.parents} & {*tracked}] == []


def test_a_release_linked_from_the_cache_is_rebuilt_and_the_cache_stays_whole(
    origin: Repository, tmp_path: Path
) -> None:
    clone = origin.clone(tmp_path / "clone")
    release = clone.folder / "data" / "reddit"
    (clone.folder / ".dvc" / "config.local").write_text("[cache]\n    type = hardlink\n")
    clone.dvc("pull")
    assert not os.access(release / "README.md", os.W_OK) or os.geteuid() == 0
    clone.set("1.2.0", 5)
    clone.dvc("repro")
    assert manifest.check(release).version == "1.2.0"
    clone.git("checkout", "-q", "--", "dvc.lock", "params.yaml")
    clone.dvc("checkout", "--force")
    assert manifest.check(release).version == "1.1.0"


def test_the_stage_is_one_for_all_corpora_and_reads_settings_that_exist() -> None:
    [(name, every)] = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"].items()
    assert (name, set(every)) == ("build", {"foreach", "do"})
    assert all(isinstance(corpus, str) for corpus in every["foreach"])
    settings = yaml.safe_load((ROOT / "params.yaml").read_text())
    assert set(every["foreach"]) | {"work"} <= set(settings)
    assert all((ROOT / path).exists() for path in every["do"]["deps"])
