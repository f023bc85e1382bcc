"""Whoever installs the wheel can do what the documentation says, whatever else lies in the folder."""

from __future__ import annotations

import json
import re
import shutil
import zipfile
from pathlib import Path

import polars as pl
import pytest

pytestmark = pytest.mark.xdist_group("wheel")  # the environment is made once

ROOT = Path(__file__).parents[2]
SEV = ROOT / "examples" / "sev"
DEFINITIONS = "corpusmith.dagster_project.definitions"


@pytest.fixture(scope="module")
def project(installed, elsewhere) -> Path:
    """A project that init made among packages that are called as ours were, built by DVC."""
    installed.run("corpusmith", "init", ".", "--corpus", "replies", "--remote", "remote", cwd=elsewhere)
    installed.module("dvc", "repro", cwd=elsewhere)
    return elsewhere


@pytest.fixture(scope="module")
def sev(installed, tmp_path_factory) -> Path:
    """A project with the fifth corpus, as the how-to adds it, built in a small part."""
    folder = tmp_path_factory.mktemp("fifth") / "emotions"
    installed.run("corpusmith", "init", folder, "--corpus", "sev", cwd=folder.parent)
    shutil.copy(SEV / "corpus.py", folder / "corpora" / "sev" / "corpus.py")
    params = (folder / "params.yaml").read_text()
    skeleton = re.compile(r"^sev:.*?(?=^profiles:)", re.MULTILINE | re.DOTALL)
    table = (SEV / "params.yaml").read_text()
    (folder / "params.yaml").write_text(skeleton.sub(lambda _: f"{table}\n", params))
    small = ("--set", "sev.themes=2", "--set", "sev.of_each_theme=3")
    installed.run("corpusmith", "build", "sev", *small, cwd=folder)
    return folder


def test_the_wheel_installs_one_package(wheel):
    top = {name.partition("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {name for name in top if not name.endswith(".dist-info")} == {"corpusmith"}


def test_what_runs_is_what_was_installed(installed, elsewhere):
    said = installed.run("python", "-c", "import corpusmith; print(corpusmith.__file__)", cwd=elsewhere)
    assert Path(said.strip()).is_relative_to(installed.folder)


def test_the_command_runs_where_packages_are_called_as_ours_were(installed, elsewhere):
    assert "init" in installed.run("corpusmith", "--help", cwd=elsewhere)


def test_a_module_of_theirs_has_their_assets_and_ours(installed, elsewhere):
    theirs = elsewhere / "theirs.py"
    theirs.write_text("import assets, corpusmith.assets.registry as ours\nprint(assets.WHOSE, *ours.installed())\n")
    assert installed.run("python", "theirs.py", cwd=elsewhere).split()[0] == "theirs"
    assert "reddit" in installed.module("theirs", cwd=elsewhere)


def test_dagster_calls_the_definitions_of_a_project_valid(installed, project):
    installed.module("dagster", "definitions", "validate", "-m", DEFINITIONS, cwd=project)


def test_dvc_builds_the_corpus_that_a_project_begins_with(installed, project):
    said = json.loads((project / "data" / "replies" / "manifest.json").read_text())
    assert said["counts"]["rows"] == 11
    rejected = pl.read_parquet(project / "data" / "replies" / "rejected" / "*.parquet")
    assert rejected["reasons"].to_list() == [["too_long"]]
    assert "up to date" in installed.module("dvc", "status", cwd=project)


def test_dvc_pushes_to_the_remote_that_was_named(installed, project):
    installed.module("dvc", "push", "--quiet", cwd=project)
    assert any((project / "remote").rglob("*"))


def test_a_second_build_makes_nothing(installed, project):
    again = json.loads(installed.run("corpusmith", "build", "replies", "--json", cwd=project))
    assert again["made"] is False


def test_the_corpus_that_a_project_begins_with_holds_what_it_says(installed, project):
    report = json.loads(installed.run("corpusmith", "validate", "data/replies", "--json", cwd=project))
    assert report["success"]


def test_its_preview_shows_what_is_kept_and_what_is_not(installed, project):
    shown = json.loads(installed.run("corpusmith", "preview", "replies", "--rows", 12, "--json", cwd=project))
    assert {row["verdict"] for row in shown["rows"]} == {"kept", "rejected"}


def test_the_fifth_corpus_is_one_short_file():
    assert len((SEV / "corpus.py").read_text().splitlines()) < 200


def test_the_fifth_corpus_has_a_reply_to_everything_kept_or_rejected_with_a_reason(sev):
    rows = pl.read_parquet(sev / "data" / "sev" / "data" / "*.parquet")
    rejected = pl.read_parquet(sev / "data" / "sev" / "rejected" / "*.parquet")
    asked = pl.concat([table.select("scenario", "valence", "target") for table in (rows, rejected)])
    assert asked.n_unique() == asked.height == 2 * 3 * 3 * 6
    assert (rows["emotion"] == rows["target"]).all()
    assert rejected["reasons"].list.len().min() > 0


def test_no_scenario_of_the_fifth_corpus_is_in_two_splits(sev):
    rows = pl.read_parquet(sev / "data" / "sev" / "data" / "*.parquet")
    assert rows.group_by("scenario").agg(pl.col("split").n_unique())["split"].max() == 1
    assert rows.group_by("theme").agg(pl.col("split").n_unique())["split"].to_list() == [3, 3]


def test_the_judge_of_the_fifth_corpus_is_scored_for_every_emotion_and_valence(sev):
    scores = pl.read_parquet(sev / "data" / "sev" / "scores" / "*.parquet").drop_nulls("value")
    recall = scores.filter(metric="recall").drop_nulls(["low", "high"])
    assert set(recall["label"]) == {"joy", "sadness", "anger", "fear", "surprise", "disgust"}
    assert set(scores.filter(metric="accuracy")["form"]) == {None, "positive", "neutral", "negative"}


def test_rows_of_the_fifth_corpus_are_made_again_bit_for_bit(installed, sev):
    said = installed.run("corpusmith", "verify", "data/sev", "--regenerate", 20, cwd=sev)
    assert "20 of 20 rows made again: 20 bit for bit" in said


def test_a_table_in_which_a_scenario_is_in_two_splits_is_refused(sev, monkeypatch):
    monkeypatch.syspath_prepend(str(SEV.parent))
    from sev.corpus import CORPUS

    rows = pl.read_parquet(sev / "data" / "sev" / "data" / "*.parquet").sort("key")
    parted = rows.with_columns(split=pl.when(pl.int_range(pl.len()) == 0).then(pl.lit("none")).otherwise("split"))
    broken = [one.name for one in CORPUS.suite.validate(parted.lazy()).results if not one.success]
    assert broken == ["paired"]
