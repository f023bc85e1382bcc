"""From dump lines to comments: every line is accounted for, and an interrupted run goes on from the middle."""

import gzip
import json
from pathlib import Path

import polars as pl
import pytest

from corpusmith.assets.reddit import comments
from corpusmith.assets.reddit.corpus import CORPUS
from corpusmith.assets.registry import load
from corpusmith.assets.resources import Workshop
from corpusmith.errors import SourceError
from corpusmith.release import takedown, tombstones
from corpusmith.work.ledger import Ledger

SALT = "salt"
SETTINGS = load(profile="smoke").reddit.model_copy(update={"max_broken": 0.1})


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
        row = {
            "body": body,
            "author": f"user{n}",
            "id": f"c{n}",
            "link_id": f"t3_{n // 4}",
            "created_utc": str(1_577_836_800 + n),
        }
        lines.append("{broken" if n % 15 == 14 else json.dumps(row))
    path = tmp_path / "RC_2020-01.ndjson"
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def workshop(home, settings=SETTINGS, on_progress=None):
    return Workshop(home, load(profile="smoke").model_copy(update={"reddit": settings}), on_progress)


@pytest.fixture(autouse=True)
def _salted(monkeypatch):
    monkeypatch.setenv("CORPUSMITH_SALT", SALT)


def ingest(dump, home, on_progress=None):
    return comments.ingest(dump, workshop(home, on_progress=on_progress)).collect()


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


@pytest.mark.parametrize("segment", [0, 1, 2])
def test_lines_of_a_segment_that_was_set_aside_are_read_again(dump, tmp_path, monkeypatch, segment):
    monkeypatch.setattr(comments, "CHUNK_ROWS", 50)
    whole = ingest(dump, tmp_path)
    torn = sorted((tmp_path / ".corpusmith" / "ledger").rglob("line-*.parquet"))[segment]
    torn.write_bytes(torn.read_bytes()[:-20])
    with pytest.warns(UserWarning, match="is set aside"):
        again = ingest(dump, tmp_path)
    assert again.equals(whole)
    assert ingest(dump, tmp_path).equals(whole)


def test_lines_that_were_taken_down_are_not_read_again(dump, tmp_path, monkeypatch):
    monkeypatch.setattr(comments, "CHUNK_ROWS", 50)
    key = ingest(dump, tmp_path)["key"][60]
    tombs = takedown.tombs(takedown.closure([], [], CORPUS.lineage), [key], "", "asked")
    tombstones.add(tombstones.path_of(tmp_path, "reddit"), tombs)
    shelf = comments.shelf_of(dump, workshop(tmp_path).ledger, SETTINGS, SALT)
    shelf.erase([key])
    read = []
    assert ingest(dump, tmp_path, read.append).height == 119
    assert read == []


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


def asking(**settings):
    return SETTINGS.model_copy(update=settings)


def test_more_broken_lines_than_a_share_stop_the_build_and_the_first_is_named(dump, tmp_path):
    with pytest.raises(SourceError, match=r"8 of 120 lines are broken, .*max_broken \(0\.05\).* line 15: '\{broken'"):
        comments.ingest(dump, workshop(tmp_path, asking(max_broken=0.05)))
    with pytest.raises(SourceError, match="lines are broken"):
        comments.ingest(dump, workshop(tmp_path, asking(max_broken=0.05)))
    assert comments.ingest(dump, workshop(tmp_path)).collect().height == 120


def test_a_source_without_a_usable_comment_is_refused_with_the_reasons(tmp_path):
    path = tmp_path / "RC"
    path.write_text('{"body": "[deleted]"}\n' * 3 + '{"body": "hm"}\n')
    with pytest.raises(SourceError, match=r"none of its 4 rows is a usable comment \(deleted 3, too_short 1\)"):
        comments.ingest(str(path), workshop(tmp_path))


def test_how_a_source_was_read_is_remembered_with_its_damage(dump, tmp_path):
    whole = gzip.compress(Path(dump).read_bytes() * 40)
    path = tmp_path / "RC.gz"
    path.write_bytes(whole[:-9])
    use = asking(source_damage="use")
    with pytest.raises(SourceError, match="is damaged"):
        comments.ingest(str(path), workshop(tmp_path))
    comments.ingest(str(path), workshop(tmp_path, use))
    said = comments.read_as(str(path), workshop(tmp_path, use))
    assert said[0] == "text: body, or title and selftext"
    assert said[1].startswith("damage: Compressed file ended before")
    assert said[2].startswith("broken: 32")


def test_times_that_cannot_be_are_counted(tmp_path):
    path = tmp_path / "RC"
    bodies = [f"A comment of the kind that people write, number {n}." for n in range(4)]
    times = ["-5", "1577836800000", "2020-01-01T00:00:00Z", "99999999999"]
    rows = [json.dumps({"body": body, "created_utc": time}) for body, time in zip(bodies, times, strict=True)]
    path.write_text("\n".join(rows))
    found = comments.ingest(str(path), workshop(tmp_path)).collect()
    assert found["created_utc"].to_list() == [None, 1577836800, 1577836800, None]
    said = comments.read_as(str(path), workshop(tmp_path))
    assert "time: 2 of 4 rows have none, or one before 2005 or to come" in said
