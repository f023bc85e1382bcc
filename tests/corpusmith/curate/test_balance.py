import hashlib

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpusmith.curate.balance import ORIGINS, assign_splits, balanced, groups, shortfall
from corpusmith.emotions import EMOTIONS
from corpusmith.errors import BalanceError, SettingsError

UNTIMED = settings(deadline=None)


def key(value: object) -> str:
    return hashlib.blake2b(str(value).encode(), digest_size=16).hexdigest()


def candidates(counts: dict[str, tuple[int, int, int]]) -> pl.DataFrame:
    """So many natural, rewritten and synthetic rows of each emotion."""
    rows = [
        {"key": key((emotion, origin, n)), "emotion": emotion, "origin": origin}
        for emotion, numbers in counts.items()
        for origin, number in zip(ORIGINS, numbers, strict=True)
        for n in range(number)
    ]
    return pl.DataFrame(rows, schema={"key": pl.String, "emotion": pl.String, "origin": pl.String})


COUNT = st.integers(0, 30)
COUNTS = st.fixed_dictionaries({emotion: st.tuples(st.integers(1, 30), COUNT, COUNT) for emotion in EMOTIONS})
NUMBER = st.integers(0, 20)
# rows that hang together in every way: through sources in and out of the table, threads and clusters
ROW = st.tuples(st.sampled_from(EMOTIONS), NUMBER | st.none(), NUMBER | st.none(), NUMBER | st.none())


def related(rows: list[tuple[str, int | None, int | None, int | None]]) -> pl.DataFrame:
    def name(kind: str, number: int | None) -> str | None:
        return None if number is None else key((kind, number))

    return pl.DataFrame(
        {
            "key": [key(("row", n)) for n in range(len(rows))],
            "emotion": [row[0] for row in rows],
            "source_key": [name("row", row[1]) for row in rows],
            "thread": [name("thread", row[2]) for row in rows],
            "cluster": [name("row", row[3]) for row in rows],
        },
        schema=dict.fromkeys(["key", "emotion", "source_key", "thread", "cluster"], pl.String),
    )


@UNTIMED
@given(COUNTS)
def test_without_a_number_every_emotion_gets_as_many_as_the_scarcest_has(counts) -> None:
    chosen = balanced(candidates(counts))
    scarcest = min(sum(numbers) for numbers in counts.values())
    assert dict(chosen.group_by("emotion").len().iter_rows()) == dict.fromkeys(EMOTIONS, scarcest)
    assert chosen["key"].is_unique().all()


@UNTIMED
@given(COUNTS)
def test_natural_rows_come_before_rewritten_and_these_before_synthetic(counts) -> None:
    chosen = balanced(candidates(counts))
    wanted = len(chosen) // len(EMOTIONS)
    for emotion, (natural, rewritten, _) in counts.items():
        origins = chosen.filter(emotion=emotion)["origin"]
        assert (origins == "natural").sum() == min(natural, wanted)
        assert (origins == "rewritten").sum() == min(rewritten, wanted - min(natural, wanted))


@UNTIMED
@given(COUNTS, st.randoms(use_true_random=False))
def test_the_order_of_candidates_does_not_change_the_choice(counts, random) -> None:
    rows = candidates(counts)
    order = random.sample(range(len(rows)), len(rows))
    assert balanced(rows[order]).equals(balanced(rows))


def test_an_emotion_may_lack_the_tolerance_and_no_more() -> None:
    counts = dict.fromkeys(EMOTIONS, (120, 0, 0)) | {"fear": (98, 0, 0)}
    chosen = balanced(candidates(counts), rows_per_emotion=100, tolerance=0.02)
    assert chosen.filter(emotion="fear").height == 98
    assert chosen.filter(emotion="joy").height == 100
    with pytest.raises(BalanceError, match=r"fear: 2 missing, has 98"):
        balanced(candidates(counts), rows_per_emotion=100, tolerance=0.01)


def test_a_shortfall_says_which_emotions_how_many_rows_and_what_would_help() -> None:
    counts = dict.fromkeys(EMOTIONS, (1000, 100, 100)) | {"fear": (60, 20, 10), "disgust": (0, 0, 0)}
    with pytest.raises(BalanceError) as error:
        balanced(candidates(counts), rows_per_emotion=500)
    message = str(error.value)
    assert "500 rows of each emotion are asked for (tolerance 2%), but 2 of 7 fall short" in message
    assert "fear: 410 missing, has 90 (60 natural, 20 rewritten, 10 synthetic)" in message
    assert "disgust: 500 missing, has 0" in message
    assert "a larger source, one in which these emotions occur" in message


def test_a_shortfall_tells_how_much_larger_a_source_would_do() -> None:
    counts = dict.fromkeys(EMOTIONS, (100, 0, 0)) | {"fear": (50, 0, 0)}
    with pytest.raises(BalanceError, match="about 650 more usable comments") as error:
        balanced(candidates(counts), rows_per_emotion=100)
    assert "ask for 50 rows of each emotion" in str(error.value)


