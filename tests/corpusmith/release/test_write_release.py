import json
import os
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from corpora import reddit, rejected, released

from corpusmith.emotions import EMOTIONS
from corpusmith.errors import ReleaseError
from corpusmith.release.folder import restore
from corpusmith.release.report import page
from corpusmith.release.write import write_release
from corpusmith.score.scores import SCORES, TIMES
from corpusmith.validation import validate_release
from corpusmith.validation.reddit import SUITE
from corpusmith.validation.schema import RELEASE, schema


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


def test_a_release_holds_what_the_design_names(release_dir: Path) -> None:
    names = set(contents(release_dir))
    assert names >= {"README.md", "croissant.json", "manifest.json", "metrics.json", "report/index.html"}
    assert {"data/train-00000-of-00001.parquet", "rejected/rejected-00000-of-00001.parquet"} <= names
    assert "scores/scores-00000-of-00001.parquet" in names
    assert not [name for name in names if "/." in f"/{name}"]


def test_every_row_comes_back_as_it_went_in(release_dir: Path) -> None:
    rows = pl.concat([pl.read_parquet(path) for path in (release_dir / "data").glob("*.parquet")])
    assert rows.schema == schema(RELEASE)
    assert rows.sort("key").equals(released(12, 0).sort("key"))
    refused = pl.read_parquet(release_dir / "rejected" / "*.parquet")
    assert refused.sort("key").equals(rejected(42, 0).sort("key"))


def test_the_same_inputs_give_the_same_bytes(tmp_path: Path, release_dir: Path) -> None:
    write_release(reddit(12), tmp_path / "again")
    assert contents(tmp_path / "again") == contents(release_dir)


def test_it_is_opened_by_load_dataset_with_its_three_configs(release_dir: Path) -> None:
    from datasets import ClassLabel, load_dataset

    data = load_dataset(str(release_dir))
    assert list(data) == ["train", "validation", "test"]
    assert sum(data.num_rows.values()) == 84
    assert data["train"].features["emotion"] == ClassLabel(names=list(EMOTIONS))
    assert load_dataset(str(release_dir), "rejected", split="rejected").num_rows == 42
    assert set(load_dataset(str(release_dir), "scores", split="scores").column_names) == set(SCORES) - set(TIMES)


def test_a_rebuilt_release_is_not_read_from_a_stale_cache(tmp_path: Path) -> None:
    from datasets import load_dataset

    for rows in (4, 6):
        write_release(reddit(rows), tmp_path / "reddit")
        assert sum(load_dataset(str(tmp_path / "reddit")).num_rows.values()) == 7 * rows


def test_the_validation_of_the_corpus_reads_its_limits_from_the_manifest(release_dir: Path, tmp_path: Path) -> None:
    params = {
        "balanced": {"tolerance": 0.02},
        "comments": {"min_words": 3, "jaccard": 0.8},
        "labelled": {"min_confidence": 0.4},
        "models": {"judge": "house/emotion-judge"},
    }
    write_release(replace(reddit(12), params={"reddit": params}), tmp_path / "reddit")
    results = {result.name: result.success for result in validate_release(SUITE, tmp_path / "reddit").results}
    assert results["schema"]
    assert results["key_recomputes"]
    assert results["all_accounted"]


def test_a_release_that_fails_half_way_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_release(reddit(4), tmp_path / "reddit")
    before = contents(tmp_path / "reddit")

    def full(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(page, "write", full)
    with pytest.raises(OSError, match="no space"):
        write_release(reddit(6), tmp_path / "reddit")
    assert contents(tmp_path / "reddit") == before
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ".lock"] == ["reddit"]


def test_a_crash_between_the_renames_is_mended(tmp_path: Path) -> None:
    write_release(reddit(4), tmp_path / "reddit")
    before = contents(tmp_path / "reddit")
    (tmp_path / "reddit").rename(tmp_path / ".reddit.old")
    (tmp_path / ".reddit.new-killed").mkdir()
    restore(tmp_path / "reddit")
    assert contents(tmp_path / "reddit") == before
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ".lock"] == ["reddit"]


def test_read_only_linked_files_are_replaced_and_their_cache_left_alone(tmp_path: Path) -> None:
    write_release(reddit(4), tmp_path / "reddit")
    card = tmp_path / "reddit" / "README.md"
    cached = tmp_path / "cache"
    cached.hardlink_to(card)
    cached.chmod(0o444)
    said = cached.read_bytes()
    write_release(reddit(6), tmp_path / "reddit")
    assert cached.read_bytes() == said != card.read_bytes()


def test_nothing_rejected_and_nothing_scored_is_a_release_too(tmp_path: Path) -> None:
    from datasets import load_dataset

    plain = replace(reddit(4), rejected=rejected(12, 0).head(0).lazy())
    manifest = write_release(replace(plain, scores=pl.DataFrame(schema=SCORES)), tmp_path / "reddit")
    assert manifest.counts["rejected"] == 0
    assert load_dataset(str(tmp_path / "reddit"), split="train").num_rows > 0
    assert "None were measured" in (tmp_path / "reddit" / "README.md").read_text()


def test_no_rows_are_no_release(tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match=r"reddit 1\.0\.0 has no rows"):
        write_release(replace(reddit(4), rows=released(4, 0).head(0).lazy()), tmp_path / "reddit")
    assert not (tmp_path / "reddit").exists()


def test_raw_text_is_never_released(tmp_path: Path) -> None:
    raw = rejected(12, 0).with_columns(raw="text")
    with pytest.raises(ReleaseError, match="raw"):
        write_release(replace(reddit(4), rejected=raw.lazy()), tmp_path / "reddit")


def test_a_reason_that_nobody_explains_is_refused(tmp_path: Path) -> None:
    odd = rejected(12, 0).with_columns(reasons=pl.lit(["because"]))
    with pytest.raises(ReleaseError, match="because"):
        write_release(replace(reddit(4), rejected=odd.lazy()), tmp_path / "reddit")


def test_metrics_are_the_numbers_of_the_rows(release_dir: Path) -> None:
    metrics = json.loads((release_dir / "metrics.json").read_text())
    assert metrics["rows"] == 84
    assert metrics["balance"] == 1
    assert metrics["rejected_share"] == pytest.approx(42 / 126, abs=1e-6)
    assert 0 < metrics["scores"]["probe"]["best"] <= 1
    depth = pl.read_csv(release_dir / "plots" / "depth.csv")
    assert depth["layer"].to_list() == list(range(7))


def test_the_unfinished_folder_of_another_running_process_is_left_alone(tmp_path):
    others, dead = tmp_path / f".reddit.new-{os.getppid()}-x", tmp_path / ".reddit.new-999999999-x"
    others.mkdir()
    dead.mkdir()
    restore(tmp_path / "reddit")
    assert others.exists()
    assert not dead.exists()
