"""`corpusmith pull` from a git repository whose versions DVC has."""

from __future__ import annotations

from pathlib import Path

import pytest

from corpusmith.errors import ReleaseError
from corpusmith.release import manifest
from corpusmith.release.publish.pull import pull
from tests.dvc.dvc_repository import Repository

pytestmark = pytest.mark.xdist_group("dvc")


def test_any_version_is_pulled_by_its_tag(clone: Repository, tmp_path: Path) -> None:
    first = pull("reddit", "1.0.0", clone.folder, tmp_path)
    assert first == tmp_path / "reddit" / "1.0.0"
    assert manifest.check(first).counts["rows"] == 28
    assert manifest.check(pull("reddit", None, clone.folder, tmp_path)).version == "1.1.0"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["reddit"]


def test_a_folder_may_be_named_from_where_one_stands(
    clone: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert manifest.check(pull("reddit", "1.0.0", clone.folder, Path("here"))).version == "1.0.0"


def test_a_version_without_a_tag_is_told(clone: Repository, tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match=r"holds no reddit 9\.0\.0; it has 1\.0\.0, 1\.1\.0"):
        pull("reddit", "9.0.0", clone.folder, tmp_path)


def test_a_wrong_tag_is_told(origin: Repository, tmp_path: Path) -> None:
    mistaken = origin.clone(tmp_path / "clone")
    mistaken.git("tag", "reddit-v3.0.0")
    with pytest.raises(ReleaseError, match=r"should hold reddit 3\.0\.0, and holds reddit 1\.1\.0"):
        pull("reddit", "3.0.0", mistaken.folder, tmp_path)
