"""The house rewriter: another emotion, the same words."""

import subprocess
import sys

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpusmith.curate.similarity import content_kept
from corpusmith.emotions import EMOTIONS
from corpusmith.models.text import rewrite
from corpusmith.models.text.classify import predict
from corpusmith.models.text.rewrite import TARGETS, HouseRewriter, candidates, choose, frames
from corpusmith.work.plan import keys

SOURCES = [
    "The train to Kyoto takes 3 hours. You can buy a ticket at the station.",
    "I swapped the battery on Monday, and my brother looked at the old one.",
    "There were 6 of us at the table that Saturday",
    "Does anyone know when the library opens? It was closed at noon.",
    "Dr. Patel has a page about the second opinion.\n\nThe clinic opens at 12 on Tuesday.",
    "our rent is 900 a month and utilities are included.",
    "Kyoto has 14 bus lines.",
    "It runs at 60 frames per second on my machine.",
]


def plan(sources: list[str], targets: tuple[str, ...] = TARGETS) -> pa.RecordBatch:
    rows = pl.DataFrame({"text": sources}).join(pl.DataFrame({"target": targets}), how="cross")
    named = {"key": keys(rows, "test", ("text", "target")).to_list(), **rows.to_dict(as_series=False)}
    return pa.record_batch({name: pa.array(column, pa.string()) for name, column in named.items()})


def tried(sources: list[str], target: str, number: int = 24) -> pl.DataFrame:
    drawn = np.arange(len(sources), dtype=np.uint64)
    return candidates(pl.Series(sources), pl.Series([target] * len(sources)), drawn, number)


@pytest.fixture(scope="module")
def made() -> pl.DataFrame:
    rows = plan([f"{source} We counted {n} of them." for source in SOURCES for n in range(20, 32)])
    return pl.concat(
        [pl.DataFrame(pl.from_arrow(rows)), pl.DataFrame(pl.from_arrow(HouseRewriter().make(rows)))], how="horizontal"
    )


def test_the_judge_sees_the_target_in_most_rewrites_of_every_emotion(made):
    probabilities = predict("house/emotion-judge", made["rewrite"].to_arrow().cast(pa.string()))
    seen = made.with_columns(seen=pl.Series([EMOTIONS[i] for i in probabilities.argmax(axis=1)]))
    hits = seen.group_by("target").agg(pl.col("seen").eq(pl.col("target")).mean())
    assert hits.height == len(TARGETS)
    assert hits["seen"].min() >= 0.7


def test_a_rewrite_keeps_its_source_and_says_what_was_added(made):
    assert content_kept(made["text"], made["rewrite"]).min() == 1.0
    assert (made["rewrite"] != made["text"]).all()
    assert made["frame"].str.contains("^(before|lead|ask|between|after|tail): ").all()
    assert made["guide"].is_between(0, 1).all()


def test_rewrites_are_not_all_framed_alike(made):
    shares = made.group_by("target").agg(pl.col("frame").n_unique() / pl.len())
    assert shares["frame"].min() > 0.5


def test_a_row_is_rewritten_alike_whatever_its_batch():
    rows, maker = plan(SOURCES), HouseRewriter()
    alone = [maker.make(rows.slice(i, 1)).to_pylist()[0] for i in range(0, rows.num_rows, 5)]
    together = maker.make(rows).to_pylist()[::5]
    assert [row["rewrite"] for row in alone] == [row["rewrite"] for row in together]


@given(st.lists(st.text(min_size=1, max_size=200).filter(str.strip), min_size=1, max_size=4), st.sampled_from(TARGETS))
@settings(max_examples=40, deadline=None)
def test_every_candidate_of_any_text_keeps_its_words(texts, target):
    found = tried(texts, target, 12)
    sources = pl.Series(texts).gather(np.repeat(np.arange(len(texts)), 12))
    assert found.height == 12 * len(texts)
    assert (found["rewrite"].str.len_chars() > sources.str.strip_chars().str.len_chars()).all()
    assert found["rewrite"].str.contains(r"\{[iI]t\}").any() == sources.str.contains(r"\{[iI]t\}").any()


