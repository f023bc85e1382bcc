"""What changed decides which part of a version is raised."""

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from corpora import reddit, released
from hypothesis import given
from hypothesis import strategies as st

from corpusmith.release.changelog import entries, first, up_to, written
from corpusmith.release.diff import diff
from corpusmith.release.inputs import Release
from corpusmith.release.semver import BUMPS, needed, numbers, raised, suffices
from corpusmith.release.write import write_release

VERSIONS = st.tuples(*[st.integers(0, 300)] * 3).map(lambda parts: ".".join(map(str, parts)))
ROWS = released(12, 0)


def other_labels() -> Release:
    card = reddit(12).text
    return reddit(12, text=replace(card, labels=(*card.labels[1:], card.labels[0])))


RETYPED = ROWS.with_columns(pl.col("confidence").cast(pl.Decimal(8, 6)))
ROWS_MORE = pl.concat([ROWS, released(14, 0)]).unique("key").head(85)
CHANGES = {
    "a column more": (lambda: reddit(12, rows=ROWS.with_columns(more=pl.lit(1)).lazy()), "major"),
    "a column less": (lambda: reddit(12, rows=ROWS.drop("author").lazy()), "major"),
    "another type": (lambda: reddit(12, rows=RETYPED.lazy()), "major"),
    "classes in another order": (other_labels, "major"),
    "a row less": (lambda: reddit(12, rows=ROWS.head(83).lazy()), "minor"),
    "a row more": (lambda: reddit(12, rows=ROWS_MORE.lazy()), "minor"),
    "another text": (lambda: reddit(12, rows=ROWS.with_columns(text=pl.lit("other")).lazy()), "minor"),
    "another tagline": (lambda: reddit(12, text=replace(reddit(12).text, tagline="Other words.")), "patch"),
    "other scores": (lambda: reddit(12, scores=reddit(12, seed=3).scores), "patch"),
    "rejected rows": (lambda: reddit(12, rejected=reddit(12).rejected.head(40)), "patch"),
    "a setting": (lambda: reddit(12, params={"reddit": {"balanced": {"rows_per_emotion": 13}}}), "patch"),
    "nothing but the version": (lambda: reddit(12), None),
}


@pytest.mark.parametrize("name", CHANGES)
def test_the_change_decides_the_part(name: str, tmp_path: Path, release_dir: Path) -> None:
    make, bump = CHANGES[name]
    write_release(replace(make(), version="1.0.1"), tmp_path / "new")
    need = needed(diff(release_dir, tmp_path / "new"))
    assert (need.bump if need else None) == bump, need


@given(VERSIONS, st.sampled_from(BUMPS))
def test_a_raised_version_is_the_next_one(version: str, bump: str) -> None:
    new = numbers(raised(version, bump))
    place = 2 - BUMPS.index(bump)
    assert new > numbers(version)
    assert new[:place] == numbers(version)[:place]
    assert new[place] == numbers(version)[place] + 1
    assert not any(new[place + 1 :])


@given(st.dictionaries(VERSIONS, st.sampled_from(["The first release.", "### Added\n\n- 1 row"]), min_size=1), VERSIONS)
def test_a_changelog_comes_back_as_it_was_written(said: dict[str, str], version: str) -> None:
    text = written("reddit", said)
    assert entries(text) == said
    assert list(entries(text)) == sorted(said, key=numbers, reverse=True)
    assert written("reddit", entries(text)) == text
    earlier = {each: words for each, words in said.items() if numbers(each) <= numbers(version)}
    assert entries(up_to(text, "reddit", version)) == earlier


def test_a_larger_part_than_needed_will_do(tmp_path: Path, release_dir: Path) -> None:
    write_release(reddit(12, rows=ROWS.head(83).lazy()), tmp_path / "new")
    need = needed(diff(release_dir, tmp_path / "new"))
    assert need is not None
    assert [suffices(bump, need) for bump in BUMPS] == [False, True, True]


def test_a_release_that_is_the_first_says_so(release_dir: Path) -> None:
    assert (release_dir / "CHANGELOG.md").read_text() == first("reddit", "1.0.0")
