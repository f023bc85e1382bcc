"""A second judge reads no more than may be released, and what it says decides or is said, as one asks."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpusmith.assets.reddit import makers, scores
from corpusmith.assets.reddit.opinions import SAID, of_natural, of_written
from corpusmith.assets.registry import load
from corpusmith.curate.balance import balanced
from corpusmith.emotions import EMOTIONS
from corpusmith.errors import SettingsError
from corpusmith.models.text.classify import LABELS
from corpusmith.score.agreement import alpha, of_two
from corpusmith.score.scores import SCORES
from corpusmith.work.ledger import Ledger
from corpusmith.work.produce import produce

SETTINGS = load(overrides=["reddit.balanced.rows_per_emotion=5"]).reddit
SAY = load(overrides=["reddit.balanced.rows_per_emotion=5", "reddit.labelled.disagreement=say"]).reddit


@dataclass
class Contrary:
    """Sees the emotion that a text begins with, but fear where it says "but", and fails where it says "fail"."""

    name: str = "contrary"
    fingerprint: str = "contrary:none@1+0"
    inputs: tuple[str, ...] = ("text",)
    schema: pa.Schema = LABELS
    batch_rows: int = 4
    read: list[str] = field(default_factory=list)

    @property
    def provenance(self) -> dict[str, Any]:
        return {"model": "none", "revision": "1"}

    def make(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        texts = rows["text"].to_pylist()
        if any("fail" in text for text in texts):
            raise ValueError("no")
        self.read += texts
        seen = ["fear" if "but" in text else text.split()[0] for text in texts]
        said = {"emotion": seen, "confidence": [0.75] * len(texts)}
        return pa.RecordBatch.from_pydict(
            {name: said.get(name, [0.0] * len(texts)) for name in LABELS.names}, schema=LABELS
        )


@pytest.fixture
def make(tmp_path):
    return lambda plan, maker: produce(plan, maker, Ledger(tmp_path), max_failure_rate=1.0)


def samples(texts: list[str]) -> pl.LazyFrame:
    return pl.LazyFrame(
        {
            "key": [f"k{number:03d}" for number in range(len(texts))],
            "text": texts,
            "emotion": [text.split()[0] for text in texts],
            "origin": "natural",
            "judge": "first@1",
            "verdict": "kept",
            "reasons": pl.Series([[]] * len(texts), dtype=pl.List(pl.String)),
        }
    )


def test_without_a_second_judge_nothing_is_read_and_the_columns_are_empty(make):
    for of in (of_natural, of_written):
        found = of(samples(["joy a"]), None, make, SETTINGS).collect()
        assert found.select(SAID.names()).schema == SAID
        assert found.select(SAID.names()).row(0) == (None, None, None)
        assert found["verdict"].to_list() == ["kept"]


def test_only_what_balancing_can_take_is_read_and_what_disagreed_is_made_up_for(make):
    texts = [f"joy {n}{' but' if n < 3 else ''}" for n in range(40)] + [f"anger {n}" for n in range(3)]
    judge = Contrary()
    found = of_natural(samples(texts), judge, make, SETTINGS).collect()
    assert len(judge.read) == len(set(judge.read)) < 20
    disagree = found.filter(pl.col("reasons").list.contains("judges_disagree"))
    assert disagree["key"].to_list() == ["k000", "k001", "k002"]
    assert set(disagree["second_emotion"]) == {"fear"}
    assert set(disagree["verdict"]) == {"rejected"}
    kept = found.filter(verdict="kept").with_columns(origin=pl.lit("natural"))
    chosen = balanced(kept, 5, tolerance=1.0, emotions=("joy", "anger"))
    assert chosen["second_emotion"].null_count() == 0
    assert chosen.filter(emotion="joy").height == 5
    assert found["key"].to_list() == [f"k{n:03d}" for n in range(43)]


def test_where_a_disagreement_is_only_said_no_row_is_lost_and_as_many_are_read_as_are_wanted(make):
    judge = Contrary()
    found = of_natural(samples([f"joy {n} but" for n in range(9)]), judge, make, SAY).collect()
    assert set(found["verdict"]) == {"kept"}
    assert found["second_emotion"].to_list() == ["fear"] * 5 + [None] * 4
    assert found["second_confidence"].drop_nulls().to_list() == [0.75] * 5


def test_written_rows_are_read_if_they_are_fit_so_far_and_one_that_cannot_be_read_is_not_released(make):
    written = samples(["joy a", "joy b but", "joy fail", "joy d"]).with_columns(
        verdict=pl.when(pl.col("key") == "k003").then(pl.lit("rejected")).otherwise("verdict"),
        reasons=pl.when(pl.col("key") == "k003").then(pl.lit(["content_lost"])).otherwise("reasons"),
    )
    judge = Contrary()
    found = of_written(written, judge, make, SETTINGS).collect()
    assert judge.read == ["joy a", "joy b but"]
    assert found["reasons"].to_list() == [[], ["judges_disagree"], ["not_judged"], ["content_lost"]]
    assert found["verdict"].to_list() == ["kept", "rejected", "rejected", "rejected"]


def test_agreement_is_of_all_that_both_read_whatever_became_of_it(make, monkeypatch):
    judge = Contrary()
    monkeypatch.setattr(makers, "second_judge", lambda models: judge)
    texts = [f"{emotion} {n}{' but' if n < 2 else ''}" for emotion in ("joy", "anger") for n in range(8)]
    seen = of_natural(samples(texts), judge, make, SETTINGS)
    table = scores.agreement([seen], make, SETTINGS).collect()
    assert table.schema == SCORES
    rows = seen.drop_nulls("second_emotion").collect()
    numbers = np.array([[EMOTIONS.index(e) for e in pair] for pair in rows.select("emotion", "second_emotion").rows()])
    every = table.filter(metric="alpha", subject="both judges").row(0, named=True)
    assert every["value"] == pytest.approx(alpha(numbers.astype(float), "nominal"))
    assert every["low"] <= every["value"] <= every["high"]
    assert every["n"] == rows.height
    shares = dict(table.filter(pl.col("label").is_not_null(), subject="natural").select("label", "value").rows())
    assert shares["joy"] == pytest.approx(1 - 2 / rows.filter(emotion="joy").height)


def test_without_a_second_judge_there_is_no_agreement(make):
    assert scores.agreement([samples(["joy a"])], make, SETTINGS).collect().equals(SCORES.to_frame())


def test_a_second_judge_that_is_the_first_is_refused():
    with pytest.raises(SettingsError, match="second_judge is judge again"):
        load(overrides=["reddit.models.second_judge=house/emotion-judge"])


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=2, max_size=30))
def test_alpha_of_a_table_is_that_of_its_units(pairs):
    matrix = np.zeros((4, 4), dtype=np.int64)
    np.add.at(matrix, tuple(np.array(pairs).T), 1)
    values = np.array(pairs, dtype=float)
    assert of_two(matrix) == pytest.approx(alpha(values, "nominal"), nan_ok=True)
