"""A number says what made it; what was made on other hardware is said to be, and what a run took decides nothing."""

import json
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from corpora import reddit

from corpusmith import hardware
from corpusmith.hardware import Machine
from corpusmith.release import manifest
from corpusmith.release.verify import regenerate
from corpusmith.release.write import write_release
from corpusmith.score.scores import SCORES, Measurement, table

H100 = "cuda (NVIDIA H100 80GB HBM3, driver 570.86), bfloat16, torch 2.13.0"


def files(folder: Path) -> dict[str, bytes]:
    paths = (path for path in folder.rglob("*") if path.is_file() and path.name != manifest.RUN)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def test_releases_of_equal_inputs_are_equal_bytes_whatever_they_took(tmp_path: Path) -> None:
    release = reddit(4)
    slow = release.scores.with_columns(seconds=pl.col("seconds") * 7, rows_per_second=pl.col("rows_per_second") / 7)
    write_release(release, tmp_path / "quick")
    write_release(replace(release, scores=slow), tmp_path / "slow")
    assert files(tmp_path / "quick") == files(tmp_path / "slow")
    assert manifest.check(tmp_path / "slow").corpus == "reddit"


def test_what_a_run_took_is_beside_the_release(release_dir: Path) -> None:
    taken = json.loads((release_dir / manifest.RUN).read_text())["scores"]
    assert {"task", "subject", "seconds", "rows_per_second"} <= set(taken[0])


def test_a_score_names_its_card_and_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    there = Machine("cuda", "NVIDIA H100 80GB HBM3", "2.13.0", "570.86")
    monkeypatch.setattr("corpusmith.score.scores.machine", lambda device: there)
    row = Measurement("probe", "x", "x", "1", {}, "c", device="cuda", dtype="bfloat16", made_on=H100).row
    scored = table([{**row, "metric": "accuracy", "value": 1.0}]).row(0, named=True)
    assert (scored["card"], scored["driver"], scored["torch"]) == ("NVIDIA H100 80GB HBM3", "570.86", "2.13.0")
    assert scored["made_on"] == H100
    assert there.sentence("bfloat16") == H100


def test_a_server_is_not_said_to_be_this_machine() -> None:
    row = Measurement("perceiver", "x", "x", "1", {}, "c", device="server", dtype="unknown").row
    assert table([row]).row(0, named=True)["card"] is None
    assert set(row) <= set(SCORES)


def test_card_and_report_say_where_scores_were_measured(release_dir: Path) -> None:
    said = hardware.machine("cpu").card
    for page in ("README.md", "report/index.html"):
        assert said in (release_dir / page).read_text()


def off_by(amount: float):
    """Rows made anew, a probability a little off."""
    return lambda rows: rows.select("key", pl.col("confidence") + amount)


@pytest.fixture
def made_elsewhere(tmp_path: Path) -> Path:
    write_release(reddit(4), tmp_path / "reddit")
    said = manifest.read(tmp_path / "reddit")
    elsewhere = replace(said, code={**said.code, "made_on": H100})
    (tmp_path / "reddit" / "manifest.json").write_text(elsewhere.to_json())
    return tmp_path / "reddit"


def test_what_was_made_on_other_hardware_is_compared_by_its_tolerance(made_elsewhere: Path, release_dir: Path) -> None:
    assert regenerate(release_dir, 5, off_by(0.005)).different
    report = regenerate(made_elsewhere, 5, off_by(0.005))
    assert len(report.within) == 5
    assert report.elsewhere == H100
    assert f"made on other hardware ({H100}; here cpu (" in report.sentence()


def test_what_is_further_off_is_said_to_be_made_otherwise(made_elsewhere: Path) -> None:
    report = regenerate(made_elsewhere, 5, off_by(0.2))
    assert len(report.different) == 5
    assert report.elsewhere == H100
