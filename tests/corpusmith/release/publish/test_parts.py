"""Some splits and columns of a version: only their bytes are transferred, and those are proved."""

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest
from hub_server import Hub

import corpusmith
from corpusmith.assets.edits import diffseg
from corpusmith.assets.imagenet import folder as imagefolder
from corpusmith.assets.reddit.corpus import CORPUS
from corpusmith.errors import ReleaseError, UserError
from corpusmith.release import chunks, manifest, shelf, takedown
from corpusmith.release.diff import diff
from corpusmith.release.lineage import Lineage
from corpusmith.release.publish.hub import Repository
from corpusmith.release.publish.pull import Wanted, pull
from corpusmith.release.publish.put import publish
from corpusmith.release.verify import check_files
from corpusmith.validation import validate_release

TRAIN = "data/train-00000-of-00001.parquet"
NESTED = Wanted(("train",), ("turns", "key", "drawn"))


@pytest.fixture
def published(hub: Hub, repo: str, repository: Callable[..., Repository], second: Path) -> str:
    repository().publish(second, manifest.check(second))
    hub.requests.clear()
    return f"hf://datasets/{repo}"


@pytest.fixture
def folder(second: Path, tmp_path: Path) -> Path:
    """A folder of published corpora."""
    publish(second, tmp_path / "published")
    return tmp_path / "published"


def spans(release: Path, *columns: str) -> int:
    """Bytes of some columns of the training rows, and of the footer."""
    path = release / TRAIN
    held = chunks.spans(pq.read_metadata(path))
    footer = chunks.footer_of(lambda start, stop: path.read_bytes()[start:stop], path.stat().st_size)
    every = [footer, *(span for column in columns for span in held[column])]
    return sum(span.stop - span.start for span in every)


