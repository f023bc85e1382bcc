"""What a user gets wrong, and what a machine runs out of, ends in one clear line and the right exit code."""

import errno
import json
import os
import sqlite3
from pathlib import Path

import polars
import pytest
import typer
import zstandard

from corpusmith.dagster_project.terminal import told

SMOKE = ("--profile", "smoke")


def test_a_file_that_is_no_dump_is_named(cli, tmp_path):
    dump = tmp_path / "RC_2020-01.zst"
    dump.write_bytes(b"this is no Zstandard frame")
    ran = cli("build", "reddit", *SMOKE, "--source", dump, home=tmp_path / "home")
    assert ran.code == 2, ran.err
    assert "RC_2020-01.zst" in ran.err.splitlines()[-1]
    assert "Traceback" not in ran.err


@pytest.fixture
def truncated(tmp_path):
    """A dump that was cut in the middle, and how many lines it had."""
    lines = [json.dumps({"body": f"{n} " * 50}).encode() + b"\n" for n in range(20_000)]
    whole = zstandard.compress(b"".join(lines))
    dump = tmp_path / "RC_2020-01.zst"
    dump.write_bytes(whole[: len(whole) // 2])
    return dump


def test_a_truncated_dump_stops_the_build_with_one_line(cli, truncated, tmp_path):
    ran = cli("build", "reddit", *SMOKE, "--source", truncated, home=tmp_path / "home")
    assert ran.code == 2, ran.err
    assert f"{truncated} is damaged" in ran.err.splitlines()[-1]
    assert "source_damage: use" in ran.err.splitlines()[-1]
    assert "Traceback" not in ran.err


def test_what_can_be_read_of_a_truncated_dump_is_used_if_that_is_said(cli, truncated, tmp_path):
    use = ("--set", "reddit.source_damage=use", "--dry-run", "--json")
    ran = cli("build", "reddit", *SMOKE, "--source", truncated, *use, home=tmp_path / "home")
    assert ran.code == 0, ran.err
    assert 0 < ran.json[0]["rows"] < 20_000
    assert ran.err.startswith(f"warning: {truncated} is damaged")
    assert len(ran.err.splitlines()) == 1


def test_a_file_whose_name_is_no_text_is_refused_in_one_line(cli, tmp_path):
    name = os.fsdecode(os.fsencode(tmp_path) + b"/bad\xff.ndjson")
    Path(name).write_text('{"body": "some words to read"}\n')
    for source in (name, tmp_path):
        ran = cli("build", "reddit", *SMOKE, "--source", source, home=tmp_path / "home")
        assert ran.code == 2, ran.err
        assert "bad\\xff.ndjson" in ran.err.splitlines()[-1]
        assert "Traceback" not in ran.err


def test_a_name_beyond_ascii_is_refused_in_one_line_where_the_locale_cannot_read_it(cli, tmp_path):
    (tmp_path / "café.ndjson").write_text('{"body": "some words to read"}\n')
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    ran = cli("build", "reddit", *SMOKE, "--source", tmp_path, home=tmp_path / "home", **plain)
    assert ran.code == 2, ran.err
    assert "caf\\xc3\\xa9.ndjson" in ran.err.splitlines()[-1]
    assert "PYTHONUTF8=1" in ran.err.splitlines()[-1]


def test_an_empty_folder_is_no_source(cli, tmp_path):
    (tmp_path / "dumps").mkdir()
    ran = cli("build", "reddit", *SMOKE, "--source", tmp_path / "dumps", home=tmp_path / "home")
    assert ran.code == 2
    assert "has no files in it" in ran.err


@pytest.mark.parametrize(
    "setting", ["reddit.balanced.rows_per_emotion=many", "reddit.comments.min_words=0", "nonsense"]
)
def test_a_setting_of_the_wrong_type_is_named(cli, tmp_path, setting):
    ran = cli("build", "reddit", "--set", setting, home=tmp_path)
    assert ran.code == 2
    assert setting.partition("=")[0] in ran.err
    assert "Traceback" not in ran.err


def test_a_home_that_is_a_file_is_refused(cli, tmp_path):
    (tmp_path / "home").write_text("")
    ran = cli("build", "reddit", *SMOKE, home=tmp_path / "home")
    assert ran.code == 2
    assert "is a file" in ran.err


def test_a_home_that_cannot_be_written_is_refused(cli):
    ran = cli("build", "reddit", *SMOKE, home="/proc/corpusmith")
    assert ran.code == 2
    assert ran.err.startswith("error: cannot write in the home /proc/corpusmith")


def test_a_release_without_its_files_is_refused(built, cli, tmp_path):
    release = tmp_path / "reddit"
    release.mkdir()
    (release / "manifest.json").write_bytes((built / "data" / "reddit" / "manifest.json").read_bytes())
    for command in ("validate", "verify"):
        ran = cli(command, release)
        assert ran.code == 2, ran.err
        assert "Traceback" not in ran.err


def test_an_emotion_that_cannot_be_filled_is_named_with_what_would_help(home, cli):
    once = ("--set", "reddit.rewritten.rounds=1", "--set", "reddit.synthesized.rounds=1")
    ran = cli("build", "reddit", *SMOKE, *once, "--set", "reddit.balanced.rows_per_emotion=40", home=home)
    assert ran.code == 1, ran.err
    assert "reddit.balanced.rows_per_emotion" in ran.err
    assert (home / "data" / "reddit" / "manifest.json").exists(), "the earlier release stays"


def test_an_expectation_that_does_not_hold_stops_the_release(home, cli):
    before = (home / "data" / "reddit" / "manifest.json").read_bytes()
    ran = cli("build", "reddit", *SMOKE, "--set", "reddit.balanced.validation=0.001", home=home)
    assert ran.code == 1, ran.err
    assert "1 of 35 expectations do not hold, so nothing was released" in ran.err
    assert "splits_filled: Train, validation and test all have rows." in ran.err
    assert (home / "data" / "reddit" / "manifest.json").read_bytes() == before


def test_damaged_tables_and_segments_are_made_anew_with_one_line_said(home, cli):
    for table in (home / ".corpusmith" / "tables").rglob("*.parquet"):
        table.write_bytes(b"PAR1 damaged")
    segment = next((home / ".corpusmith" / "ledger").glob("emotion-judge-*/segments/*.parquet"))
    segment.write_bytes(b"PAR1 damaged")
    ran = cli("build", "reddit", *SMOKE, "--set", "reddit.balanced.rows_per_emotion=7", home=home)
    assert ran.code == 0, ran.err
    warnings = [line for line in ran.err.splitlines() if line.startswith("warning: ")]
    assert len(warnings) == 1
    assert f"{segment} is set aside" in warnings[0]


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device", "/data/x"),
        sqlite3.OperationalError("database or disk is full"),
        polars.exceptions.ComputeError("No space left on device (os error 28)"),
    ],
)
def test_a_full_disk_says_so_whoever_notices_it(error, capsys, monkeypatch):
    monkeypatch.setattr("corpusmith.dagster_project.quiet.quiet", lambda: None)
    with pytest.raises(typer.Exit) as ended, told(debug=False):
        raise error
    assert ended.value.exit_code == 1
    assert "the disk is full" in capsys.readouterr().err


def test_a_home_of_nobody_is_refused(cli):
    ran = cli("status", "--home", "~nobody-here/x")
    assert ran.code == 2, ran.err
    assert ran.err.startswith("error: the home ~nobody-here/x cannot be found")
