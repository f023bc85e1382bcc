"""Each command that DVC's users know, in a fresh clone of a repository with two released versions."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import yaml

from corpusmith.release import manifest
from tests.dvc.dvc_repository import FOLDER, STORE, VERSIONS, Repository

pytestmark = pytest.mark.xdist_group("dvc")
METRICS, FIRST, SECOND = "data/reddit/metrics.json", "reddit-v1.0.0", "reddit-v1.1.0"


@pytest.mark.parametrize("remote", [FOLDER, STORE])
def test_pull_brings_the_release_that_was_pushed(origin: Repository, remote: str, tmp_path: Path) -> None:
    clone = origin.clone(tmp_path / "clone")
    clone.dvc("pull", "-r", remote)
    here, there = (manifest.check(one.folder / "data" / "reddit") for one in (clone, origin))
    assert here == there
    assert (here.version, here.counts["rows"]) == ("1.1.0", 7 * VERSIONS["1.1.0"])


@pytest.mark.parametrize("remote", [FOLDER, STORE])
def test_get_downloads_a_part_of_a_version_by_its_tag(clone: Repository, remote: str, tmp_path: Path) -> None:
    got = tmp_path / "got.json"
    clone.dvc("get", "--rev", FIRST, "--remote", remote, "-o", str(got), str(clone.folder), "data/reddit/manifest.json")
    assert json.loads(got.read_text())["counts"]["rows"] == 7 * VERSIONS["1.0.0"]


def test_import_into_another_repository_remembers_the_version_and_is_updated(clone: Repository, tmp_path: Path) -> None:
    other = Repository(tmp_path, clone.environment)
    other.git("init", "-q")
    other.dvc("init", "-q")
    other.dvc("import", "--rev", FIRST, str(clone.folder), "data/reddit", "-o", "reddit")
    assert manifest.check(tmp_path / "reddit").version == "1.0.0"
    said = yaml.safe_load((tmp_path / "reddit.dvc").read_text())["deps"][0]["repo"]
    assert said["rev_lock"] == clone.git("rev-parse", f"{FIRST}^{{commit}}").strip()
    other.dvc("update", "--rev", SECOND, "reddit.dvc")
    assert manifest.check(tmp_path / "reddit").version == "1.1.0"


OPEN = f"""
import json, sys
import dvc.api
import polars as pl

repo = sys.argv[1]
with dvc.api.open({METRICS!r}, repo=repo, rev={FIRST!r}) as file:
    print(json.load(file)["rows"])
with dvc.api.open("data/reddit/data/train-00000-of-00001.parquet", repo=repo, rev={SECOND!r}, mode="rb") as file:
    print(pl.read_parquet(file)["emotion"].n_unique())
"""


def test_api_open_reads_files_of_any_version_without_a_pull(clone: Repository) -> None:
    assert clone.run(sys.executable, "-c", OPEN, str(clone.folder)).split() == [str(7 * VERSIONS["1.0.0"]), "7"]


def test_metrics_diff_says_what_changed_between_two_versions(clone: Repository) -> None:
    found = json.loads(clone.dvc("metrics", "diff", FIRST, SECOND, "--all", "--json"))[METRICS]
    assert found["rows"] == {"old": 28, "new": 42, "diff": 14}
    assert found["balance"] == {"old": 1.0, "new": 1.0, "diff": 0.0}
    scores = {"scores.baseline.best", "scores.baseline.majority", "scores.probe.best", "scores.zero-shot.best"}
    assert set(found) == {"rows", "balance", "rejected_share", *scores}


def test_plots_diff_draws_both_versions(clone: Repository, tmp_path: Path) -> None:
    clone.dvc("plots", "diff", FIRST, SECOND, "--out", str(tmp_path))
    page = (tmp_path / "index.html").read_text()
    for title in ("Rows of reddit by label", "Rejected rows of reddit by reason", "Probe accuracy of reddit by depth"):
        assert title in page
    for rows, version in (("4", FIRST), ("6", SECOND)):
        assert json.dumps({"label": "neutral", "origin": "natural", "rows": rows, "rev": version}) in page


def test_an_experiment_with_another_setting_makes_another_release(origin: Repository, tmp_path: Path) -> None:
    clone = origin.clone(tmp_path / "clone")
    before = (clone.folder / "params.yaml").read_text()
    clone.dvc("exp", "run", "-n", "smaller", "-S", "reddit.balanced.rows_per_emotion=5")
    assert manifest.check(clone.folder / "data" / "reddit").counts["rows"] == 35
    after = (clone.folder / "params.yaml").read_text()
    assert after.count("#") == before.count("#")  # DVC respells nulls, and keeps what is said of the settings
    expected = yaml.safe_load(before)
    expected["reddit"]["balanced"]["rows_per_emotion"] = 5
    assert yaml.safe_load(after) == expected
    found = json.loads(clone.dvc("exp", "diff", "--json"))
    assert found["params"]["params.yaml"] == {"reddit.balanced.rows_per_emotion": {"old": 6, "new": 5, "diff": -1}}
    assert found["metrics"][METRICS]["rows"] == {"old": 42, "new": 35, "diff": -7}
    assert "/smaller\n" in clone.git("for-each-ref", "refs/exps", "--format=%(refname)")
