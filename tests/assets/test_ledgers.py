"""A ledger that lies elsewhere is used, remembered, erased from, and never freed for one home alone."""

import time
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pyarrow as pa
import pytest

from corpusmith.assets import gc, ledgers, status
from corpusmith.assets.registry import load
from corpusmith.assets.resources import Workshop
from corpusmith.errors import LedgerError, SettingsError
from corpusmith.settings import check_home, shared
from corpusmith.work import compaction

SCHEMA = pa.schema({"key": pa.string()})


def workshop(home: Path, place: str) -> Workshop:
    return Workshop(home, load(profile="smoke", overrides=[f"work.ledger={place}"]))


def test_the_setting_says_where_rows_lie_and_a_relative_path_begins_at_the_home(tmp_path: Path) -> None:
    assert workshop(tmp_path, "beside").ledger.root == str(tmp_path / "beside")
    assert workshop(tmp_path, str(tmp_path / "there")).ledger.root == str(tmp_path / "there")
    assert workshop(tmp_path, "null").ledger.root == str(ledgers.own(tmp_path))
    assert ledgers.elsewhere(tmp_path) == [str(tmp_path / "beside"), str(tmp_path / "there")]


def test_where_rows_lie_is_in_no_key_and_no_manifest(tmp_path: Path) -> None:
    here, there = (workshop(tmp_path, place).settings for place in ("null", "s3://bucket/prefix"))
    assert shared(here, "reddit") == shared(there, "reddit")


@pytest.mark.parametrize("wrong", ["gs://bucket/x", "s3://", "s3:///x", "https://store/x", '""'])
def test_an_address_that_is_no_bucket_is_refused_with_what_was_expected(tmp_path: Path, wrong: str) -> None:
    with pytest.raises(SettingsError, match=r"expected s3://bucket/prefix or the path of a folder"):
        workshop(tmp_path, wrong)


def test_a_home_on_an_object_store_says_which_setting_is_meant() -> None:
    with pytest.raises(SettingsError, match=r"expected a folder.*work\.ledger=s3://bucket/prefix"):
        check_home(Path("s3://bucket/home"))


def test_status_counts_the_rows_there(tmp_path: Path) -> None:
    shelf = workshop(tmp_path, "beside").ledger.shelf("writer", "writer:x@1", SCHEMA)
    shelf.describe({})
    shelf.append(pa.table({"key": ["a", "b"]}))
    (said,) = status.shelves(tmp_path)
    assert (said["fingerprint"], said["rows"], said["path"]) == ("writer:x@1", 2, shelf.path)


def test_nothing_of_a_ledger_that_others_may_use_is_freed(tmp_path: Path) -> None:
    made = workshop(tmp_path, "beside")
    made.ledger.shelf("writer", "writer:x@1", SCHEMA).append(pa.table({"key": ["a"]}))
    found = gc.look([], made, keep=1)
    assert found.elsewhere == [str(tmp_path / "beside")]
    gc.free(found, tmp_path)
    assert made.ledger.shelf("writer", "writer:x@1", SCHEMA).keys().equals(pl.Series("key", ["a"]))


def test_what_was_merged_long_ago_in_such_a_ledger_goes_and_no_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = workshop(tmp_path, "beside")
    shelf = made.ledger.shelf("writer", "writer:x@1", SCHEMA)
    for number in range(20):
        shelf.append(pa.table({"key": [f"{number:032x}"]}, schema=SCHEMA))
    shelf.compact()
    assert gc.look([], made, keep=1).parts == [], "somebody may be reading it"
    monkeypatch.setattr(compaction, "time", SimpleNamespace(time=lambda: time.time() + compaction.GRACE_SECONDS + 60))
    found = gc.look([], made, keep=1)
    (part,) = found.parts
    assert (part.rows, part.bytes) == (0, sum(file.bytes for file in shelf.listed().replaced))
    gc.free(found, tmp_path)
    assert gc.look([], made, keep=1).parts == []
    assert (len(list(Path(shelf.path, "segments").iterdir())), shelf.keys().len()) == (1, 20)


def test_a_ledger_that_cannot_be_reached_holds_nothing_here_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = workshop(tmp_path, "beside")
    assert made.ledger.root
    (tmp_path / "beside").touch()  # no folder
    (tmp_path / ".corpusmith" / "preview").mkdir()
    (tmp_path / ".corpusmith" / "preview" / "words.html").write_text("page")
    found = gc.look([SimpleNamespace(name="words", partitions=None)], made, keep=1)
    assert [part.what for part in found.parts] == ["preview"]


def test_a_damaged_list_of_ledgers_is_named(tmp_path: Path) -> None:
    (tmp_path / ".corpusmith").mkdir()
    (tmp_path / ".corpusmith" / "ledgers.json").write_text("{")
    with pytest.raises(LedgerError, match=r"ledgers\.json is no list of ledgers"):
        ledgers.everywhere(tmp_path)