def test_an_emotion_without_any_row_is_an_error_even_if_no_number_was_asked_for() -> None:
    with pytest.raises(BalanceError, match=r"every emotion needs a row.*1 of 7") as error:
        balanced(candidates(dict.fromkeys(EMOTIONS[1:], (5, 0, 0))))
    assert "joy: 1 missing" in str(error.value)


def test_shortfall_counts_every_emotion_even_one_without_rows() -> None:
    table = shortfall(candidates({"joy": (3, 2, 1)}), rows_per_emotion=4)
    assert table["emotion"].to_list() == list(EMOTIONS)
    assert table.row(0) == ("joy", 3, 2, 1, 4, 0)
    assert table["missing"].to_list() == [0, 4, 4, 4, 4, 4, 4]


@UNTIMED
@given(st.lists(ROW, max_size=30))
def test_rows_that_belong_together_share_a_group_and_others_do_not(rows) -> None:
    table = related(rows)
    group = dict(zip(table["key"], groups(table), strict=True))
    # the definition: spread the smallest key along every link until nothing changes
    links = [
        {row["key"], *(f"{kind}:{row[kind]}" for kind in ("thread", "cluster") if row[kind]), row["source_key"]}
        - {None}
        for row in table.iter_rows(named=True)
    ]
    together: list[set[str | None]] = []
    for link in links:
        touching = [part for part in together if part & link]
        together = [part for part in together if not part & link] + [set.union(link, *touching)]
    for part in together:
        members = {member for member in part if member in group}
        assert {group[member] for member in members} <= {min(members)}
    assert len(set(group.values())) == len(together)


@UNTIMED
@given(st.lists(ROW, min_size=1, max_size=60), st.randoms(use_true_random=False))
def test_no_group_crosses_splits_and_row_order_does_not_matter(rows, random) -> None:
    table = related(rows).with_columns(groups(related(rows)))
    table = table.with_columns(assign_splits(table))
    assert table.group_by("group").agg(pl.col("split").n_unique())["split"].max() == 1
    shuffled = table[random.sample(range(len(table)), len(table))]
    assert groups(shuffled).equals(shuffled["group"])
    assert assign_splits(shuffled).equals(shuffled["split"])


@UNTIMED
@given(st.integers(10, 300), st.integers(1, 4))
def test_single_rows_are_split_to_the_row_in_every_emotion(each, split_tenths) -> None:
    table = pl.DataFrame([{"group": key((e, n)), "emotion": e} for e in EMOTIONS for n in range(each)])
    fractions = {"train": 1 - split_tenths / 10, "test": split_tenths / 10}
    table = table.with_columns(assign_splits(table, fractions))
    for emotion in EMOTIONS:
        held_out = table.filter(emotion=emotion, split="test").height
        assert abs(held_out - each * split_tenths / 10) <= 0.5 + 1e-9


def test_splits_hold_their_shares_of_each_emotion_among_threads_and_rewrites() -> None:
    rows = [(EMOTIONS[n % 7], None, n // 9 if n % 3 else None, None) for n in range(7000)]
    rows += [(EMOTIONS[n % 7], n * 3, None, None) for n in range(1400)]
    table = related(rows).with_columns(groups(related(rows)))
    table = table.with_columns(assign_splits(table))
    counts = table.group_by("emotion", "split").len()
    for split, share in {"train": 0.8, "validation": 0.1, "test": 0.1}.items():
        found = counts.filter(split=split)["len"]
        assert len(found) == 7
        assert found.to_numpy() == pytest.approx(1200 * share, rel=0.05)


def test_a_thread_larger_than_a_split_goes_where_there_is_room() -> None:
    table = pl.DataFrame({"group": [key("thread")] * 300 + [key(n) for n in range(700)], "emotion": ["joy"] * 1000})
    table = table.with_columns(assign_splits(table))
    assert table.filter(group=key("thread"))["split"].unique().to_list() == ["train"]
    assert dict(table.group_by("split").len().iter_rows()) == {"train": 800, "validation": 100, "test": 100}


def test_fractions_that_do_not_add_up_are_an_error() -> None:
    with pytest.raises(SettingsError, match=r"add up to 1"):
        assign_splits(related([]).with_columns(group="key"), {"train": 0.8, "test": 0.1})


def test_another_version_of_a_corpus_splits_most_rows_alike():
    digits = [hashlib.blake2b(str(n).encode(), digest_size=16).hexdigest() for n in range(900)]
    rows = pl.DataFrame(
        {"group": [digits[n // 3] for n in range(900)], "emotion": [EMOTIONS[n % 7] for n in range(900)]}
    )
    changed = rows.filter(pl.int_range(pl.len()) % 100 != 7)
    before = rows.with_columns(before=assign_splits(rows)).unique("group")
    after = changed.with_columns(after=assign_splits(changed)).unique("group")
    both = before.join(after, on="group")
    assert (both["before"] == both["after"]).mean() > 0.9
