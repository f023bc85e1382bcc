"""A version on the shelf is whole, found by its name, and left alone by what is built later."""

from pathlib import Path

import pytest
from corpora import reddit

from corpusmith.errors import ReleaseError
from corpusmith.release import changelog, manifest, read, shelf
from corpusmith.release.write import write_release


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Two versions on the shelf; the second is the one that was built last."""
    for version, rows in (("1.9.0", 4), ("1.10.0", 6)):
        write_release(reddit(rows, version=version), tmp_path / "data" / "reddit")
        shelf.put(tmp_path / "data" / "reddit", tmp_path)
    return tmp_path


def test_versions_lie_side_by_side_in_their_order(home: Path) -> None:
    assert shelf.versions(home, "reddit") == ["1.9.0", "1.10.0"]
    assert shelf.newest(home, "reddit") == "1.10.0"
    counts = [manifest.check(shelf.find(home, "reddit", version)).counts["rows"] for version in ("1.9.0", "1.10.0")]
    assert counts == [28, 42]


def test_a_version_shares_its_files_with_the_release_and_outlives_it(home: Path) -> None:
    built, kept = home / "data" / "reddit", home / "versions" / "reddit" / "1.10.0"
    assert all((built / name).samefile(kept / name) for name in manifest.read(kept).files)
    write_release(reddit(5, version="1.10.0"), built)
    assert manifest.check(kept).counts["rows"] == 42


def test_what_was_published_shares_no_file_with_what_is_built(home: Path) -> None:
    published = home / "published" / "reddit" / "1.9.0"
    shelf.lay(home / "versions" / "reddit" / "1.9.0", published)
    shelf.lay(published, home / "data" / "reddit")
    assert manifest.check(home / "data" / "reddit").version == "1.9.0"
    names = manifest.read(published).files
    assert not any((published / name).samefile(home / "data" / "reddit" / name) for name in names)


def test_where_files_cannot_be_linked_they_are_copied(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError("no links here")

    monkeypatch.setattr("os.link", refuse)
    place = shelf.put(home / "data" / "reddit", home)
    assert manifest.check(place).counts["rows"] == 42
    assert not (place / "README.md").samefile(home / "data" / "reddit" / "README.md")


def test_a_version_is_loaded_by_its_name(home: Path) -> None:
    write_release(reddit(5, version="1.9.0"), home / "data" / "reddit")
    assert read.find("reddit", "1.9.0", home) == home / "versions" / "reddit" / "1.9.0", "the one that was released"
    assert read.find("reddit", None, home) == home / "data" / "reddit"
    assert read.load("reddit", version="1.9.0", home=home, as_="polars").collect().height == 28


def test_a_version_that_is_nowhere_is_told_with_those_that_are(home: Path) -> None:
    with pytest.raises(ReleaseError, match=r"no reddit 2\.0\.0 .* there are 1\.9\.0, 1\.10\.0 "):
        shelf.find(home, "reddit", "2.0.0")


def test_a_changelog_is_written_into_a_release_and_nothing_else_is_changed(home: Path) -> None:
    built = home / "data" / "reddit"
    before = manifest.read(built)
    after = shelf.with_changelog(built, changelog.written("reddit", {"1.10.0": "- more"}))
    assert manifest.check(built) == after
    assert after.content == before.content
    assert {name for name in after.files if after.files[name] != before.files[name]} == {"CHANGELOG.md"}
    assert manifest.check(home / "versions" / "reddit" / "1.10.0") == before, "the version on the shelf is another file"


def test_a_release_written_with_the_same_changelog_is_the_same_bytes(home: Path) -> None:
    built = home / "data" / "reddit"
    text = changelog.written("reddit", {"1.10.0": "- more"})
    shelf.with_changelog(built, text)
    write_release(reddit(6, version="1.10.0", changelog=text), home / "again")
    assert (home / "again" / "manifest.json").read_bytes() == (built / "manifest.json").read_bytes()


def test_the_changelog_of_a_version_ends_with_it(home: Path) -> None:
    said = {"1.9.0": "The first release.", "1.10.0": "- more", "2.0.0": "- other columns"}
    (home / "versions" / "reddit" / "CHANGELOG.md").write_text(changelog.written("reddit", said))
    assert list(changelog.entries(shelf.changelog_of(home, "reddit", "1.11.0"))) == ["1.10.0", "1.9.0"]
    assert shelf.newest(home, "reddit") == "2.0.0", "it was released elsewhere"
    assert shelf.changelog_of(home, "edits", "1.0.0") == ""


def test_a_changelog_that_a_killed_release_left_behind_is_brought_up(home: Path) -> None:
    path = home / "versions" / "reddit" / "CHANGELOG.md"
    path.unlink()
    shelf.settle(home, "reddit")
    assert "1.10.0" in changelog.entries(path.read_text())
