"""Where a home stands is told at a glance and with reasons, and what of it cannot be read is named."""

import contextlib
import hashlib
import json
import sqlite3
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pyarrow as pa
import pytest
import yaml
from filelock import FileLock

from corpusmith.assets import glance, running, uses
from corpusmith.assets.registry import load
from corpusmith.assets.resources import Workshop
from corpusmith.assets.status import UNKNOWN, age, checks_sentence, overview, shelves, status, status_metadata
from corpusmith.errors import LedgerError, ReleaseError, UserError
from corpusmith.release import manifest, tombstones
from corpusmith.release.manifest import Manifest
from corpusmith.whole import write_whole
from corpusmith.work.ledger import FAILURE_SCHEMA, Ledger

NOTHING = hashlib.sha256(b"").hexdigest()


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    """A home whose ledger has one shelf of three rows, one of which failed first."""
    shelf = tmp_path / ".corpusmith" / "ledger" / "writer-1"
    for name in ("segments", "failures"):
        (shelf / name).mkdir(parents=True)
    (shelf / "maker.json").write_text('{"fingerprint": "writer:x@1"}')
    (shelf / "rate.json").write_text('{"rows": 6, "seconds": 2}')
    tokens = {"prompt_tokens": [10, None, 5], "completion_tokens": [1, 2, None], "cost": [0.5, None, 0.25]}
    pl.DataFrame({"key": ["a", "b", "c"], **tokens}).write_parquet(shelf / "segments" / "one.parquet")
    failed = {"key": ["c", "d", "e"], "error": "KeyError", "message": ["x", "y", "y"], "plan": "{}", "attempt": 1}
    pl.DataFrame(failed, schema=pl.Schema(FAILURE_SCHEMA)).write_parquet(shelf / "failures" / "one.parquet")
    return Workshop(tmp_path, load(profile="smoke"))


def test_a_shelf_is_counted(workshop: Workshop) -> None:
    (shelf,) = status(workshop.home)["ledger"]
    assert (shelf["fingerprint"], shelf["rows"], shelf["failed"], shelf["rate"]) == ("writer:x@1", 3, 2, 3.0)


def test_a_shelf_says_what_its_rows_took_and_why_others_failed(workshop: Workshop) -> None:
    (shelf,) = status(workshop.home)["ledger"]
    assert shelf["took"] == {"prompt_tokens": 15, "completion_tokens": 3, "cost": 0.75}
    assert shelf["errors"] == [{"error": "KeyError", "message": "y", "rows": 2}]


@pytest.mark.parametrize("name", ["maker.json", "rate.json", "segments/one.parquet", "failures/one.parquet"])
def test_a_damaged_file_of_the_ledger_is_named(workshop: Workshop, name: str) -> None:
    path = workshop.home / ".corpusmith" / "ledger" / "writer-1" / name
    path.write_text("{}" if name == "maker.json" else "{")
    with pytest.raises(LedgerError, match=rf"^{path} is not ") as told:
        status(workshop.home)
    assert "\n" not in str(told.value)


def test_a_damaged_manifest_is_named(workshop: Workshop) -> None:
    path = workshop.home / "data" / "reddit" / "manifest.json"
    path.parent.mkdir(parents=True)
    path.write_text("{")
    with pytest.raises(ReleaseError, match=rf"^{path} is not the manifest of a release"):
        status(workshop.home)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of one's own with settings of a corpus, in which a release of it stands that was built from these."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(glance, "code", lambda folders: "the code")
    (tmp_path / "dvc.yaml").write_text("")
    write_params(tmp_path, rows=1000)
    (tmp_path / "dumps").mkdir()
    (tmp_path / "dumps" / "RC_2005-12.zst").write_text("comments")
    place = tmp_path / "data" / "words"
    place.mkdir(parents=True)
    tables = {name: {} for name in ("code", "models", "params", "files", "labels")}
    counts = {"rows": 90, "rejected": 7}
    made = Manifest("words", "1.0.0", "0" * 64, "0" * 32, counts=counts, sources=[], **tables)
    (place / "manifest.json").write_text(made.to_json())
    raw = yaml.safe_load((tmp_path / "params.yaml").read_text())
    raw.pop("profiles")
    noted = glance.note("house", raw, ["words.source"], [tmp_path / "code"], [str(tmp_path / "dumps")], NOTHING)
    built = {"inputs": "", "manifest": manifest.sha256(place / "manifest.json"), "parts": {}, "glance": noted}
    write_whole(tmp_path / ".corpusmith" / "built" / "words.json", json.dumps(built))
    return tmp_path


def write_params(folder: Path, rows: int, source: str = "dumps") -> None:
    words = {"version": "1.0.0", "source": [source], "balanced": {"rows_per_emotion": rows}}
    params = {"work": {"max_failure_rate": 0.05}, "words": words, "profiles": {"house": None}}
    (folder / "params.yaml").write_text(yaml.safe_dump(params))


def words(home: Path) -> dict:
    return overview(home, only="words")["corpora"][0]


def test_a_release_that_nothing_changed_since_is_not_stale(home):
    found = words(home)
    assert (found["version"], found["rows"], found["rejected"], found["stale"]) == ("1.0.0", 90, 7, [])


def test_a_changed_setting_is_told_with_both_values(home):
    write_params(home, rows=500)
    assert words(home)["stale"] == ["setting words.balanced.rows_per_emotion: 1000 → 500"]


def test_a_setting_that_is_this_machines_makes_nothing_stale(home):
    write_params(home, rows=1000, source="elsewhere")
    assert words(home)["stale"] == []


