"""Who may be a rater, as far as his name goes."""

from pathlib import Path

import pytest

from corpusmith.errors import UserError
from corpusmith.ingest.sheets import write_sheets


@pytest.mark.parametrize("name", ["Björn", "Bjo\u0308rn", "महेश", "Łukasz-2", "山田_太郎"])
def test_a_rater_s_name_may_be_of_any_script(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError) as refused:  # for want of a release, which is looked at after the names
        write_sheets(tmp_path / "nowhere", tmp_path / "sheets", [name], None, 0)
    assert "is no release" in str(refused.value)


@pytest.mark.parametrize("name", ["", "a b", "../a", "a.b", "a\nb"])
def test_a_name_that_makes_no_file_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match="a rater's name is of letters"):
        write_sheets(tmp_path / "nowhere", tmp_path / "sheets", [name], None, 0)


def test_one_rater_typed_in_two_ways_is_named_twice(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="each once"):
        write_sheets(tmp_path / "nowhere", tmp_path / "sheets", ["Björn", "Bjo\u0308rn"], None, 0)
