"""A corpus of somebody else's, one file and one line of settings, goes through everything that ours go through."""

import json
from pathlib import Path

import pytest
from dagster import DagsterInstance
from project import CORPORA, Project


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project in which the corpus was built."""
    found = Project(tmp_path_factory.mktemp("project"))
    found.run("build", "numbers")
    return found


def test_it_is_one_file_of_under_150_lines() -> None:
    assert len((CORPORA / "numbers_corpus.py").read_text().splitlines()) < 150
    assert "reddit" not in (CORPORA / "numbers_corpus.py").read_text()


def test_a_dry_run_counts_its_partitions(tmp_path: Path) -> None:
    steps = json.loads(Project(tmp_path).run("build", "numbers", "--dry-run", "--json"))
    assert {step["name"]: step["rows"] for step in steps} == {
        "plan": 0,
        "squares odd": 15,
        "squares even": 15,
        "curated": None,
        "mean": None,
    }


def test_a_build_rejects_and_fails_what_it_should_and_a_second_one_tries_what_failed(project: Project) -> None:
    manifest = json.loads((project.folder / "data/numbers/manifest.json").read_text())
    assert manifest["counts"]["rows"] == 23
    assert manifest["counts"]["rejected"] == 7, "six are too high, and thirteen failed"
    ledger = project.folder / ".corpusmith" / "ledger"
    before = set(ledger.rglob("segments/*.parquet"))
    failures = len(set(ledger.rglob("failures/*.parquet")))
    assert json.loads(project.run("build", "numbers", "--json"))["made"] is True
    assert set(ledger.rglob("segments/*.parquet")) == before
    assert len(set(ledger.rglob("failures/*.parquet"))) == failures + 1


def test_it_is_previewed(project: Project) -> None:
    page = json.loads(project.run("preview", "numbers", "--json"))["page"]
    assert "Preview of numbers" in Path(page).read_text()


def test_it_is_validated_and_verified_and_made_again(project: Project) -> None:
    assert json.loads(project.run("validate", "data/numbers", "--json"))["success"]
    found = json.loads(project.run("verify", "data/numbers", "--regenerate", "24", "--json"))
    assert (found["regenerated"], found["different"]) == (23, [])


def test_it_is_published_and_pulled_and_compared(project: Project) -> None:
    project.run("publish", "numbers", "--to", "shelf")
    project.run("pull", "numbers", "--from", "shelf", "--into", "here")
    found = json.loads(project.run("diff", "data/numbers", "here/numbers/1.0.0", "--json"))
    assert (found["added"], found["removed"]) == (0, 0)


def test_dvc_runs_tracks_and_hands_on_its_release(tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    for line in ("git init --quiet", "dvc init --quiet", "dvc repro --quiet"):
        command, *arguments = line.split()
        project.run(*arguments, command=command)
    assert json.loads(project.run("metrics", "show", "--json", command="dvc"))
    project.run("add", "--all", command="git")
    author = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
    project.run(*author, "commit", "--quiet", "-m", "built", command="git")
    project.run("tag", "numbers-v1.0.0", command="git")
    project.run("pull", "numbers@1.0.0", "--from", project.folder, "--into", tmp_path / "here")
    manifest = (project.folder / "data/numbers/manifest.json").read_bytes()
    assert (tmp_path / "here/numbers/1.0.0/manifest.json").read_bytes() == manifest


def test_status_shows_it_and_its_runs_are_recorded(project: Project) -> None:
    assert "numbers" in {release["corpus"] for release in json.loads(project.run("status", "--json"))["releases"]}
    with DagsterInstance.from_config(str(project.folder / ".corpusmith/dagster")) as instance:
        assert {run.job_name for run in instance.get_runs()} == {"numbers_plan", "numbers_squares", "numbers"}


def test_a_mistake_in_its_table_is_named(project: Project) -> None:
    said = project.run("build", "numbers", "--set", "numbers.hihgest=3", code=2)
    assert "numbers.hihgest: is not a setting; did you mean highest?" in said


def test_the_ui_has_its_assets_jobs_schedule_and_sensor(project: Project) -> None:
    ask = "from corpusmith.dagster_project.definitions import defs; r = defs().get_repository_def(); "
    listed = "print(*r.job_names, *(s.name for s in r.schedule_defs), *(s.name for s in r.sensor_defs))"
    named = project.run("-c", ask + listed, command="python").split()
    assert {"numbers_plan", "numbers_squares", "numbers", "numbers_publish"} <= set(named)
    assert {"numbers_refresh", "numbers_partitions"} <= set(named)
