"""A release leaves out what was taken down, whatever the tables hold, and its counts are of what is left."""

from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest
from numbers_corpus import CORPUS

from corpusmith.assets import ledgers
from corpusmith.assets.corpus import Content
from corpusmith.assets.registry import load
from corpusmith.assets.resources import Workshop
from corpusmith.assets.taken_down import Going, take_down, without_taken_down
from corpusmith.assets.unchanged import inputs
from corpusmith.release import tombstones
from corpusmith.release.takedown import closure, sha256_of, tombs
from corpusmith.work.ledger import FAILURE_SCHEMA, Ledger

KEYS = [f"{n:032x}" for n in range(6)]


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    return Workshop(tmp_path, load(profile="smoke"))


def take(workshop: Workshop, corpus: str, *marks: str) -> None:
    rows = tombs(closure([], [], CORPUS.lineage), marks, "", "asked")
    tombstones.add(tombstones.path_of(workshop.home, corpus), rows)


def content() -> Content:
    """Three rows, and three rejected ones, the last of them a copy of the first row."""
    rows = pl.LazyFrame({"key": KEYS[:3], "text": ["one", "two", "three"], "parity": ["odd", "even", "odd"]})
    rejected = pl.LazyFrame(
        {"key": KEYS[3:], "text": ["four", None, "One"], "parity": ["even", "odd", "odd"]}
    ).with_columns(duplicate_of=pl.Series([None, None, KEYS[0]]))
    return Content(rows, rejected, {"even": 2, "odd": 4})


def left(workshop: Workshop) -> tuple[list[str], list[str], dict[str, int]]:
    found = without_taken_down(content(), CORPUS, workshop)
    keys = [table.select("key").collect().to_series().to_list() for table in (found.rows, found.rejected)]
    return keys[0], keys[1], dict(found.made)


def test_a_row_is_neither_kept_nor_rejected_nor_counted(workshop: Workshop) -> None:
    take(workshop, "numbers", KEYS[1], KEYS[4])
    assert left(workshop) == ([KEYS[0], KEYS[2]], [KEYS[3], KEYS[5]], {"even": 1, "odd": 3})


def test_what_comes_in_again_under_another_key_goes_with_its_copies(workshop: Workshop) -> None:
    take(workshop, "numbers", sha256_of("one"))
    assert left(workshop) == (KEYS[1:3], KEYS[3:5], {"even": 2, "odd": 2})


def test_a_failure_of_another_row_goes_only_by_a_text_that_tells_it(workshop: Workshop) -> None:
    shelf = Ledger(ledgers.own(workshop.home)).shelf("writer", "writer:x@1", pa.schema({"key": pa.string()}))
    plans = ['{"labels":["joy","anger"],"text":"x"}', '{"examples":["I am full of joy"],"text":"y"}']
    failed = [
        {"key": key, "plan": plan, "error": "E", "message": "m", "attempt": 1}
        for key, plan in zip(KEYS[:2], plans, strict=True)
    ]
    shelf.add_failures(pa.Table.from_pylist(failed, schema=FAILURE_SCHEMA))
    for text, left in (("joy", KEYS[:2]), (",", KEYS[:2]), ("I am full of joy", KEYS[:1])):
        rows = closure([pl.LazyFrame({"key": [KEYS[5]], "text": [text]})], [KEYS[5]], CORPUS.lineage)
        take_down(Going(rows, frozenset(), frozenset(), frozenset(), "", ()), CORPUS, workshop.home, "asked")
        assert shelf.failures()["key"].to_list() == left


def test_without_a_takedown_the_content_is_as_it_is(workshop: Workshop) -> None:
    take(workshop, "another", KEYS[1])
    same = content()
    assert without_taken_down(same, CORPUS, workshop) is same


def test_what_was_taken_down_of_any_corpus_is_not_in_the_ledger(workshop: Workshop) -> None:
    take(workshop, "numbers", KEYS[1])
    take(workshop, "another", KEYS[2])
    assert workshop.ledger.taken_down == {KEYS[1], KEYS[2]}


def test_a_takedown_decides_a_corpus_and_its_reason_does_not(workshop: Workshop) -> None:
    from corpusmith.assets.reddit.corpus import CORPUS as REDDIT

    before = inputs(REDDIT, workshop)
    take(workshop, "reddit", KEYS[1])
    after = inputs(REDDIT, workshop)
    assert before != after
    path = tombstones.path_of(workshop.home, "reddit")
    path.write_text(path.read_text().replace("asked", "asked again"))
    assert inputs(REDDIT, workshop) == after
