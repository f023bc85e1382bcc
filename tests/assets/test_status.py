"""What a home holds is listed, and what of it cannot be read is named."""

from pathlib import Path

import polars as pl
import pytest

from corpusmith.assets.registry import load
from corpusmith.assets.resources import Workshop
from corpusmith.assets.status import status
from corpusmith.errors import LedgerError, ReleaseError


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    """A home whose ledger has one shelf of three rows, one of which failed first."""
    shelf = tmp_path / ".corpusmith" / "ledger" / "writer-1"
    for name in ("segments", "failures"):
        (shelf / name).mkdir(parents=True)
    (shelf / "maker.json").write_text('{"fingerprint": "writer:x@1"}')
    (shelf / "rate.json").write_text('{"rows": 6, "seconds": 2}')
    pl.DataFrame({"key": ["a", "b", "c"]}).write_parquet(shelf / "segments" / "one.parquet")
    pl.DataFrame({"key": ["c", "d"]}).write_parquet(shelf / "failures" / "one.parquet")
    return Workshop(tmp_path, load(profile="smoke"))


def test_a_shelf_is_counted(workshop: Workshop) -> None:
    (shelf,) = status(workshop.home)["ledger"]
    assert (shelf["fingerprint"], shelf["rows"], shelf["failed"], shelf["rate"]) == ("writer:x@1", 3, 1, 3.0)


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
