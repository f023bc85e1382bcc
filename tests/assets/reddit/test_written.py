"""What becomes of texts that a writer left unfinished, and which examples it is shown."""

import polars as pl

from corpusmith.assets.reddit.labelled import whole
from corpusmith.assets.reddit.rewritten import as_samples as rewrites
from corpusmith.assets.reddit.rewritten import judge_rewrites
from corpusmith.assets.reddit.synthesized import _few_shot
from corpusmith.assets.registry import load
from corpusmith.models.text.classify import HouseClassifier
from corpusmith.models.text.rewrite import HouseRewriter
from corpusmith.models.text.writers import CUT_OFF


def test_a_text_that_was_cut_off_or_never_made_is_rejected_for_that_alone_and_judged_by_nobody():
    texts = ["The bus was late.", "The soup was hot.", "The cat was here."]
    made = pl.DataFrame(
        {
            "key": ["a" * 32, "b" * 32, "c" * 32],
            "text": texts,
            "rewrite": ["I am so angry that the bus was late!", CUT_OFF, None],
            "source_key": ["s", "t", "u"],
            "target": ["anger", "joy", "joy"],
            "plan": ["{}", "{}", "{}"],
            **{name: [None] * 3 for name in ("thread", "subreddit", "author", "language", "cluster")},
            "created_utc": [1, 2, 3],
        },
        schema_overrides=dict.fromkeys(("thread", "subreddit", "author", "language", "cluster"), pl.String),
    )
    seen = []

    def make(samples, judge):
        seen.extend(samples.collect()["text"].to_list())
        return samples.with_columns(key=pl.lit("k"), emotion=pl.lit("anger"), confidence=pl.lit(1.0))

    settings = load().reddit
    found = judge_rewrites(rewrites(made, HouseRewriter()), HouseClassifier(), make, settings).collect()
    assert found.filter(pl.col("reasons").list.contains("cut_off"))["source_key"].to_list() == ["t"]
    assert found.filter(source_key="t")["reasons"].to_list() == [["cut_off"]]
    assert found.filter(source_key="u")["reasons"].to_list() == [["not_made"]]
    assert seen == ["I am so angry that the bus was late!"]


def test_whole_texts_pass_as_they_are():
    samples = pl.DataFrame({"text": ["a", "b"]})
    fit, cut_off = whole(samples)
    assert fit.equals(samples)
    assert cut_off.collect().is_empty()


def test_the_examples_of_a_prompt_are_distinct_and_fewer_where_there_are_fewer():
    natural = pl.LazyFrame({"key": list("abcd"), "text": ["one", "two", "one", "three"], "emotion": ["fear"] * 4})
    plan = pl.DataFrame({"emotion": ["fear", "fear", "joy"], "number": [0, 1, 0]})
    shown = _few_shot(plan, natural, 5).to_list()
    assert [sorted(set(texts)) for texts in shown] == [["one", "three", "two"], ["one", "three", "two"], []]
    assert [len(texts) for texts in shown] == [3, 3, 0]
