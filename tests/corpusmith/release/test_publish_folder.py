import shutil
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from corpora import reddit

import corpusmith
from corpusmith.errors import ReleaseError, UserError
from corpusmith.release import manifest
from corpusmith.release.publish.pull import pull
from corpusmith.release.publish.put import publish
from corpusmith.release.write import write_release


@pytest.fixture
def home(release_dir: Path, tmp_path: Path) -> Path:
    publish(release_dir, tmp_path / "published")
    return tmp_path


def test_publishing_twice_changes_nothing(home: Path, release_dir: Path) -> None:
    place = home / "published" / "reddit" / "1.0.0"
    before = {path: path.stat().st_mtime_ns for path in place.rglob("*")}
    assert publish(release_dir, home / "published") == (str(place), False)
    assert {path: path.stat().st_mtime_ns for path in place.rglob("*")} == before
    assert manifest.check(place) == manifest.check(release_dir)


def test_a_published_version_never_changes(home: Path) -> None:
    write_release(reddit(13), home / "other")
    with pytest.raises(ReleaseError, match=r"published already, with other content.*corpusmith release reddit"):
        publish(home / "other", home / "published")
    assert manifest.check(home / "published" / "reddit" / "1.0.0").counts["rows"] == 84


def test_a_release_that_was_changed_is_not_published(release_dir: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(release_dir, tmp_path / "reddit")
    (copy / "README.md").write_text("mine")
    with pytest.raises(ReleaseError, match=r"README\.md: 4 bytes"):
        publish(copy, tmp_path / "published")
    assert not (tmp_path / "published").exists()


def test_latest_is_the_highest_version_whatever_was_published_last(home: Path) -> None:
    for version in ("1.10.0", "1.9.0"):
        write_release(reddit(4, version=version), home / "release")
        publish(home / "release", home / "published")
    assert (home / "published" / "reddit" / "latest").read_text() == "1.10.0\n"
    assert pull("reddit", None, home / "published", home / "pulled").name == "1.10.0"
    assert pull("reddit", "1.9.0", home / "published", home / "pulled").name == "1.9.0"


def test_what_was_pulled_is_what_was_published(home: Path, release_dir: Path) -> None:
    pulled = pull("reddit", "1.0.0", str(home / "published"), home / "pulled")
    assert pulled == home / "pulled" / "reddit" / "1.0.0"
    assert manifest.check(pulled) == manifest.check(release_dir)


def test_a_damaged_source_is_told_and_nothing_is_placed(home: Path) -> None:
    (home / "published" / "reddit" / "1.0.0" / "metrics.json").write_text("{}")
    with pytest.raises(ReleaseError, match=r"metrics\.json"):
        pull("reddit", None, home / "published", home / "pulled")
    assert not list((home / "pulled" / "reddit").glob("[!.]*"))


def test_a_damaged_copy_is_mended_by_pulling_again(home: Path) -> None:
    pulled = pull("reddit", None, home / "published", home / "pulled")
    (pulled / "README.md").unlink()
    manifest.check(pull("reddit", None, home / "published", home / "pulled"))


@pytest.mark.parametrize(
    ("corpus", "version", "said"),
    [
        ("reddit", "2.0.0", "it has 1.0.0"),
        ("edits", None, "holds no edits"),
        ("reddit", "../..", "asks for no version"),
        ("../..", None, "expected the name of"),
    ],
)
def test_what_is_not_there_is_told(home: Path, corpus: str, version: str | None, said: str) -> None:
    with pytest.raises(UserError, match=said):
        pull(corpus, version, home / "published", home / "pulled")


def test_load_gives_what_datasets_and_polars_users_expect(home: Path) -> None:
    train = corpusmith.load("reddit", "train", home=home)
    assert type(train).__name__ == "Dataset"
    lazy = corpusmith.load("reddit", split="train", home=home, as_="polars")
    assert isinstance(lazy, pl.LazyFrame)
    assert train["key"][:] == lazy.collect()["key"].to_list()
    assert set(corpusmith.load("reddit", home=home)) == {"train", "validation", "test"}
    assert corpusmith.load("reddit", home=home, as_="polars").collect().height == 84


def test_load_prefers_what_was_built_here_and_finds_what_was_pulled(home: Path) -> None:
    write_release(reddit(4, version="2.0.0"), home / "data" / "reddit")
    assert corpusmith.load("reddit", home=home, as_="polars").collect().height == 28
    assert corpusmith.load("reddit", version="1.0.0", home=home, as_="polars").collect().height == 84
    shutil.move(home / "published", home / "pulled")
    assert corpusmith.load("reddit", version="1.0.0", home=home, as_="polars").collect().height == 84


def test_load_says_what_is_missing(home: Path) -> None:
    with pytest.raises(ReleaseError, match=r"no split 'dev'; it has test, train, validation"):
        corpusmith.load("reddit", "dev", home=home)
    with pytest.raises(ReleaseError, match=r"no reddit 9\.0\.0 in .*corpusmith pull reddit"):
        corpusmith.load("reddit", version="9.0.0", home=home)


def test_importing_corpusmith_loads_nothing_heavy() -> None:
    heavy = "{'polars', 'datasets', 'torch', 'pyarrow', 'dvc'}"
    code = f"import sys, corpusmith; print(sorted({heavy} & set(sys.modules)))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


@pytest.mark.parametrize("below", ["", "deep/er"])
def test_a_file_is_no_place_to_publish_to_or_pull_into(home: Path, release_dir: Path, below: str) -> None:
    (home / "file").write_text("mine")
    with pytest.raises(UserError, match=r"file is a file; expected a folder"):
        publish(release_dir, home / "file" / below)
    with pytest.raises(UserError, match=r"file is a file; expected a folder"):
        pull("reddit", None, home / "published", home / "file" / below)
    assert (home / "file").read_text() == "mine"
