import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from corpora import reddit

from corpusmith.errors import ReleaseError
from corpusmith.release import manifest
from corpusmith.release.write import write_release


@pytest.fixture
def copy(release_dir: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(release_dir, tmp_path / "reddit"))


def test_it_names_every_file_with_its_digest_and_rows(release_dir: Path) -> None:
    said = manifest.check(release_dir)
    files = {path.relative_to(release_dir).as_posix() for path in release_dir.rglob("*") if path.is_file()}
    assert set(said.files) | {"manifest.json", "run.json"} == files
    assert sum(held["rows"] for name, held in said.files.items() if name.startswith("data/")) == 84
    assert said.counts["made"] == reddit(12).made
    assert sum(reddit(12).made.values()) == 84 + 42
    assert said.counts["rejected"] == 42
    assert said.sources[0]["name"] == "RC_demo.zst"
    assert set(said.models) == set(reddit(1).makers)


def test_all_mismatches_are_told_at_once(copy: Path) -> None:
    (copy / "README.md").unlink()
    (copy / "metrics.json").write_text("{}")
    shard = copy / "data" / "test-00000-of-00001.parquet"
    shard.write_bytes(bytes([shard.read_bytes()[0] ^ 1]) + shard.read_bytes()[1:])
    (copy / "data" / "more.parquet").touch()
    with pytest.raises(ReleaseError) as told:
        manifest.check(copy)
    message = str(told.value)
    assert "README.md: missing" in message
    assert "metrics.json: 2 bytes, expected" in message
    assert "test-00000-of-00001.parquet: sha256" in message
    assert "data/more.parquet: not in the manifest" in message
    assert "reddit 1.0.0" in message


@pytest.mark.parametrize(
    "name",
    ["../secrets", "/etc/passwd", "./data/x", "data//x", "a\\b", "data/.x.parquet", "\x1b[2J", ""],
)
def test_a_manifest_names_files_inside_the_release_in_one_way(copy: Path, name: str) -> None:
    said = manifest.read(copy)
    files = {**said.files, name: {"sha256": "", "bytes": 0, "rows": 0}}
    (copy / "manifest.json").write_text(replace(said, files=files).to_json())
    with pytest.raises(ReleaseError, match="lies outside the release, or is not named plainly"):
        manifest.check(copy)


@pytest.mark.parametrize("text", ["", "[]", '{"corpus": "reddit"}', "not json"])
def test_what_is_no_manifest_is_told_so(tmp_path: Path, text: str) -> None:
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(ReleaseError, match=r"is not the manifest of a release"):
        manifest.read(tmp_path)


@pytest.mark.parametrize(
    "changed", [{"counts": None}, {"counts": {}}, {"files": {"data/a.parquet": {}}}, {"files": []}, {"corpus": 1}]
)
def test_a_manifest_whose_tables_are_missing_is_told_so(copy: Path, changed: dict[str, object]) -> None:
    said = json.loads((copy / "manifest.json").read_text())
    (copy / "manifest.json").write_text(json.dumps(said | changed))
    with pytest.raises(ReleaseError, match=rf"is not the manifest of a release \(.*{next(iter(changed))}"):
        manifest.read(copy)


def test_a_file_is_no_release(copy: Path) -> None:
    with pytest.raises(ReleaseError, match=r"README\.md is a file; expected the folder of a release"):
        manifest.read(copy / "README.md")


def test_a_manifest_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").mkdir()
    with pytest.raises(ReleaseError, match=r"manifest\.json is a folder; a release holds plain files"):
        manifest.read(tmp_path)


def test_a_folder_without_one_is_no_release(tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match="is no release"):
        manifest.read(tmp_path)


def test_no_secret_reaches_it(tmp_path: Path) -> None:
    secrets = {
        "llm_url": "https://me:hunter2@host/v1?api_key=hunter2&model=a",
        "api_key": "hunter2",
        "nested": [{"salt": "hunter2", "hf_token": "hunter2"}],
        "max_tokens": 32,
        "tokenizer": "word",
        "unset_token": None,
    }
    write_release(reddit(4, params=secrets, makers={"a:b@c+d": secrets}), tmp_path / "reddit")
    for path in (tmp_path / "reddit").rglob("*"):
        assert path.is_dir() or b"hunter2" not in path.read_bytes(), path
    said = manifest.read(tmp_path / "reddit").params
    assert said["llm_url"] == "https://***@host/v1?api_key=***&model=a"
    assert (said["max_tokens"], said["tokenizer"], said["unset_token"]) == (32, "word", None)


def test_content_is_of_rows_and_settings_not_of_how_long_it_took(tmp_path: Path, release_dir: Path) -> None:
    slower = reddit(12, scores=reddit(12).scores.with_columns(seconds=99.0))
    other = reddit(12, params={"reddit": {}})
    first = manifest.read(release_dir)
    assert write_release(slower, tmp_path / "slower").content == first.content
    assert write_release(slower, tmp_path / "slower").to_json() == first.to_json()
    assert write_release(other, tmp_path / "other").content != first.content
    assert write_release(reddit(13), tmp_path / "more").plan != first.plan
