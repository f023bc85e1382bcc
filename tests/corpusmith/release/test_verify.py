import json
import shutil
from pathlib import Path

import polars as pl
import pytest
from corpora import reddit, rejected, released

from corpusmith.errors import ReleaseError
from corpusmith.release import verify
from corpusmith.release.write import write_release


def copies(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select("key", "text", "emotion", "confidence", "p_joy")


def test_files_and_keys_of_a_whole_release_are_right(release_dir: Path) -> None:
    checked = verify.check_files(release_dir)
    assert checked.keys == 84 + 42
    assert checked.files == len(json.loads((release_dir / "manifest.json").read_text())["files"])


def test_a_changed_file_is_found(release_dir: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(release_dir, tmp_path / "reddit")
    (copy / "README.md").write_text("mine")
    with pytest.raises(ReleaseError, match=r"README\.md"):
        verify.check_files(copy)


def test_a_key_that_does_not_follow_from_its_plan_is_found(tmp_path: Path) -> None:
    rows = released(12, 0)
    forged = rows.with_columns(plan=pl.when(pl.col("key") == rows["key"][3]).then(pl.lit("{}")).otherwise("plan"))
    write_release(reddit(12, rows=forged.lazy()), tmp_path / "reddit")
    with pytest.raises(ReleaseError, match=rf"1 keys do not follow.*{rows['key'][3]} in "):
        verify.check_files(tmp_path / "reddit")


def test_a_forged_key_of_a_rejected_row_is_found(tmp_path: Path) -> None:
    forged = rejected(42, 0).with_columns(fingerprint=pl.lit("x:y@z+0"))
    write_release(reddit(12, rejected=forged.lazy()), tmp_path / "reddit")
    with pytest.raises(ReleaseError, match=r"42 keys do not follow.*and 37 more"):
        verify.check_files(tmp_path / "reddit")


def test_rows_that_come_out_the_same_are_bit_for_bit(release_dir: Path) -> None:
    report = verify.regenerate(release_dir, 50, copies)
    assert (report.rows, report.identical, report.within, report.different) == (50, 50, [], [])
    assert report.sentence() == "50 of 50 rows made again: 50 bit for bit"


def test_probabilities_may_differ_by_the_tolerance_and_no_more(release_dir: Path) -> None:
    def shifted(by: float) -> verify.Regenerated:
        moved = pl.col("p_joy") + pl.lit(by, pl.Float32)
        return verify.regenerate(release_dir, 20, lambda rows: copies(rows).with_columns(moved))

    assert len(shifted(1e-4).within) == 20
    assert "within the tolerance (0.001" in shifted(1e-4).sentence()
    assert len(shifted(1e-2).different) == 20
    assert "p_joy was" in shifted(1e-2).different[0]["why"]


def test_text_must_be_exactly_the_same(release_dir: Path) -> None:
    report = verify.regenerate(release_dir, 9, lambda rows: copies(rows).with_columns(pl.col("text") + " "))
    assert len(report.different) == 9
    assert report.different[0]["why"].startswith("text was ")
    assert report.sentence().startswith("0 of 9 rows made again")


def test_rows_that_are_not_made_are_different(release_dir: Path) -> None:
    report = verify.regenerate(release_dir, 9, lambda rows: copies(rows).head(1))
    assert (report.identical, len(report.different)) == (3, 6)
    assert {row["why"] for row in report.different} == {"was not made"}


def test_a_score_that_became_null_is_different(release_dir: Path) -> None:
    report = verify.regenerate(release_dir, 3, lambda rows: copies(rows).with_columns(p_joy=pl.lit(None, pl.Float32)))
    assert len(report.different) == 3


def test_each_maker_has_its_share_and_the_draw_is_always_the_same(release_dir: Path) -> None:
    seen: list[pl.DataFrame] = []

    def remake(rows: pl.DataFrame) -> pl.DataFrame:
        seen.append(rows)
        return copies(rows)

    verify.regenerate(release_dir, 12, remake)
    verify.regenerate(release_dir, 12, remake)
    assert [rows.height for rows in seen] == [4, 4, 4, 4, 4, 4]
    assert [rows["key"].to_list() for rows in seen[:3]] == [rows["key"].to_list() for rows in seen[3:]]
    assert all(rows["fingerprint"].n_unique() == 1 for rows in seen)


def test_more_rows_than_there_are_is_all_of_them(release_dir: Path) -> None:
    assert verify.regenerate(release_dir, 10_000, copies).rows == 84
