"""A ledger that lies elsewhere is used, remembered, erased from, and never freed for one home alone."""

from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

from corpusmith.assets import gc, ledgers, status
from corpusmith.assets.registry import load
from corpusmith.assets.resources import Workshop
from corpusmith.errors import LedgerError, SettingsError
from corpusmith.settings import check_home, shared

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


def test_a_damaged_list_of_ledgers_is_named(tmp_path: Path) -> None:
    (tmp_path / ".corpusmith").mkdir()
    (tmp_path / ".corpusmith" / "ledgers.json").write_text("{")
    with pytest.raises(LedgerError, match=r"ledgers\.json is no list of ledgers"):
        ledgers.everywhere(tmp_path)
