"""From dump lines to comments: every line is accounted for, and an interrupted run goes on from the middle."""

import json

import polars as pl
import pytest

from assets.reddit import comments
from assets.registry import load
from corpusmith.work.ledger import Ledger

SALT = "salt"
SETTINGS = load(profile="smoke").reddit


@pytest.fixture
def dump(tmp_path):
    """120 lines: a good comment each, save every tenth (deleted), every fifteenth (broken) and three copies."""
    lines = []
    for n in range(120):
        body = f"This is the comment number {n} that somebody wrote about topic {n * 7} in the evening."
        if n % 10 == 3:
            body = "[deleted]"
        if n in (21, 41, 61):
            body = "This is the comment number 0 that somebody wrote about topic 0 in the evening."
        row = {"body": body, "author": f"user{n}", "id": f"c{n}", "link_id": f"t3_{n // 4}", "created_utc": str(n)}
        lines.append("{broken" if n % 15 == 14 else json.dumps(row))
    path = tmp_path / "RC_2020-01.ndjson"
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def ingest(dump, folder, on_progress=None):
    return comments.ingest(dump, Ledger(folder), SETTINGS, SALT, on_progress).collect()


def test_every_line_is_kept_or_rejected_with_a_reason(dump, tmp_path):
    rows = ingest(dump, tmp_path / "ledger")
    assert rows["line"].to_list() == list(range(rows["line"][0], rows["line"][0] + 120))
    assert set(rows["verdict"]) == {"kept", "rejected"}
    assert rows.filter(pl.col("verdict") == "rejected")["reasons"].list.len().min() > 0
    assert rows["key"].n_unique() == 120
    assert "raw" not in rows.columns
    assert not rows["author"].drop_nulls().str.contains("user").any()


def test_an_interrupted_run_goes_on_from_the_middle_to_the_same_table(dump, tmp_path, monkeypatch):
    monkeypatch.setattr(comments, "CHUNK_ROWS", 25)

    def interrupt(progress):
        if progress.done >= 50:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ingest(dump, tmp_path / "ledger", interrupt)
    done = []
    resumed = ingest(dump, tmp_path / "ledger", lambda progress: done.append(progress.done))
    assert done[-1] == 70
    assert resumed.equals(ingest(dump, tmp_path / "other"))


def test_a_copy_of_an_earlier_line_is_rejected_and_names_it(dump, tmp_path):
    rows = comments.deduplicate(ingest(dump, tmp_path / "ledger").lazy(), SETTINGS.comments.jaccard).collect()
    copies = rows.filter(pl.col("reasons").list.contains("exact_duplicate"))
    assert set(copies["id"]) == {"c21", "c41", "c61"}
    assert rows.height == 120
    assert (copies["verdict"] == "rejected").all()


def test_lines_read_again_are_the_same_comments(dump, tmp_path):
    rows = ingest(dump, tmp_path / "ledger").sample(10, seed=1).sort("line")
    again = comments.again(dump, rows["line"], SETTINGS, SALT).sort("line")
    assert again.select("key", "text").equals(rows.select("key", "text"))


def test_other_rules_or_another_salt_have_a_shelf_of_their_own(dump, tmp_path):
    ledger = Ledger(tmp_path / "ledger")
    strict = SETTINGS.model_copy(update={"comments": SETTINGS.comments.model_copy(update={"min_words": 9})})
    paths = {
        comments.shelf_of(dump, ledger, *which).path for which in ((SETTINGS, SALT), (strict, SALT), (SETTINGS, "x"))
    }
    assert len(paths) == 3
