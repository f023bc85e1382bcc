"""Fetching from a folder: the promises that hold for every source."""

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from corpusmith.errors import ReleaseError, UserError
from corpusmith.release import manifest
from corpusmith.release.publish.places import place_of
from corpusmith.release.publish.pull import Wanted, pull
from corpusmith.release.publish.put import plan, publish

ROOT = Path(__file__).parents[4]
TRAIN = "data/train-00000-of-00001.parquet"
SLOWLY = """
import os, shutil, signal, sys
from pathlib import Path
from corpusmith.release.publish.pull import Wanted, pull

copy = shutil.copyfile
def until(source, to, **more):
    if "validation" in str(source):
        Path(to).write_bytes(Path(source).read_bytes()[:100])
        os.kill(os.getpid(), signal.SIGKILL)
    return copy(source, to, **more)
shutil.copyfile = until
pull("reddit", None, sys.argv[1], Path(sys.argv[2]))
"""


@pytest.fixture
def folder(first: Path, second: Path, tmp_path: Path) -> Path:
    for release in (first, second):
        publish(release, tmp_path / "published")
    return tmp_path / "published"


@pytest.mark.parametrize("asked", [None, "1", "^1.0", ">=1,<2", "1.1.0"])
def test_the_newest_that_fits_comes(folder: Path, second: Path, tmp_path: Path, asked: str | None) -> None:
    pulled = pull("reddit", asked, folder, tmp_path / "pulled")
    assert manifest.check(pulled) == manifest.read(second)
    assert {path.name for path in pulled.iterdir()} - {path.name for path in second.iterdir()} == {".proved.json"}


def test_a_killed_pull_goes_on_with_what_it_has(folder: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", SLOWLY, str(folder), str(tmp_path / "pulled")]
    ran = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert ran.returncode == -9, ran.stderr
    place = tmp_path / "pulled" / "reddit"
    assert not (place / "1.1.0").exists()
    had = (place / ".1.1.0.unfinished" / TRAIN).stat().st_ino
    pulled = pull("reddit", None, folder, tmp_path / "pulled")
    manifest.check(pulled)
    assert (pulled / TRAIN).stat().st_ino == had
    assert not list(place.glob(".1.1.0.unfinished"))


def test_a_version_that_was_pulled_with_other_content_stays(folder: Path, releases, tmp_path: Path) -> None:
    publish(releases["other"], tmp_path / "theirs")
    pull("reddit", "1.0.0", tmp_path / "theirs", tmp_path / "pulled")
    with pytest.raises(ReleaseError, match=r"holds reddit 1\.0\.0 with other content.*--into"):
        pull("reddit", "1.0.0", folder, tmp_path / "pulled")
    assert manifest.check(tmp_path / "pulled" / "reddit" / "1.0.0") == manifest.read(releases["other"])


def test_a_file_that_is_missing_or_a_link_at_the_source_is_named(folder: Path, tmp_path: Path) -> None:
    path = folder / "reddit" / "1.1.0" / TRAIN
    path.rename(tmp_path / "away")
    with pytest.raises(ReleaseError, match=f"{TRAIN} is missing"):
        pull("reddit", None, folder, tmp_path / "pulled")
    path.symlink_to(tmp_path / "away")
    with pytest.raises(ReleaseError, match=f"{TRAIN} is a link"):
        pull("reddit", None, folder, tmp_path / "pulled")


def test_an_address_of_an_unknown_kind_is_told_with_those_that_are_known(first: Path, tmp_path: Path) -> None:
    for address in ("gs://bucket/x", "ftp://host/x", "dir:/x"):
        with pytest.raises(UserError, match="is not known; expected a folder, s3://bucket/prefix or hf://datasets"):
            publish(first, address)
    for address, words in (
        ("hf://org/name", "is no dataset repository"),
        ("hf://datasets/org", "is no dataset repository"),
        ("s3://", "names no bucket"),
    ):
        with pytest.raises(UserError, match=words):
            place_of(address, "reddit")


def test_a_dry_run_writes_nothing(first: Path, tmp_path: Path) -> None:
    planned = plan(first, tmp_path / "published")
    assert not (tmp_path / "published").exists()
    assert planned.upload == {name: said["bytes"] for name, said in manifest.read(first).files.items()}
    publish(first, tmp_path / "published")
    assert plan(first, tmp_path / "published").exists


def test_a_release_without_a_licence_is_not_published(first: Path, tmp_path: Path) -> None:
    import shutil
    from dataclasses import replace

    copy = Path(shutil.copytree(first, tmp_path / "reddit"))
    card = copy / "README.md"
    card.write_text("\n".join(line for line in card.read_text().splitlines() if not line.startswith("license")))
    said = manifest.read(copy)
    files = {**said.files, "README.md": manifest.file(card)}
    (copy / manifest.NAME).write_text(replace(said, files=files).to_json())
    with pytest.raises(ReleaseError, match=r"README\.md names no licence"):
        publish(copy, tmp_path / "published")
    assert not (tmp_path / "published").exists()


def test_the_same_rows_under_another_manifest_are_no_other_content(folder: Path, first: Path, tmp_path: Path) -> None:
    pull("reddit", "1.0.0", folder, tmp_path / "pulled")
    other = tmp_path / "elsewhere" / "reddit" / "1.0.0"
    shutil.copytree(first, other)
    said = manifest.read(other)
    (other / manifest.NAME).write_text(replace(said, more={**said.more, "allowed": ["anything"]}).to_json())
    assert manifest.read(pull("reddit", "1.0.0", tmp_path / "elsewhere", tmp_path / "pulled")) == said


@pytest.mark.parametrize("wanted", [Wanted(("nope",)), Wanted((), ("nope",))], ids=["split", "column"])
def test_what_there_is_not_leaves_nothing_behind(folder: Path, tmp_path: Path, wanted: Wanted) -> None:
    with pytest.raises(UserError, match=r"has no (split|column) nope"):
        pull("reddit", "1.0.0", folder, tmp_path / "pulled", wanted)
    assert not (tmp_path / "pulled").exists()


def test_a_part_is_not_pulled_onto_the_whole_that_it_is_of(folder: Path) -> None:
    assert pull("reddit", "1.0.0", folder, folder) == folder / "reddit" / "1.0.0"
    with pytest.raises(UserError, match="choose another folder"):
        pull("reddit", "1.0.0", folder, folder, Wanted(("train",)))


def test_a_home_of_a_person_and_an_address_of_a_file_are_folders(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for number, address in enumerate(("~/published", f"file://{folder}")):
        assert pull("reddit", "1.0.0", address, tmp_path / str(number)).name == "1.0.0"
