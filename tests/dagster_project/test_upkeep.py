"""status, gc, doctor and shell completion, as a person meets them in a folder of their own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
import yaml
from project import Project

HEAVY = (
    "polars",
    "pyarrow",
    "dagster",
    "torch",
    "numpy",
    "pandas",
    "datasets",
    "huggingface_hub",
    "great_expectations",
)


def set_(project: Project, **settings: object) -> None:
    path = project.folder / "params.yaml"
    params = yaml.safe_load(path.read_text())
    params["numbers"] |= settings
    path.write_text(yaml.safe_dump(params, sort_keys=False))


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Project:
    """A corpus of thirty numbers that was built, and built again with twenty."""
    made = Project(tmp_path_factory.mktemp("upkeep") / "home")
    made.run("build", "numbers")
    set_(made, count=20)
    made.run("build", "numbers")
    return made


def made_rows(project: Project) -> list[int]:
    """The numbers that the ledger has squares of."""
    paths = sorted(project.folder.glob(".corpusmith/ledger/squares-*/segments/*.parquet"))
    return sorted(pl.read_parquet(paths)["square"].sqrt().cast(pl.Int64).to_list())


def test_status_tells_version_rows_checks_staleness_and_failures(project):
    found = {one["corpus"]: one for one in json.loads(project.run("status", "--json"))["corpora"]}
    numbers = found["numbers"]
    assert (numbers["version"], numbers["rows"], numbers["failures"]) == ("1.0.0", 19, 1)
    assert (numbers["checks"]["expectations"], numbers["checks"]["broken"]) == (2, [])
    assert numbers["stale"] == ["1 row failed: the next build tries again"]
    assert found["reddit"]["version"] is None
    said = project.run("status")
    assert "2 of 2 held" in said
    assert "numbers is stale: 1 row failed" in said


def test_status_of_one_corpus_lists_its_shelves(project):
    said = project.run("status", "numbers")
    assert "squares:arithmetic" in said
    assert "portraits" not in said


def test_gc_frees_what_no_release_uses_and_a_build_makes_no_row_again(project):
    everything = made_rows(project)
    would = json.loads(project.run("gc", "numbers", "--json"))
    assert (would["freed"], sum(part["rows"] for part in would["parts"])) == (False, 10)
    assert made_rows(project) == everything
    assert "10 rows and" in project.run("gc", "numbers", "--apply")
    assert made_rows(project) == [n for n in range(1, 21) if n != 13]
    steps = {step["name"]: step["rows"] for step in json.loads(project.run("build", "numbers", "--dry-run", "--json"))}
    assert (steps["squares even"], steps["squares odd"]) == (0, 1)  # 13 fails always, and is always tried again


def test_doctor_says_what_is_here_and_fails_for_what_a_profile_lacks(tmp_path):
    project = Project(tmp_path / "home")
    said = project.run("doctor")
    assert "✓ Python" in said
    assert "✗" not in said
    project.run("doctor", "--profile", "gpu", "--json", code=1)


def completed(project: Project, line: str) -> list[str]:
    """What a shell is told when the tabulator key is pressed at the end of a line."""
    place = str(len(line.split(" ")) - 1)
    asked = {"_CORPUSMITH_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": place}
    command = str(Path(sys.executable).parent / "corpusmith")
    environment = {**{name: value for name, value in os.environ.items() if name != "CORPUSMITH_HOME"}, **asked}
    ran = subprocess.run([command], cwd=project.folder, env=environment, capture_output=True, text=True, check=False)
    return ran.stdout.split()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("corpusmith bui", ["build"]),
        ("corpusmith build re", ["reddit"]),
        ("corpusmith build num", ["numbers"]),
        ("corpusmith build reddit --profile s", ["smoke"]),
        ("corpusmith rollback numbers 1.", ["1.0.0", "1.1.0"]),
        ("corpusmith diff numbers@1.1", ["numbers@1.1.0"]),
        ("corpusmith status por", ["portraits"]),
        ("corpusmith rollback nothing 1.", []),
    ],
)
def test_the_shell_completes_commands_corpora_profiles_and_versions(line, said, tmp_path):
    project = Project(tmp_path / "home")
    for version in ("1.0.0", "1.1.0"):
        place = project.folder / "versions" / "numbers" / version
        place.mkdir(parents=True)
        (place / "manifest.json").touch()
    assert completed(project, line) == said


@pytest.mark.parametrize("command", [["--help"], ["status"], ["build", "--help"]])
def test_help_and_status_load_no_heavy_library(command, tmp_path):
    body = f"""
import sys
sys.argv = ["corpusmith", *{command!r}]
from corpusmith.dagster_project.cli import app
try:
    app()
except SystemExit:
    pass
print(sorted({set(HEAVY)!r} & set(sys.modules)), file=sys.stderr)
"""
    ran = subprocess.run([sys.executable, "-c", body], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert ran.stderr.strip() == "[]"
