"""A file of a release that is not as it was released is found before anything of it is loaded."""

import os
import shutil
from pathlib import Path

import pytest

import corpusmith
from corpusmith.errors import ReleaseError
from corpusmith.release import manifest, proof

TRAIN = "data/train-00000-of-00001.parquet"


@pytest.fixture
def home(release_dir: Path, tmp_path: Path) -> Path:
    shutil.copytree(release_dir, tmp_path / "data" / "reddit")
    return tmp_path


@pytest.fixture
def train(home: Path) -> Path:
    return home / "data" / "reddit" / TRAIN


def flip(path: Path) -> None:
    """Another byte among the rows; the size stays."""
    with path.open("r+b") as file:
        file.seek(100)
        byte = file.read(1)[0]
        file.seek(100)
        file.write(bytes([byte ^ 1]))


def test_a_flipped_byte_is_named_and_nothing_is_loaded(home: Path, train: Path) -> None:
    flip(train)
    for how in ({}, {"as_": "polars"}, {"verify": True}, {"columns": ["key"]}):
        with pytest.raises(ReleaseError, match=f"{TRAIN}: sha256 "):
            corpusmith.load("reddit", "train", home=home, **how)


def test_a_byte_that_is_flipped_after_a_proof_is_noticed(home: Path, train: Path) -> None:
    corpusmith.load("reddit", "train", home=home, as_="polars")
    before = train.stat()
    flip(train)
    os.utime(train, ns=(before.st_atime_ns, before.st_mtime_ns))  # the time of the last change stays behind
    with pytest.raises(ReleaseError, match=TRAIN):
        corpusmith.load("reddit", "train", home=home, as_="polars")


def test_what_was_proved_is_not_read_again(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Path] = []
    digest = manifest.sha256
    monkeypatch.setattr(manifest, "sha256", lambda path: (read.append(path), digest(path))[1])
    said = proof.check(home / "data" / "reddit")
    assert len(read) == len(said.files)
    proof.check(home / "data" / "reddit")
    assert len(read) == len(said.files)
    proof.check(home / "data" / "reddit", anew=True)
    assert len(read) == 2 * len(said.files)


def test_a_proof_of_another_release_counts_for_nothing(home: Path, train: Path, tmp_path: Path) -> None:
    proof.check(home / "data" / "reddit")
    note = home / "data" / "reddit" / proof.NAME
    for text in ("", "[]", "{}", note.read_text().replace(manifest.read(train.parents[1]).digest, "0" * 64)):
        flip(train)
        note.write_text(text)
        with pytest.raises(ReleaseError, match=TRAIN):
            proof.check(home / "data" / "reddit")
        flip(train)


def test_a_file_that_changes_while_it_is_proved_is_not_taken_for_proved(
    home: Path, train: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = manifest.check

    def meanwhile(folder: Path) -> manifest.Manifest:
        said = check(folder)
        flip(train)
        return said

    with monkeypatch.context() as patch:
        patch.setattr(manifest, "check", meanwhile)
        proof.check(home / "data" / "reddit")
    with pytest.raises(ReleaseError, match=TRAIN):
        proof.check(home / "data" / "reddit")


def test_who_does_not_want_a_look_gets_none(home: Path, train: Path) -> None:
    train.with_name("validation-00000-of-00001.parquet").unlink()
    with pytest.raises(ReleaseError, match=r"validation-00000-of-00001\.parquet: missing"):
        corpusmith.load("reddit", "train", home=home, as_="polars")
    assert corpusmith.load("reddit", "train", home=home, as_="polars", verify=False).collect().height


def test_a_folder_that_nobody_may_write_is_read_each_time(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(proof, "write_whole", refused)
    proof.check(home / "data" / "reddit")
    assert not (home / "data" / "reddit" / proof.NAME).exists()


def test_torch_gets_tensors(home: Path) -> None:
    import torch

    rows = corpusmith.load("reddit", "train", home=home, as_="torch", columns=["text", "emotion", "confidence"])
    assert rows.column_names == ["text", "emotion", "confidence"]
    assert isinstance(rows[0]["emotion"], torch.Tensor)
    assert rows[:4]["confidence"].shape == (4,)


def test_columns_are_those_that_are_asked_for(home: Path) -> None:
    lazy = corpusmith.load("reddit", home=home, as_="polars", columns=["emotion", "key"])
    assert lazy.collect_schema().names() == ["emotion", "key"]
    rows = corpusmith.load("reddit", home=home, columns=["emotion"])
    assert {tuple(part.column_names) for part in rows.values()} == {("emotion",)}
    assert rows["train"].features["emotion"].names
    with pytest.raises(ReleaseError, match=r"has no column .colour.; it has .*key"):
        corpusmith.load("reddit", home=home, columns=["colour"])
