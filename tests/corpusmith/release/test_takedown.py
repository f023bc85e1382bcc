"""What goes with a row, where it still is, and that it stays down."""

import shutil
from pathlib import Path

import polars as pl
import pytest
from corpora import reddit
from hypothesis import given
from hypothesis import strategies as st

from corpusmith.errors import ReleaseError, UserError
from corpusmith.release import manifest, parquet, tombstones
from corpusmith.release.forget import write_forget_set
from corpusmith.release.lineage import Lineage
from corpusmith.release.publish.put import publish
from corpusmith.release.takedown import closure, holding, named, sha256_of, tables_of, tombs
from corpusmith.release.write import write_release

REDDIT, NOTHING = Lineage(parents=("source_key",)), Lineage()
FORM = pl.Schema({"key": pl.String(), "text": pl.String(), "plan": pl.String(), "source_key": pl.String()})


def table(*rows: dict[str, str]) -> list[pl.LazyFrame]:
    return [pl.LazyFrame(list(rows), {**FORM, "duplicate_of": pl.String(), "image_sha256": pl.String()})]


def gone(tables: list[pl.LazyFrame], *marks: str, lineage: Lineage = REDDIT) -> list[str]:
    return sorted(closure(tables, marks, lineage)["key"])


def test_what_was_made_of_a_row_goes_with_it_and_what_was_made_of_that() -> None:
    chain = table(*({"key": f"{n:032x}", "source_key": f"{n - 1:032x}"} for n in range(1, 6)))
    assert gone(chain, f"{3:032x}") == [f"{n:032x}" for n in (3, 4, 5)]


def test_a_row_does_not_take_down_what_it_was_made_of() -> None:
    assert gone(table({"key": "a"}, {"key": "b", "source_key": "a"}), "b") == ["b"]


def test_a_copy_goes_with_the_row_that_it_repeats_and_not_the_other_way_round() -> None:
    both = table({"key": "first", "text": "one"}, {"key": "copy", "text": "One", "duplicate_of": "first"})
    assert gone(both, "first") == ["copy", "first"]
    assert gone(both, "copy") == ["copy"]


def test_the_same_content_under_another_key_goes_as_well() -> None:
    tables = table({"key": "a", "text": "the same"}, {"key": "b", "text": "the same"}, {"key": "c", "text": "another"})
    assert gone(tables, "a") == ["a", "b"]
    images = table(*({"key": key, "image_sha256": digest * 64} for key, digest in zip("abc", "112", strict=True)))
    assert gone(images, "a") == ["a", "b"]


def test_a_row_whose_writer_was_shown_the_text_goes_with_it() -> None:
    tables = table(
        {"key": "a", "text": 'I "like" it'},
        {"key": "b", "plan": '{"examples":["I \\"like\\" it","other"],"number":1}'},
        {"key": "c", "plan": '{"examples":["so I \\"like\\" it"]}'},
    )
    assert gone(tables, "a") == ["a", "b"]


@pytest.mark.parametrize("text", ["source", "joy", ",", ":", ""])
def test_a_text_that_any_plan_may_hold_takes_itself_alone_down(text: str) -> None:
    tables = table(
        {"key": "a", "text": text},
        {"key": "b", "plan": '{"source":"joy","labels":["joy","",":",","]}'},
        {"key": "c", "text": "another", "plan": '{"emotion":"joy","source":"x"}', "source_key": ""},
    )
    assert gone(tables, "a") == ["a"]


def test_what_was_taken_down_without_a_text_is_no_mark_of_what_has_none() -> None:
    empty = closure(table({"key": "a", "text": "", "image_sha256": ""}), ["a"], REDDIT)
    assert empty["holds"].explode().drop_nulls().to_list() == []


def test_a_whole_goes_with_any_of_its_parts_and_they_with_it() -> None:
    turns = [[{"key": "t1", "image_sha256": "1"}], [{"key": "t2", "image_sha256": "2"}], [], None]
    chains = [
        pl.LazyFrame(
            {"key": ["t1", "t2", "c", "d"], "scene": ["s", "s", "r", "q"], "turns": turns, "mask_sha256": ["m"] * 4},
            schema_overrides={"turns": pl.List(pl.Struct({"key": pl.String, "image_sha256": pl.String}))},
        )
    ]
    lineage = Lineage(parts=("scene", "turns"))
    assert gone(chains, "t1", lineage=lineage) == ["t1", "t2"]
    assert gone(chains, "2", lineage=lineage) == ["t1", "t2"]
    assert gone(chains, "m", lineage=lineage) == [], "a mask names nothing"
    assert set(closure(chains, ["r"], lineage)["holds"].explode()) == {"r"}


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=40), st.sets(st.integers(0, 30)))
def test_a_closure_is_what_can_be_reached(pairs: list[tuple[int, int]], start: set[int]) -> None:
    edges = {f"{child:032x}": f"{parent:032x}" for child, parent in pairs}
    tables = table(*({"key": key, "source_key": parent} for key, parent in edges.items()))
    reached = {f"{n:032x}" for n in start}
    while more := {key for key, parent in edges.items() if parent in reached} - reached:
        reached |= more
    assert set(gone(tables, *(f"{n:032x}" for n in start))) == reached & set(edges)


