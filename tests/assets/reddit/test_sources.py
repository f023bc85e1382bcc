"""Which files a corpus is built from."""

from pathlib import Path

import pytest

from assets.reddit.sources import in_inbox, is_demo, sources
from assets.registry import load
from assets.resources import Workshop
from corpusmith.errors import SourceError


def workshop(home, *source):
    return Workshop(home, load(profile="smoke", source=("reddit", source)))


def test_with_nothing_given_the_demo_dump_is_written_once(tmp_path):
    [first] = sources(workshop(tmp_path)).values()
    written = Path(first).read_bytes()
    assert is_demo(workshop(tmp_path))
    assert list(sources(workshop(tmp_path)).values()) == [first]
    assert Path(first).read_bytes() == written


def test_what_is_in_the_inbox_comes_before_the_demo(tmp_path):
    (tmp_path / "inbox").mkdir()
    (tmp_path / "inbox" / "RC_2020-02.zst").write_text("")
    (tmp_path / "inbox" / "RC_2020-03.zst.part").write_text("")
    (tmp_path / "inbox" / ".hidden").write_text("")
    assert [path.rpartition("/")[2] for path in sources(workshop(tmp_path)).values()] == ["RC_2020-02.zst"]
    assert sources(workshop(tmp_path)) == in_inbox(workshop(tmp_path))
    assert not is_demo(workshop(tmp_path))


def test_a_folder_stands_for_its_files_in_name_order(tmp_path):
    for name in ("b.zst", "a.csv", "deep/c.parquet", "README.md"):
        (tmp_path / "dumps" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "dumps" / name).write_text("")
    found = sources(workshop(tmp_path, str(tmp_path / "dumps"))).values()
    assert [path.rpartition("/")[2] for path in found] == ["a.csv", "b.zst", "c.parquet"]


def test_a_hub_id_is_taken_as_it_is_and_a_wrong_path_is_named(tmp_path):
    assert list(sources(workshop(tmp_path, "owner/name")).values()) == ["owner/name"]
    with pytest.raises(SourceError, match=r"nowhere\.zst"):
        sources(workshop(tmp_path, "nowhere.zst"))


def test_two_files_of_one_name_are_refused_since_a_row_is_known_by_its_file_s_name(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "RC.ndjson").write_text('{"body": "one comment more"}\n')
    with pytest.raises(SourceError, match="two sources have one name"):
        sources(workshop(tmp_path, str(tmp_path / "a"), str(tmp_path / "b")))


def test_hidden_folders_and_homes_of_a_folder_are_no_sources_and_it_is_said(tmp_path, caplog):
    for name in ("a.csv", ".git/b.csv", "_old/c.csv", ".corpusmith/l.parquet", "data/reddit/d.parquet", "deep/e.csv"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    for name in ("other/.corpusmith/f.csv", "other/data/g.parquet", "other/h.csv"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    found = sources(workshop(tmp_path, str(tmp_path))).values()
    assert [path.rpartition("/")[2] for path in found] == ["a.csv", "e.csv"]
    assert sources(workshop(tmp_path, str(tmp_path)))
    assert caplog.text.count("left out of the source") == 1
    for name in ("data", "other", ".git"):
        assert str(tmp_path / name) in caplog.text


def test_a_name_that_is_no_text_is_refused(tmp_path):
    (tmp_path / "inbox").mkdir()
    Path(f"{tmp_path}/inbox/bad\udcff.zst").write_text("")
    with pytest.raises(SourceError, match=r"bad\\xff\.zst cannot be read as text"):
        sources(workshop(tmp_path))