def test_new_changed_and_lost_sources_are_named(home):
    dumps = home / "dumps"
    (dumps / "RC_2006-01.zst").write_text("comments")
    (dumps / "RC_2005-12.zst").write_text("other comments")
    assert words(home)["stale"] == ["new source RC_2006-01.zst", "source RC_2005-12.zst changed"]
    (dumps / "RC_2005-12.zst").unlink()
    assert words(home)["stale"] == ["new source RC_2006-01.zst", "source RC_2005-12.zst is gone"]


def test_changed_code_is_told_and_touched_code_is_not(home, monkeypatch):
    (home / "code").mkdir()
    (home / "code" / "recipe.py").write_text("")
    assert words(home)["stale"] == []
    monkeypatch.setattr(glance, "code", lambda folders: "other code")
    assert words(home)["stale"] == [glance.CODE_CHANGED]


def test_rows_that_were_taken_down_since_are_told(home):
    table = pl.DataFrame({"key": ["a" * 32], "holds": [""], "version": ["1.0.0"], "reason": ["asked"]})
    tombstones.add(tombstones.path_of(home, "words"), table)
    assert words(home)["stale"] == [glance.TAKEN_DOWN]
    assert glance.marks(tombstones.path_of(home, "words")) == tombstones.digest(home, "words")


def test_a_release_that_was_not_built_here_is_of_unknown_making(home):
    (home / ".corpusmith" / "built" / "words.json").unlink()
    assert words(home)["stale"] == [UNKNOWN]


def test_a_corpus_that_was_never_built_is_listed(home):
    (home / "data" / "words" / "manifest.json").unlink()
    named = {one["corpus"]: one["version"] for one in overview(home)["corpora"]}
    assert named.keys() > {"words", "reddit", "portraits"}
    assert set(named.values()) == {None}


def test_the_newest_version_on_the_shelf_is_told_by_number(home):
    for version in ("1.9.0", "1.10.0", "not-a-version"):
        place = home / "versions" / "words" / version
        place.mkdir(parents=True)
        (place / "manifest.json").touch()
    assert words(home)["newest"] == "1.10.0"


@pytest.mark.parametrize(("broken", "said"), [(0, "34 of 34 held"), (1, "33 of 34 held; broken in the last build: a")])
def test_how_many_expectations_held_is_told(home, broken, said):
    checks = {"expectations": 34, "broken": [{"name": "a", "sentence": "A holds.", "failing": 3}] * broken}
    write_whole(home / ".corpusmith" / "checks" / "words.json", json.dumps(checks))
    assert checks_sentence(words(home)["checks"]) == said


def test_failures_that_wait_are_counted_for_the_corpus_that_asked(home):
    shelf = Ledger(home / ".corpusmith" / "ledger").shelf("w", "w", pa.schema([("key", pa.string())]))
    shelf.describe({})
    shelf.append(pa.table({"key": ["a"]}))
    failed = [{"key": key, "plan": "", "error": "", "message": "", "attempt": 1} for key in "ab"]
    shelf.add_failures(pa.Table.from_pylist(failed, schema=FAILURE_SCHEMA))
    for corpus, keys in (("words", "ab"), ("poems", "a")):
        uses.note(home, uses.Step(corpus, "texts", "", "1"), Path(shelf.path).name, pl.Series([*keys]))
    counted = {one["corpus"]: one["failures"] for one in overview(home)["corpora"]}
    assert (counted["words"], counted["reddit"]) == (1, 0)
    assert [shelf["failed"] for shelf in shelves(home, "words")] == [1]
    assert shelves(home, "reddit") == []


def test_a_build_at_work_is_running(home):
    assert not words(home)["running"]
    with FileLock(running.lock_path(home, "words")):
        assert words(home)["running"]
    assert not words(home)["running"]


def test_runs_of_dagsters_ui_are_told_and_dead_ones_at_a_terminal_are_not(home):
    database = home / ".corpusmith" / "dagster" / "history" / "runs.db"
    database.parent.mkdir(parents=True)
    with contextlib.closing(sqlite3.connect(database)) as opened, opened:
        opened.execute("CREATE TABLE runs (run_id, pipeline_name, status, start_time, run_body)")
        for run, job, status, origin in (
            ("1", "words_texts", "STARTED", {"origin": 1}),
            ("2", "words", "STARTED", None),
            ("3", "words", "SUCCESS", {"origin": 1}),
            ("4", "wordsmith", "QUEUED", {"origin": 1}),
        ):
            body = json.dumps({"external_pipeline_origin": origin})
            opened.execute("INSERT INTO runs VALUES (?, ?, ?, 1.5, ?)", (run, job, status, body))
    assert [run["job"] for run in words(home)["runs"]] == ["words_texts"]
    assert words(home)["running"]


def test_runs_in_another_database_are_not_looked_for(home):
    assert not overview(home)["dagster_elsewhere"]
    write_whole(home / ".corpusmith" / "dagster" / "dagster.yaml", "storage:\n  postgres: {}\n")
    assert overview(home)["dagster_elsewhere"]


def test_the_ui_is_shown_the_same(home):
    workshop = SimpleNamespace(home=home, profile="house")
    said = status_metadata(SimpleNamespace(name="words"), workshop)
    assert (said["version"], said["rows"], said["checks"], said["stale"]) == ("1.0.0", 90, "not checked", "no")


@pytest.mark.parametrize(
    ("seconds", "said"), [(5, "less than a minute"), (60, "1 minute"), (2 * 86_400 + 5, "2 days"), (4e7, "1 year")]
)
def test_an_age_is_told_in_words(seconds, said):
    assert age(seconds) == said


def test_a_corpus_and_a_profile_that_are_not_there_are_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"unknown corpus 'nope': expected one of .*reddit"):
        overview(tmp_path, only="nope")
    with pytest.raises(UserError, match=r"unknown profile 'nope'"):
        overview(tmp_path, "nope")