def test_rows_are_named_by_source_author_and_image(tmp_path: Path) -> None:
    (tmp_path / "image.png").write_bytes(b"pixels")
    digest = manifest.sha256(tmp_path / "image.png")
    rows = {"key": ["a", "b"], "source": ["x.jpg", "y.jpg"], "author": ["ada", "bob"], "base_sha256": ["", digest]}
    tables = [pl.LazyFrame(rows)]
    assert named(tables, ["x.jpg"], [], []) == {"a", sha256_of("x.jpg")}
    assert named(tables, [], ["bob"], [tmp_path / "image.png"]) == {"b", digest}
    for wrong in ((["z"], [], []), ([], ["eve"], []), ([], [], [tmp_path / "none"]), ([], [], [Path(__file__)])):
        with pytest.raises(UserError, match="--"):
            named(tables, *wrong)


def test_what_is_made_of_a_source_later_is_known_by_the_source() -> None:
    later = [pl.LazyFrame({"key": ["new"], "source": ["x.jpg"]})]
    assert gone(later, sha256_of("x.jpg"), lineage=Lineage(parents=("source",))) == ["new"]


@pytest.fixture
def home(release_dir: Path, tmp_path: Path) -> Path:
    shutil.copytree(release_dir, tmp_path / "data" / "reddit")
    return tmp_path


def take(home: Path, *keys: str, corpus: str = "reddit") -> pl.DataFrame:
    """Tombstones of keys of the release."""
    rows = closure(tables_of(home / "data" / corpus), keys, REDDIT)
    tombstones.add(tombstones.path_of(home, corpus), tombs(rows, [], "1.0.0", "asked, by its author"))
    return rows


def first(home: Path, table: str = "data") -> str:
    return parquet.scan(home / "data" / "reddit", table).select("key").first().collect().item()


def test_tombstones_hold_no_content(home: Path) -> None:
    rows = take(home, first(home))
    said = tombstones.path_of(home, "reddit").read_text()
    assert rows["text"][0] not in said
    assert sha256_of(rows["text"][0]) in said
    assert said.splitlines()[0] == "key,holds,version,reason"


def test_a_tombstone_stays_as_it_was_first_said(home: Path) -> None:
    take(home, first(home))
    before = tombstones.path_of(home, "reddit").read_bytes()
    take(home, first(home))
    assert tombstones.path_of(home, "reddit").read_bytes() == before


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("<<<<<<< HEAD,,,", r"reddit\.csv:2 is no row"),
        ("0123,,,no key", r"reddit\.csv:2 is no row"),
        (f"{'0' * 32},no digest,,", r"reddit\.csv:2 is no row"),
        (f"{'0' * 32},,,,,,,", "cannot read"),
    ],
)
def test_a_broken_table_of_tombstones_is_named_and_nothing_comes_back(home: Path, line: str, said: str) -> None:
    path = tombstones.path_of(home, "reddit")
    path.parent.mkdir()
    path.write_text(f"key,holds,version,reason\n{line}\n")
    with pytest.raises(UserError, match=said):
        tombstones.everywhere(home)


def test_a_release_built_before_is_not_published(home: Path) -> None:
    key = first(home, "rejected")
    take(home, key)
    with pytest.raises(ReleaseError, match=rf"1 rows that were taken down .*\({key}\): build it again"):
        publish(home / "data" / "reddit", home / "published")
    assert not (home / "published" / "reddit").exists()


def test_one_with_the_same_text_under_another_key_is_not_published_either(home: Path, tmp_path: Path) -> None:
    text = parquet.scan(home / "data" / "reddit").select("text").first().collect().item()
    tombstones.add(tombstones.path_of(home, "reddit"), tombs(closure([], [], NOTHING), [sha256_of(text)], "", "asked"))
    with pytest.raises(ReleaseError, match="1 rows that were taken down"):
        publish(home / "data" / "reddit", home / "published")


def test_one_without_it_is_published(home: Path) -> None:
    tombstones.add(tombstones.path_of(home, "reddit"), tombs(closure([], [], NOTHING), ["f" * 32], "", "asked"))
    assert publish(home / "data" / "reddit", home / "published").new


def test_the_versions_that_still_hold_a_row_are_found(home: Path) -> None:
    publish(home / "data" / "reddit", home / "published")
    marks = frozenset(take(home, first(home))["key"])
    without = reddit(12).rows.filter(~pl.col("key").is_in(marks))
    write_release(reddit(12, version="1.1.0", rows=without), home / "versions" / "reddit" / "1.1.0")
    found = holding(home, "reddit", marks, REDDIT)
    assert [(one.path.relative_to(home).as_posix(), one.version, one.rows) for one in found] == [
        ("data/reddit", "1.0.0", 1),
        ("published/reddit/1.0.0", "1.0.0", 1),
    ]


def test_a_forget_set_opens_as_two_configurations(home: Path, tmp_path: Path) -> None:
    from datasets import ClassLabel, load_dataset

    every = parquet.scan(home / "data" / "reddit").collect()
    taken = every["key"].head(5).to_list()
    counts = write_forget_set(home / "data" / "reddit", taken, tmp_path / "forget")
    assert counts == {"forget": 5, "retain": every.height - 5}
    forget, retain = (load_dataset(str(tmp_path / "forget"), name, split="train") for name in ("forget", "retain"))
    assert sorted(forget["key"]) == sorted(taken)
    assert sorted([*forget["key"], *retain["key"]]) == sorted(every["key"])
    assert forget.features == retain.features
    assert isinstance(forget.features["emotion"], ClassLabel)
    assert set(forget["text"]) == set(every.head(5)["text"])


def test_a_forget_set_needs_released_rows_and_an_empty_place(home: Path, tmp_path: Path) -> None:
    release = home / "data" / "reddit"
    with pytest.raises(UserError, match="0 of the 84 released rows"):
        write_forget_set(release, [first(home, "rejected")], tmp_path / "forget")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").touch()
    with pytest.raises(UserError, match="is not empty"):
        write_forget_set(release, [first(home)], tmp_path / "full")
