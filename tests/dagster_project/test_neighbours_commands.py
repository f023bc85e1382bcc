"""What users of Dagster and of DVC type goes on working beside ours: both parse with antlr, and need different ones."""

import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from project import CORPORA, Project

from corpusmith.dagster_project.instance import SETTINGS
from corpusmith.release import manifest

BIN = Path(sys.executable).parent
CHECKOUT = Path(__file__).parents[2]
MODULE = ("-m", "corpusmith.dagster_project.definitions")


@pytest.fixture
def run(tmp_path):
    """Runs a command of the environment, in the checkout unless told otherwise, with a home of its own."""
    (tmp_path / "dagster").mkdir()
    environment = {
        **os.environ,
        "CORPUSMITH_HOME": str(tmp_path / "home"),
        "CORPUSMITH_PROFILE": "smoke",
        "DAGSTER_HOME": str(tmp_path / "dagster"),
        "DVC_NO_ANALYTICS": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
    }
    for who in ("AUTHOR", "COMMITTER"):
        environment |= {f"GIT_{who}_NAME": "nobody", f"GIT_{who}_EMAIL": "nobody@example.com"}

    def runs(*command: str | Path, at: Path = CHECKOUT) -> str:
        done = subprocess.run(command, cwd=at, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return runs


def test_a_selection_takes_what_is_upstream(run):
    listed = run("dagster", "asset", "list", "--select", "+portraits/images", *MODULE)
    assert listed.split() == ["portraits/images", "portraits/prompts"]


def test_one_asset_is_materialized_by_its_name(run, tmp_path):
    run("dagster", "asset", "materialize", "--select", "portraits/prompts", *MODULE)
    table = tmp_path / "home" / ".corpusmith" / "tables" / "portraits" / "prompts.parquet"
    assert pl.scan_parquet(table).select(pl.len()).collect().item() > 0


def test_dg_launches_one_asset_by_its_name(run, tmp_path):
    run("dg", "launch", "--assets", "portraits/prompts")
    assert (tmp_path / "home" / ".corpusmith" / "tables" / "portraits" / "prompts.parquet").exists()


@pytest.fixture
def own(tmp_path):
    """Runs a command in a fresh project of one's own with the corpus of numbers; what it said, whatever its end."""
    folder = Project(tmp_path / "home").folder
    dagster = folder / ".corpusmith" / "dagster"
    dagster.mkdir(parents=True)
    (dagster / "dagster.yaml").write_text(SETTINGS.read_text())
    paths = f"{CORPORA}{os.pathsep}{CHECKOUT}"
    environment = {"PYTHONPATH": paths, "DAGSTER_HOME": str(dagster), "CORPUSMITH_HOME": str(folder)}

    def runs(*command: str) -> str:
        line = [str(BIN / command[0]), *command[1:], *MODULE]
        done = subprocess.run(
            line, cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True, check=False
        )
        return done.stdout + done.stderr

    return runs


def test_a_corpus_with_partitions_is_materialized_partition_by_partition_and_released(own, tmp_path):
    every = ("dagster", "asset", "materialize", "--select", 'key:"numbers/*"')
    assert "Asset has partitions, but no '--partition' option was provided" in own(*every)
    assert "partition key `third`" in own(*every, "--partition", "third")
    made = own("dagster", "asset", "materialize", "--select", "numbers/plan,numbers/squares", "--partition", "odd")
    assert "RUN_SUCCESS" in made, made
    launched = own("dg", "launch", "--assets", "group:numbers", "--partition", "even")
    assert "RUN_SUCCESS" in launched, launched
    for place in ("data/numbers", "versions/numbers/1.0.0", "published/numbers/1.0.0"):
        assert manifest.check(tmp_path / "home" / place).counts["rows"] == 23


def test_a_dvc_experiment_lays_a_setting_over_params(run, tmp_path):
    project = tmp_path / "project"
    project.mkdir()
    (project / "params.yaml").write_text("reddit:\n  rows: 3\n")
    (project / "dvc.yaml").write_text(
        "stages:\n  rows:\n    cmd: cp params.yaml rows.txt\n    params: [reddit.rows]\n    outs: [rows.txt]\n"
    )
    run("git", "init", "-q", at=project)
    run("dvc", "init", "-q", at=project)
    run("git", "add", ".", at=project)
    run("git", "commit", "-qm", "a project", at=project)
    run("dvc", "exp", "run", "-q", "-S", "reddit.rows=5", at=project)
    assert (project / "rows.txt").read_text() == "reddit:\n  rows: 5\n"
