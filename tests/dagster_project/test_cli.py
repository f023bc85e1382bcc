"""The command line does what it says, goes on where it was, and says what is wrong in one line."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import dagster
import datasets
import polars as pl
import pytest

from corpusmith.emotions import EMOTIONS
from corpusmith.release import manifest

HERE = Path(__file__)


def segments(home: Path) -> set[Path]:
    return set((home / ".corpusmith" / "ledger").rglob("segments/*.parquet"))


def test_a_build_ends_in_a_balanced_release_that_datasets_opens(built, tmp_path):
    corpus = datasets.load_dataset(str(built / "data" / "reddit"), cache_dir=str(tmp_path))
    assert set(corpus) == {"train", "validation", "test"}
    named = corpus["train"].features["emotion"].names
    emotions = [named[emotion] for split in corpus.values() for emotion in split["emotion"]]
    assert {emotion: emotions.count(emotion) for emotion in EMOTIONS} == dict.fromkeys(EMOTIONS, 8)


def test_a_second_build_makes_nothing(built, cli):
    before = segments(built)
    manifest = (built / "data" / "reddit" / "manifest.json").read_bytes()
    ran = cli("build", "reddit", "--profile", "smoke", home=built)
    assert ran.code == 0, ran.err
    assert "nothing changed since reddit 1.0.0 was built" in ran.err
    assert segments(built) == before
    assert (built / "data" / "reddit" / "manifest.json").read_bytes() == manifest


def test_a_release_that_was_touched_is_written_again_from_what_is_there(home, cli):
    before = segments(home)
    manifest = (home / "data" / "reddit" / "manifest.json").read_bytes()
    (home / "data" / "reddit" / "README.md").write_text("changed")
    assert cli("build", "reddit", "--profile", "smoke", home=home).code == 0
    assert segments(home) == before
    assert (home / "data" / "reddit" / "manifest.json").read_bytes() == manifest
    assert cli("verify", home / "data" / "reddit").code == 0


def test_a_changed_setting_makes_only_what_depends_on_it(home, cli):
    before = segments(home)
    again = cli("build", "reddit", "--profile", "smoke", "--set", "reddit.scores.bootstrap=50", home=home)
    assert again.code == 0, again.err
    assert {path.parts[-3].rpartition("-")[0] for path in segments(home) - before} == {
        "score-baseline",
        "score-naturalness",
        "score-probe",
        "score-zero-shot",
    }


def test_standard_error_holds_our_lines_alone(built_said):
    for line in built_said.splitlines():
        assert line.startswith(("✓ ", "  ")), line
    assert "35 expectations hold" in built_said
    assert "published" not in built_said


def test_every_line_of_the_source_was_kept_or_rejected(built):
    release = built / "data" / "reddit"
    natural = pl.col("origin") == "natural"
    kept = pl.read_parquet(release / "data" / "*.parquet").filter(natural).height
    rejected = pl.read_parquet(release / "rejected" / "*.parquet").filter(natural).height
    assert kept + rejected == 400


def test_raw_text_stays_in_the_ledger(built):
    for table in (built / "data" / "reddit").rglob("*.parquet"):
        assert "raw" not in pl.read_parquet_schema(table)


def test_all_rows_are_made_again_from_what_they_say_of_themselves(built, cli):
    ran = cli("verify", built / "data" / "reddit", "--regenerate", "50", "--json", home=built)
    assert ran.code == 0, ran.err
    assert ran.json["regenerated"] == 50
    assert ran.json["different"] == []
    assert ran.json["bit_for_bit"] + ran.json["within_tolerance"] == 50


def test_a_release_that_holds_passes_validation(built, cli, tmp_path):
    ran = cli("validate", built / "data" / "reddit", "--docs", tmp_path / "docs", "--json")
    assert ran.code == 0, ran.out
    assert (tmp_path / "docs" / "index.html").exists()


def test_a_row_that_breaks_an_expectation_is_named(built, cli, tmp_path):
    broken = tmp_path / "reddit"
    shutil.copytree(built / "data" / "reddit", broken)
    shard = next((broken / "data").glob("train-*.parquet"))
    rows = pl.read_parquet(shard)
    mail = pl.when(pl.int_range(pl.len()) == 0).then(pl.lit("write to a.b@example.com please")).otherwise("text")
    rows.with_columns(text=mail).write_parquet(shard)
    ran = cli("validate", broken, "--docs", tmp_path / "docs")
    assert ran.code == 1
    assert rows["key"][0] in ran.out.replace("\n", "")
    assert "personal data" in ran.out
    assert ".:" not in ran.out


def test_a_changed_file_is_found_by_verify(built, cli, tmp_path):
    changed = tmp_path / "reddit"
    shutil.copytree(built / "data" / "reddit", changed)
    card = changed / "README.md"
    card.write_text(card.read_text() + "one more line\n")
    ran = cli("verify", changed)
    assert ran.code == 2
    assert "README.md" in ran.err


def test_what_was_published_is_pulled_and_loaded(built, cli, tmp_path):
    assert cli("publish", "reddit", "--allow-unknown-code", "--to", tmp_path / "hub", home=built).code == 0
    absent = cli("pull", "reddit@9.9.9", "--from", tmp_path / "hub", "--into", tmp_path / "here")
    assert absent.code == 2
    assert "9.9.9" in absent.err
    ran = cli("pull", "reddit@1.0.0", "--from", tmp_path / "hub", "--into", tmp_path / "here", "--json")
    assert ran.code == 0, ran.err
    pulled = manifest.check(Path(ran.json["pulled"]))
    assert pulled.files == manifest.check(built / "data" / "reddit").files


def test_status_lists_what_was_made(built, cli):
    found = cli("status", "--json", home=built).json
    assert found["releases"][0]["rows"] == 56
    assert any(shelf["fingerprint"].startswith("emotion-judge:") and shelf["rows"] for shelf in found["ledger"])


def test_a_dry_run_over_a_finished_corpus_would_make_nothing(built, cli):
    steps = cli("build", "reddit", "--profile", "smoke", "--dry-run", "--json", home=built).json
    assert {step["name"]: step["rows"] for step in steps} == dict.fromkeys([step["name"] for step in steps], 0)


def test_a_dry_run_makes_nothing_and_counts_the_lines(cli, tmp_path):
    ran = cli("build", "reddit", "--profile", "smoke", "--dry-run", "--json", home=tmp_path)
    assert ran.code == 0, ran.err
    assert ran.json[0]["rows"] == 400
    assert not segments(tmp_path)


def test_a_preview_shows_every_kind_and_releases_nothing(cli, tmp_path):
    ran = cli("preview", "reddit", "--profile", "smoke", "--rows", "2", "--json", home=tmp_path)
    assert ran.code == 0, ran.err
    assert {row["origin"] for row in ran.json["rows"]} == {"natural", "rewritten", "synthetic"}
    assert Path(ran.json["page"]).read_text().startswith("<!doctype html>")
    assert not (tmp_path / "data").exists()
    shown = cli("preview", "reddit", "--profile", "smoke", "--rows", "2", home=tmp_path)
    assert shown.code == 0, shown.err
    assert "the page: " in shown.out


def test_models_says_what_ships_and_how_good_it_is(cli):
    found = {model["name"]: model for model in cli("models", "--json").json}
    assert 0.5 < found["house/emotion-judge"]["measured"]["macro_f1"] < 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("build", "paintings"), "unknown corpus 'paintings'"),
        (("build", "reddit", "--profile", "desktop"), "unknown profile 'desktop'"),
        (("build", "reddit", "--set", "reddit.balanced.tolerence=1"), "did you mean tolerance"),
        (("build", "reddit", "--source", "nowhere.zst"), "nowhere.zst"),
        (("validate", "nowhere"), "is no release"),
        (("verify", "nowhere"), "is no release"),
        (("pull", "reddit"), "holds no reddit"),
        (
            ("build", "reddit", "--set", "portraits.generators=house/epsilon"),
            "--set portraits.generators=house/epsilon: ",
        ),
        (("validate", str(HERE)), f"{HERE} is a file"),
        (("verify", str(HERE)), f"{HERE} is a file"),
        (("diff", str(HERE), str(HERE)), f"{HERE} is a file"),
        (("publish", "reddit", "--to", str(HERE)), f"{HERE} is a file"),
        (("pull", "reddit", "--into", str(HERE)), f"{HERE} is a file"),
    ],
)
def test_a_users_mistake_is_one_clear_line_and_exit_code_2(cli, tmp_path, arguments, said):
    ran = cli(*arguments, home=tmp_path)
    assert ran.code == 2
    assert said in ran.err
    assert "Traceback" not in ran.err


def test_debug_shows_the_traceback(cli, tmp_path):
    assert "Traceback" in cli("build", "paintings", "--debug", home=tmp_path).err


def test_ctrl_c_says_how_to_go_on_and_the_same_command_does(cli, tmp_path):
    home = tmp_path / "a home"
    command = [str(Path(sys.executable).parent / "corpusmith"), "build", "reddit", "--profile", "smoke"]
    command += ["--home", str(home)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    while process.poll() is None and not list((home / ".corpusmith" / "ledger").glob("emotion-judge-*/segments/*")):
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to everything that the command started
    _, said = process.communicate()
    assert process.returncode == 130, said
    # what begins a line: polars, interrupted while Rust calls into Python, tells of a panic that quotes one
    assert not [line for line in said.splitlines() if line.startswith("Traceback")]
    assert f"To go on from here: corpusmith build reddit --profile smoke --home '{home}'" in said
    assert not list((home / ".corpusmith" / "tables").rglob("*.tmp"))
    assert not (home / "data").exists()
    with dagster.DagsterInstance.from_config(str(home / ".corpusmith" / "dagster")) as instance:
        assert instance.get_runs()[0].status == dagster.DagsterRunStatus.CANCELED
    assert cli("build", "reddit", "--profile", "smoke", home=home).code == 0


def test_json_goes_to_standard_output_alone(built, cli):
    ran = cli("build", "reddit", "--profile", "smoke", "--json", home=built)
    assert json.loads(ran.out)["rows"] == 56
