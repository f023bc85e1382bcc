"""The house rewriter: another emotion, the same words."""

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from functools import cache
from itertools import product

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from corpusmith.curate.similarity import content_kept
from corpusmith.emotions import EMOTIONS
from corpusmith.models.text import rewrite
from corpusmith.models.text.classify import predict
from corpusmith.models.text.grammar import SLOT
from corpusmith.models.text.rewrite import TARGETS, HouseRewriter, candidates, choose
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


WORDS = 3  # from which on words are a phrase


@cache
def likeliest(slot: str, emotion: str) -> dict[int, tuple[str, float]]:
    """The likeliest text of a slot with so many words (WORDS: or more), and its chance: a choice by choice product."""
    bank = yaml.safe_load(rewrite.FRAMES.read_text("utf-8"))
    listed = slot.split("|") if "|" in slot else {**bank["common"], **bank[emotion]}[slot].splitlines()
    found: dict[int, tuple[str, float]] = {}
    for phrase, times in Counter(listed).items():
        best = {0: ("", times / len(listed))}
        for at, piece in enumerate(SLOT.split(phrase)):
            if piece:
                words = min(WORDS, len(re.findall(r"[\w']+", piece)))
                options = likeliest(piece, emotion) if at % 3 else {words: (piece, 1.0)}
                best = likelier(
                    (min(WORDS, n + m), (text + more, chance * other))
                    for (n, (text, chance)), (m, (more, other)) in product(best.items(), options.items())
                )
        found = likelier([*found.items(), *best.items()])
    return found


def likelier(texts: Iterable[tuple[int, tuple[str, float]]]) -> dict[int, tuple[str, float]]:
    return dict(sorted(texts, key=lambda text: text[1][1]))


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
    assert made["frame"].str.contains("^(before|lead|epithet|aside|after|tail): ").all()
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
        tried(["Does anyone know when the library opens?"], "sadness", 60),
        tried(["The train to Kyoto takes 3 hours"], "sadness", 100),
        tried(SOURCES[6:7], "fear", 60),
    )
    assert not question["frame"].str.contains("lead: ").any()
    led = statement.filter(pl.col("frame").str.contains("^lead: [^|]*$"))
    assert led.height > 0
    assert led["rewrite"].str.ends_with(" the train to Kyoto takes 3 hours").all()
    assert name["rewrite"].str.contains("Kyoto").all()


def test_a_question_at_the_end_grows_no_tail():
    found = tried(["Does anyone know when the library opens?"], "anger", 60)
    assert not found["frame"].str.contains("tail: ").any()
    assert found["rewrite"].str.contains("opens?", literal=True).all()


def test_nothing_is_put_between_a_title_and_a_name():
    assert tried([SOURCES[4]], "disgust", 60)["rewrite"].str.contains("Dr. Patel has", literal=True).all()


def test_an_epithet_stands_before_a_noun_of_the_text_and_its_article_follows_it():
    found = tried(["I read about an old bridge, a long one, on the same day."], "disgust", 200)
    described = found.filter(pl.col("frame").str.contains("^epithet: [^|]*$"))["rewrite"]
    assert described.len() > 20
    assert not described.str.contains(r"\ba [aeiou]|\ban [^aeiou]").any()
    assert described.str.contains("on the same day.", literal=True).all()


def test_a_remark_stands_where_the_sentence_bears_one():
    found = tried(["It was closed at noon"], "sadness", 100)
    remarks = found.filter(pl.col("frame").str.contains("^aside: [^|]*$"))["rewrite"]
    assert remarks.len() > 10
    assert remarks.str.contains(r"^It was,? .*,? ?closed at noon$").all()


def test_phrases_name_what_the_comment_is_about():
    named = tried([SOURCES[1]], "fear", 400)["frame"]
    assert named.str.contains("the battery").any()
    assert not named.str.contains("<it>").any()


def test_a_long_text_is_edited_at_more_places_than_a_short_one():
    edits = [
        tried([text], "joy", 40)["frame"].str.count_matches(r" \| ").mean() for text in (SOURCES[6], SOURCES[0] * 6)
    ]
    assert edits[1] > edits[0] + 2


def test_a_comment_in_lower_case_is_framed_in_lower_case():
    rewrites = tried([SOURCES[5]], "joy")["rewrite"]
    assert (rewrites == rewrites.str.to_lowercase()).all()


def test_what_the_guide_likes_is_drawn_more_often():
    guesses = np.tile(np.array([[0.9, 0.3, 0.0]], dtype=np.float32), (3000, 1))
    drawn = np.bincount(choose(guesses, np.arange(3000, dtype=np.uint64), 2.0), minlength=3)
    assert drawn[0] / drawn[1] == pytest.approx(9, rel=0.25)
    assert drawn[2] == 0


@pytest.mark.parametrize("part", rewrite.PARTS)
@pytest.mark.parametrize("emotion", TARGETS)
def test_no_phrase_of_three_words_or_more_is_a_likelier_draw_than_one_in_a_hundred(emotion, part):
    text, chance = likeliest(part, emotion).get(WORDS, ("", 0.0))
    assert chance <= 0.01, text


def test_what_is_drawn_of_a_part_is_hardly_ever_the_same():
    drawn = np.arange(6000, dtype=np.uint64)
    target, part = drawn.astype(np.int64) % len(TARGETS), rewrite.frames().symbol("after")
    written = pl.DataFrame({"target": target, "said": pl.Series(rewrite.frames().write(part, target, drawn))})
    often = written.group_by("target", "said").len()
    assert often["len"].max() <= 0.01 * 1000
    assert not written["said"].str.contains(r"[\[\]{}|]").any()


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
