"""The demo dump: what is planted is there, in the numbers that are promised, and nothing else by accident."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import zstandard

from corpusmith.assets.reddit import demo
from corpusmith.assets.reddit.comments import deduplicate, first
from corpusmith.assets.reddit.grammar import Grammar, phrases
from corpusmith.assets.registry import load
from corpusmith.errors import SettingsError

COMMENTS = 6_000


def lines_of(path: Path) -> list[str]:
    with path.open("rb") as file:
        return zstandard.ZstdDecompressor().stream_reader(file).read().decode().splitlines()


@pytest.fixture(scope="module")
def dump_path(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("demo") / "RC_demo.zst"


@pytest.fixture(scope="module")
def dump(dump_path):
    return demo.write_demo_dump(dump_path, COMMENTS), lines_of(dump_path)


@pytest.fixture(scope="module")
def comments(dump) -> list[dict]:
    return [json.loads(line) for line in dump[1] if line.endswith("}")]


def test_every_line_is_counted(dump):
    counts, lines = dump
    assert len(lines) == COMMENTS == sum(counts.values())
    assert {kind: counts[kind] for kind in demo.PLANTED} == demo.planted(COMMENTS)


def test_broken_lines_are_as_many_as_promised(dump, comments):
    assert len(dump[1]) - len(comments) == dump[0]["broken_line"]


def test_lines_look_like_those_of_real_dumps(dump, comments):
    counts, _ = dump
    assert {len(comment) for comment in comments} == {18, 39}
    assert {type(comment["created_utc"]) for comment in comments} == {int, str}
    assert sum(comment.get("over_18", False) for comment in comments) == counts["nsfw"]
    bodies = Counter(comment["body"] for comment in comments)
    assert bodies["[deleted]"] == counts["deleted"]
    assert bodies["[removed]"] == counts["removed"]
    assert sum(len(comment["body"]) > 4_000 for comment in comments) == counts["too_long"]
    assert len({comment["id"] for comment in comments}) == len(comments)


def test_replies_answer_the_post_or_an_earlier_comment_of_its_thread(comments):
    thread_of = {}
    for comment in comments:
        kind, _, parent = comment["parent_id"].partition("_")
        assert comment["parent_id"] == comment["link_id"] if kind == "t3" else True
        if kind == "t1" and parent in thread_of:  # else its line is broken
            assert thread_of[parent] == comment["link_id"]
        thread_of[comment["id"]] = comment["link_id"]
    assert {comment["parent_id"][:2] for comment in comments} == {"t1", "t3"}


def test_a_thread_stays_in_its_subreddit(comments):
    homes = pl.DataFrame(comments, schema=["link_id", "subreddit"]).unique()
    assert homes["link_id"].is_unique().all()


@pytest.fixture(scope="module")
def curated(dump, dump_path) -> pl.DataFrame:
    reddit = load().reddit
    read = first(str(dump_path), COMMENTS, reddit, "salt")
    return deduplicate(read.lazy(), reddit.comments.jaccard).collect()


def test_curation_catches_all_that_is_planted(dump, curated):
    counts, _ = dump
    caught = Counter(curated["reasons"].explode(empty_as_null=False).to_list())
    assert caught["deleted"] == counts["deleted"] + counts["removed"]
    assert caught["non_english"] == counts["other_language"]
    for kind in ("bot", "nsfw", "too_long", "broken_line"):
        assert caught[kind] == counts[kind], kind


def test_copies_are_found_and_hardly_any_other_comment_looks_like_one(dump, curated):
    counts, _ = dump
    caught = Counter(curated["reasons"].explode(empty_as_null=False).to_list())
    short = curated.filter(pl.col("reasons").list.contains("too_short")).height
    personal = sum(counts[kind] for kind in demo.PERSONAL)
    kept = curated.filter(pl.col("verdict") == "kept").height
    assert caught["near_duplicate"] >= counts["near_duplicate"]
    assert caught["exact_duplicate"] >= counts["exact_duplicate"]
    assert short <= counts["too_short"] + counts["other_language"]
    assert 0.998 * (counts["ordinary"] + personal) <= kept <= counts["ordinary"] + personal


def test_planted_personal_data_is_scrubbed(dump, curated):
    kept = curated.filter(pl.col("verdict") == "kept")["text"]
    for kind, token in demo.PERSONAL.items():
        assert kept.str.contains(token, literal=True).sum() == dump[0][kind], kind


def test_the_same_seed_writes_the_same_lines_whatever_the_block(dump, tmp_path, monkeypatch):
    monkeypatch.setattr(demo, "BLOCK_ROWS", 2 * demo.WINDOW_ROWS)
    demo.write_demo_dump(tmp_path / "again.zst", COMMENTS)
    assert lines_of(tmp_path / "again.zst") == dump[1]


def test_another_seed_writes_other_comments(dump, tmp_path):
    demo.write_demo_dump(tmp_path / "other.zst", COMMENTS, seed=1)
    assert len(set(lines_of(tmp_path / "other.zst")) & set(dump[1])) == 0


def test_a_small_dump_has_one_of_each_defect(tmp_path):
    counts = demo.write_demo_dump(tmp_path / "small.zst", demo.FEWEST)
    assert min(counts.values()) == 1
    assert len(lines_of(tmp_path / "small.zst")) == demo.FEWEST


def test_too_small_a_dump_is_refused_with_the_setting(tmp_path):
    with pytest.raises(SettingsError, match=r"reddit\.demo\.comments: expected 40 or more, found 5"):
        demo.write_demo_dump(tmp_path / "tiny.zst", 5)


def test_a_topic_fills_a_slot_with_its_own_phrases():
    common = phrases("line: |\n  {Thing} {end}\nend: |\n  ~\n  now\n")
    grammar = Grammar(common, {"cats": {"thing": ["the cat"]}, "dogs": {"thing": ["a {end} dog"]}})
    topics = np.arange(200) % 2
    made = grammar.write(grammar.symbol("line"), topics, np.arange(200, dtype=np.uint64)).to_pylist()
    assert set(made[::2]) == {"The cat ", "The cat now"}
    assert set(made[1::2]) == {"A  dog ", "A  dog now", "A now dog ", "A now dog now"}


def test_a_slot_without_phrases_is_named():
    with pytest.raises(KeyError, match="thnig"):
        Grammar({"line": ["{thnig}"]}, {"cats": {}})