def test_only_a_statement_is_led_into_and_loses_its_capital():
    question, statement, name = (
        tried(SOURCES[3:4], "sadness"),
        tried(SOURCES[:1], "sadness"),
        tried(SOURCES[6:7], "fear"),
    )
    assert not question["frame"].str.contains("lead: ").any()
    assert question["frame"].str.contains("ask: ").any()
    led = statement.filter(pl.col("frame").str.contains("lead: "))
    assert led.height > 0
    assert led["rewrite"].str.contains(" the train to Kyoto takes 3 hours. ", literal=True).all()
    assert name["rewrite"].str.contains("Kyoto").all()


def test_a_question_at_the_end_grows_no_tail():
    found = tried(["It was closed at noon. Does anyone know when the library opens?"], "anger")
    assert not found["frame"].str.contains("tail: ").any()
    assert found["rewrite"].str.contains("opens?", literal=True).all()


def test_nothing_is_put_between_a_title_and_a_name():
    assert tried([SOURCES[4]], "disgust", 60)["rewrite"].str.contains("Dr. Patel has", literal=True).all()


def test_frames_name_what_the_comment_is_about():
    rewrites = tried([SOURCES[1]], "fear", 200)
    assert rewrites["frame"].str.contains("the battery").any()
    assert tried([SOURCES[2]], "fear", 200)["frame"].str.contains("this").any()


def test_a_comment_in_lower_case_is_framed_in_lower_case():
    rewrites = tried([SOURCES[5]], "joy")["rewrite"]
    assert (rewrites == rewrites.str.to_lowercase()).all()


def test_what_the_guide_likes_is_drawn_more_often():
    guesses = np.tile(np.array([[0.9, 0.3, 0.0]], dtype=np.float32), (3000, 1))
    drawn = np.bincount(choose(guesses, np.arange(3000, dtype=np.uint64), 2.0), minlength=3)
    assert drawn[0] / drawn[1] == pytest.approx(9, rel=0.25)
    assert drawn[2] == 0


@pytest.mark.parametrize("emotion", TARGETS)
def test_the_bank_has_many_frames_of_every_kind(emotion):
    bank = frames()[emotion]
    assert sorted(bank) == sorted(set(rewrite.PARTS) - {rewrite.NONE})
    assert sum(len(set(phrases)) for phrases in bank.values()) >= 40
    for part, phrases in bank.items():
        assert len(set(phrases)) == len(phrases) >= 4
        assert not any("[" in phrase or "]" in phrase or phrase != phrase.strip() for phrase in phrases), part
        assert not any("{" in phrase.replace("{it}", "").replace("{It}", "") for phrase in phrases)


@pytest.mark.parametrize("target", ["neutral", "bliss"])
def test_no_other_target_is_written(target):
    with pytest.raises(ValueError, match=f"cannot rewrite into {target}: expected one of joy, "):
        HouseRewriter().make(plan(SOURCES[:1], (target,)))


def test_an_empty_text_is_not_rewritten():
    with pytest.raises(ValueError, match="missing or empty"):
        HouseRewriter().make(plan(["  "]))


def test_other_frames_or_settings_are_another_writer(monkeypatch, tmp_path):
    mine = HouseRewriter().fingerprint
    assert mine == HouseRewriter().fingerprint
    assert mine != HouseRewriter(candidates=5).fingerprint
    (tmp_path / "frames.yaml").write_bytes(rewrite.FRAMES.read_bytes() + b"\n")
    monkeypatch.setattr(rewrite, "FRAMES", tmp_path / "frames.yaml")
    assert mine != HouseRewriter().fingerprint


def test_a_writer_with_nothing_to_do_loads_no_model():
    code = (
        "import sys; from corpusmith.models.text.rewrite import HouseRewriter; HouseRewriter().fingerprint; "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
