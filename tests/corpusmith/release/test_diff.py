from dataclasses import replace
from pathlib import Path

import polars as pl
from corpora import reddit, released

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