def flipped(path: Path, column: str) -> None:
    """Another byte in the middle of a column."""
    span, data = chunks.spans(pq.read_metadata(path))[column][0], bytearray(path.read_bytes())
    data[(span.start + span.stop) // 2] ^= 1
    path.write_bytes(data)


def test_of_columns_only_their_bytes_come(hub: Hub, published: str, second: Path, tmp_path: Path) -> None:
    pulled = pull("reddit", "1.1", published, tmp_path, Wanted(("train",), ("key", "text")))
    got = hub.requests.matching("^/cdn/")
    assert sum(one.bytes_out for one in got) == spans(second, "key", "text") + chunks.TAIL
    assert spans(second, "key", "text") < (second / TRAIN).stat().st_size / 10
    rows = pl.read_parquet(pulled / TRAIN)
    assert rows.equals(pl.read_parquet(second / TRAIN).select("key", "text"))


def test_of_splits_only_their_files_come(hub: Hub, published: str, second: Path, tmp_path: Path) -> None:
    pulled = pull("reddit", "1.1", published, tmp_path, Wanted(("validation",)))
    name = "data/validation-00000-of-00001.parquet"
    assert sum(one.bytes_out for one in hub.requests.matching("^/cdn/")) == (second / name).stat().st_size
    assert (pulled / name).read_bytes() == (second / name).read_bytes()
    assert list(manifest.check(pulled).files) == [name]


@pytest.mark.parametrize("place", ["published", "folder"])
def test_nested_columns_come_as_they_are_in_the_whole(
    request: pytest.FixtureRequest, place: str, second: Path, tmp_path: Path
) -> None:
    pulled = pull("reddit", None, request.getfixturevalue(place), tmp_path, NESTED)
    whole = pq.read_table(second / TRAIN, columns=list(NESTED.columns)).select(NESTED.columns)
    assert pq.read_table(pulled / TRAIN).equals(whole)


def test_a_column_that_was_tampered_with_is_named_and_another_is_not_needed(
    hub: Hub, published: str, second: Path, tmp_path: Path
) -> None:
    stored = hub.repositories.objects.path(manifest.read(second).files[TRAIN]["sha256"])
    right = stored.read_bytes()
    flipped(stored, "text")
    try:
        with pytest.raises(ReleaseError, match=rf"{TRAIN}: the column text is not as it was released"):
            pull("reddit", None, published, tmp_path, Wanted(("train",), ("key", "text")))
        assert not (tmp_path / "reddit" / "1.1.0").exists()
        pull("reddit", None, published, tmp_path, Wanted(("train",), ("key", "emotion")))
    finally:
        stored.write_bytes(right)
    assert pull("reddit", None, published, tmp_path, Wanted(("train",), ("key", "text"))).exists()


def test_a_footer_that_was_tampered_with_is_told_of(folder: Path, tmp_path: Path) -> None:
    path = folder / "reddit" / "1.1.0" / TRAIN
    data = bytearray(path.read_bytes())
    data[-20] ^= 1
    path.write_bytes(data)
    with pytest.raises(ReleaseError, match=f"{TRAIN}: the footer is not as it was released"):
        pull("reddit", None, folder, tmp_path, NESTED)
    path.write_bytes(data[:-1])
    with pytest.raises(ReleaseError, match=f"{TRAIN}: it ends with no Parquet footer"):
        pull("reddit", None, folder, tmp_path, NESTED)


def test_a_part_serves_a_smaller_wish_and_makes_way_for_a_larger_one(
    folder: Path, second: Path, tmp_path: Path
) -> None:
    pulled = pull("reddit", None, folder, tmp_path, NESTED)
    before = (pulled / TRAIN).stat().st_ino
    assert pull("reddit", None, folder, tmp_path, Wanted(("train",), ("key",))) == pulled
    assert (pulled / TRAIN).stat().st_ino == before
    pull("reddit", None, folder, tmp_path, Wanted((), ("key",)))
    assert len(manifest.check(pulled).files) == 2
    pull("reddit", None, folder, tmp_path)
    assert manifest.check(pulled) == manifest.read(second)
    pull("reddit", None, folder, tmp_path, NESTED)
    assert manifest.check(pulled) == manifest.read(second)  # the whole serves every wish


def test_what_was_begun_for_another_wish_is_not_taken_for_this_one(folder: Path, tmp_path: Path) -> None:
    validation = folder / "reddit" / "1.1.0" / "data" / "validation-00000-of-00001.parquet"
    right = validation.read_bytes()
    flipped(validation, "key")
    for wanted in (Wanted(), Wanted((), ("key", "text"))):
        with pytest.raises(ReleaseError, match="validation"):
            pull("reddit", None, folder, tmp_path / "into", wanted)
    validation.write_bytes(right)
    pulled = pull("reddit", None, folder, tmp_path / "into", Wanted((), ("key", "emotion")))
    assert pl.read_parquet(pulled / TRAIN).columns == ["key", "emotion"]
    assert not list(pulled.glob(".begun*"))


def test_what_is_not_in_the_release_is_listed(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="has no split dev: it has train, validation"):
        pull("reddit", None, folder, tmp_path, Wanted(("dev",)))
    with pytest.raises(UserError, match=r"has no column colour: it has .*key"):
        pull("reddit", None, folder, tmp_path, Wanted((), ("colour",)))


def test_a_part_is_loaded_like_a_release(folder: Path, second: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    pull("reddit", None, folder, home / "pulled", Wanted(("train",), ("emotion", "key")))
    rows = corpusmith.load("reddit", "train", home=home, version="1.1.0")
    assert rows.features["emotion"].names == manifest.read(second).labels["emotion"]
    assert rows["key"][:] == pl.read_parquet(second / TRAIN)["key"].to_list()
    with pytest.raises(ReleaseError, match="has no column 'text'; it has emotion, key"):
        corpusmith.load("reddit", "train", home=home, columns=["text"], version="1.1.0")


def test_images_of_a_part_become_tensors(folder: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    pull("reddit", None, folder, home / "pulled", Wanted(("train",), ("drawn",)))
    rows = corpusmith.load("reddit", "train", home=home, as_="torch")
    assert tuple(rows[0]["drawn"].shape) == (3, 68, 68)


def test_a_part_is_no_release_to_publish_verify_or_compare(folder: Path, second: Path, tmp_path: Path) -> None:
    part = pull("reddit", None, folder, tmp_path, NESTED)
    for act in (
        lambda: publish(part, tmp_path / "again"),
        lambda: publish(part, folder),
        lambda: check_files(part),
        lambda: diff(part, second),
        lambda: diff(second, part),
        lambda: shelf.put(part, tmp_path / "home"),
        lambda: validate_release(CORPUS.suite, part),
        lambda: diffseg.export(part, tmp_path / "pairs"),
        lambda: imagefolder.export(part, tmp_path / "images"),
        lambda: pull("reddit", None, tmp_path, tmp_path / "again"),
    ):
        with pytest.raises(
            ReleaseError, match=r"is a part of reddit 1\.1\.0 .*corpusmith pull reddit@1\.1\.0"
        ) as found:
            act()
        assert "\n" not in str(found.value)


def test_a_part_in_a_home_is_no_obstacle_to_a_takedown(folder: Path, second: Path, tmp_path: Path) -> None:
    gone = pl.read_parquet(second / TRAIN)["key"][0]
    for columns, rows in ((("key", "text"), 1), (("text",), 0)):
        home = tmp_path / "-".join(columns)
        pull("reddit", None, folder, home / "pulled", Wanted(("train",), columns))
        found = takedown.holding(home, "reddit", {gone}, Lineage())
        assert [(held.version, held.rows) for held in found] == [("1.1.0", rows or 26)]
