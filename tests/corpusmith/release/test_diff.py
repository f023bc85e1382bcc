import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from corpora import reddit, released

from corpusmith.errors import ReleaseError
from corpusmith.release import manifest
from corpusmith.release.diff import diff
from corpusmith.release.write import write_release


def test_rows_are_compared_by_key(tmp_path: Path, release_dir: Path) -> None:
    rows = released(12, 0)
    gone, moved = rows["key"][:5], rows["key"][5:8]
    fresh = released(14, 0).join(rows, on="key", how="anti").head(7)
    new = pl.concat([rows.filter(~pl.col("key").is_in(gone.implode())), fresh]).with_columns(
        split=pl.when(pl.col("key").is_in(moved.implode())).then(pl.lit("test")).otherwise("split")
    )
    changed = new.join(rows, on=["key", "split"], how="anti").join(rows, on="key", how="semi").height
    write_release(replace(reddit(12, version="1.1.0"), rows=new.lazy()), tmp_path / "new")
    found = diff(release_dir, tmp_path / "new")
    assert (found.added, found.removed, found.changed) == (7, 5, changed)
    assert found.unchanged == 84 - 5 - changed
    assert found.counts["delta"].sum() == 7 - 5
    assert found.sentence().startswith("reddit 1.0.0 → reddit 1.1.0: 7 rows added, 5 removed")


def test_a_release_does_not_differ_from_itself(release_dir: Path) -> None:
    found = diff(release_dir, release_dir)
    assert (found.added, found.removed, found.changed, found.unchanged) == (0, 0, 0, 84)
    assert found.scores["delta"].to_list() == [0.0] * found.scores.height
    assert not found.scores["apart"].any()


def test_scores_are_held_against_each_other(tmp_path: Path, release_dir: Path) -> None:
    worse = reddit(12).scores.with_columns(pl.col("value", "low", "high") - pl.lit(0.5))
    write_release(reddit(12, version="1.1.0", scores=worse), tmp_path / "new")
    found = diff(release_dir, tmp_path / "new").scores
    assert found["delta"].round(6).to_list() == [-0.5] * found.height
    assert found["apart"].all()
    probes = found.filter(pl.col("task") == "probe")
    assert probes["layer"].n_unique() == 7


@pytest.mark.parametrize("part", ["data", "scores"])
def test_a_release_without_its_files_is_told(tmp_path: Path, release_dir: Path, part: str) -> None:
    copy = shutil.copytree(release_dir, tmp_path / "reddit")
    shutil.rmtree(copy / part)
    for sides in ((release_dir, copy), (copy, release_dir)):
        with pytest.raises(ReleaseError, match=rf"{copy} is no release: it has no {part}/\*\.parquet"):
            diff(*sides)


def cut_short(data: bytes) -> bytes:
    return data[: len(data) // 2]


def zeroed_inside(data: bytes) -> bytes:
    return data[:4] + bytes(len(data) // 2) + data[4 + len(data) // 2 :]


@pytest.mark.parametrize("damaged", [cut_short, zeroed_inside])
@pytest.mark.parametrize("part", ["data", "scores"])
def test_a_damaged_file_is_named(
    tmp_path: Path, release_dir: Path, part: str, damaged: Callable[[bytes], bytes]
) -> None:
    copy = shutil.copytree(release_dir, tmp_path / "reddit")
    path = sorted((copy / part).glob("*.parquet"))[0]
    path.write_bytes(damaged(path.read_bytes()))
    with pytest.raises(ReleaseError, match=rf"^{path} is not a whole Parquet file") as told:
        diff(copy, release_dir)
    assert "\n" not in str(told.value)


def test_a_shard_of_other_columns_is_named(tmp_path: Path, release_dir: Path) -> None:
    copy = shutil.copytree(release_dir, tmp_path / "reddit")
    path = sorted((copy / "data").glob("*.parquet"))[-1]
    pl.read_parquet(path).drop("text").write_parquet(path)
    with pytest.raises(ReleaseError, match=rf"{path} has other columns than .*: text"):
        diff(copy, release_dir)


def test_releases_of_two_corpora_are_not_compared(tmp_path: Path, release_dir: Path) -> None:
    copy = shutil.copytree(release_dir, tmp_path / "portraits")
    (copy / "manifest.json").write_text(replace(manifest.read(copy), corpus="portraits").to_json())
    with pytest.raises(ReleaseError, match=r"is of reddit and .* of portraits: expected two releases of one corpus"):
        diff(release_dir, copy)


def test_columns_that_only_one_release_has_make_rows_differ_and_no_error(tmp_path: Path, release_dir: Path) -> None:
    copy = shutil.copytree(release_dir, tmp_path / "reddit")
    for path in (copy / "data").glob("*.parquet"):
        pl.read_parquet(path).drop("origin").write_parquet(path)
    for sides in ((release_dir, copy), (copy, release_dir)):
        found = diff(*sides)
        assert found.changed == 84
        assert found.counts.columns == ["emotion", "old", "new", "delta"]
